package chunk

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrCorrupt is the cause of every error that the bytes of a chunk lead to.
var ErrCorrupt = errors.New("chunk is corrupt")

// reader reads the parts of a chunk and trusts no byte of them. After the
// first error it returns zeros.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(what string) error {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrCorrupt, what)
	}
	r.b = nil
	return r.err
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail("cut short")
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail("bad number")
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 { return unzigzag(r.uvarint()) }

// count reads a number that may be at most limit.
func (r *reader) count(limit int) int {
	v := r.uvarint()
	if v > uint64(limit) {
		r.fail("impossible count")
		return 0
	}
	return int(v)
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.fail("cut short")
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

// str reads a length and as many bytes.
func (r *reader) str() string { return string(r.take(r.count(len(r.b)))) }

// unpack reads a width and as many packed values as dst has.
func (r *reader) unpack(dst []uint64, base uint64) {
	w := int(r.byte())
	if w > 64 {
		r.fail("impossible width")
		return
	}
	if b := r.take(packedLen(len(dst), w)); r.err == nil {
		unpack(dst, b, base, w)
	}
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}
