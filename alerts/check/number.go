package check

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"rondo/syslogd/filter"
	"rondo/syslogd/syslog"
)

// A Number is one that stands in log messages.
type Number struct {
	Pattern string `yaml:"pattern"` // RE2 over the text; the number is its group named value, or else its first
	Field   string `yaml:"field"`   // instead: a field that is one, such as sd.duration
	Of      string `yaml:"of"`      // of all in the window: max (default), min, avg, sum or last
}

// A numberReader takes numbers out of messages.
type numberReader struct {
	pattern *regexp.Regexp
	group   int
	field   string
	name    string // for people
	of      string
}

func (n Number) reader() (*numberReader, error) {
	r := &numberReader{field: n.Field, name: cmp.Or(n.Field, "number"), of: cmp.Or(n.Of, "max")}
	if !slices.Contains([]string{"max", "min", "avg", "sum", "last"}, r.of) {
		return nil, fmt.Errorf("number: of %q: want max, min, avg, sum or last", n.Of)
	}
	if (n.Pattern == "") == (n.Field == "") {
		return nil, errors.New("number: want pattern or field, one of them")
	}
	if n.Field != "" {
		if _, ok := filter.FieldName(n.Field); !ok {
			return nil, fmt.Errorf("number: no field is called %q", n.Field)
		}
		return r, nil
	}
	re, err := regexp.Compile(n.Pattern)
	if err != nil {
		return nil, fmt.Errorf("number: pattern: %w", err)
	}
	if re.NumSubexp() == 0 {
		return nil, errors.New("number: pattern: want a group for the number, such as ([0-9.]+)")
	}
	r.pattern, r.group = re, max(re.SubexpIndex("value"), 1)
	return r, nil
}

// number is that of a message, if it has one.
func (n *numberReader) number(m *syslog.Message) (float64, bool) {
	text := ""
	if n.field != "" {
		text = filter.Value(m, n.field)
	} else if g := n.pattern.FindStringSubmatch(m.Text); g != nil {
		text = g[n.group]
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	return v, err == nil && !math.IsNaN(v) && !math.IsInf(v, 0)
}

// A gathering is the numbers of one group.
type gathering struct {
	values                   []string
	n, sum, least, most, one float64
	at                       time.Time // of one, the last
}

func (g *gathering) add(v float64, at time.Time) {
	if g.n == 0 {
		g.least, g.most = v, v
	}
	g.n, g.sum, g.least, g.most = g.n+1, g.sum+v, min(g.least, v), max(g.most, v)
	if !at.Before(g.at) {
		g.one, g.at = v, at
	}
}

func (g *gathering) result(of string) float64 {
	switch of {
	case "min":
		return g.least
	case "avg":
		return g.sum / g.n
	case "sum":
		return g.sum
	case "last":
		return g.one
	}
	return g.most
}

// read gathers the numbers of messages by the values of fields.
func (n *numberReader) read(messages iter.Seq2[syslog.Message, error], by []string) ([]logGroup, error) {
	groups := make(map[string]*gathering)
	read := 0
	for m, err := range messages {
		if err != nil {
			return nil, err
		}
		if read++; read > maxMessages {
			return nil, fmt.Errorf("more than %d messages in the window: narrow the filter, or the window", maxMessages)
		}
		v, ok := n.number(&m)
		if !ok {
			continue
		}
		values := make([]string, len(by))
		for i, f := range by {
			values[i] = filter.Value(&m, f)
		}
		key := strings.Join(values, "\xff")
		if groups[key] == nil {
			if len(groups) == maxGroups {
				return nil, tooManyGroups(by)
			}
			groups[key] = &gathering{values: orDash(values)}
		}
		groups[key].add(v, m.Received)
	}
	out := make([]logGroup, 0, len(groups))
	for _, g := range groups {
		out = append(out, logGroup{values: g.values, value: g.result(n.of)})
	}
	slices.SortFunc(out, func(a, b logGroup) int { return slices.Compare(a.values, b.values) })
	return out, nil
}
