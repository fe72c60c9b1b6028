package store

import (
	"fmt"
	"slices"

	"rondo/rrd"
	"rondo/rrd/codec"
)

// A blockReader walks over the rows of series on disk. It keeps blocks that it
// has read: a page's series share them. What cannot be read of a damaged block
// is reported and left out.
type blockReader struct {
	st    *Store
	limit int // of the bytes of blocks that are kept
	kept  map[blockID]diskBlock
	bytes int        // of these
	wrote int64      // how many blocks the store had written when they were read
	rows  codec.Rows // of the block that each is at
}

type blockID struct {
	ring        *ring
	page, block uint32
}

func newBlockReader(st *Store, limit int) blockReader {
	return blockReader{st: st, limit: limit, kept: map[blockID]diskBlock{}}
}

// A stretch is the rows from lo to hi of a block, in their order: those of one
// series that lie in a range.
type stretch struct {
	*codec.Rows
	lo, hi int
	first  rrd.Time // end of the row with index 0
	row    rrd.Time
}

// end is that of the i-th row.
func (p stretch) end(i int) rrd.Time { return p.first + rrd.Time(p.Index[i])*p.row }

// each calls f with what each block has of a series' rows that end after one
// time and up to another, oldest first; only some columns of them are read.
func (br *blockReader) each(s *series, r *ring, columns codec.Columns, after, upTo rrd.Time, f func(stretch)) error {
	after = max(after, 0)
	if upTo <= after {
		return nil
	}
	page := s.id / pageSeries
	first, _ := r.place(page, slotEnd(after+1, r.row))
	last, _ := r.place(page, upTo-upTo%r.row)
	for block := first; block <= last; block++ {
		if next, gap := br.st.vault.nextBlock(r, block); gap {
			block = next - 1
			continue
		}
		b, err := br.block(blockID{r, page, block})
		if err != nil {
			return err
		}
		if err := b.columns(int(s.id%pageSeries), columns, &br.rows); err != nil {
			br.st.report(fmt.Errorf("block %d of page %d in %s: %w", block, page, r.dir, err))
			continue
		}
		p := stretch{Rows: &br.rows, first: r.rowEnd(page, block, 0), row: r.row}
		p.lo = p.firstAfter(after)
		p.hi = p.firstAfter(upTo)
		f(p)
	}
	return nil
}

// firstAfter returns the first row that ends after a time.
func (p stretch) firstAfter(t rrd.Time) int {
	if t < p.first {
		return 0
	}
	i, _ := slices.BinarySearch(p.Index, int((t-p.first)/p.row)+1)
	return i
}

// block returns a block, which is empty if it is missing or damaged.
func (br *blockReader) block(id blockID) (diskBlock, error) {
	// Rows that have left memory since are only in a block's new version.
	if n := br.st.stats.Blocks.Load(); n != br.wrote {
		clear(br.kept)
		br.bytes, br.wrote = 0, n
	}
	if b, ok := br.kept[id]; ok {
		return b, nil
	}
	b, damage, err := br.st.openBlock(id)
	if err != nil {
		return diskBlock{}, err
	}
	if damage != nil {
		br.st.report(damage)
	}
	if br.bytes += b.bytes; br.bytes > br.limit {
		clear(br.kept)
		br.bytes = b.bytes
	}
	br.kept[id] = b
	return b, nil
}

// nextBlock says that there is no block with a number, and which is the next
// one that there may be.
func (v *vault) nextBlock(r *ring, block uint32) (next uint32, gap bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if r.epochs[r.epoch(block)] || len(r.kept) > 0 || r.young != nil && r.young.epochs[block] {
		return block, false
	}
	if r.young != nil && len(r.young.epochs) > 0 {
		return block + 1, true
	}
	return uint32((int64(r.epoch(block)) + 1) * r.epochBlocks), true
}
