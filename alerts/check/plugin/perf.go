package plugin

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// Perf is one performance value.
type Perf struct {
	Label      string
	Value      float64 // NaN: the plugin did not know it (U)
	Unit       string  // as printed: s, ms, us, %, B, KB, ..., c or empty
	Warn, Crit *Range  // nil: none was printed
	Min, Max   *float64
}

// Base is the value in its base unit: seconds for times, bytes for sizes.
func (p Perf) Base() (float64, string) {
	const kilo = 1024 // the plugins' MB is 1024 x 1024
	switch p.Unit {
	case "s", "S", "sec":
		return p.Value, "s"
	case "ms":
		return p.Value / 1e3, "s"
	case "us", "µs":
		return p.Value / 1e6, "s"
	case "ns":
		return p.Value / 1e9, "s"
	case "b", "B":
		return p.Value, "B"
	case "kB", "KB", "KiB":
		return p.Value * kilo, "B"
	case "MB", "MiB":
		return p.Value * kilo * kilo, "B"
	case "GB", "GiB":
		return p.Value * kilo * kilo * kilo, "B"
	case "TB", "TiB":
		return p.Value * kilo * kilo * kilo * kilo, "B"
	case "PB", "PiB":
		return p.Value * kilo * kilo * kilo * kilo * kilo, "B"
	}
	return p.Value, p.Unit
}

// String writes the value as a plugin prints it.
func (p Perf) String() string {
	label := p.Label
	if strings.ContainsAny(label, " \t'=|") {
		label = "'" + strings.ReplaceAll(label, "'", "''") + "'"
	}
	value := "U"
	if !math.IsNaN(p.Value) {
		value = format(p.Value) + p.Unit
	}
	fields := []string{label + "=" + value, "", "", "", ""}
	for i, r := range []*Range{p.Warn, p.Crit} {
		if r != nil {
			fields[1+i] = r.String()
		}
	}
	for i, v := range []*float64{p.Min, p.Max} {
		if v != nil {
			fields[3+i] = format(*v)
		}
	}
	return strings.TrimRight(strings.Join(fields, ";"), ";")
}

// parsePerfs reads performance values separated by blanks. What is none is
// counted.
func parsePerfs(text string) (perfs []Perf, bad int) {
	for text = strings.TrimLeft(text, blanks); text != ""; text = strings.TrimLeft(text, blanks) {
		if len(perfs) == maxPerfs {
			return perfs, bad + len(strings.Fields(text))
		}
		label, rest, err := cutLabel(text)
		if err != nil {
			bad++
			_, text = cutBlank(text)
			continue
		}
		var item string
		item, text = cutBlank(rest)
		p, err := parsePerf(label, item)
		if err != nil {
			bad++
			continue
		}
		perfs = append(perfs, p)
	}
	return perfs, bad
}

const (
	blanks   = " \t\r\n"
	maxPerfs = 256 // of one output; a plugin that lists disks has a few dozen
)

var errNoLabel = errors.New("no label")

// cutBlank cuts a word off.
func cutBlank(text string) (word, rest string) {
	if i := strings.IndexAny(text, blanks); i >= 0 {
		return text[:i], text[i:]
	}
	return text, ""
}

// cutLabel cuts a label and its = off.
func cutLabel(text string) (label, rest string, err error) {
	if text[0] != '\'' {
		word, _ := cutBlank(text)
		label, _, found := strings.Cut(word, "=")
		if !found || label == "" {
			return "", "", errNoLabel
		}
		return label, text[len(label)+1:], nil
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\n':
			return "", "", errNoLabel
		case text[i] != '\'':
			b.WriteByte(text[i])
		case i+1 < len(text) && text[i+1] == '\'':
			b.WriteByte('\'')
			i++
		case i+1 < len(text) && text[i+1] == '=' && b.Len() > 0:
			return b.String(), text[i+2:], nil
		default:
			return "", "", errNoLabel
		}
	}
	return "", "", errNoLabel
}

// parsePerf reads what stands after the =.
func parsePerf(label, text string) (Perf, error) {
	fields := strings.Split(text, ";")
	p := Perf{Label: label}
	p.Unit = strings.TrimLeft(fields[0], "0123456789+-.")
	if strings.HasPrefix(strings.ToLower(p.Unit), "e") {
		if after := strings.TrimLeft(p.Unit[1:], "0123456789+-"); len(after) < len(p.Unit)-1 {
			p.Unit = after // that was an exponent
		}
	}
	var err error
	switch {
	case fields[0] == "U":
		p.Value, p.Unit = math.NaN(), ""
	case len(p.Unit) > maxUnit:
		return p, fmt.Errorf("plugin: %s: unit %.20q is too long", label, p.Unit)
	default:
		if p.Value, err = number(strings.TrimSuffix(fields[0], p.Unit)); err != nil {
			return p, fmt.Errorf("plugin: %s: %w", label, err)
		}
	}
	p.limits(fields[1:])
	return p, nil
}

const maxUnit = 16

// limits reads what follows the value. A plugin that prints a limit in a form
// of its own still has a value: such a limit is none.
func (p *Perf) limits(fields []string) {
	for i, f := range fields {
		switch i {
		case 0, 1:
			if r, err := ParseRange(f); err == nil && i == 0 {
				p.Warn = &r
			} else if err == nil {
				p.Crit = &r
			}
		case 2, 3:
			if v, err := number(f); err == nil && i == 2 {
				p.Min = &v
			} else if err == nil {
				p.Max = &v
			}
		}
	}
}
