package store

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// TestArena: whatever series ask for and give back, their pieces keep what was
// written, and holes stay few.
func TestArena(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		all, want := make([][]byte, 400), make([][]byte, 400)
		a := &arena{piece: func(id uint32) *[]byte { return &all[id] }}
		for i := range 10_000 {
			id := rng.IntN(len(all))
			o, piece := owner{a, uint32(id)}, &all[id]
			b := bytes.Repeat([]byte{byte(i)}, rng.IntN(1000))
			if rng.IntN(100) == 0 {
				b = bytes.Repeat(b, 20)
			}
			switch rng.IntN(4) {
			case 0:
				*piece, want[id] = o.join(*piece, b, nil, pieceRoom), b
			case 1:
				o.release(*piece)
				*piece, want[id] = nil, nil
			case 2:
				*piece, want[id] = o.add(*piece, b[:len(b)/20]), append(want[id], b[:len(b)/20]...)
			case 3:
				half := len(*piece) / 2
				*piece, want[id] = o.join(*piece, b, (*piece)[half:], len(b)), append(bytes.Clone(b), want[id][half:]...)
			}
			a.tidy()
		}
		used := 0
		for id := range all {
			if !bytes.Equal(all[id], want[id]) {
				t.Fatalf("series %d has %d bytes, want %d, or others", id, len(all[id]), len(want[id]))
			}
			if n := cap(all[id]); n <= maxPiece {
				used += pieceHead + n
			}
		}
		if size := len(a.segments) * segmentBytes; size > used+used/4+3*segmentBytes {
			t.Fatalf("%d bytes for %d", size, used)
		}
	})
}
