package chunk

import (
	"math/bits"

	"github.com/zeebo/xxh3"
)

// A Bloom filter of ten bits per token and seven probes errs on 0.8 % of the
// tokens that are absent.
const (
	bloomBits   = 10
	bloomProbes = 7
)

// TokenHash is the hash under which a filter keeps a lower-case token.
func TokenHash(token string) uint64 { return xxh3.HashString(token) }

func buildBloom(hashes []uint64) []byte {
	b := make([]byte, 8*max(1, (len(hashes)*bloomBits+63)/64))
	for _, h := range hashes {
		for p := range bloomPositions(h, len(b)) {
			b[p>>3] |= 1 << (p & 7)
		}
	}
	return b
}

func bloomHas(b []byte, hash uint64) bool {
	if len(b) == 0 {
		return true
	}
	for p := range bloomPositions(hash, len(b)) {
		if b[p>>3]>>(p&7)&1 == 0 {
			return false
		}
	}
	return true
}

// bloomPositions yields the bits of a hash: double hashing, each mapped to
// the size by multiplication.
func bloomPositions(hash uint64, size int) func(func(uint64) bool) {
	return func(yield func(uint64) bool) {
		a, step := uint32(hash), uint32(hash>>32)|1
		for range bloomProbes {
			p, _ := bits.Mul64(uint64(a)<<32, uint64(size)*8)
			if !yield(p) {
				return
			}
			a += step
		}
	}
}
