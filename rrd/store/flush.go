package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"rondo/rrd"
	"rondo/rrd/codec"
)

// batchBytes is about how much is written to Badger at once.
const batchBytes = 4 << 20

// flushDue writes the blocks that nothing more is expected for, or all closed
// rows if they take too much memory. The caller holds flushMu.
func (st *Store) flushDue() error {
	clock := rrd.Time(st.clock.Load())
	if clock == noTime {
		return nil
	}
	all := st.staged.Load() > st.stageLimit()
	var errs []error
	for _, r := range st.ringList() {
		if all || clock >= r.nextFlush {
			errs = append(errs, r.flushed(clock, st.flushRing(r, clock, all)))
		}
		if y := r.young; y != nil && clock >= y.nextFlush && st.Series() >= st.o.PieceSeries {
			errs = append(errs, y.flushed(clock, st.flushYoung(r, clock)))
		}
	}
	return errors.Join(errs...)
}

// flushed sets when a ring is to be flushed next, unless that went wrong.
func (r *ring) flushed(clock rrd.Time, err error) error {
	if err == nil {
		r.nextFlush = clock + max(rrd.Time(r.blockRows)*r.row/16, 10*rrd.Second)
	}
	return err
}

// over is the time up to which no in-order sample can belong to a ring's rows
// any more.
func (st *Store) over(r *ring, clock rrd.Time) rrd.Time {
	return clock - st.late - max(2*r.row, 60*rrd.Second)
}

// stageLimit is how many bytes of closed rows may wait in memory. In normal
// operation a series has about half a kilobyte of them, so that what is
// allowed grows with the series; more means that someone imports a history.
func (st *Store) stageLimit() int64 {
	return st.o.StageBytes + 1024*int64(max(0, st.Series()-100_000))
}

// flushRing writes the blocks of a ring that no in-order sample can belong to
// any more, or all; a few megabytes of pages at a time.
func (st *Store) flushRing(r *ring, clock rrd.Time, all bool) error {
	batch, over := newRingBatch(st, r, clock), st.over(r, clock)
	if over < 0 && !all {
		return nil
	}
	for _, pg := range st.table.pageList() {
		due := r.blockAfter(pg.id, max(over, 0))
		if !all && r.flushedTo(pg.id) >= due && !st.hasCorrected(pg) {
			continue
		}
		if err := batch.add(pg, due, all); err != nil {
			return err
		}
		if err := batch.writeFull(); err != nil {
			return err
		}
	}
	return batch.write()
}

// A ringBatch gathers blocks of a ring until there is enough to write.
type ringBatch struct {
	st      *Store
	ring    *ring
	clock   rrd.Time
	from    uint32 // blocks before this one are left out
	byEpoch map[uint32][]blockValue
	bytes   int
	pages   []flushedPage
	spare   []*pageBlock // used before
}

func newRingBatch(st *Store, r *ring, clock rrd.Time) *ringBatch {
	return &ringBatch{st: st, ring: r, clock: clock, byEpoch: map[uint32][]blockValue{}}
}

// A flushedPage has its blocks before one in a batch, and of each series the
// closed rows up to a time.
type flushedPage struct {
	page      *page
	before    uint32
	upTo      [pageSeries]rrd.Time
	corrected []correctedRow
}

// A pageBlock is the rows that a page's series have for one block.
type pageBlock struct {
	block     uint32
	rows      [pageSeries]codec.Rows
	corrected [pageSeries]bool // rows of count 0 may be among them: unknown
}

// add gathers the blocks of a page before the one that is not due yet, or all.
func (b *ringBatch) add(pg *page, due uint32, all bool) error {
	flushed := flushedPage{page: pg, before: due}
	if all {
		due = math.MaxUint32
	}
	blocks := b.collect(&flushed, due)
	if b.ring.young != nil {
		orphans, err := b.st.orphans(b.ring, pg.id, flushed.before)
		if err != nil {
			return err
		}
		for _, block := range orphans {
			b.block(blocks, block)
		}
	}
	for _, blk := range blocks {
		if err := b.encode(pg.id, blk); err != nil {
			return err
		}
		for i := range blk.rows {
			blk.rows[i].Reset()
		}
		b.spare = append(b.spare, blk)
	}
	b.pages = append(b.pages, flushed)
	return nil
}

// collect takes copies of a page's closed rows of the blocks before one, by
// block.
func (b *ringBatch) collect(to *flushedPage, before uint32) map[uint32]*pageBlock {
	r, pg := b.ring, to.page
	sh := b.st.shard(pg.id * pageSeries)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	blocks := map[uint32]*pageBlock{}
	all := pg.all()
	for i := range all {
		s := &all[i]
		if s.def == nil && s.of == nil {
			continue // the series table has lost it
		}
		if s.of != nil {
			b.st.packRows(s)
		}
		b.st.settleDue(sh, s)
		q := s.queue(r.archive())
		b.collectStaged(to, blocks, i, before, &q)
		if r.elder == nil {
			b.collectCorrected(to, blocks, i, before)
		}
	}
	return blocks
}

