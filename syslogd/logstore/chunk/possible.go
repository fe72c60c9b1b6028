package chunk

import (
	"strings"

	"rondo/syslogd/filter"
)

// CanHold reports whether the text of a line of this type can hold a
// lower-case token.
func (t *Type) CanHold(token string) bool {
	if t.words[token] {
		return true
	}
	possible := t.kinds & slotsFor(token)
	if possible&numbers == 0 || possible&^numbers != 0 {
		return possible != 0
	}
	for i := range t.slotsOfText(possible) {
		if t.canPrecede(i, lettersOf(token)) {
			return true
		}
	}
	return false
}

// numbers are the slots that may be only the end of a token, as in user4711.
const numbers = 1<<slotInt | 1<<slotDigits

// lettersOf is a token without the digits at its end.
func lettersOf(token string) string { return strings.TrimRight(token, "0123456789") }

// canPrecede reports whether the constant before a slot ends with the letters
// of a token.
func (t *Type) canPrecede(i int, letters string) bool {
	return letters == "" || i > 0 && t.parts[i-1].kind == 0 && strings.HasSuffix(filter.Lower(t.parts[i-1].text), letters)
}

// slotsOfText yields the slots of some kinds in the text.
func (t *Type) slotsOfText(kinds uint32) func(yield func(int, *part) bool) {
	return func(yield func(int, *part) bool) {
		inText := false
		for i := range t.parts {
			p := &t.parts[i]
			switch {
			case p.kind == markField+fieldText:
				inText = true
			case p.kind == markEnd:
				inText = false
			case inText && isSlot(p.kind) && kinds&(1<<p.kind) != 0:
				if !yield(i, p) {
					return
				}
			}
		}
	}
}

// slotsFor is the set of slots that a token can come from, wholly or partly.
func slotsFor(token string) (set uint32) {
	var class byte
	for i := range len(token) {
		class |= classes[token[i]]
	}
	add := func(ok bool, kinds ...byte) {
		for _, k := range kinds {
			if ok {
				set |= 1 << k
			}
		}
	}
	n := len(token)
	add(true, slotTail)
	add(n == 2, slotMAC)
	switch {
	case class == digit:
		add(true, slotInt, slotDigits, slotString, slotISO)
		add(n <= 3, slotIPv4)
		add(n <= 4, slotCLF)
		add(n <= 2, slotBSD)
	case class&digit == 0:
		add(n == 3 && strings.Contains(strings.ToLower(months), token), slotCLF, slotBSD)
	default:
		add(true, slotString, slotInt, slotDigits)
		add(class&^(digit|hexBoth) == 0, slotShortHex, slotHex)
		add(isTrivial(token), slotISO)
	}
	return set
}

// element is one byte of a text, or a run of them.
type element struct {
	class byte // what the byte is: one of those below, or the kind of a slot
	value byte // of isByte, in lower case
}

const (
	isByte     = 0x80 + iota
	isDigitOf  // a digit
	isLetter   // of a month
	isPad      // a digit or a blank
	isDivider  // of day and time
	isFraction // any number of digits behind a point or a comma, or nothing
)

// repeats reports whether an element is a run of one byte or more.
func (e element) repeats() bool { return e.class < isByte || e.class == isFraction }

func appendConstant(dst []element, s string) []element {
	for i := range len(s) {
		dst = append(dst, element{isByte, lower(s[i])})
	}
	return dst
}

// appendSlot spells out dates, which could else hold any word.
func appendSlot(dst []element, kind byte) []element {
	layout := ""
	switch kind {
	case slotISO:
		layout = "dddd-dd-ddTdd:dd:ddf"
	case slotCLF:
		layout = "dd/aaa/dddd:dd:dd:dd"
	case slotBSD:
		layout = "aaa pd dd:dd:dd"
	default:
		return append(dst, element{class: kind})
	}
	classes := map[rune]byte{'d': isDigitOf, 'a': isLetter, 'p': isPad, 'T': isDivider, 'f': isFraction}
	for _, c := range layout {
		if class, ok := classes[c]; ok {
			dst = append(dst, element{class: class})
		} else {
			dst = append(dst, element{isByte, byte(c)})
		}
	}
	return dst
}

// CanContain reports whether the text of a line of this type can contain a
// string of lower-case ASCII, ignoring case: it runs the string through the
// pattern of the type, at all places at once.
func (t *Type) CanContain(literal string) bool {
	if literal == "" {
		return true
	}
	// now are the elements that the last byte can be, most of the time few.
	var now, next []int32
	for i, e := range t.pattern {
		if e.holds(literal[0]) {
			now = append(now, int32(i))
		}
	}
	for k := 1; k < len(literal) && len(now) > 0; k++ {
		next = next[:0]
		reached := int32(-1) // the last that was looked at: now is in order
		for _, i := range now {
			last := i + 1
			if last+1 < int32(len(t.pattern)) && t.pattern[last].class == isFraction {
				last++
			}
			for j := max(i, reached+1); j <= last && j < int32(len(t.pattern)); j++ {
				if reached = j; (j > i || t.pattern[j].repeats()) && t.pattern[j].holds(literal[k]) {
					next = append(next, j)
				}
			}
		}
		now, next = next, now
	}
	return len(now) > 0
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c |= 0x20
	}
	return c
}

// holds reports whether the lower-case byte c can be the element, or part of
// it.
func (e element) holds(c byte) bool {
	class := classes[c]
	switch e.class {
	case isByte:
		return c == e.value
	case isDigitOf, slotInt, slotDigits, slotPID:
		return class == digit
	case isLetter:
		return c >= 'a' && c <= 'z'
	case isPad:
		return class == digit || c == ' '
	case isDivider:
		return c == 't' || c == ' '
	case isFraction:
		return class == digit || c == '.' || c == ','
	case slotIPv4:
		return class == digit || c == '.'
	case slotMAC:
		return class&(digit|hexLower) != 0 || c == ':'
	case slotShortHex, slotHex:
		return class&(digit|hexLower) != 0
	case slotString:
		return class != 0
	}
	return true
}
