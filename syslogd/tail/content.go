package tail

import (
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/zeebo/xxh3"
)

// content is what a file holds, unpacked.
type content struct {
	file   openFile
	packed packing
	size   int64       // in the file system
	r      io.ReaderAt // the unpacked bytes
	lead   int64       // NULs in front
	head   []byte      // what follows them
}

// packing is how a rotated file was compressed.
type packing string

const (
	plain packing = ""
	gz    packing = "gzip"
	zst   packing = "zstd"
	bz    packing = "bzip2"
)

func packingOf(head []byte) packing {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b, 8}):
		return gz
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return zst
	case bytes.HasPrefix(head, []byte("BZh")) && len(head) > 9 && string(head[4:10]) == "1AY&SY":
		return bz
	}
	return plain
}

// look reads the beginning of an open file.
func look(f openFile) (*content, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	c := &content{file: f, size: info.size, r: f}
	var buf [headLen]byte
	n, err := f.ReadAt(buf[:], 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if c.packed = packingOf(buf[:n]); c.packed != plain {
		u := &unpacked{file: f, size: info.size, packed: c.packed}
		c.r = u
		n, _ = u.ReadAt(buf[:], 0)
	}
	if n > 0 && buf[0] == 0 {
		if c.lead, err = firstData(c.r, f); err != nil {
			return nil, err
		}
		n, _ = c.r.ReadAt(buf[:], c.lead)
	}
	c.head = append([]byte(nil), buf[:n]...)
	return c, nil
}

// firstData is how many NULs a file begins with: the hole that is left where it
// was truncated under a program that did not open it for appending.
func firstData(r io.ReaderAt, f openFile) (at int64, err error) {
	if s, ok := f.(interface{ hole() int64 }); ok && r == io.ReaderAt(f) {
		at = s.hole()
	}
	for buf := make([]byte, unpackStep); ; {
		n, err := r.ReadAt(buf, at)
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return at, err
		}
		rest := len(bytes.TrimLeft(buf[:n], "\x00"))
		at += int64(n - rest)
		switch {
		case rest > 0:
			return at &^ 1, nil // a character of UTF-16 may begin with one
		case n < len(buf):
			return at, nil
		}
	}
}

// close gives back what unpacking needs; the file stays open.
func (c *content) close() {
	if u, ok := c.r.(*unpacked); ok {
		u.reset()
	}
}

// torn reports whether a compressed file ends too soon, as far as it was read:
// it is being written, or damaged.
func (c *content) torn() bool {
	u, ok := c.r.(*unpacked)
	return ok && u.err != nil && u.err != io.EOF
}

// length is that of the unpacked content, if it has been read to its end.
func (c *content) length() (int64, bool) {
	u, ok := c.r.(*unpacked)
	if !ok {
		return c.size, true
	}
	return u.base + int64(len(u.buf)), u.err == io.EOF
}

// holds reports whether this is the content that p tells of.
func (c *content) holds(p *position) bool {
	if !p.born.agrees(c.head) || !p.sameHead(c.head, c.lead) {
		return false
	}
	sum, ok := c.before(p.next)
	return ok && p.sameTail(sum)
}

// before is the fingerprint of what stands before an offset; false if the
// content does not go so far.
func (c *content) before(offset int64) (uint64, bool) {
	if c.packed == plain && c.size < offset {
		return 0, false
	}
	n := min(offset, tailLen)
	var buf [tailLen]byte
	if got, _ := c.r.ReadAt(buf[:n], offset-n); int64(got) < n {
		return 0, false
	}
	return xxh3.Hash(buf[:n]), true
}

// begins reports whether other begins with all of c, as far as two looks can
// tell.
func (c *content) begins(other *content) bool {
	if c.packed != plain || len(c.head) == 0 || c.lead != other.lead || c.size > other.size || !bytes.HasPrefix(other.head, c.head) {
		return false
	}
	mine, ok := c.before(c.size)
	theirs, also := other.before(c.size)
	return ok && also && mine == theirs
}

// unpacked reads a compressed file as if it were not. It is meant to be read
// forwards: going back begins anew.
type unpacked struct {
	file   openFile
	size   int64
	packed packing

	r     io.Reader
	close func()
	base  int64  // offset of buf
	buf   []byte // what was read last
	err   error  // what ended the stream
}

const maxWindow = 8 << 20 // of zstd; what its command line makes without --long

var errPacking = errors.New("tail: unknown compression")

func (u *unpacked) open() error {
	u.reset()
	src := io.NewSectionReader(u.file, 0, u.size)
	switch u.packed {
	case gz:
		r, err := gzip.NewReader(src)
		u.r = r
		return err
	case zst:
		r, err := zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err == nil {
			u.r, u.close = r, r.Close
		}
		return err
	case bz:
		u.r = bzip2.NewReader(src)
		return nil
	}
	return errPacking
}

func (u *unpacked) reset() {
	if u.close != nil {
		u.close()
	}
	u.r, u.close, u.base, u.buf, u.err = nil, nil, 0, nil, nil
}

// ReadAt is io.ReaderAt's. The error is io.EOF at a whole stream's end only.
func (u *unpacked) ReadAt(p []byte, off int64) (int, error) {
	if u.r == nil || off < u.base {
		if err := u.open(); err != nil {
			u.r, u.err = bytes.NewReader(nil), unexpected(err)
		}
	}
	for u.err == nil && u.base+int64(len(u.buf)) < off+int64(len(p)) {
		u.forward(off)
		u.more(off + int64(len(p)))
	}
	u.forward(off)
	n := 0
	if off == u.base {
		n = copy(p, u.buf)
	}
	if n < len(p) {
		return n, u.err
	}
	return n, nil
}

// forward lets go of what stands before off.
func (u *unpacked) forward(off int64) {
	if n := min(off-u.base, int64(len(u.buf))); n > 0 {
		u.buf = u.buf[:copy(u.buf, u.buf[n:])]
		u.base += n
	}
}

const unpackStep = 32 << 10

// more reads some bytes, not beyond end.
func (u *unpacked) more(end int64) {
	want := int(min(end-u.base-int64(len(u.buf)), unpackStep))
	had := len(u.buf)
	u.buf = append(u.buf, make([]byte, want)...)
	n, err := u.r.Read(u.buf[had:])
	u.buf = u.buf[:had+n]
	u.err = err
}

// unexpected: a file that ends too soon is still being written, perhaps.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
