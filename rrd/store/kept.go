package store

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"rondo/rrd"
	"rondo/rrd/codec"
)

// A set's rings end with its own last update, as RRDtool's do: the history of
// a host that is gone stays as it is for ever. The epochs of a ring go by the
// store's clock. So before one is dropped, the rows that a set may still need
// are copied to a directory of the same kind beside the epochs, the kept
// blocks. From then on that is where these blocks live, also when more rows
// come for them.
//
//	blocks/average-60s-1440/  19712  19713 ..  kept-0
//
// It is bounded, since each set has at most its ring's rows there. Blocks that
// are written again and rows that their set needs no more are got rid of by
// copying the rest to the next generation, kept-1, which replaces kept-0. While
// there are both, what the newer one has counts.
const (
	keptBase   = 0xffff_0000 // the epoch number of generation 0
	keptPrefix = "kept-"
	// keptGarbage is how many bytes may be written to a generation, besides as
	// many as it began with, before there is a next one.
	keptGarbage = 4 << 20
)

// note notes that an epoch or a generation is there, or is not any more. The
// caller holds the vault.
func (r *ring) note(n uint32, there bool) {
	if !there {
		delete(r.epochs, n)
	} else {
		r.epochs[n] = true
	}
	if n >= keptBase {
		r.kept = nil // readers have the old list
		for g := range r.epochs {
			if g >= keptBase {
				r.kept = append(r.kept, g)
			}
		}
		slices.SortFunc(r.kept, func(a, b uint32) int { return int(b) - int(a) })
	}
}

// turned says whether an epoch lies wholly before the edge of its ring.
func (r *ring) turned(n uint32, edge rrd.Time) bool { return n < keptBase && r.epochEnd(n) <= edge }

// turned lists the epochs of a ring that lie wholly before its edge.
func (v *vault) turned(r *ring, edge rrd.Time) (ns []uint32) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for n := range r.epochs {
		if r.turned(n, edge) {
			ns = append(ns, n)
		}
	}
	return ns
}

// epochs lists those of a ring.
func (v *vault) epochs(r *ring) []uint32 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Sorted(maps.Keys(r.epochs))
}

// remove removes an epoch as soon as nobody reads it.
func (v *vault) remove(r *ring, n uint32) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for e := v.open[epochKey{r, n}]; e != nil && e.refs > 0; e = v.open[epochKey{r, n}] {
		v.free.Wait()
	}
	_, err := v.removeEpoch(r, n)
	return err
}

// newestKept is the generation that blocks are kept in.
func (v *vault) newestKept(r *ring) uint32 {
	if generations := v.kept(r); len(generations) > 0 {
		return generations[0]
	}
	return keptBase
}

// kept returns the generations of kept blocks, newest first.
func (v *vault) kept(r *ring) []uint32 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return r.kept
}

// readKept returns a block that is kept, or nil.
func (st *Store) readKept(r *ring, page, block uint32) ([]byte, error) {
	for {
		generations := st.vault.kept(r)
		if len(generations) == 0 {
			return nil, nil
		}
		value, err := st.readGenerations(r, generations, page, block)
		if value != nil || err != nil || slices.Equal(generations, st.vault.kept(r)) {
			return value, err
		}
		// One was replaced while it was read.
	}
}

func (st *Store) readGenerations(r *ring, generations []uint32, page, block uint32) ([]byte, error) {
	for _, g := range generations {
		if value, err := st.readEpoch(r, g, page, block); value != nil || err != nil {
			return value, err
		}
	}
	return nil, nil
}

// home is where a block is to be written: to its epoch, or to the newest
// generation of kept blocks if it is there already or its epoch is due to be
// dropped.
func (st *Store) home(r *ring, page, block uint32, clock rrd.Time) (uint32, error) {
	kept, err := st.readKept(r, page, block)
	if err != nil {
		return 0, err
	}
	if epoch := r.epoch(block); kept == nil && !r.turned(epoch, r.edge(clock)) {
		return epoch, nil
	}
	return st.vault.newestKept(r), nil
}

// keep copies what sets need of the epochs that are due to be dropped. The
// caller holds flushMu.
func (st *Store) keep(r *ring, clock rrd.Time) error {
	for _, n := range st.vault.turned(r, r.edge(clock)) {
		if err := st.keepEpoch(r, n, clock); err != nil {
			return fmt.Errorf("epoch %s: %w", epochDir(r, n), err)
		}
	}
	return st.renewKept(r)
}

