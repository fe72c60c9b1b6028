package chunk

import (
	"math/bits"
	"strings"

	"rondo/syslogd/filter"
)

// A RowSet is a set of rows of one type, by their place among these.
type RowSet []uint64

func newRowSet(n uint32) RowSet { return make(RowSet, (n+63)/64) }

func (s RowSet) add(ord uint32) { s[ord/64] |= 1 << (ord % 64) }

// Len is how many rows there are.
func (s RowSet) Len() (n int) {
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// And removes the rows that are not in o, a set of the same type.
func (s RowSet) And(o RowSet) {
	for i := range s {
		s[i] &= o[i]
	}
}

// Among reports whether message i of the type is in the set.
func (r *Rows) Among(s RowSet, i int) bool {
	ord := r.rows[i].ord
	return s[ord/64]>>(ord%64)&1 == 1
}

// Holders finds the rows of a type that may hold a lower-case token in their
// text; nil stands for all. It is Type.CanHold with a look at the values,
// which is much cheaper than to render the rows.
func (r *Rows) Holders(typ int, token string) RowSet {
	t := r.Types[typ]
	if t.words[token] {
		return nil
	}
	set := newRowSet(r.counts[typ])
	for i, p := range t.slotsOfText(t.kinds & slotsFor(token)) {
		if !r.holders(set, uint32(typ), i, p, token) {
			return nil
		}
	}
	return set
}

// holders adds the rows with a token in one slot; false if it cannot tell.
func (r *Rows) holders(set RowSet, typ uint32, i int, p *part, token string) bool {
	switch p.kind {
	case slotString:
		r.addTexts(set, typ, p, func(s string) bool { return len(s) == len(token) && filter.Lower(s) == token || hasWide(s) })
	case slotTail:
		r.addTexts(set, typ, p, func(s string) bool { return strings.Contains(filter.Lower(s), token) })
	case slotInt, slotDigits:
		if r.Types[typ].canPrecede(i, lettersOf(token)) {
			r.addNumbers(set, typ, p, token)
		}
	case slotShortHex:
		r.addValues(set, typ, p.sub, hexValue(token))
	case slotHex:
		if int(p.par&^hexIsUpper) == len(token) {
			r.addValues(set, typ, p.sub, hexValue(token[:min(16, len(token))]))
		}
	default:
		return false
	}
	return true
}

// hasWide reports bytes whose lower case may have another length.
func hasWide(s string) bool {
	return strings.IndexFunc(s, func(c rune) bool { return c >= 0x80 }) >= 0
}

// addNumbers looks for the digits at the end of a token.
func (r *Rows) addNumbers(set RowSet, typ uint32, p *part, token string) {
	first := len(lettersOf(token))
	n := len(token) - first
	if n == 0 || n > 18 || p.kind == slotDigits && n > maxDigits {
		return
	}
	want := number(token[first:])
	if p.kind == slotDigits {
		want += firstCode[n]
	}
	r.addValues(set, typ, p.sub, want)
}

func (r *Rows) addValues(set RowSet, typ uint32, sub int, want uint64) {
	for ord := range r.counts[typ] {
		if r.source.value(typ, sub, ord) == want {
			set.add(ord)
		}
	}
}

func (r *Rows) addTexts(set RowSet, typ uint32, p *part, ok func(string) bool) {
	for ord := range r.counts[typ] {
		if ok(r.source.text(typ, p.sub, ord)) {
			set.add(ord)
		}
	}
}
