package store

import (
	"math"
	"slices"

	"rondo/rrd"
)

// A rowQueue is the closed rows of one series' archive that are not yet in a
// block, oldest first, as bytes, each told from the one before:
//
//	row   = last [ skip:uvarint ] [ count:uvarint [ sum min max ] ] [ total ]
//	last  = number(1: a single sample, 2: the next row), near to the row's before
//	skip  = rows since the one before, where it is not the next
//	count = count<<1 | flat, where there is more than a single sample
//	sum, min, max   near to what they are where all samples are last, which flat says
//	total           unless a gauge; near to what it is if it grows as last does
//
// The first row is told from 0.
type rowQueue struct {
	buf   []byte
	base  rrd.Time // end of the row before the first
	last  rrd.Time // end of the last row
	value float64  // last of the last row
	total float64  // and its total
}

const (
	rowSingle = 1
	rowNext   = 2
	rowBits   = 2 // of flags
)

func (q *rowQueue) empty() bool { return len(q.buf) == 0 }

func (q *rowQueue) push(row rrd.Time, gauge bool, r *rrd.Row) {
	if q.empty() {
		*q = rowQueue{buf: q.buf, base: r.End - row, last: r.End - row}
	}
	q.buf = q.appendRow(q.buf, uint64((r.End-q.last)/row), gauge, r)
	q.last, q.value, q.total = r.End, r.Last, r.Total
}

// appendRow appends a row as it stands behind the last one.
func (q *rowQueue) appendRow(b []byte, skip uint64, gauge bool, r *rrd.Row) []byte {
	flags := uint64(0)
	if r.Count == 1 {
		flags |= rowSingle
	}
	if skip == 1 {
		flags |= rowNext
	}
	b = numberOf(r.Last).append(b, q.value, flags, rowBits)
	if skip != 1 {
		b = appendUvarint(b, skip)
	}
	if r.Count != 1 {
		b = appendMany(b, r)
	}
	if !gauge {
		b = numberOf(r.Total).append(b, q.total+(r.Last-q.value), 0, 0)
	}
	return b
}

// appendMany appends what a row of more than one sample has besides last.
func appendMany(b []byte, r *rrd.Row) []byte {
	sum := float64(r.Count) * r.Last
	if same(r.Sum, sum) && same(r.Min, r.Last) && same(r.Max, r.Last) {
		return appendUvarint(b, uint64(r.Count)<<1|1)
	}
	b = appendUvarint(b, uint64(r.Count)<<1)
	b = numberOf(r.Sum).append(b, sum, 0, 0)
	b = numberOf(r.Min).append(b, r.Last, 0, 0)
	return numberOf(r.Max).append(b, r.Last, 0, 0)
}

func same(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }

// A rowReader reads the rows of a queue.
type rowReader struct {
	reader
	row rrd.Row // the one that was read last
}

func (q *rowQueue) reader() rowReader {
	return rowReader{reader: reader{b: q.buf}, row: rrd.Row{End: q.base}}
}

// next reads the next row. One that ends by a time is not wanted: only its
// end, last and total are read.
func (r *rowReader) next(after, row rrd.Time, gauge bool) {
	before := r.row.Last
	last, flags := r.number(before, rowBits)
	skip := uint64(1)
	if flags&rowNext == 0 {
		skip = r.uvarint()
	}
	r.row.End += rrd.Time(skip) * row
	r.row.Last = last
	switch {
	case flags&rowSingle != 0:
		r.row.Count, r.row.Sum, r.row.Min, r.row.Max = 1, last, last, last
	case r.row.End <= after:
		if r.uvarint()&1 == 0 {
			r.skipNumber()
			r.skipNumber()
			r.skipNumber()
		}
	default:
		r.many(last)
	}
	if !gauge {
		r.row.Total, _ = r.number(r.row.Total+(last-before), 0)
	}
}

func (r *rowReader) many(last float64) {
	count := r.uvarint()
	r.row.Count = int64(count >> 1)
	r.row.Sum, r.row.Min, r.row.Max = float64(r.row.Count)*last, last, last
	if count&1 == 0 {
		r.row.Sum, _ = r.number(r.row.Sum, 0)
		r.row.Min, _ = r.number(last, 0)
		r.row.Max, _ = r.number(last, 0)
	}
}

// first returns the end of the first row, if there is one.
func (q *rowQueue) first(row rrd.Time) (end rrd.Time, ok bool) {
	if q.empty() {
		return 0, false
	}
	r := q.reader()
	r.next(math.MaxInt64, row, true)
	return r.row.End, true
}

// each calls f with each row that ends after a time, until it returns false.
// The row is the same one again and again.
func (q *rowQueue) each(after, row rrd.Time, gauge bool, f func(*rrd.Row) bool) {
	r := q.reader() // not of the loop, which would make a new one for each row
	for len(r.b) > 0 {
		r.next(after, row, gauge)
		if r.failed || r.row.End > after && !f(&r.row) {
			return
		}
	}
}

// drop removes the rows that end at or before a time.
func (q *rowQueue) drop(upTo, row rrd.Time, gauge bool) {
	r := q.reader()
	for len(r.b) > 0 {
		end := r.row.End
		r.next(upTo, row, gauge)
		if r.row.End <= upTo {
			continue
		}
		rest := rowQueue{base: end}
		skip := uint64((r.row.End - end) / row)
		q.buf = slices.Replace(q.buf, 0, len(q.buf)-len(r.b), rest.appendRow(nil, skip, gauge, &r.row)...)
		q.base = end
		return
	}
	*q = rowQueue{buf: q.buf[:0]}
}

//	queue = bytes:uvarint [ base:varint last-base:uvarint  value [ total ]  { row } ]
//
// Times are in rows, value and total as in a row.
func (q *rowQueue) appendBinary(b []byte, row rrd.Time, gauge bool) []byte {
	b = appendUvarint(b, uint64(len(q.buf)))
	if q.empty() {
		return b
	}
	b = appendVarint(b, int64(q.base/row))
	b = appendUvarint(b, uint64((q.last-q.base)/row))
	b = numberOf(q.value).append(b, 0, 0, 0)
	if !gauge {
		b = numberOf(q.total).append(b, q.value, 0, 0)
	}
	return append(b, q.buf...)
}

// readRowQueue returns a queue that shares memory with r.
func readRowQueue(r *reader, row rrd.Time, gauge bool) (q rowQueue) {
	n := r.uvarint()
	if n == 0 {
		return rowQueue{}
	}
	q.base = rrd.Time(r.varint()) * row
	q.last = q.base + rrd.Time(r.uvarint())*row
	q.value, _ = r.number(0, 0)
	if !gauge {
		q.total, _ = r.number(q.value, 0)
	}
	q.buf = r.bytes(n)
	return q
}

// valid says whether a queue that was read from disk holds rows in ascending
// order.
func (q *rowQueue) valid(row rrd.Time, gauge bool) bool {
	r := q.reader()
	for len(r.b) > 0 {
		end := r.row.End
		if r.next(math.MaxInt64, row, gauge); r.failed || r.row.End <= end {
			return false
		}
	}
	return r.row.End == q.last && same(r.row.Last, q.value) && (gauge || same(r.row.Total, q.total)) || q.empty()
}