func (st *Store) keepEpoch(r *ring, n uint32, clock rrd.Time) error {
	batch := newRingBatch(st, r, clock)
	first := int64(n) * r.epochBlocks
	for _, pg := range st.table.pageList() {
		edges, any := st.setEdges(pg, r, r.epochEnd(n))
		if !any {
			continue
		}
		for block := first; block < first+r.epochBlocks; block++ {
			value, err := st.readEpoch(r, n, pg.id, uint32(block))
			if err != nil {
				return err
			}
			if kept, err := st.readKept(r, pg.id, uint32(block)); err != nil || kept != nil {
				if err != nil {
					return err
				}
				continue // with all that the epoch has
			}
			batch.keep(st.vault.newestKept(r), pg.id, uint32(block), value, &edges)
		}
		if err := batch.writeFull(); err != nil {
			return err
		}
	}
	return batch.write()
}

// setEdges returns for each series of a page how far back its set needs the
// rows of a ring: those that end later. It says whether any needs some that
// end before a time.
func (st *Store) setEdges(pg *page, r *ring, before rrd.Time) (edges [pageSeries]rrd.Time, any bool) {
	sh := st.shard(pg.id * pageSeries)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	all := pg.all()
	for i := range edges {
		edges[i] = math.MaxInt64
		if i >= len(all) || all[i].of == nil || !slices.Contains(all[i].of.def.rings, r) {
			continue
		}
		s := all[i].of
		last := s.start // while it is imported
		switch {
		case s.life.Load() == gone:
			continue
		case s.there():
			last = s.last
		}
		edges[i] = last - last%r.row - rrd.Time(r.rows)*r.row
		any = any || edges[i] < before
	}
	return edges, any
}

// keep puts the rows of a block that are needed into a batch.
func (b *ringBatch) keep(generation, page, block uint32, value []byte, edges *[pageSeries]rrd.Time) {
	if value == nil {
		return
	}
	r := b.ring
	old, err := codec.OpenBlock(value, r.checksumPlace(page, block))
	if err != nil {
		b.st.report(fmt.Errorf("block %d of page %d in %s is not kept: %w", block, page, r.dir, err))
		return
	}
	var out [pageSeries]codec.Rows
	end, rows := r.rowEnds(page, block), 0
	for i, edge := range edges {
		if edge == math.MaxInt64 {
			continue
		}
		var all codec.Rows
		if err := old.Series(i, &all); err != nil {
			b.st.report(fmt.Errorf("block %d of page %d in %s: %w", block, page, r.dir, err))
			continue
		}
		for k, index := range all.Index {
			if end(index) > edge {
				copyRow(&out[i], &all, k, true)
				rows++
			}
		}
	}
	if rows > 0 {
		b.put(generation, page, block, out[:])
	}
}

// renewKept begins a new generation where there is much garbage. The caller
// holds flushMu.
func (st *Store) renewKept(r *ring) error {
	generations := st.vault.kept(r)
	if len(generations) == 0 || len(generations) == 1 && r.keptBytes < r.keptLive+keptGarbage || generations[0] == math.MaxUint32 {
		return nil
	}
	next := generations[0] + 1
	batch := newRingBatch(st, r, 0)
	written := r.keptBytes
	done := map[blockID]bool{}
	for _, g := range generations {
		if err := st.renewFrom(batch, g, next, done); err != nil {
			return fmt.Errorf("%s: %w", epochDir(r, g), err)
		}
	}
	if err := batch.write(); err != nil {
		return err
	}
	var errs []error
	for _, g := range generations {
		errs = append(errs, st.vault.remove(r, g))
	}
	r.keptLive = r.keptBytes - written
	r.keptBytes = r.keptLive
	return errors.Join(errs...)
}

func (st *Store) renewFrom(batch *ringBatch, g, next uint32, done map[blockID]bool) error {
	r := batch.ring
	keys, err := st.blockKeys(r, g)
	if err != nil {
		return err
	}
	pages := st.table.pageList()
	for _, id := range keys {
		if done[id] || int(id.page) >= len(pages) {
			continue
		}
		done[id] = true
		value, err := st.readEpoch(r, g, id.page, id.block)
		if err != nil {
			return err
		}
		edges, any := st.setEdges(pages[id.page], r, math.MaxInt64)
		if any {
			batch.keep(next, id.page, id.block, value, &edges)
		}
		if err := batch.writeFull(); err != nil {
			return err
		}
	}
	return nil
}

// blockKeys lists the blocks of an epoch or a generation, by page.
func (st *Store) blockKeys(r *ring, n uint32) ([]blockID, error) {
	e, err := st.vault.acquire(r, n, false)
	if e == nil || err != nil {
		return nil, err
	}
	defer st.vault.release(e)
	var ids []blockID
	err = e.keys(func(page, block uint32) { ids = append(ids, blockID{r, page, block}) })
	return ids, err
}
