package store

import (
	"hash/maphash"
	"strings"
)

// An idTable finds numbers by the text that they stand for, which is kept
// elsewhere: open addressing with a 32-bit hash beside each number. A million
// series take 16 MB this way, and a third of what a map of strings takes.
type idTable struct {
	seed  maphash.Seed
	slots []uint64 // hash<<32 | number+1; 0 is free. As many as a power of two
	n     int
}

func newIDTable() idTable { return idTable{seed: maphash.MakeSeed(), slots: make([]uint64, 8)} }

func (t *idTable) hash(text string) uint32 { return uint32(maphash.String(t.seed, text)) }

// find returns the number whose text it is; text tells that of a number.
func (t *idTable) find(wanted string, text func(uint32) string) (uint32, bool) {
	slot := t.slot(wanted, text)
	if t.slots[slot] == 0 {
		return 0, false
	}
	return uint32(t.slots[slot]) - 1, true
}

// slot returns where a text's number is, or where it would be.
func (t *idTable) slot(wanted string, text func(uint32) string) int {
	h, mask := t.hash(wanted), len(t.slots)-1
	for i := int(h) & mask; ; i = (i + 1) & mask {
		s := t.slots[i]
		if s == 0 || uint32(s>>32) == h && text(uint32(s)-1) == wanted {
			return i
		}
	}
}

// add enters a number, in the place of that which has the same text.
func (t *idTable) add(wanted string, number uint32, text func(uint32) string) {
	entry := uint64(t.hash(wanted))<<32 | uint64(number+1)
	if i := t.slot(wanted, text); t.slots[i] != 0 {
		t.slots[i] = entry
		return
	}
	if t.n++; 4*t.n > 3*len(t.slots) {
		old := t.slots
		t.slots = make([]uint64, 2*len(old))
		for _, s := range old {
			if s != 0 {
				t.put(s)
			}
		}
	}
	t.put(entry)
}

func (t *idTable) put(s uint64) {
	mask := len(t.slots) - 1
	i := int(s>>32) & mask
	for t.slots[i] != 0 {
		i = (i + 1) & mask
	}
	t.slots[i] = s
}

// remove takes out a text's number.
func (t *idTable) remove(gone string, text func(uint32) string) {
	mask := len(t.slots) - 1
	i := t.slot(gone, text)
	if t.slots[i] == 0 {
		return
	}
	t.n--
	t.slots[i] = 0
	// What was put behind the gap because of it comes forward.
	for i = (i + 1) & mask; t.slots[i] != 0; i = (i + 1) & mask {
		s := t.slots[i]
		t.slots[i] = 0
		t.put(s)
	}
}

// texts keeps strings that live as long as the store, many in one piece of
// memory.
type texts struct{ piece strings.Builder }

const textPiece = 64 << 10

// keep returns a copy of s.
func (t *texts) keep(s string) string {
	if t.piece.Cap()-t.piece.Len() < len(s) {
		t.piece.Reset() // those handed out keep the old one
		t.piece.Grow(max(textPiece, len(s)))
	}
	from := t.piece.Len()
	t.piece.WriteString(s)
	return t.piece.String()[from:]
}
