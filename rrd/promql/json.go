package promql

import (
	"io"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// flushAt is how many bytes are gathered before they are written.
const flushAt = 32 << 10

// A jsonWriter writes JSON by hand: a range query may hold a million points, and
// each is two numbers.
type jsonWriter struct {
	w   io.Writer
	buf []byte
	err error // the first failed write; the rest is dropped
}

func (j *jsonWriter) raw(s string) { j.buf = append(j.buf, s...) }

// flush writes what was gathered and returns the first error.
func (j *jsonWriter) flush() error {
	if j.err == nil {
		_, j.err = j.w.Write(j.buf)
	}
	j.buf = j.buf[:0]
	return j.err
}

// text writes a JSON string. Labels are valid UTF-8 (rrd.Key), expressions and
// errors need not be.
func (j *jsonWriter) text(s string) { j.buf = appendJSONString(j.buf, s) }

func appendJSONString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, '\\', 'n')
		case r < ' ':
			b = append(b, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

// texts writes a list of strings.
func (j *jsonWriter) texts(list []string) {
	j.raw("[")
	for i, s := range list {
		if i > 0 {
			j.raw(",")
		}
		j.text(s)
		j.flushIfFull()
	}
	j.raw("]")
}

func (j *jsonWriter) flushIfFull() {
	if len(j.buf) >= flushAt {
		_ = j.flush() // kept in j.err
	}
}

// notes writes a member of strings, if there are any.
func (j *jsonWriter) notes(name string, list []string) {
	if len(list) > 0 {
		j.raw(`,"` + name + `":`)
		j.texts(list)
	}
}

// value writes the data of a query's answer.
func (j *jsonWriter) value(v parser.Value) {
	j.raw(`{"resultType":"` + string(v.Type()) + `","result":`)
	switch v := v.(type) {
	case promql.Scalar:
		j.point(v.T, v.V)
	case promql.String:
		j.raw("[")
		j.buf = appendSeconds(j.buf, v.T)
		j.raw(",")
		j.text(v.V)
		j.raw("]")
	case promql.Vector:
		j.raw("[")
		for i, s := range v {
			j.metric(i, s.Metric)
			j.raw(`,"value":`)
			j.point(s.T, s.F)
			j.raw("}")
		}
		j.raw("]")
	case promql.Matrix:
		j.raw("[")
		for i, s := range v {
			j.metric(i, s.Metric)
			j.raw(`,"values":[`)
			for k, p := range s.Floats {
				if k > 0 {
					j.raw(",")
				}
				j.point(p.T, p.F)
			}
			j.raw("]}")
		}
		j.raw("]")
	}
	j.raw("}")
}

// metric opens the object of the i-th series with its labels.
func (j *jsonWriter) metric(i int, ls labels.Labels) {
	j.flushIfFull()
	if i > 0 {
		j.raw(",")
	}
	j.raw(`{"metric":{`)
	first := true
	ls.Range(func(l labels.Label) {
		j.member(first, l.Name, l.Value)
		first = false
	})
	j.raw("}")
}

func (j *jsonWriter) member(first bool, name, value string) {
	if !first {
		j.raw(",")
	}
	j.text(name)
	j.raw(":")
	j.text(value)
}

// point writes [seconds,"value"].
func (j *jsonWriter) point(ms int64, v float64) {
	j.flushIfFull()
	j.buf = append(j.buf, '[')
	j.buf = appendSeconds(j.buf, ms)
	j.buf = append(j.buf, ',', '"')
	j.buf = appendValue(j.buf, v)
	j.buf = append(j.buf, '"', ']')
}

// appendSeconds writes milliseconds as seconds, with three decimals where
// there are any.
func appendSeconds(b []byte, ms int64) []byte {
	if ms < 0 {
		b, ms = append(b, '-'), -ms
	}
	b = strconv.AppendInt(b, ms/1000, 10)
	if f := ms % 1000; f != 0 {
		b = append(b, '.', byte('0'+f/100), byte('0'+f/10%10), byte('0'+f%10))
	}
	return b
}

// appendValue writes a float as Prometheus does: never with an exponent
// where a reader would not expect one, and NaN, +Inf and -Inf by name.
func appendValue(b []byte, v float64) []byte {
	format := byte('f')
	if abs := math.Abs(v); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(b, v, format, -1, 64)
}
