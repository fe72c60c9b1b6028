package chunk

import "encoding/binary"

// maxPacked is the widest value that is packed bit by bit: a value that starts
// anywhere within a byte then still fits in one eight-byte load. Wider ones
// take eight whole bytes.
const maxPacked = 56

// packedLen is how many bytes appendPacked takes for n values of w bits.
func packedLen(n, w int) int {
	if w > maxPacked {
		return 8 * n
	}
	return (n*w + 7) / 8
}

// appendPacked appends v[i]-base in w bits each, lowest bit first.
func appendPacked(dst []byte, v []uint64, base uint64, w int) []byte {
	if w > maxPacked {
		for _, x := range v {
			dst = binary.LittleEndian.AppendUint64(dst, x-base)
		}
		return dst
	}
	var acc uint64
	have := 0
	for _, x := range v {
		x -= base
		acc |= x << have
		if have += w; have >= 64 {
			dst = binary.LittleEndian.AppendUint64(dst, acc)
			have -= 64
			acc = x >> (w - have)
		}
	}
	for ; have > 0; have -= 8 {
		dst = append(dst, byte(acc))
		acc >>= 8
	}
	return dst
}

// unpack is the reverse of appendPacked. src must hold packedLen bytes.
func unpack(dst []uint64, src []byte, base uint64, w int) {
	if w > maxPacked {
		for i := range dst {
			dst[i] = binary.LittleEndian.Uint64(src[8*i:]) + base
		}
		return
	}
	mask := uint64(1)<<w - 1
	bit, i := 0, 0
	for ; i < len(dst) && bit>>3+8 <= len(src); i++ {
		dst[i] = binary.LittleEndian.Uint64(src[bit>>3:])>>(bit&7)&mask + base
		bit += w
	}
	for ; i < len(dst); i++ {
		var last [8]byte
		copy(last[:], src[bit>>3:])
		dst[i] = binary.LittleEndian.Uint64(last[:])>>(bit&7)&mask + base
		bit += w
	}
}

// zigzag maps small numbers of either sign to small numbers.
func zigzag(v int64) uint64   { return uint64(v<<1) ^ uint64(v>>63) }
func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }

// FloorDiv rounds towards minus infinity, as dates need it.
func FloorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
