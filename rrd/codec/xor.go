package codec

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// leads are the eight numbers of leading zero bits that the XOR coding knows
// (Liakos, Papakonstantinopoulou, Kotidis: Chimp, VLDB 2022).
var leads = [8]uint{0, 8, 12, 16, 18, 20, 22, 24}

// The codes that begin a value.
const (
	xorSame     = 0b00
	xorTrailing = 0b01
	xorAgain    = 0b10
	xorLead     = 0b11
)

// leadCode returns the index of the largest of leads that is at most n.
func leadCode(n int) uint64 {
	switch {
	case n < 16:
		return [...]uint64{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2}[n]
	case n < 24:
		return uint64(n-16)/2 + 3
	}
	return 7
}

// appendXOR writes each value as its difference in bits to the one before.
func appendXOR(dst []byte, vals []float64) []byte {
	w := bitWriter{dst: dst}
	last := math.Float64bits(vals[0])
	w.put(last, 64)
	const none = 65
	lead := uint(none) // as last written
	for _, v := range vals[1:] {
		b := math.Float64bits(v)
		x := b ^ last
		last = b
		if x == 0 {
			w.put(xorSame, 2)
			lead = none
			continue
		}
		code := leadCode(bits.LeadingZeros64(x))
		l, t := leads[code], uint(bits.TrailingZeros64(x))
		switch {
		case t > 6:
			sig := 64 - l - t
			w.put(xorTrailing|code<<2|uint64(sig)<<5, 11)
			w.put(x>>t, sig)
			lead = none
		case l == lead:
			w.put(xorAgain, 2)
			w.put(x, 64-l)
		default:
			lead = l
			w.put(xorLead|code<<2, 5)
			w.put(x, 64-l)
		}
	}
	return w.flush()
}

func readXOR(out []float64, src []byte) (rest []byte, err error) {
	r := bitReader{src: src}
	last := r.take(64)
	out[0] = math.Float64frombits(last)
	lead := uint(0)
	for i := 1; i < len(out); i++ {
		switch r.take(2) {
		case xorTrailing:
			head := r.take(9)
			l, sig := leads[head&7], uint(head>>3)
			if l+sig > 64 {
				return nil, corrupt("bad width")
			}
			last ^= r.take(sig) << (64 - l - sig)
		case xorAgain:
			last ^= r.take(64 - lead)
		case xorLead:
			lead = leads[r.take(3)]
			last ^= r.take(64 - lead)
		}
		out[i] = math.Float64frombits(last)
		if r.short {
			break
		}
	}
	if r.short {
		return nil, corrupt("values cut short")
	}
	return src[(r.at+7)/8:], nil
}

// A bitWriter appends bits, low ones first.
type bitWriter struct {
	dst []byte
	acc uint64
	n   uint // bits in acc, below 64
}

// put appends the low n bits of v; the others must be 0. n is at most 64.
func (w *bitWriter) put(v uint64, n uint) {
	w.acc |= v << w.n
	if w.n+n < 64 {
		w.n += n
		return
	}
	w.dst = binary.LittleEndian.AppendUint64(w.dst, w.acc)
	w.acc = v >> (64 - w.n)
	w.n += n - 64
}

// flush pads to a byte.
func (w *bitWriter) flush() []byte {
	for i := uint(0); i < w.n; i += 8 {
		w.dst = append(w.dst, byte(w.acc>>i))
	}
	return w.dst
}

// A bitReader takes bits out of src, low ones first. Beyond the end it yields
// zeros and is short.
type bitReader struct {
	src   []byte
	at    uint // in bits
	short bool
}

// take returns the next n bits, n <= 64.
func (r *bitReader) take(n uint) uint64 {
	if r.at+n > 8*uint(len(r.src)) {
		r.short = true
		return 0
	}
	i, shift := r.at>>3, r.at&7
	r.at += n
	var v uint64
	if i+9 <= uint(len(r.src)) {
		v = binary.LittleEndian.Uint64(r.src[i:])>>shift | uint64(r.src[i+8])<<1<<(63-shift)
	} else {
		var room [16]byte
		copy(room[:], r.src[i:])
		v = binary.LittleEndian.Uint64(room[:])>>shift | uint64(room[8])<<1<<(63-shift)
	}
	return v & (1<<n - 1)
}
