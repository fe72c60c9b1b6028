package logstore

import (
	"slices"

	"rondo/syslogd"
	"rondo/syslogd/filter"
	"rondo/syslogd/logstore/chunk"
	"rondo/syslogd/syslog"
)

// labels are the values of a grouping's fields in one part: each type and each
// origin is labelled once, so that a row costs no more than its numbers.
type labels struct {
	*grouping
	c        *content
	types    labelled
	origins  labelled
	unknown  []bool // by type: some field differs from row to row
	patterns *chunk.Patterns
}

// labelled numbers the different labels of a list of things.
type labelled struct {
	fields []int // of the grouping, that these things decide
	class  []uint32
	values [][syslogd.MaxBy]string // by class
}

// add labels the next thing. Where it decides nothing all have one label.
func (l *labelled) add(ids map[[syslogd.MaxBy]string]uint32, v *[syslogd.MaxBy]string) {
	if len(l.fields) == 0 && len(l.values) == 1 {
		l.class = append(l.class, 0)
		return
	}
	id, ok := ids[*v]
	if !ok {
		id = uint32(len(l.values))
		ids[*v] = id
		l.values = append(l.values, *v)
	}
	l.class = append(l.class, id)
}

// label prepares the counting of a part.
func (g *grouping) label(c *content) *labels {
	l := &labels{grouping: g, c: c, unknown: make([]bool, len(c.types))}
	for i, f := range g.by {
		if f == "host" || f == "sender" {
			l.origins.fields = append(l.origins.fields, i)
		} else {
			l.types.fields = append(l.types.fields, i)
		}
	}
	if len(g.by) == 0 { // all are one group
		l.types.class, l.origins.class = make([]uint32, len(c.types)), make([]uint32, len(c.origins))
		l.types.values, l.origins.values = make([][syslogd.MaxBy]string, 1), make([][syslogd.MaxBy]string, 1)
		return l
	}
	ids := map[[syslogd.MaxBy]string]uint32{}
	for i, t := range c.types {
		var v [syslogd.MaxBy]string
		if c.verdict[i] != no {
			l.unknown[i] = !l.ofType(t, &v)
		}
		l.types.add(ids, &v)
	}
	clear(ids)
	for _, o := range c.origins {
		m := syslog.Message{Host: o.Host, Sender: o.Sender}
		var v [syslogd.MaxBy]string
		for _, f := range l.origins.fields {
			v[f] = filter.Value(&m, g.by[f])
		}
		l.origins.add(ids, &v)
	}
	return l
}

// ofType finds the values that all rows of a type share; false if there is a
// field that they do not.
func (l *labels) ofType(t *chunk.Type, v *[syslogd.MaxBy]string) bool {
	m, known := t.Known()
	for _, f := range l.types.fields {
		if l.by[f] == syslogd.Pattern {
			p, ok := t.Pattern()
			if !ok {
				return false
			}
			v[f] = p
			continue
		}
		if need := needs(l.by[f]); known&need != need {
			return false
		}
		v[f] = filter.Value(&m, l.by[f])
	}
	return true
}

// byCatalogue counts what the catalogue knows of a part of which all times are
// asked for, in one bin. It returns true if that was all; else the types that
// it counted match no more, so that the rows of the others are left.
func (l *labels) byCatalogue(bin int64, t *tally) bool {
	c := l.c
	if len(l.origins.fields) == 0 {
		for i, class := range l.types.class {
			if c.verdict[i] == yes && !l.unknown[i] {
				t.counts[groupKey{bin, l.types.values[class]}] += int64(c.counts[i])
				c.verdict[i] = no
			}
		}
		return !slices.ContainsFunc(c.verdict, func(v verdict) bool { return v != no })
	}
	if len(l.types.fields) > 0 || c.sources == nil || slices.ContainsFunc(c.verdict, func(v verdict) bool { return v != yes }) {
		return false
	}
	for i, class := range l.origins.class {
		t.counts[groupKey{bin, l.origins.values[class]}] += int64(c.sources[i])
	}
	return true
}

// rowKey tells groups of a part apart.
type rowKey struct {
	bin          int64
	typ, origins uint32
}

// byRows counts row by row. Only rows of types that do not know are rendered.
func (l *labels) byRows(done <-chan struct{}, t *tally) error {
	counts, last, run := map[rowKey]int64{}, rowKey{}, int64(0) // neighbours are often of one group
	err := l.c.each(done, func(i int) error {
		typ, bin := l.c.rows.Type(i), int64(0)
		if l.width > 0 {
			bin = l.bin(l.c.plan.time(l.c.rows, i))
		}
		if l.unknown[typ] {
			return l.render(i, bin, t)
		}
		if k := (rowKey{bin, l.types.class[typ], l.origins.class[l.c.rows.Origin(i)]}); k != last {
			if run > 0 {
				counts[last] += run
			}
			last, run = k, 0
		}
		run++
		if len(counts) > syslogd.MaxGroups {
			return syslogd.ErrTooManyGroups
		}
		return nil
	})
	if err != nil {
		return err
	}
	if run > 0 {
		counts[last] += run
	}
	for k, n := range counts {
		if err := t.add(groupKey{k.bin, l.join(k.typ, k.origins)}, n); err != nil {
			return err
		}
	}
	return nil
}

func (l *labels) join(typ, origin uint32) [syslogd.MaxBy]string {
	v := l.types.values[typ]
	for _, f := range l.origins.fields {
		v[f] = l.origins.values[origin][f]
	}
	return v
}

// render counts a row by its whole message.
func (l *labels) render(i int, bin int64, t *tally) error {
	m, err := l.c.rows.Message(i)
	if err != nil {
		return err
	}
	k := groupKey{bin: bin}
	for f, name := range l.by {
		if name != syslogd.Pattern {
			k.values[f] = filter.Value(&m, name)
			continue
		}
		if l.patterns == nil {
			l.patterns = chunk.NewPatterns()
		}
		k.values[f] = l.patterns.Of(m.Text, l.c.rows.When(i))
	}
	return t.add(k, 1)
}
