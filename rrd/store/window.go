package store

import (
	"encoding/binary"

	"rondo/rrd"
)

// A window is rrd.Window in about an eighth of the memory: its points as
// bytes, each told from the one before,
//
//	point = number(1: the gap is as before)  [ gap ]
//
// The first is told from 0, and its gap only says what the next one's may be.
type window struct {
	buf    []byte
	oldest rrd.Time // of the points here, if n > 0
	newest rrd.Time // ever; noTime before the first
	// settled: points up to here have left the window.
	settled rrd.Time
	value   float64 // of the newest point, if n > 0
	gap     rrd.Time
	n       int32
}

// noTime is before any time that a sample may have.
const noTime rrd.Time = -1 << 62

const sameGap = 1

func newWindow() window { return window{newest: noTime, settled: noTime} }

// push puts a point behind all others; x is its value. o owns the buffer.
func (w *window) push(o owner, p rrd.Point, x number) {
	var buf [maxEntry]byte
	entry, gap := buf[:0], p.Time-w.newest
	if w.n == 0 {
		w.oldest, w.buf, w.value = p.Time, w.buf[:0], 0
		gap = 0
	}
	if w.n > 0 && gap == w.gap {
		entry = x.append(entry, w.value, sameGap, 1)
	} else {
		entry = appendGap(x.append(entry, w.value, 0, 1), int64(gap))
	}
	w.buf = o.add(w.buf, entry)
	w.newest, w.value, w.gap = p.Time, p.Value, gap
	w.n++
}

// maxEntry is the most that an entry takes.
const maxEntry = 2 * binary.MaxVarintLen64

// offer puts a point in its place; x is its value.
func (w *window) offer(o owner, p rrd.Point, x number, length rrd.Time, scratch *[]rrd.Point) rrd.Offer {
	switch {
	case p.Time <= w.settled || p.Time <= w.newest-length:
		return rrd.TooLate
	case p.Time > w.newest:
		w.push(o, p, x)
		return rrd.Taken
	}
	full := rrd.Window{Points: w.points((*scratch)[:0]), Length: length}
	result := full.Insert(p)
	*scratch = full.Points
	if result == rrd.Taken || result == rrd.Replaced {
		w.set(o, full.Points)
	}
	return result
}

// set replaces all points.
func (w *window) set(o owner, ps []rrd.Point) {
	w.n = 0
	for _, p := range ps {
		w.push(o, p, numberOf(p.Value))
	}
}

// A windowReader reads a window's points, oldest first.
type windowReader struct {
	reader
	rrd.Point
	gap rrd.Time
}

func (w *window) reader() windowReader {
	return windowReader{reader: reader{b: w.buf}, Point: rrd.Point{Time: w.oldest}}
}

// next reads the next point; first says that it is the first.
func (r *windowReader) next(first bool) {
	v, flags := r.number(r.Value, 1)
	r.Value = v
	if flags&sameGap == 0 {
		r.gap = rrd.Time(r.reader.gap())
	}
	if !first {
		r.Time += r.gap
	}
}

// points appends all points to dst, oldest first.
func (w *window) points(dst []rrd.Point) []rrd.Point {
	r := w.reader()
	for i := range w.n {
		r.next(i == 0)
		dst = append(dst, r.Point)
	}
	return dst
}

// settle takes the points up to a time out of the window, oldest first, and
// gives each to f.
func (w *window) settle(o owner, upTo rrd.Time, f func(rrd.Point)) {
	r := w.reader()
	for i := range w.n {
		r.next(i == 0)
		if r.Time > upTo {
			w.cut(o, i, &r)
			return
		}
		f(r.Point)
		w.settled = r.Time
	}
	w.n, w.buf = 0, w.buf[:0]
}

// cut takes away what is before the point that r has just read, the i-th.
func (w *window) cut(o owner, i int32, r *windowReader) {
	if i == 0 {
		return
	}
	var buf [maxEntry]byte
	first := appendGap(numberOf(r.Value).append(buf[:0], 0, 0, 1), int64(r.gap))
	w.buf = o.join(w.buf, first, r.b, len(r.b)/2+pieceRoom) // it will grow by a half again
	w.oldest = r.Time
	w.n -= i
}

// window = newest:varint settled:varint oldest:varint n:uvarint bytes:uvarint { point }
func (w *window) appendBinary(b []byte) []byte {
	b = appendVarint(b, int64(w.newest))
	b = appendVarint(b, int64(w.settled))
	b = appendVarint(b, int64(w.oldest))
	b = appendUvarint(b, uint64(w.n))
	b = appendUvarint(b, uint64(len(w.buf)))
	return append(b, w.buf...)
}

// readWindow returns a window that shares memory with r. It refuses bytes that
// are not the window's points.
func readWindow(r *reader) window {
	w := window{newest: rrd.Time(r.varint()), settled: rrd.Time(r.varint()), oldest: rrd.Time(r.varint())}
	w.n = int32(min(r.uvarint(), maxFrame))
	w.buf = r.bytes(r.uvarint())
	check := w.reader()
	for i := int32(0); i < w.n && !check.failed; i++ {
		check.next(i == 0)
	}
	w.value, w.gap = check.Value, check.gap
	if check.failed || len(check.b) > 0 || w.n > 0 && check.Time != w.newest {
		r.fail()
	}
	return w
}
