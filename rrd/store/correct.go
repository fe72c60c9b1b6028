package store

import (
	"errors"
	"fmt"
	"math"

	"rondo/rrd"
	"rondo/rrd/codec"
	"rondo/rrd/seglog"
)

// A correction is the outcome of late samples, or of an overwrite, for one
// series: whole rows, so that to apply it again changes nothing.
//
//	record = 'L' id:uvarint definition:uvarint settled:varint points { rows } bytes:uvarint fold    rows of each archive
type correction struct {
	// settled: samples up to here had left the window.
	settled rrd.Time
	// points are all samples of the corrected slots, where each is known.
	points []rrd.Point
	rows   [][]rrd.Row // by archive, closed ones only; sorted
	// fold is the series' Fold with the open rows that the correction reaches,
	// as bytes; none if it reaches no open row. It is told, since at a replay
	// the primary rows that it was made of may have left their ring.
	fold []byte
}

const lateRecord = 'L'

func (c *correction) appendBinary(b []byte, s *series) []byte {
	b = appendUvarint(append(b, lateRecord), uint64(s.id))
	b = appendUvarint(b, uint64(s.def.id))
	b = appendVarint(b, int64(c.settled))
	b = appendPoints(b, c.points)
	for _, rows := range c.rows {
		b = appendRows(b, s.def.gauge, rows)
	}
	return append(appendUvarint(b, uint64(len(c.fold))), c.fold...)
}

// replayCorrection applies a record of the log.
func (st *Store) replayCorrection(pos seglog.Pos, b []byte) error {
	r := reader{b: b}
	id := r.uvarint()
	s := st.table.at(uint32(min(id, math.MaxUint32)))
	if r.failed || s == nil {
		return fmt.Errorf("correction of series %d: %w", id, errRecord)
	}
	sh := st.shard(s.id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if def := r.uvarint(); def != uint64(s.def.id) || pos < st.table.page(s.id).from {
		return nil // the checkpoint is younger
	}
	c := correction{settled: rrd.Time(r.varint()), points: r.points()}
	for range s.def.rings {
		c.rows = append(c.rows, r.rows(s.def.gauge))
	}
	older := !r.failed && len(r.b) == 0 // records had no Fold once
	if !older {
		c.fold = r.bytes(r.uvarint())
	}
	if r.failed || !c.valid(s.def) {
		return fmt.Errorf("correction of %s: %w", s.key, errRecord)
	}
	st.settle(sh, s, c.settled)
	switch {
	case older:
		if err := st.redo(s, &c); err != nil {
			return fmt.Errorf("correction of %s: %w", s.key, err)
		}
	case s.win.settled > c.settled:
		c.fold = nil // its state was lost, and begins anew further on
	default:
		s.win.settled = c.settled // where the log is damaged it may be ahead
	}
	st.enact(s, &c)
	return nil
}

// valid says whether the Fold can be restored.
func (c *correction) valid(d *definition) bool {
	if len(c.fold) == 0 {
		return true
	}
	rest, err := new(rrd.Fold).Restore(&d.Definition, c.fold)
	return err == nil && len(rest) == 0
}

// logCorrection logs a correction and applies it, or does neither. The caller
// holds the series' shard.
func (st *Store) logCorrection(s *series, c *correction) error {
	if err := st.redo(s, c); err != nil {
		return err
	}
	if _, err := st.log.Append(c.appendBinary(nil, s)); err != nil {
		return err
	}
	st.enact(s, c)
	return nil
}

// redo makes the open rows that a correction reaches anew, of the closed
// primary rows in them, corrected, and the open one.
func (st *Store) redo(s *series, c *correction) error {
	if len(c.rows[0]) == 0 {
		return nil // it only tells what is settled
	}
	fold := st.foldOf(s)
	open, ok := fold.OpenEnd(0)
	if !ok {
		return nil
	}
	newest, after := c.rows[0][len(c.rows[0])-1].End, open
	for a := 1; a < len(s.def.rings); a++ {
		if end, _ := fold.OpenEnd(a); newest > end-s.def.rings[a].row {
			after = min(after, end-s.def.rings[a].row)
		}
	}
	if after == open {
		return nil
	}
	upTo := open - s.def.rings[0].row
	cr := &closedReader{st: st}
	rows, err := cr.rows(nil, s, 0, after, upTo)
	if err != nil {
		return err
	}
	parts := known(laidOver(rows, between(c.rows[0], after, upTo)))
	for a := 1; a < len(s.def.rings); a++ {
		if end, _ := fold.OpenEnd(a); newest > end-s.def.rings[a].row {
			fold.Redo(a, between(parts, end-s.def.rings[a].row, open))
		}
	}
	c.fold = fold.AppendBinary(nil)
	return nil
}

// enact lays a correction over the closed rows, and makes the open ones its.
func (st *Store) enact(s *series, c *correction) {
	if len(c.rows[0]) == 0 {
		return
	}
	st.addCorrected(s, c)
	if len(c.fold) > 0 {
		st.change(st.shard(s.id), s, func(x *state) { restoreFold(s.def, c.fold, &x.fold) })
	}
}

// foldOf returns a copy of a series' Fold.
func (st *Store) foldOf(s *series) *rrd.Fold {
	f := new(rrd.Fold)
	packedFold(s.def, s.packed, f)
	return f
}

// errUnreadable: rows are there, but cannot be read.
var errUnreadable = errors.New("rows on disk are damaged")

// A closedReader reads closed rows, again and again into the same memory.
type closedReader struct {
	st     *Store
	block  codec.Rows
	staged []rrd.Row
}

// rows appends to dst, which is empty, the known rows of an archive with
// after < end <= upTo, as a reader sees them, the open one left out.
func (cr *closedReader) rows(dst []rrd.Row, s *series, a int, after, upTo rrd.Time) ([]rrd.Row, error) {
	r := s.def.rings[a]
	rows, err := cr.blocks(dst, s, r, after, upTo)
	if err != nil {
		return dst, err
	}
	cr.staged = cr.staged[:0]
	queue := packedQueue(s.def, s.packed, a)
	queue.each(after, r.row, s.def.gauge, func(row *rrd.Row) bool {
		if row.End <= upTo {
			cr.staged = append(cr.staged, *row)
		}
		return row.End <= upTo
	})
	rows = laidOver(rows, cr.staged)
	if x := cr.st.correctedOf(s); x != nil {
		rows = known(laidOver(rows, between(x.rows[a], after, upTo)))
	}
	return rows, nil
}

// blocks appends the rows of a series that are in blocks.
func (cr *closedReader) blocks(dst []rrd.Row, s *series, r *ring, after, upTo rrd.Time) ([]rrd.Row, error) {
	if upTo <= after {
		return dst, nil
	}
	page := s.id / pageSeries
	first, _ := r.place(page, slotEnd(after+1, r.row))
	last, _ := r.place(page, slotEnd(upTo, r.row))
	for block := first; block <= last; block++ {
		b, damage, err := cr.st.openBlock(blockID{r, page, block})
		if err != nil {
			return dst, err
		}
		if damage == nil {
			damage = b.columns(int(s.id%pageSeries), codec.AllColumns, &cr.block)
		}
		if damage != nil {
			return dst, fmt.Errorf("%w: block %d of page %d in %s: %w", errUnreadable, block, page, r.dir, damage)
		}
		for i, index := range cr.block.Index {
			if end := r.rowEnd(page, block, index); end > after && end <= upTo {
				row := rowAt(&cr.block, i)
				row.End = end
				dst = append(dst, row)
			}
		}
	}
	return dst, nil
}
