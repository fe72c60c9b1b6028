package chunk

import (
	"math/bits"
	"math/rand/v2"
	"sync"
)

// Types is a table of the types that chunks share. To make out what a type
// says takes as long as to store some lines, and programs print the same
// formats day after day. It is safe for concurrent use.
type Types struct {
	mu    sync.Mutex
	byKey map[string]*Type
	bytes int
	last  uint32
}

// maxTableBytes bounds the table. When it is full it begins anew; chunks keep
// the types that they have.
const maxTableBytes = 32 << 20

// NewTypes returns an empty table.
func NewTypes() *Types { return &Types{byKey: map[string]*Type{}} }

// get finds or makes the type of a key. fresh tells that it was made.
func (t *Types) get(key []byte) (typ *Type, fresh bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if typ, ok := t.byKey[string(key)]; ok {
		return typ, false, nil
	}
	if typ, err = parseType(string(key)); err != nil {
		return nil, false, err
	}
	if t.bytes += typ.bytes(); t.bytes > maxTableBytes {
		clear(t.byKey)
		t.bytes = typ.bytes()
	}
	t.last++
	typ.id = t.last
	t.byKey[typ.key] = typ
	return typ, true, nil
}

// Last is the newest ID that a type has.
func (t *Types) Last() uint32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

// ID tells types of one table apart; they are numbered from 1 on.
func (t *Type) ID() uint32 { return t.id }

// tokenSet collects hashes once each, by open addressing. Where a hash goes is
// secret: who writes to the log could else choose tokens that collide.
type tokenSet struct {
	slots  []uint64 // 0 is free
	list   []uint64
	secret uint64
	shift  int
}

func newTokenSet(expected int) tokenSet {
	width := max(10, bits.Len(uint(2*expected)))
	return tokenSet{slots: make([]uint64, 1<<width), list: make([]uint64, 0, expected), secret: rand.Uint64() | 1, shift: 64 - width}
}

func (s *tokenSet) add(h uint64) {
	if h == 0 {
		s.list = append(s.list, h) // which no harm comes of, seldom as it is
		return
	}
	i := h * s.secret >> s.shift
	for ; s.slots[i] != 0; i = (i + 1) & uint64(len(s.slots)-1) {
		if s.slots[i] == h {
			return
		}
	}
	s.slots[i] = h
	if s.list = append(s.list, h); 2*len(s.list) > len(s.slots) {
		s.grow()
	}
}

func (s *tokenSet) grow() {
	old := s.list
	*s = newTokenSet(len(s.slots))
	for _, h := range old {
		s.add(h)
	}
}
