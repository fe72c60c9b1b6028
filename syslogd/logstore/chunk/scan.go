package chunk

import (
	"math/bits"

	"rondo/syslogd/filter"
)

// Limits of one segment of a line. What lies beyond goes into a tail slot.
const (
	maxSlots = 60
	maxText  = 4096
	// maxSlotLen is more than the longest slot of several tokens. No slot is
	// looked for within so many bytes before a cut.
	maxSlotLen = 64
)

// scanner splits text into constants and slots. The constants, with a mark
// for each slot, are appended to key; the values of the slots to values.
type scanner struct {
	key     []byte
	values  []uint64
	now     int64 // the row's time, Unix ns: times in the text are relative to it
	indexed bool  // tokens go into the filter
	coarse  bool  // nothing is constant: all text goes into tails
	// nameless says that with coarse not even the application is constant.
	nameless bool
	tokens   tokenSet
	strings  *stringTable
	dates    dates
	lower    []byte
}

// token is a maximal run of token bytes with a digit in it.
type token struct {
	from, to int
	digit    int  // its first digit
	class    byte // of all its bytes
	before   byte // the byte before it, 0 at the start
	after    byte
}

// slot is what a token, with some bytes around it, was recognised as. A slot
// of kind 0 is a constant.
type slot struct {
	kind, par byte
	from, to  int
}

// scan appends the template and the values of one segment of a line. Only
// tokens with a digit can become slots.
func (s *scanner) scan(text string) {
	b := text[:min(len(text), maxText)]
	if s.coarse {
		b = ""
	}
	tail := len(b) < len(text)
	done, at := 0, 0 // what is before done is written; before at, constant
	for n := 0; ; n++ {
		d, control := nextDigit(b, at)
		if control || n == maxSlots {
			tail = true
			break
		}
		if d == len(b) {
			break
		}
		t := tokenAt(b, done, d)
		if tail && t.to+maxSlotLen > len(b) {
			break
		}
		s.quad(text, t)
		sl := s.recognise(b, done, t)
		if at = sl.to; sl.kind == 0 {
			n--
			continue
		}
		s.key = append(append(s.key, b[done:sl.from]...), sl.kind)
		if hasParameter(sl.kind) {
			s.key = append(s.key, sl.par)
		}
		done = sl.to
	}
	if !tail {
		s.key = append(s.key, b[done:]...)
		return
	}
	s.key = append(s.key, slotTail)
	s.values = append(s.values, uint64(s.strings.intern(text[done:])))
	if s.indexed {
		s.indexAll(text[done:])
	}
}

func load64(s string, i int) uint64 {
	b := s[i : i+8]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// nextDigit finds the first digit from i on, eight bytes at a time. control
// is true if it met a control byte, other than TAB, before.
func nextDigit(s string, i int) (at int, control bool) {
	const low, high = 0x7f7f7f7f7f7f7f7f, 0x8080808080808080
	for ; i+8 <= len(s); i += 8 {
		x := load64(s, i)
		t := x ^ 0x3030303030303030
		digits := ^(((t & low) + 0x7676767676767676) | t) & high
		controls := ^(((x & low) + 0x6060606060606060) | x) & high
		found := digits | controls
		if found == 0 {
			continue
		}
		p := bits.TrailingZeros64(found) >> 3
		if controls>>(p*8+7)&1 == 0 {
			return i + p, false
		}
		if s[i+p] != '\t' {
			return i + p, true
		}
		i += p + 1 - 8
	}
	for ; i < len(s); i++ {
		if isDigit(s[i]) {
			return i, false
		}
		if s[i] < 0x20 && s[i] != '\t' {
			return i, true
		}
	}
	return i, false
}

// tokenAt is the token around the digit at d, not reaching before done.
func tokenAt(s string, done, d int) token {
	t := token{from: d, to: d, digit: d}
	for t.from > done && classes[s[t.from-1]] != 0 {
		t.from--
	}
	for i := t.from; i < d; i++ {
		t.class |= classes[s[i]]
	}
	for t.to < len(s) && classes[s[t.to]] != 0 {
		t.class |= classes[s[t.to]]
		t.to++
	}
	if t.from > 0 {
		t.before = s[t.from-1]
	}
	if t.to < len(s) {
		t.after = s[t.to]
	}
	return t
}

// put appends a value and returns its slot.
func (s *scanner) put(kind byte, v uint64, from, to int) slot {
	s.values = append(s.values, v)
	return slot{kind: kind, from: from, to: to}
}

// putIndexed is put for a slot that is the end of a token, or all of it.
func (s *scanner) putIndexed(b string, t token, kind byte, v uint64, from int) slot {
	s.index(b[t.from:t.to])
	return s.put(kind, v, from, t.to)
}

// index puts a token into the filter.
func (s *scanner) index(tok string) {
	if s.indexed && !isTrivial(tok) {
		s.tokens.add(s.hashLower(tok))
	}
}

// indexAll indexes the tokens and the IPv4 addresses of a text.
func (s *scanner) indexAll(text string) {
	for tok := range filter.Tokens(text) {
		s.index(tok)
	}
	eachQuad(text, s.tokens.add)
}

// eachQuad calls add with the hashes of the IPv4 addresses in a text.
func eachQuad(text string, add func(uint64)) {
	for i := 0; i < len(text); i++ {
		if isDigit(text[i]) && (i == 0 || classes[text[i-1]] == 0) {
			if _, end := quad(text, i); end > 0 {
				add(TokenHash(text[i:end]))
			}
		}
	}
}

// hashLower is TokenHash(filter.Lower(tok)) without the garbage.
func (s *scanner) hashLower(tok string) uint64 {
	s.lower = s.lower[:0]
	changed := false
	for i := range len(tok) {
		c := tok[i]
		if c >= 0x80 {
			return TokenHash(filter.Lower(tok))
		}
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
			changed = true
		}
		s.lower = append(s.lower, c)
	}
	if !changed {
		return TokenHash(tok)
	}
	return hashBytes(s.lower)
}

// IsTrivial reports whether a token, in lower case, is so common that no
// filter holds it: short numbers and the pieces of times and of addresses.
// Every text may hold it.
func IsTrivial(tok string) bool { return isTrivial(tok) }

func isTrivial(tok string) bool {
	n := len(tok)
	if n == 2 && classes[tok[0]]&(digit|hexLower) != 0 && classes[tok[1]]&(digit|hexLower) != 0 {
		return true // a byte of a hardware address
	}
	digits := 0
	for digits < n && isDigit(tok[digits]) {
		digits++
	}
	switch {
	case digits == n:
		return n <= 6
	case digits == n-1 && tok[n-1]|0x20 == 'z':
		return n <= 10 // a fraction of a second, or seconds
	case digits == 2 && n == 5:
		return tok[2]|0x20 == 't' && isDigit(tok[3]) && isDigit(tok[4]) // day and hour
	}
	return false
}
