package seglog

import (
	"bufio"
	"errors"
	"hash/crc32"
	"io"
	"maps"
)

// Of the claims that a search holds at a time, those of short records are
// bounded by their length, for there is one at most per offset; those of long
// records by their number. Where so many are held, a long record is passed
// over.
const (
	shortClaim = 256 << 10
	maxClaims  = 512 << 10
)

// A claim is what the checksum of all bytes up to end must be, if the frame
// that promised it is one.
type claim struct {
	end Pos
	sum uint32
}

// search returns where the first record behind pos begins whose checksum is
// right, or the end of what may be read.
//
// Any offset may be the beginning of a frame. To compute the checksum of each
// would take quadratic time; but a CRC is linear. So one checksum runs over
// all bytes; from its value at the beginning of a frame follows, in a few
// steps, which value it must have at the end, and that is looked up there:
//
//	pos |....[crc length data.........]......
//	          claim (end, sum) ------>^ is the running sum what was claimed?
//
// Since the position is part of the checksum, a record that is quoted in
// another one, or left over from elsewhere, is not found.
func (r *segmentReader) search(pos Pos) (Pos, error) {
	var (
		at      = pos + 1
		in      = bufio.NewReaderSize(io.NewSectionReader(r.f, int64(at-r.base), int64(r.end-at)), readAhead)
		tab     = castagnoli()
		shift   = newShifter()
		claims  = map[claim]Pos{} // value: where the frame begins
		running uint32
		window  uint64 // the last 8 bytes
	)
	for {
		b, err := in.ReadByte()
		if errors.Is(err, io.EOF) {
			return r.end, nil
		}
		if err != nil {
			return 0, err
		}
		running = tab[byte(running)^b] ^ running>>8
		window = window>>8 | uint64(b)<<56
		at++
		if from, ok := claims[claim{at, running}]; ok {
			return from, nil
		}
		if at%shortClaim == 0 {
			maps.DeleteFunc(claims, func(c claim, _ Pos) bool { return c.end <= at })
		}
		crc, length := uint32(window), uint32(window>>32)
		from, end := at-frameSize, at+Pos(length)
		if from <= pos || length == 0 || int64(length) > int64(r.maxRecord) || end > r.end {
			continue
		}
		if length > shortClaim && len(claims) >= maxClaims {
			continue
		}
		begun := ^start(from)
		for i := range 4 {
			begun = tab[byte(begun)^byte(length>>(8*i))] ^ begun>>8
		}
		claims[claim{end, ^crc ^ shift.over(running^begun, length)}] = from
	}
}

// A shifter holds, for each byte b of a length, at place k, what b·256^k zero
// bytes multiply a CRC by: the polynomial x^(8·b·256^k), modulo Castagnoli's.
// Bit 31 is the coefficient of 1.
type shifter [4][256]uint32

func newShifter() *shifter {
	s, factor := &shifter{}, uint32(1<<23) // x^8
	for k := range s {
		s[k][0] = 1 << 31
		for b := 1; b < 256; b++ {
			s[k][b] = multiply(s[k][b-1], factor)
		}
		factor = multiply(s[k][255], factor)
	}
	return s
}

// over returns what a running CRC becomes over n zero bytes.
func (s *shifter) over(crc, n uint32) uint32 {
	for k := 0; n > 0; k, n = k+1, n>>8 {
		if b := byte(n); b != 0 {
			crc = multiply(crc, s[k][b])
		}
	}
	return crc
}

// multiply multiplies polynomials over GF(2), modulo Castagnoli's.
func multiply(a, b uint32) uint32 {
	var product uint32
	for ; a != 0; a <<= 1 {
		product ^= b & -(a >> 31)
		b = b>>1 ^ crc32.Castagnoli&-(b&1)
	}
	return product
}