// collectStaged takes copies of one series' staged rows. They leave memory in
// order.
func (b *ringBatch) collectStaged(to *flushedPage, blocks map[uint32]*pageBlock, i int, before uint32, q *rowQueue) {
	r, gauge := b.ring, to.page.series[i].def.gauge
	q.each(noTime, r.row, gauge, func(row *rrd.Row) bool {
		block, index := r.place(to.page.id, row.End)
		if block < b.from || block >= before {
			return false
		}
		appendRow(&b.block(blocks, block).rows[i], index, row, gauge)
		to.upTo[i] = row.End
		return true
	})
}

// block returns a block of those that are gathered of a page.
func (b *ringBatch) block(blocks map[uint32]*pageBlock, block uint32) *pageBlock {
	blk := blocks[block]
	if blk == nil {
		blk = b.newBlock(block)
		blocks[block] = blk
	}
	return blk
}

func (b *ringBatch) newBlock(block uint32) *pageBlock {
	n := len(b.spare)
	if n == 0 {
		return &pageBlock{block: block}
	}
	blk := b.spare[n-1]
	b.spare = b.spare[:n-1]
	blk.block, blk.corrected = block, [pageSeries]bool{}
	return blk
}

// encode puts a block into the batch, with what of it is on disk already.
func (b *ringBatch) encode(page uint32, blk *pageBlock) error {
	r := b.ring
	epoch := r.epoch(blk.block)
	if r.exact {
		var err error
		if epoch, err = b.st.home(r, page, blk.block, b.clock); err != nil {
			return err
		}
	} else if r.turned(epoch, r.edge(b.clock)) {
		return nil
	}
	if err := b.st.merge(r, page, blk); err != nil {
		return err
	}
	for i := range blk.rows {
		if blk.corrected[i] {
			dropUnknown(&blk.rows[i])
		}
	}
	b.put(epoch, page, blk.block, blk.rows[:])
	return nil
}

// put puts a block into the batch, for an epoch.
func (b *ringBatch) put(epoch, page, block uint32, rows []codec.Rows) {
	place := b.ring.checksumPlace(page, block)
	value := codec.AppendBlock(nil, place, int(b.ring.blockRows), rows)
	b.byEpoch[epoch] = append(b.byEpoch[epoch], blockValue{page, block, value})
	b.bytes += len(value)
}

// writeFull writes a batch that is large enough.
func (b *ringBatch) writeFull() error {
	if b.bytes <= batchBytes {
		return nil
	}
	return b.write()
}

// write makes the gathered blocks durable, and only then lets go of their
// rows in memory.
func (b *ringBatch) write() error {
	if slices.ContainsFunc(b.pages, func(p flushedPage) bool { return len(p.corrected) > 0 }) {
		// A correction that power may still take away must not be in some blocks.
		if err := b.st.log.Commit(context.Background(), b.st.log.End()); err != nil {
			return err
		}
	}
	for epoch, blocks := range b.byEpoch {
		if err := b.st.putBlocks(b.ring, epoch, blocks); err != nil {
			return err
		}
		delete(b.byEpoch, epoch)
	}
	for i := range b.pages {
		b.st.drop(b.ring, &b.pages[i])
		b.ring.setFlushed(b.pages[i].page.id, b.pages[i].before)
	}
	b.pages, b.bytes = b.pages[:0], 0
	return nil
}

func (st *Store) drop(r *ring, p *flushedPage) {
	sh := st.shard(p.page.id * pageSeries)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	defer sh.tidy()
	for i, upTo := range p.upTo {
		if upTo == 0 {
			continue
		}
		s := &p.page.series[i]
		if a := slices.Index(s.def.rings, r.archive()); a >= 0 {
			st.change(sh, s, func(x *state) { x.staged[a].drop(upTo, r.row, s.def.gauge) })
		}
	}
	st.dropCorrected(r, p)
}

// queue returns the closed rows that the series has for a ring, to be read
// only.
func (s *series) queue(r *ring) (q rowQueue) {
	if s.def == nil {
		return q
	}
	if a := slices.Index(s.def.rings, r); a >= 0 {
		q = packedQueue(s.def, s.packed, a)
	}
	return q
}

