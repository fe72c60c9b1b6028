package chunk

import (
	"strings"

	"rondo/syslogd/filter"
)

// CanHold reports whether any row of a type can hold a lower-case token in
// its text. It is Type.CanHold with a look at the values, which is much
// cheaper than to render the rows.
func (r *Rows) CanHold(typ int, token string) bool {
	t := r.Types[typ]
	if t.words[token] {
		return true
	}
	possible := t.kinds & slotsFor(token)
	inText := false
	for i := range t.parts {
		p := &t.parts[i]
		switch {
		case p.kind == markField+fieldText:
			inText = true
		case p.kind == markEnd:
			inText = false
		case inText && isSlot(p.kind) && possible&(1<<p.kind) != 0:
			if r.anyHolds(uint32(typ), p, token) {
				return true
			}
		}
	}
	return false
}

// anyHolds looks for a token in the values of one slot.
func (r *Rows) anyHolds(typ uint32, p *part, token string) bool {
	switch p.kind {
	case slotString:
		return r.anyText(typ, p, func(s string) bool { return len(s) == len(token) && filter.Lower(s) == token || hasWide(s) })
	case slotTail:
		return r.anyText(typ, p, func(s string) bool { return strings.Contains(filter.Lower(s), token) })
	case slotInt, slotDigits:
		return r.anyNumber(typ, p, token)
	case slotShortHex:
		return r.anyValue(typ, p.sub, func(v uint64) bool { return v == hexValue(token) })
	case slotHex:
		return int(p.par&^hexIsUpper) == len(token) &&
			r.anyValue(typ, p.sub, func(v uint64) bool { return v == hexValue(token[:min(16, len(token))]) })
	}
	return true
}

// hasWide reports bytes whose lower case may have another length.
func hasWide(s string) bool {
	return strings.IndexFunc(s, func(c rune) bool { return c >= 0x80 }) >= 0
}

// anyNumber looks for the digits at the end of a token.
func (r *Rows) anyNumber(typ uint32, p *part, token string) bool {
	first := len(token)
	for first > 0 && isDigit(token[first-1]) {
		first--
	}
	n := len(token) - first
	if n == 0 || n > 18 || p.kind == slotDigits && n > maxDigits {
		return false
	}
	want := number(token[first:])
	if p.kind == slotDigits {
		want += firstCode[n]
	}
	return r.anyValue(typ, p.sub, func(v uint64) bool { return v == want })
}

func (r *Rows) anyValue(typ uint32, sub int, ok func(uint64) bool) bool {
	for ord := range r.counts[typ] {
		if ok(r.source.value(typ, sub, ord)) {
			return true
		}
	}
	return false
}

func (r *Rows) anyText(typ uint32, p *part, ok func(string) bool) bool {
	for ord := range r.counts[typ] {
		if ok(r.source.text(typ, p.sub, ord)) {
			return true
		}
	}
	return false
}
