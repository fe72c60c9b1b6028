package graphite

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"rondo/rrd"
)

// Malformed counts the lines that were left out, by reason.
type Malformed struct {
	Fields int   // not two or three fields
	Name   int   // a path or tags that name no series
	Value  int   // not a decimal number
	Time   int   // not a time
	First  error // what is wrong with the first of them
}

// Lines is how many lines were left out.
func (m *Malformed) Lines() int { return m.Fields + m.Name + m.Value + m.Time }

// add counts a line under a reason, which is a field of m.
func (m *Malformed) add(reason *int, what, line string) {
	*reason++
	if m.First == nil {
		m.First = fmt.Errorf("graphite: %s: %.200q", what, line)
	}
}

// AppendSamples appends the samples in the lines of in to dst. The samples'
// keys are parts of in, where the lines have no tags. now is the time of
// samples that bring none.
func AppendSamples(dst []rrd.Sample, in string, now time.Time) ([]rrd.Sample, Malformed) {
	var bad Malformed
	at := rrd.At(now)
	// What is asked of the whole block need not be asked of each line.
	tabs := strings.IndexByte(in, '\t') >= 0
	tags := strings.IndexByte(in, ';') >= 0
	foreign := strings.IndexByte(in, 0xff) >= 0 // parts the labels in a Key, and is no UTF-8
	for len(in) > 0 {
		var line string
		if end := strings.IndexByte(in, '\n'); end >= 0 {
			line, in = in[:end], in[end+1:]
		} else {
			line, in = in, ""
		}
		if n := len(line); n > 0 && line[n-1] == '\r' {
			line = line[:n-1]
		}
		s, ok := rrd.Sample{}, false
		if !tabs && !tags && !foreign {
			s, ok = parsePlain(line)
		}
		if !ok {
			s, ok = parseLine(line, at, &bad)
		}
		if ok {
			dst = append(dst, s)
		}
	}
	return dst, bad
}

// parsePlain reads the usual line: three fields, single blanks, plain decimal
// value, whole seconds. It leaves everything else to parseLine.
func parsePlain(line string) (s rrd.Sample, ok bool) {
	blank := strings.IndexByte(line, ' ')
	if blank <= 0 {
		return s, false
	}
	value, n, ok := decimal(line[blank+1:])
	if !ok {
		return s, false
	}
	rest := line[blank+1+n:]
	if len(rest) < 2 || rest[0] != ' ' {
		return s, false
	}
	sec := int64(0)
	for i := 1; i < len(rest); i++ {
		d := rest[i] - '0'
		if d > 9 || i > 11 {
			return s, false
		}
		sec = sec*10 + int64(d)
	}
	return rrd.Sample{Key: rrd.Key(line[:blank]), Value: value, Time: rrd.Time(sec) * rrd.Second}, true
}

// tens are the powers of ten that decimal divides by.
var tens = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// decimal reads a number of at most 15 digits at the start of s. Digits and
// power of ten are exact as float64, so that their quotient is the number
// nearest to the text, as strconv has it.
func decimal(s string) (v float64, n int, ok bool) {
	neg := len(s) > 0 && s[0] == '-'
	i, digits, point := 0, 0, -1
	if neg {
		i = 1
	}
	mantissa := int64(0)
	for ; i < len(s); i++ {
		c := s[i]
		if d := c - '0'; d <= 9 {
			mantissa = mantissa*10 + int64(d)
			digits++
			continue
		}
		if c != '.' || point >= 0 {
			break
		}
		point = i
	}
	if digits == 0 || digits > 15 {
		return 0, 0, false
	}
	v = float64(mantissa)
	if point >= 0 {
		v /= tens[i-1-point]
	}
	if neg {
		v = -v
	}
	return v, i, true
}

// parseLine reads any line, and counts it where it is bad. An empty line is
// neither a sample nor bad.
func parseLine(line string, now rrd.Time, bad *Malformed) (s rrd.Sample, ok bool) {
	name, rest := field(line)
	value, rest := field(rest)
	when, rest := field(rest)
	if name == "" {
		return s, false
	}
	if extra, _ := field(rest); value == "" || extra != "" {
		bad.add(&bad.Fields, "want path, value and timestamp", line)
		return s, false
	}
	if s.Value, ok = parseValue(value); !ok {
		bad.add(&bad.Value, "bad value", line)
		return s, false
	}
	if s.Time, ok = parseTime(when, now); !ok {
		bad.add(&bad.Time, "bad timestamp", line)
		return s, false
	}
	key, err := parseKey(name)
	if err != nil {
		bad.add(&bad.Name, err.Error(), line)
		return s, false
	}
	s.Key = key
	return s, true
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }

// field cuts the first field off s.
func field(s string) (f, rest string) {
	start := 0
	for start < len(s) && isBlank(s[start]) {
		start++
	}
	end := start
	for end < len(s) && !isBlank(s[end]) {
		end++
	}
	return s[start:end], s[end:]
}

// parseValue reads a finite decimal number. strconv would also take
// hexadecimal numbers, underscores, and words for what is no number.
func parseValue(s string) (float64, bool) {
	if v, n, ok := decimal(s); ok && n == len(s) {
		return v, true
	}
	if strings.Trim(s, "0123456789.eE+-") != "" {
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil
}

// parseTime reads seconds since the epoch to the microsecond.
func parseTime(s string, now rrd.Time) (rrd.Time, bool) {
	if s == "" || s == "-1" || s == "N" || s == "-1.0" {
		return now, true
	}
	v, ok := parseValue(s)
	if !ok || v < 0 || v > math.MaxInt64/2e6 {
		return 0, false
	}
	sec, frac := math.Modf(v)
	return rrd.Time(sec)*rrd.Second + rrd.Time(math.Round(frac*1e6)), true
}

// parseKey reads a path and its tags: name;tag=value;tag=value.
func parseKey(path string) (rrd.Key, error) {
	if strings.IndexByte(path, 0xff) >= 0 {
		return "", rrd.ErrNotUTF8
	}
	name, rest, tagged := strings.Cut(path, ";")
	if !tagged {
		return rrd.Key(path), nil
	}
	if key, ok := sortedKey(name, rest); ok {
		return key, nil
	}
	labels := make([]rrd.Label, 0, 1+strings.Count(rest, ";"))
	for tag := range strings.SplitSeq(rest, ";") {
		l, v, ok := strings.Cut(tag, "=")
		if !ok || l == "" || v == "" || l == rrd.NameLabel {
			return "", fmt.Errorf("bad tag %.50q", tag)
		}
		labels = append(labels, rrd.Label{Name: l, Value: v})
	}
	return rrd.NewKey(name, labels...)
}

// sortedKey is rrd.NewKey for tags that come sorted, as most clients send
// them: it allocates the key only. Keys are validated where series are made.
func sortedKey(name, tags string) (key rrd.Key, ok bool) {
	b := make([]byte, 0, 256)
	b = append(b, name...)
	last := ""
	for more := true; more; {
		var tag string
		tag, tags, more = strings.Cut(tags, ";")
		l, v, ok := strings.Cut(tag, "=")
		if !ok || v == "" || l <= last || l == rrd.NameLabel {
			return "", false
		}
		b = append(append(append(append(b, 0xff), l...), 0xff), v...)
		last = l
	}
	return rrd.Key(b), name != ""
}
