package rrd

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// NameLabel is the label that holds a series' name, as in Prometheus.
const NameLabel = "__name__"

// MaxKeyLen bounds the bytes of a series' identity.
const MaxKeyLen = 4096

// sep separates the parts of a Key. It occurs in no valid UTF-8 text.
const sep = "\xff"

// A Key is a series' whole identity in one string: its name, then its labels
// sorted by name,
//
//	name 0xff label 0xff value 0xff label 0xff value ...
//
// so that a Graphite path, which has no labels, is its own key and a Key can
// be compared, hashed and looked up without being parsed.
type Key string

// A Label is one name and value of a series.
type Label struct{ Name, Value string }

// Labels are a series' labels, the name among them, sorted by label name.
type Labels []Label

// Errors that say why a Key is refused.
var (
	ErrEmptyName = errors.New("series has no name")
	ErrNotUTF8   = errors.New("series name or label is not valid UTF-8")
	ErrTooLong   = fmt.Errorf("series name and labels are longer than %d bytes", MaxKeyLen)
)

// NewKey builds the key of a name and labels, which it sorts in place.
// Labels with an empty value are left out, as in Prometheus.
func NewKey(name string, labels ...Label) (Key, error) {
	if len(labels) == 0 {
		return Key(name), Key(name).Validate()
	}
	slices.SortFunc(labels, func(a, b Label) int { return cmp.Compare(a.Name, b.Name) })
	var b strings.Builder
	b.WriteString(name)
	for i, l := range labels {
		if i > 0 && l.Name == labels[i-1].Name {
			return "", fmt.Errorf("label %s is given twice", strconv.Quote(l.Name))
		}
		if l.Name == "" {
			return "", errors.New("a label has no name")
		}
		if strings.Contains(l.Name, sep) || strings.Contains(l.Value, sep) {
			return "", ErrNotUTF8
		}
		if l.Value != "" {
			b.WriteString(sep + l.Name + sep + l.Value)
		}
	}
	k := Key(b.String())
	return k, k.Validate()
}

// Validate says why k cannot name a series, or nil.
func (k Key) Validate() error {
	switch {
	case len(k) > MaxKeyLen:
		return ErrTooLong
	case k.Name() == "":
		return ErrEmptyName
	case !utf8.ValidString(strings.ReplaceAll(string(k), sep, "")):
		return ErrNotUTF8
	case strings.Count(string(k), sep)%2 != 0:
		return errors.New("series has a label without a value")
	}
	return nil
}

// Name returns the series' name.
func (k Key) Name() string {
	name, _, _ := strings.Cut(string(k), sep)
	return name
}

// Get returns the value of a label, or "" where the series has none.
func (k Key) Get(label string) string {
	name, rest, _ := strings.Cut(string(k), sep)
	if label == NameLabel {
		return name
	}
	for rest != "" {
		var l, v string
		l, rest, _ = strings.Cut(rest, sep)
		v, rest, _ = strings.Cut(rest, sep)
		if l == label {
			return v
		}
	}
	return ""
}

// Labels returns all labels, the name among them, sorted by label name.
func (k Key) Labels() Labels {
	name, rest, _ := strings.Cut(string(k), sep)
	ls := make(Labels, 0, 1+strings.Count(rest, sep)/2+1)
	named := false
	for rest != "" {
		var l, v string
		l, rest, _ = strings.Cut(rest, sep)
		v, rest, _ = strings.Cut(rest, sep)
		if !named && l > NameLabel {
			ls, named = append(ls, Label{NameLabel, name}), true
		}
		ls = append(ls, Label{l, v})
	}
	if !named {
		ls = append(ls, Label{NameLabel, name})
	}
	return ls
}

// String writes the key as PromQL writes a series: name{label="value"}, or
// {"a.b.c"} where the name is no plain identifier.
func (k Key) String() string { return k.Labels().String() }

// Get returns the value of a label, or "".
func (ls Labels) Get(name string) string {
	for _, l := range ls {
		if l.Name == name {
			return l.Value
		}
	}
	return ""
}

// Key returns the identity of the series with these labels.
func (ls Labels) Key() (Key, error) {
	rest := make([]Label, 0, len(ls))
	for _, l := range ls {
		if l.Name != NameLabel {
			rest = append(rest, l)
		}
	}
	return NewKey(ls.Get(NameLabel), rest...)
}

// String writes the labels as PromQL writes a series.
func (ls Labels) String() string {
	var b strings.Builder
	name := ls.Get(NameLabel)
	plain := isIdentifier(name)
	if plain {
		b.WriteString(name)
	}
	var parts []string
	if name != "" && !plain {
		parts = append(parts, strconv.Quote(name))
	}
	for _, l := range ls {
		if l.Name == NameLabel {
			continue
		}
		n := l.Name
		if !isIdentifier(n) {
			n = strconv.Quote(n)
		}
		parts = append(parts, n+"="+strconv.Quote(l.Value))
	}
	if len(parts) > 0 || !plain {
		b.WriteString("{" + strings.Join(parts, ",") + "}")
	}
	return b.String()
}

// isIdentifier says whether PromQL takes s as a name without quotes.
func isIdentifier(s string) bool {
	for i, r := range s {
		letter := r == '_' || r == ':' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}
