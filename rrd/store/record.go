package store

import (
	"rondo/rrd"
)

// A record of the log is the samples of one batch that fell to one shard:
//
//	record = 'P' { id time number }
//	id     = zigzag uvarint of the difference to the id before, begun at 0
//	time   = the difference to the time before, begun at 0: uvarint of
//	         zigzag(milliseconds)<<1, or zigzag(microseconds)<<1 | 1
type sampleRecord struct {
	buf  []byte
	id   uint32
	time rrd.Time
	n    int
}

func (w *sampleRecord) reset() {
	*w = sampleRecord{buf: append(w.buf[:0], 'P')}
}

// add appends a sample.
func (w *sampleRecord) add(id uint32, t rrd.Time, x number) {
	w.buf = appendUvarint(w.buf, zigzag(int64(id)-int64(w.id)))
	w.buf = appendStep(w.buf, int64(t-w.time))
	w.buf = x.append(w.buf, 0, 0, 0)
	w.id, w.time = id, t
	w.n++
}

func appendStep(b []byte, d int64) []byte {
	if d == 0 { // most samples of a batch
		return append(b, 0)
	}
	if d%1000 == 0 {
		return appendUvarint(b, zigzag(d/1000)<<1)
	}
	return appendUvarint(b, zigzag(d)<<1|1)
}

func (r *reader) step() int64 {
	u := r.uvarint()
	if u&1 != 0 {
		return unzigzag(u >> 1)
	}
	return unzigzag(u>>1) * 1000
}

// eachSample calls f with each sample of a record; it stops at what it cannot
// read and returns errRecord.
func eachSample(b []byte, f func(id uint32, p rrd.Point)) error {
	r := reader{b: b}
	if kind := r.bytes(1); kind == nil || kind[0] != 'P' {
		return errRecord
	}
	id, t := int64(0), rrd.Time(0)
	for len(r.b) > 0 {
		id += unzigzag(r.uvarint())
		t += rrd.Time(r.step())
		v, _ := r.number(0, 0)
		if r.failed || id < 0 || id >= 1<<32-1 {
			return errRecord
		}
		f(uint32(id), rrd.Point{Time: t, Value: v})
	}
	return nil
}
