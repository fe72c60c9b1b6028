package store

import (
	"encoding/binary"

	"rondo/rrd"
)

func appendVarint(b []byte, v int64) []byte   { return binary.AppendVarint(b, v) }
func appendUvarint(b []byte, v uint64) []byte { return binary.AppendUvarint(b, v) }

// A rowQueue is the closed rows of one series' archive that are not yet in a
// block, oldest first, as bytes:
//
//	row = uvarint( rows since the one before <<1 | single )  last
//	      [ count sum min max ]      unless single: one sample
//	      [ total ]                  unless a gauge
type rowQueue struct {
	buf  []byte
	base rrd.Time // end of the row before the first
	last rrd.Time // end of the last row
}

func (q *rowQueue) empty() bool { return len(q.buf) == 0 }

func (q *rowQueue) push(row rrd.Time, gauge bool, r *rrd.Row) {
	if q.empty() {
		q.base, q.last = r.End-row, r.End-row
	}
	skip := uint64((r.End-q.last)/row) << 1
	q.last = r.End
	q.buf = roomFor(q.buf)
	if r.Count == 1 {
		q.buf = appendNumber(binary.AppendUvarint(q.buf, skip|1), r.Last)
	} else {
		q.buf = appendNumber(binary.AppendUvarint(q.buf, skip), r.Last)
		q.buf = binary.AppendUvarint(q.buf, uint64(r.Count))
		q.buf = appendNumber(q.buf, r.Sum)
		q.buf = appendNumber(q.buf, r.Min)
		q.buf = appendNumber(q.buf, r.Max)
	}
	if !gauge {
		q.buf = appendNumber(q.buf, r.Total)
	}
}

// readRow takes from r what follows a row's head.
func readRow(r *reader, head uint64, gauge bool, out *rrd.Row) {
	out.Last = r.number()
	if head&1 != 0 {
		out.Count, out.Sum, out.Min, out.Max = 1, out.Last, out.Last, out.Last
	} else {
		out.Count = int64(r.uvarint())
		out.Sum, out.Min, out.Max = r.number(), r.number(), r.number()
	}
	if !gauge {
		out.Total = r.number()
	}
}

// skipRow is readRow for a row that nobody wants.
func skipRow(r *reader, head uint64, gauge bool) {
	r.skipNumber()
	if head&1 == 0 {
		r.uvarint()
		for range 3 {
			r.skipNumber()
		}
	}
	if !gauge {
		r.skipNumber()
	}
}

// first returns the end of the first row, if there is one.
func (q *rowQueue) first(row rrd.Time) (end rrd.Time, ok bool) {
	r := reader{b: q.buf}
	return q.base + rrd.Time(r.uvarint()>>1)*row, !q.empty()
}

// each calls f with each row that ends after a time, until it returns false.
// The row is the same one again and again.
func (q *rowQueue) each(after, row rrd.Time, gauge bool, f func(*rrd.Row) bool) {
	r, out := reader{b: q.buf}, rrd.Row{End: q.base}
	for len(r.b) > 0 {
		head := r.uvarint()
		out.End += rrd.Time(head>>1) * row
		if out.End <= after {
			skipRow(&r, head, gauge)
			continue
		}
		if readRow(&r, head, gauge, &out); r.failed || !f(&out) {
			return
		}
	}
}

// drop removes the rows that end at or before a time.
func (q *rowQueue) drop(upTo, row rrd.Time, gauge bool) {
	r := reader{b: q.buf}
	for len(r.b) > 0 {
		before := r.b
		head := r.uvarint()
		end := q.base + rrd.Time(head>>1)*row
		if end > upTo {
			r.b = before
			break
		}
		skipRow(&r, head, gauge)
		q.base = end
	}
	n := copy(q.buf, r.b)
	q.buf = q.buf[:n]
	if cap(q.buf) > 64 && n < cap(q.buf)/4 {
		q.buf = append(make([]byte, 0, n+n/2), q.buf...)
	}
}

func (q *rowQueue) appendBinary(b []byte) []byte {
	b = appendUvarint(b, uint64(len(q.buf)))
	if q.empty() {
		return b
	}
	b = append(b, q.buf...)
	b = appendVarint(b, int64(q.base))
	return appendVarint(b, int64(q.last))
}

// readRowQueue refuses bytes that are no rows in ascending order.
func readRowQueue(r *reader, row rrd.Time, gauge bool) (q rowQueue) {
	q.buf = append([]byte(nil), r.bytes(r.uvarint())...)
	if q.empty() {
		return rowQueue{}
	}
	q.base, q.last = rrd.Time(r.varint()), rrd.Time(r.varint())
	check, end := reader{b: q.buf}, q.base
	for len(check.b) > 0 {
		head := check.uvarint()
		next := end + rrd.Time(head>>1)*row
		if skipRow(&check, head, gauge); check.failed || next <= end {
			r.fail()
			return rowQueue{}
		}
		end = next
	}
	if end != q.last {
		r.fail()
	}
	return q
}
