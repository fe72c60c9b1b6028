package chunk

import (
	"github.com/zeebo/xxh3"

	"rondo/syslogd/filter"
	"rondo/syslogd/syslog"
)

// A template is one line with marks in it. Its constants hold no control byte
// but TAB, so these bytes are free to be marks. See doc.go for the slots.
const (
	slotInt      = 0x01
	slotDigits   = 0x02
	slotIPv4     = 0x03
	slotMAC      = 0x04
	slotShortHex = 0x05
	slotHex      = 0x06 // and a parameter: width, hexIsUpper
	slotString   = 0x07
	slotTail     = 0x08
	slotISO      = 0x0b // and a parameter: isoBase, isoT, isoComma
	slotCLF      = 0x0c
	slotBSD      = 0x0d
	slotPID      = 0x0e

	markHost    = 0x10 // the host's name stands here
	markApp     = 0x11 // and a length, and the name of the application
	markField   = 0x12 // markField+f: field f begins here
	markEnd     = 0x18 // the field ends
	markRawEnds = 0x19 // the line ends; fields that are no part of it follow
)

// The fields of a message that a template can hold.
const (
	fieldApp = iota
	fieldPID
	fieldMsgID
	fieldSD
	fieldText
	fields
)

const (
	hexIsUpper = 0x80
	isoBase    = 0x40 // so that the parameter is never a mark
	isoT       = 1
	isoComma   = 2
	maxDay     = 84000 // of the dates that become slots: 2199
	maxAppLen  = 64    // longer names of applications are not part of the type
)

// The first bytes of a type's key, before the template.
const (
	keyFormat = iota
	keyFacility
	keySeverity
	keyFlags
	keyHeader // their number
)

const (
	flagPRI    = 1 // Message.HasPRI
	flagNoTime = 2 // Message.Time is zero
	flagCut    = 4 // Message.Truncated
)

func hasParameter(kind byte) bool { return kind == slotHex || kind == slotISO }

func isSlot(kind byte) bool { return kind <= slotPID }

// A Type is what the lines of one template have in common.
type Type struct {
	Format    syslog.Format
	Facility  syslog.Facility
	Severity  syslog.Severity
	HasPRI    bool
	NoTime    bool
	Truncated bool

	id      uint32
	key     string
	parts   []part
	subs    int      // values per row
	columns []uint64 // keys of their columns
	kindOf  []byte   // and kinds
	kinds   uint32
	fields  [fields]constant
	words   map[string]bool // of the text, lower-case
	hashes  []uint64        // of these, and of its addresses, for the filter
	textual string          // see Skeleton
	pattern []element       // the text, see CanContain
}

// part is a run of constant bytes (kind 0), a slot or a mark.
type part struct {
	kind, par byte
	text      string // kind 0, markApp
	column    uint64 // key of the slot's first column
	sub, subs int    // the slot's values in the row
}

// constant is a field that is the same in all lines of the type, if known.
type constant struct {
	value string
	known bool
}

// parseType reads a key that a builder made, or one from a chunk.
func parseType(key string) (*Type, error) {
	r := reader{b: []byte(key)}
	h := r.take(keyHeader)
	if r.err != nil {
		return nil, r.err
	}
	t := &Type{
		Format: syslog.Format(h[keyFormat]), Facility: syslog.Facility(h[keyFacility]), Severity: syslog.Severity(h[keySeverity]),
		HasPRI: h[keyFlags]&flagPRI != 0, NoTime: h[keyFlags]&flagNoTime != 0, Truncated: h[keyFlags]&flagCut != 0, key: key,
	}
	if err := t.parseParts(&r); err != nil {
		return nil, err
	}
	t.describe()
	return t, nil
}

func (t *Type) parseParts(r *reader) error {
	app, before, previous := "", "", uint64(0)
	for len(r.b) > 0 && r.err == nil {
		n := 0
		for n < len(r.b) && (r.b[n] >= 0x20 || r.b[n] == '\t') {
			n++
		}
		if n > 0 {
			before = string(r.take(n))
			t.parts = append(t.parts, part{text: before})
			continue
		}
		p := part{kind: r.byte(), sub: t.subs}
		switch {
		case p.kind == markApp:
			p.text = string(r.take(int(r.byte())))
			app = p.text
		case isSlot(p.kind):
			if p.kind == 0 || p.kind == '\n' {
				return r.fail("unknown slot")
			}
			if p.subs = 1; hasParameter(p.kind) {
				p.par = r.byte()
			}
			if p.kind == slotHex {
				width := int(p.par &^ hexIsUpper)
				if width < 8 || width > 64 {
					return r.fail("impossible width")
				}
				p.subs = (width + 15) / 16
			}
			p.column = columnKey(&p, before, app, previous)
			previous, before = p.column, ""
			for i := range p.subs {
				t.columns, t.kindOf = append(t.columns, p.subColumn(i)), append(t.kindOf, p.kind)
			}
			t.subs += p.subs
		case p.kind < markHost || p.kind > markRawEnds:
			return r.fail("unknown mark")
		}
		t.parts = append(t.parts, p)
	}
	return r.err
}

