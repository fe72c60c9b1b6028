package statsd

import (
	"errors"
	"strconv"
	"strings"

	"rondo/rrd"
)

// A kind is what a line says its value is.
type kind uint8

const (
	counter kind = iota
	gauge
	timer
	set
)

// A line is one parsed line. Its strings are parts of the packet.
type line struct {
	name   string
	values string // one or more, parted by colons
	kind   kind
	rate   float64
	tags   string // a:b,c
}

// Errors that say why a line is left out.
var (
	errForm        = errors.New("want name:value|type")
	errType        = errors.New("unknown type")
	errValue       = errors.New("bad value")
	errRate        = errors.New("bad sample rate")
	errTags        = errors.New("bad tags")
	errNames       = errors.New("more names than max_names")
	errOtherType   = errors.New("the name is already of another type")
	errUnsupported = errors.New("events and service checks are not taken")
)

// parseLine reads a line without its newline.
func parseLine(s string) (l line, err error) {
	if strings.HasPrefix(s, "_e{") || strings.HasPrefix(s, "_sc|") {
		return l, errUnsupported
	}
	head, rest, _ := strings.Cut(s, "|")
	name, values, ok := strings.Cut(head, ":")
	typ, rest, more := strings.Cut(rest, "|")
	if !ok || name == "" || values == "" || typ == "" {
		return l, errForm
	}
	l = line{name: name, values: values, rate: 1}
	switch typ {
	case "c":
		l.kind = counter
	case "g":
		l.kind = gauge
	case "ms", "h", "d":
		l.kind = timer
	case "s":
		l.kind = set
	default:
		return l, errType
	}
	for more {
		var f string
		f, rest, more = strings.Cut(rest, "|")
		switch {
		case strings.HasPrefix(f, "@"):
			if l.rate, err = strconv.ParseFloat(f[1:], 64); err != nil || !(l.rate > 0 && l.rate <= 1) {
				return l, errRate
			}
		case strings.HasPrefix(f, "#"):
			l.tags = f[1:]
		}
	}
	return l, nil
}

// parseValue reads a finite decimal number.
func parseValue(s string) (v float64, err error) {
	if s == "" || strings.Trim(s, "0123456789.eE+-") != "" {
		return 0, errValue
	}
	if v, err = strconv.ParseFloat(s, 64); err != nil {
		return 0, errValue
	}
	return v, nil
}

// labels reads tags: "a:b,c" is a="b" and c="true".
func labels(tags string) ([]rrd.Label, error) {
	if tags == "" {
		return nil, nil
	}
	ls := make([]rrd.Label, 0, 1+strings.Count(tags, ","))
	for tag := range strings.SplitSeq(tags, ",") {
		name, value, ok := strings.Cut(tag, ":")
		if tag == "" {
			continue
		}
		if !ok {
			value = "true"
		}
		if name == "" || name == rrd.NameLabel {
			return nil, errTags
		}
		ls = append(ls, rrd.Label{Name: name, Value: value})
	}
	return ls, nil
}
