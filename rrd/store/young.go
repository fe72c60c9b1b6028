package store

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"

	"rondo/rrd"
	"rondo/rrd/codec"
)

// Large blocks are small on disk, but a block of two-hour rows takes ten days
// to come about. So the closed rows of a block that is not due go to disk
// early, in pieces of eight rows: to the ring's young, which is a ring with
// shorter blocks beside it.
//
//	ring    |        block 7        |        block 8        |
//	young   | 56 | 57 |  ..   | 63 | 64 | 65 |  ..    | 71 |
//	         -------- epoch 7 ------ -------- epoch 8 ------
//
// A block is made of its pieces and what is in memory. From then on it counts
// alone, and no piece of it is written any more. An epoch of pieces is removed
// as soon as every page's block is there.
const pieceRows = 8

// youngRow is the shortest row that is written in pieces: for shorter ones it
// would cost more to write each of them twice.
const youngRow = 300 * rrd.Second

// newYoung makes the young of a ring.
func newYoung(r *ring) *ring {
	return &ring{
		row: r.row, rows: r.rows, blockRows: pieceRows, phases: r.blockRows, epochBlocks: r.blockRows / pieceRows,
		dir: filepath.Join(r.dir, "young"), seed: ^r.seed, epochs: map[uint32]bool{}, elder: r,
	}
}

// archive is the ring whose rows a ring has: itself, or that whose young it is.
func (r *ring) archive() *ring {
	if r.elder != nil {
		return r.elder
	}
	return r
}

// firstPiece is the number of the first piece of a block.
func (r *ring) firstPiece(block uint32) uint32 { return block * uint32(r.epochBlocks) }

// flushYoung writes the pieces of a ring's next blocks that are due.
func (st *Store) flushYoung(r *ring, clock rrd.Time) error {
	y := r.young
	batch, over := newRingBatch(st, y, clock), st.over(r, clock)
	for _, pg := range st.table.pageList() {
		next := r.flushedTo(pg.id)
		due := min(y.blockAfter(pg.id, max(over, 0)), y.firstPiece(next+1))
		if y.flushedTo(pg.id) >= due {
			continue
		}
		if value, err := st.readBlock(r, pg.id, next); err != nil {
			return err
		} else if value != nil {
			y.setFlushed(pg.id, due) // the rows wait for the whole block
			continue
		}
		batch.from = y.firstPiece(next)
		if err := errors.Join(batch.add(pg, due, false), batch.writeFull()); err != nil {
			return err
		}
	}
	return batch.write()
}

// orphans returns the blocks of a page before one that are not written, and
// of which there are pieces.
func (st *Store) orphans(r *ring, page, before uint32) (blocks []uint32, err error) {
	for _, block := range st.vault.epochs(r.young) {
		if block >= before || block < r.flushedTo(page) {
			continue
		}
		value, err := st.readBlock(r, page, block)
		if err != nil {
			return nil, err
		}
		if value != nil {
			continue
		}
		of, _, err := st.readPieces(blockID{r, page, block})
		if err != nil {
			return nil, err
		}
		if len(of.parts) > 0 {
			blocks = append(blocks, block)
		}
	}
	return blocks, nil
}

// expireYoung removes the pieces of blocks that are written on all pages.
func (st *Store) expireYoung(r *ring) error {
	if !st.vault.any(r.young) {
		return nil
	}
	written := uint32(math.MaxUint32)
	for _, pg := range st.table.pageList() {
		written = min(written, r.flushedTo(pg.id))
	}
	if written == 0 || written == math.MaxUint32 {
		return nil
	}
	st.moving.Lock() // late samples wait: they read what is removed
	defer st.moving.Unlock()
	_, err := st.vault.expire(r.young, r.young.epochEnd(written-1))
	return err
}

// A diskBlock is what is on disk of a block: the block, or its pieces.
type diskBlock struct {
	parts []part
	bytes int
}

// A part is a block or a piece, whose first row is the block's row first.
type part struct {
	codec.Block
	first int
}

// openBlock reads a block, which is empty if it is not there. Damage was left
// out.
func (st *Store) openBlock(id blockID) (b diskBlock, damage, err error) {
	value, err := st.readBlock(id.ring, id.page, id.block)
	if err == nil && value == nil && id.ring.young != nil {
		b, damage, err = st.readPieces(id)
		if err != nil || st.vault.has(id.ring.young, id.block) {
			return b, damage, err
		}
		// The block may have been written meanwhile, and its pieces removed.
		value, err = st.readBlock(id.ring, id.page, id.block)
	}
	if err != nil || value == nil {
		return diskBlock{}, nil, err
	}
	b = diskBlock{}
	damage = b.add(id, value, 0)
	return b, damage, nil
}

// readPieces reads the pieces of a block.
func (st *Store) readPieces(id blockID) (b diskBlock, damage, err error) {
	y := id.ring.young
	if !st.vault.has(y, id.block) {
		return b, nil, nil
	}
	for n := range int(y.epochBlocks) {
		piece := blockID{y, id.page, y.firstPiece(id.block) + uint32(n)}
		value, err := st.readEpoch(y, id.block, piece.page, piece.block)
		if err != nil {
			return diskBlock{}, nil, err
		}
		if value != nil {
			damage = errors.Join(damage, b.add(piece, value, n*pieceRows))
		}
	}
	return b, damage, nil
}

// add adds a block or a piece whose bytes were read, unless they are damaged.
func (b *diskBlock) add(id blockID, value []byte, first int) (damage error) {
	block, err := codec.OpenBlock(value, id.ring.checksumPlace(id.page, id.block))
	if err != nil {
		return fmt.Errorf("block %d of page %d in %s: %w", id.block, id.page, id.ring.dir, err)
	}
	b.parts, b.bytes = append(b.parts, part{block, first}), b.bytes+len(value)
	return nil
}

// columns is codec.Block's.
func (b *diskBlock) columns(i int, want codec.Columns, r *codec.Rows) error {
	r.Reset()
	if len(b.parts) == 1 && b.parts[0].first == 0 {
		return b.parts[0].Columns(i, want, r)
	}
	var piece codec.Rows
	for k := range b.parts {
		if err := b.parts[k].Columns(i, want, &piece); err != nil {
			return err
		}
		for n := range piece.Index {
			piece.Index[n] += b.parts[k].first
		}
		appendColumns(r, &piece)
	}
	return nil
}

// appendColumns appends rows that come behind. A series' type may have changed
// in between, and with it whether there are totals.
func appendColumns(to, from *codec.Rows) {
	if len(from.Total) > 0 {
		to.Total = append(to.Total, make([]float64, len(to.Index)-len(to.Total))...)
	} else if len(to.Total) > 0 {
		to.Total = append(to.Total, make([]float64, len(from.Index))...)
	}
	to.Index = append(to.Index, from.Index...)
	to.Count = append(to.Count, from.Count...)
	to.Sum = append(to.Sum, from.Sum...)
	to.Min = append(to.Min, from.Min...)
	to.Max = append(to.Max, from.Max...)
	to.Last = append(to.Last, from.Last...)
	to.Total = append(to.Total, from.Total...)
}