func appendRow(to *codec.Rows, index int, r *rrd.Row, gauge bool) {
	to.Index = append(to.Index, index)
	to.Count = append(to.Count, r.Count)
	to.Sum = append(to.Sum, r.Sum)
	to.Min = append(to.Min, r.Min)
	to.Max = append(to.Max, r.Max)
	to.Last = append(to.Last, r.Last)
	if !gauge {
		to.Total = append(to.Total, r.Total)
	}
}

// putBlocks writes blocks to an epoch. It asks for free space first: a full
// disk would kill the process inside Badger, whose files are mapped.
func (st *Store) putBlocks(r *ring, epoch uint32, blocks []blockValue) error {
	size := int64(0)
	for _, b := range blocks {
		size += int64(len(b.value))
	}
	if err := st.room(2 * size); err != nil {
		return err
	}
	if err := st.table.settled(context.Background()); err != nil {
		return err
	}
	e, err := st.vault.acquire(r, epoch, true)
	if err != nil {
		return err
	}
	defer st.vault.release(e)
	if err := e.put(blocks); err != nil {
		return fmt.Errorf("epoch %s: %w", epochDir(r, epoch), err)
	}
	st.stats.Blocks.Add(int64(len(blocks)))
	st.stats.BlockBytes.Add(size)
	if epoch >= keptBase {
		r.keptBytes += size
	}
	return nil
}

// merge adds to the rows of a block those that are already on disk: of series
// that were written before this one's rows came, or after a crash.
func (st *Store) merge(r *ring, page uint32, b *pageBlock) error {
	old, damage, err := st.openBlock(blockID{r, page, b.block})
	if err != nil {
		return err
	}
	if damage != nil {
		st.report(fmt.Errorf("%w: it is written anew", damage))
	}
	if len(old.parts) == 0 {
		return nil
	}
	var rows codec.Rows
	for i := range b.rows {
		if err := old.columns(i, codec.AllColumns, &rows); err != nil {
			st.report(fmt.Errorf("block %d of page %d in %s: %w", b.block, page, r.dir, err))
			continue
		}
		b.rows[i] = mergeRows(&rows, &b.rows[i])
	}
	return nil
}

// readBlock returns the bytes of a block, or nil if there is none. Its epoch
// is looked at first: when that is gone, what was needed of it is kept.
func (st *Store) readBlock(r *ring, page, block uint32) ([]byte, error) {
	value, err := st.readEpoch(r, r.epoch(block), page, block)
	if err != nil || !r.exact {
		return value, err
	}
	kept, err := st.readKept(r, page, block)
	if kept != nil || err != nil {
		return kept, err
	}
	return value, nil
}

// readEpoch returns the bytes of a block in an epoch, or nil.
func (st *Store) readEpoch(r *ring, epoch, page, block uint32) ([]byte, error) {
	e, err := st.vault.acquire(r, epoch, false)
	if err != nil {
		if st.vault.has(r, epoch) {
			return nil, err // a passing trouble of the system
		}
		st.report(err)
	}
	if e == nil {
		return nil, nil
	}
	defer st.vault.release(e)
	return e.get(page, block)
}

// mergeRows returns the rows of both; where both have a row the new one wins.
func mergeRows(old, fresh *codec.Rows) codec.Rows {
	var out codec.Rows
	gauge := len(old.Total) == 0 && len(fresh.Total) == 0 // a series' type may have changed
	i, j := 0, 0
	for i < len(old.Index) || j < len(fresh.Index) {
		switch {
		case j == len(fresh.Index) || i < len(old.Index) && old.Index[i] < fresh.Index[j]:
			copyRow(&out, old, i, gauge)
			i++
		default:
			if i < len(old.Index) && old.Index[i] == fresh.Index[j] {
				i++
			}
			copyRow(&out, fresh, j, gauge)
			j++
		}
	}
	return out
}

func copyRow(to, from *codec.Rows, i int, gauge bool) {
	r := rowAt(from, i)
	appendRow(to, from.Index[i], &r, gauge)
}

// rowAt returns the i-th row without its end.
func rowAt(from *codec.Rows, i int) rrd.Row {
	r := rrd.Row{Count: from.Count[i], Sum: from.Sum[i], Min: from.Min[i], Max: from.Max[i], Last: from.Last[i]}
	if len(from.Total) > 0 {
		r.Total = from.Total[i]
	}
	return r
}

// expire removes what the rings have turned past.
func (st *Store) expire() error {
	clock := rrd.Time(st.clock.Load())
	if clock == noTime {
		return nil
	}
	var errs []error
	for _, r := range st.ringList() {
		if r.exact {
			if err := st.keep(r, clock); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		if r.young != nil {
			errs = append(errs, st.expireYoung(r))
		}
		st.moving.Lock() // late samples wait: they read what is removed
		n, err := st.vault.expire(r, r.edge(clock))
		st.moving.Unlock()
		st.stats.Expired.Add(int64(n))
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
