package filter

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"rondo/syslogd/syslog"
)

// An Op is the operator between a field's name and its value.
type Op string

// The operators. Is ignores case; Equal and NotEqual heed it.
const (
	Is           Op = ":"
	Equal        Op = "="
	NotEqual     Op = "!="
	Less         Op = "<"
	LessEqual    Op = "<="
	Greater      Op = ">"
	GreaterEqual Op = ">="
)

// numeric reports whether op compares numbers.
func (op Op) numeric() bool { return op[0] == '<' || op[0] == '>' }

// A Field compares one field of the message.
type Field struct {
	Name   string // app, host, severity, facility, pid, msgid, sender or sd.KEY; any by ParseRows
	Op     Op
	Value  string // as written, without quotes; severity and facility by name
	Quoted bool   // "*" in Value stands for itself
	// Number is Value as severity, as facility, or as what Less and its like
	// compare with; else 0.
	Number float64

	network netip.Prefix // sender
	folded  string       // Lower(Value)
}

// Match implements Expr.
func (f *Field) Match(m *syslog.Message) bool {
	switch f.Name {
	case "severity":
		return f.compare(float64(m.Severity))
	case "facility":
		return f.compare(float64(m.Facility))
	case "app":
		return f.MatchValue(m.App)
	case "host":
		return f.MatchValue(m.Origin())
	case "pid":
		return f.MatchValue(m.PID)
	case "msgid":
		return f.MatchValue(m.MsgID)
	case "sender":
		return f.matchSender(m.Sender)
	}
	if key, ok := strings.CutPrefix(f.Name, "sd."); ok {
		return f.matchSD(m.SD, key)
	}
	return f.MatchValue("") // a field of rows, which no message has
}

// compare is the match of a field that is a number.
func (f *Field) compare(v float64) bool {
	switch f.Op {
	case NotEqual:
		return v != f.Number
	case Less:
		return v < f.Number
	case LessEqual:
		return v <= f.Number
	case Greater:
		return v > f.Number
	case GreaterEqual:
		return v >= f.Number
	}
	return v == f.Number
}

// MatchValue reports whether a field of this value matches; it serves fields
// that are text, so that a store can try each value of a dictionary once.
func (f *Field) MatchValue(v string) bool {
	switch {
	case f.Op == NotEqual:
		return !f.equal(v)
	case f.Op.numeric():
		n, err := strconv.ParseFloat(v, 64)
		return err == nil && f.compare(n)
	}
	return f.equal(v)
}

func (f *Field) equal(v string) bool {
	fold, want := f.Op == Is, f.Value
	if fold {
		want = f.folded
	}
	switch {
	case f.Quoted || !strings.Contains(want, "*"):
		return fold && prefixFold(v, want) == len(v) || !fold && v == want
	case want == "*":
		return v != ""
	}
	return glob(want, v, fold)
}

func (f *Field) matchSender(a netip.Addr) bool {
	a = a.Unmap()
	switch {
	case f.network.IsValid():
		return f.network.Contains(a) != (f.Op == NotEqual)
	case a.IsValid():
		return f.MatchValue(a.String())
	}
	return f.MatchValue("")
}

// matchSD asks the parameters one by one: the first that is equal decides.
func (f *Field) matchSD(sd, key string) bool {
	for p := range syslog.SDParams(sd) {
		if p.Name != key && !isJoined(key, p.ID, p.Name) {
			continue
		}
		v := p.Value()
		if f.Op == NotEqual && f.equal(v) {
			return false
		}
		if f.Op != NotEqual && f.MatchValue(v) {
			return true
		}
	}
	return f.Op == NotEqual
}

// isJoined reports whether key is id, a dot, and name.
func isJoined(key, id, name string) bool {
	return len(key) == len(id)+1+len(name) && key[len(id)] == '.' && key[:len(id)] == id && key[len(id)+1:] == name
}

// glob matches s against a pattern in which "*" stands for any characters.
// With fold, the pattern is lower-case. Only the last star is ever retried,
// so that the work is at most len(pattern) x len(s).
func glob(pattern, s string, fold bool) bool {
	i, j := 0, 0
	star, mark := -1, 0
	for i < len(s) {
		if j < len(pattern) && pattern[j] == '*' {
			star, mark = j, i
			j++
			continue
		}
		if j < len(pattern) {
			if n, k, ok := equalStep(s[i:], pattern[j:], fold); ok {
				i, j = i+n, j+k
				continue
			}
		}
		if star < 0 {
			return false
		}
		_, n := utf8.DecodeRuneInString(s[mark:])
		mark += n
		i, j = mark, star+1
	}
	return strings.Trim(pattern[j:], "*") == ""
}

func equalStep(s, p string, fold bool) (n, k int, ok bool) {
	if fold {
		return equalRune(s, p)
	}
	return 1, 1, s[0] == p[0]
}

func (f *Field) String() string {
	v := f.Value
	if f.Quoted {
		v = Quote(v)
	}
	return f.Name + string(f.Op) + v
}

// Value returns a field of a message as text, "" where it has none. Of a
// parameter that stands in the structured data more than once it is the first.
// Here sd.ID may also name an element: its value is the element's parameters,
// as written.
func Value(m *syslog.Message, name string) string {
	switch name {
	case "severity":
		return m.Severity.String()
	case "facility":
		return m.Facility.String()
	case "app":
		return m.App
	case "host":
		return m.Origin()
	case "pid":
		return m.PID
	case "msgid":
		return m.MsgID
	case "sender":
		if m.Sender.IsValid() {
			return m.Sender.Unmap().String()
		}
		return ""
	}
	key, _ := strings.CutPrefix(name, "sd.")
	if v, ok := SDValue(m.SD, key); ok {
		return v
	}
	return syslog.SDElement(m.SD, key)
}

// SDValue is the first parameter of structured data that a key names: by its
// name, or by the ID of its element, a dot and its name.
func SDValue(sd, key string) (string, bool) {
	for p := range syslog.SDParams(sd) {
		if p.Name == key || isJoined(key, p.ID, p.Name) {
			return p.Value(), true
		}
	}
	return "", false
}
