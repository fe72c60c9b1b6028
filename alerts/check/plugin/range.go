package plugin

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A Range is a threshold in the plugins' notation: a value outside of it, or
// inside where the range is inverted by @, raises an alert.
type Range struct {
	Low, High float64 // inclusive; may be infinite
	Inside    bool    // alert inside instead of outside
}

// ParseRange reads a range: 10, 10:, ~:10, 10:20, @10:20.
func ParseRange(text string) (Range, error) {
	rest, inside := strings.CutPrefix(text, "@")
	r := Range{High: math.Inf(1), Inside: inside}
	low, high, both := strings.Cut(rest, ":")
	if !both {
		low, high = "", low
		if high == "" {
			return Range{}, fmt.Errorf("plugin: range %q: a number is missing", text)
		}
	}
	var err error
	switch {
	case low == "~":
		r.Low = math.Inf(-1)
	case low != "":
		if r.Low, err = number(low); err != nil {
			return Range{}, fmt.Errorf("plugin: range %q: %w", text, err)
		}
	}
	if high != "" {
		if r.High, err = number(high); err != nil {
			return Range{}, fmt.Errorf("plugin: range %q: %w", text, err)
		}
	}
	if r.Low > r.High {
		return Range{}, fmt.Errorf("plugin: range %q: it begins after its end", text)
	}
	return r, nil
}

// Alert says whether a value raises an alert. One that is not known raises
// none.
func (r Range) Alert(v float64) bool {
	if math.IsNaN(v) {
		return false
	}
	return (r.Low <= v && v <= r.High) == r.Inside
}

// String writes the range in its shortest form.
func (r Range) String() string {
	var b strings.Builder
	if r.Inside {
		b.WriteByte('@')
	}
	switch {
	case math.IsInf(r.Low, -1):
		b.WriteString("~:")
	case r.Low != 0 || math.IsInf(r.High, 1):
		b.WriteString(format(r.Low) + ":")
	}
	if !math.IsInf(r.High, 1) {
		b.WriteString(format(r.High))
	}
	return b.String()
}

// number reads a finite decimal number. ParseFloat would take hexadecimal,
// underscores and words for infinity too.
func number(s string) (float64, error) {
	if s == "" || strings.Trim(s, "0123456789+-.eE") != "" {
		return 0, fmt.Errorf("%q is no number", s)
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no number", s)
	}
	return v, nil
}

func format(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
