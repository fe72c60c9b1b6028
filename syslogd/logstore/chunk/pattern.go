package chunk

// slotNames are what stands in a pattern for a slot, by its kind.
var slotNames = [...]string{
	slotInt: "<n>", slotDigits: "<n>", slotIPv4: "<ip>", slotMAC: "<mac>", slotShortHex: "<hex>", slotHex: "<hex>",
	slotString: "<*>", slotTail: "<...>", slotISO: "<time>", slotCLF: "<time>", slotBSD: "<time>", slotPID: "<n>",
}

// Pattern is the text of the type's lines, with a name for each slot. It is
// what Patterns.Of says of each of the lines; false if the type does not know,
// because it was made when the chunk had too many types.
func (t *Type) Pattern() (string, bool) {
	var b []byte
	inText, tails, others := false, 0, 0
	for _, p := range t.parts {
		switch {
		case p.kind == markField+fieldText:
			inText = true
		case p.kind == markEnd:
			inText = false
		case !inText:
		case p.kind == 0:
			b = append(b, p.text...)
			others++
		case p.kind == slotTail:
			b = append(b, slotNames[p.kind]...)
			tails++
		case isSlot(p.kind):
			b = append(b, slotNames[p.kind]...)
			others++
		}
	}
	return string(b), tails == 0 || others > 0
}

// Patterns finds the patterns of texts. It is not safe for concurrent use.
type Patterns struct {
	scan scanner
	out  []byte
}

// NewPatterns returns a Patterns.
func NewPatterns() *Patterns {
	p := &Patterns{}
	p.scan.strings = &stringTable{byHash: map[uint64]uint32{}}
	return p
}

// Of returns the pattern of a message's text; when is the message's time in
// Unix nanoseconds, which decides what is a date.
func (p *Patterns) Of(text string, when int64) string {
	s := &p.scan
	clear(s.strings.byHash)
	s.strings.buf, s.strings.ends = s.strings.buf[:0], s.strings.ends[:0]
	s.key, s.values, s.now = s.key[:0], s.values[:0], when
	s.scan(text)
	out := p.out[:0]
	for i := 0; i < len(s.key); i++ {
		c := s.key[i]
		if c >= 0x20 || c == '\t' {
			out = append(out, c)
			continue
		}
		out = append(out, slotNames[c]...)
		if hasParameter(c) {
			i++
		}
	}
	p.out = out
	return string(out)
}