// columnKey names the column of a slot: by its kind and the constant before
// it, so that types share columns, and a value's column is like it.
func columnKey(p *part, before, app string, previous uint64) uint64 {
	kind := uint64(p.kind)<<8 | uint64(p.par)
	if p.kind == slotPID {
		return mix(kind) ^ xxh3.HashString(app)
	}
	if len(before) < 4 {
		kind ^= previous << 16
	}
	return mix(kind) ^ xxh3.HashString(before[max(0, len(before)-16):])
}

// mix spreads the bits of x (the finalizer of MurmurHash3). A seed of the
// string's hash would not do: short strings make up for small seeds.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// subColumn is the key of the i-th column of a slot.
func (p *part) subColumn(i int) uint64 { return p.column + mix(uint64(i)) }

// hole stands for a slot in what a type says about a field: a byte that
// counts as part of a word, and that no text in UTF-8 holds.
const hole = '\xff'

// describe finds out what is known of the fields without any row.
func (t *Type) describe() {
	for f := range t.fields {
		t.fields[f].known = true
	}
	var open []byte
	var pattern []element
	field, holes := -1, false
	for _, p := range t.parts {
		switch {
		case p.kind == 0:
			open = append(open, p.text...)
			pattern = appendConstant(pattern, p.text)
		case p.kind == markApp:
			t.fields[fieldApp].value = p.text
		case p.kind == markEnd:
			if field == fieldText {
				t.textual, t.pattern = string(open), pattern
			}
			if field >= 0 {
				t.fields[field] = constant{string(open), !holes}
			}
			field = -1
		case p.kind >= markField && p.kind < markField+fields:
			field, holes, open = int(p.kind-markField), false, open[:0]
			pattern = nil
		case isSlot(p.kind):
			holes, open, pattern = true, append(open, hole), appendSlot(pattern, p.kind)
			if field == fieldText {
				t.kinds |= 1 << p.kind
			}
		}
	}
	t.words = map[string]bool{}
	for w := range filter.Tokens(t.textual) {
		w = filter.Lower(w)
		if !t.words[w] && !isTrivial(w) {
			t.hashes = append(t.hashes, TokenHash(w))
		}
		t.words[w] = true
	}
	eachQuad(t.textual, func(h uint64) { t.hashes = append(t.hashes, h) })
}

// About what a type and an origin take in memory, beside their strings; what
// belongs to a type in a catalogue is with it.
const (
	typeBytes   = 500
	partBytes   = 100
	wordBytes   = 50
	originBytes = 60
)

// bytes is about how much memory the type takes.
func (t *Type) bytes() int {
	n := typeBytes + 2*len(t.key) + 2*len(t.textual) + 3*len(t.pattern)
	return n + partBytes*len(t.parts) + wordBytes*len(t.words)
}

// Known is the message that all lines of the type have in common, and what
// of it is certain. Where a field is not, it is empty.
func (t *Type) Known() (m syslog.Message, k Known) {
	m = syslog.Message{Format: t.Format, Facility: t.Facility, Severity: t.Severity, HasPRI: t.HasPRI, Truncated: t.Truncated}
	for f, c := range t.fields {
		if !c.known {
			continue
		}
		k |= 1 << f
		*field(&m, f) = c.value
	}
	return m, k
}

// Known tells which fields of a type's message are certain.
type Known uint8

// The fields that a type may or may not know.
const (
	KnowsApp   Known = 1 << fieldApp
	KnowsPID   Known = 1 << fieldPID
	KnowsMsgID Known = 1 << fieldMsgID
	KnowsSD    Known = 1 << fieldSD
	KnowsText  Known = 1 << fieldText
)

func field(m *syslog.Message, f int) *string {
	return [...]*string{&m.App, &m.PID, &m.MsgID, &m.SD, &m.Text}[f]
}

// Skeleton is the text with one byte 0xff, which belongs to a word, for each
// variable part.
func (t *Type) Skeleton() string { return t.textual }
