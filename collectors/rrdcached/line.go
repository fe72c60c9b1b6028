package rrdcached

import (
	"errors"
	"fmt"
	"strings"

	"rondo/rrd"
)

// field cuts the first field off a line: blanks part fields, and a backslash
// takes the next byte as it is.
func field(line string) (first, rest string) {
	line = trim(line)
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case ' ', '\t':
			return line[:i], trim(line[i+1:])
		case '\\':
			return unescape(line, i)
		}
	}
	return line, ""
}

// trim cuts off blanks in front.
func trim(line string) string {
	for line != "" && (line[0] == ' ' || line[0] == '\t') {
		line = line[1:]
	}
	return line
}

// unescape is field from the first backslash on.
func unescape(line string, i int) (first, rest string) {
	b := []byte(line[:i])
	for ; i < len(line); i++ {
		c := line[i]
		if c == ' ' || c == '\t' {
			return string(b), trim(line[i+1:])
		}
		if c == '\\' && i+1 < len(line) {
			i++
			c = line[i]
		}
		b = append(b, c)
	}
	return string(b), ""
}

// fields cuts a line into all its fields.
func fields(line string) (all []string) {
	for line != "" {
		var f string
		f, line = field(line)
		all = append(all, f)
	}
	return all
}

var errNoTime = errors.New("no timestamp")

// reading parses "time:value[:value...]" and appends the values' texts. Times
// are seconds since the epoch with or without a fraction; rrdcached takes no N.
func reading(texts []string, field string) ([]string, rrd.Time, error) {
	stamp, values, ok := strings.Cut(field, ":")
	t, err := timestamp(stamp)
	if !ok || err != nil {
		return texts, 0, fmt.Errorf("Cannot find timestamp in '%s'!", field)
	}
	for more := true; more; {
		var text string
		text, values, more = strings.Cut(values, ":")
		texts = append(texts, text)
	}
	return texts, t, nil
}

// maxSeconds bounds what is read as whole seconds; ten times that still fits in
// rrd.Time.
const maxSeconds = 1e10

// timestamp reads whole seconds by itself, as most are, and leaves fractions,
// whose rounding is RRDtool's, to package rrd.
func timestamp(text string) (rrd.Time, error) {
	var sec int64
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c < '0' || c > '9' || sec > maxSeconds {
			return fraction(text)
		}
		sec = 10*sec + int64(c-'0')
	}
	if text == "" {
		return 0, errNoTime
	}
	return rrd.Time(sec) * rrd.Second, nil
}

// fraction reads what is no whole number of seconds. A time relative to now
// (N, or negative) is none to rrdcached: librrd makes it absolute.
func fraction(text string) (rrd.Time, error) {
	if text == "" || (text[0] < '0' || text[0] > '9') && text[0] != '.' {
		return 0, errNoTime
	}
	return rrd.ParseUpdateTime(text, 0)
}
