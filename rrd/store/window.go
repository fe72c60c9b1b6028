package store

import (
	"rondo/rrd"
)

// A window is rrd.Window in about a third of the memory: its points as bytes,
//
//	{ gap number }
//
// where gap is the time since the point before, or since base for the first.
type window struct {
	buf    []byte
	n      int32
	base   rrd.Time // the first gap counts from here
	oldest rrd.Time // of the points here, if n > 0
	newest rrd.Time // ever; noTime before the first
	// settled: points up to here have left the window.
	settled rrd.Time
}

// noTime is before any time that a sample may have.
const noTime rrd.Time = -1 << 62

func newWindow() window { return window{newest: noTime, settled: noTime} }

// push puts a point behind all others; number is its value, packed.
func (w *window) push(p rrd.Point, number []byte) {
	if w.n == 0 {
		w.base, w.oldest = p.Time, p.Time
		w.buf = appendGap(w.buf[:0], 0)
	} else {
		w.buf = appendGap(roomFor(w.buf), int64(p.Time-w.newest))
	}
	w.buf = append(w.buf, number...)
	w.newest = p.Time
	w.n++
}

// roomFor makes room for one more entry. The head has millions of these
// buffers, so they grow by a quarter and not by doubling.
func roomFor(b []byte) []byte {
	if cap(b)-len(b) >= maxEntry {
		return b
	}
	return append(make([]byte, 0, len(b)+len(b)/4+maxEntry), b...)
}

// maxEntry is what most entries fit into; append takes care of the others.
const maxEntry = 24

// offer puts a point in its place; number is its value, packed.
func (w *window) offer(p rrd.Point, number []byte, length rrd.Time, scratch *[]rrd.Point) rrd.Offer {
	switch {
	case p.Time <= w.settled || p.Time <= w.newest-length:
		return rrd.TooLate
	case p.Time > w.newest:
		w.push(p, number)
		return rrd.Taken
	}
	full := rrd.Window{Points: w.points((*scratch)[:0]), Length: length}
	result := full.Insert(p)
	*scratch = full.Points
	if result == rrd.Taken || result == rrd.Replaced {
		w.set(full.Points)
	}
	return result
}

// set replaces all points.
func (w *window) set(ps []rrd.Point) {
	w.n, w.buf = 0, w.buf[:0]
	var number []byte
	for _, p := range ps {
		number = appendNumber(number[:0], p.Value)
		w.push(p, number)
	}
}

// points appends all points to dst, oldest first.
func (w *window) points(dst []rrd.Point) []rrd.Point {
	r, t := reader{b: w.buf}, w.base
	for range w.n {
		t += rrd.Time(r.gap())
		dst = append(dst, rrd.Point{Time: t, Value: r.number()})
	}
	return dst
}

// settle takes the points up to a time out of the window, oldest first, and
// gives each to f.
func (w *window) settle(upTo rrd.Time, f func(rrd.Point)) {
	r, t := reader{b: w.buf}, w.base
	for w.n > 0 {
		before := r.b
		next := t + rrd.Time(r.gap())
		if next > upTo {
			w.oldest, r.b = next, before
			break
		}
		t = next
		f(rrd.Point{Time: t, Value: r.number()})
		w.settled = t
		w.n--
	}
	w.base = t
	w.buf = w.buf[:copy(w.buf, r.b)] // in place: no garbage
}

func (w *window) appendBinary(b []byte) []byte {
	b = appendVarint(b, int64(w.newest))
	b = appendVarint(b, int64(w.settled))
	b = appendVarint(b, int64(w.base))
	b = appendVarint(b, int64(w.oldest))
	b = appendUvarint(b, uint64(w.n))
	b = appendUvarint(b, uint64(len(w.buf)))
	return append(b, w.buf...)
}

func readWindow(r *reader) window {
	w := window{newest: rrd.Time(r.varint()), settled: rrd.Time(r.varint()), base: rrd.Time(r.varint()), oldest: rrd.Time(r.varint())}
	w.n = int32(r.uvarint())
	w.buf = append([]byte(nil), r.bytes(r.uvarint())...)
	check := reader{b: w.buf}
	for range w.n {
		check.gap()
		if check.number(); check.failed {
			break
		}
	}
	if check.failed || len(check.b) > 0 {
		r.fail()
	}
	return w
}
