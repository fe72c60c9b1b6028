package chunk

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// timeBlock is how many differences share one width.
const timeBlock = 128

// appendTimes writes times as zigzag differences in the largest decimal unit
// that divides all of them, in blocks with their own width.
func appendTimes(dst []byte, times []int64) []byte {
	if len(times) == 0 {
		return dst
	}
	unit, power := int64(1e9), 9
	for _, t := range times {
		for t%unit != 0 {
			unit /= 10
			power--
		}
	}
	last := times[0] / unit
	dst = binary.AppendUvarint(append(dst, byte(power)), zigzag(last))
	var block [timeBlock]uint64
	for rest := times[1:]; len(rest) > 0; {
		n := min(timeBlock, len(rest))
		for i, t := range rest[:n] {
			block[i] = zigzag(t/unit - last)
			last = t / unit
		}
		lo := slices.Min(block[:n])
		width := bits.Len64(slices.Max(block[:n]) - lo)
		dst = append(binary.AppendUvarint(dst, lo), byte(width))
		dst = appendPacked(dst, block[:n], lo, width)
		rest = rest[n:]
	}
	return dst
}

// readTimes is the reverse of appendTimes.
func readTimes(dst []int64, src []byte) error {
	if len(dst) == 0 {
		return nil
	}
	r := reader{b: src}
	power := int(r.byte())
	if power > 9 {
		return r.fail("impossible time unit")
	}
	unit := int64(powers[power])
	last := r.varint()
	dst[0] = last * unit
	var block [timeBlock]uint64
	for rest := dst[1:]; len(rest) > 0; {
		n := min(timeBlock, len(rest))
		lo := r.uvarint()
		if r.unpack(block[:n], lo); r.err != nil {
			return r.err
		}
		for i, d := range block[:n] {
			last += unzigzag(d)
			rest[i] = last * unit
		}
		rest = rest[n:]
	}
	return r.err
}
