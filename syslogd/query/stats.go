package query

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"rondo/syslogd/logstore/chunk"
)

// grouper is Stats at work.
type grouper struct {
	*run
	Stats
	next    stage
	groups  map[string]*group
	skipped []int64 // by aggregate: values that are no numbers
	key     strings.Builder
}

// group is one row in the making.
type group struct {
	bin    int64
	values []string
	accs   []accumulator
}

// accumulator is one aggregate of one group.
type accumulator interface {
	// add takes a value that is not None. It returns false if it cannot use
	// it, because it is no number.
	add(v Value) bool
	value() Value
}

func (p Stats) start(next stage, r *run) stage {
	return &grouper{run: r, Stats: p, next: next, groups: map[string]*group{}, skipped: make([]int64, len(p.Aggs))}
}

func (g *grouper) put(r *Row) error {
	x := g.of(r)
	if x == nil {
		return nil
	}
	for i, a := range g.Aggs {
		v := numberOf(1)
		if a.Field != "" {
			v = r.Get(a.Field)
		}
		if v.kind != None && !x.accs[i].add(v) {
			g.skipped[i]++
		}
	}
	return nil
}

// of finds or makes the group of a row; nil if there is no room for it.
func (g *grouper) of(r *Row) *group {
	var x group
	g.key.Reset()
	if g.Bin > 0 {
		x.bin = chunk.FloorDiv(r.Get("time").at.UnixNano(), int64(g.Bin))
		g.key.WriteString(strconv.FormatInt(x.bin, 36))
	}
	values := make([]string, len(g.By))
	for i, name := range g.By {
		values[i] = r.Get(name).String()
		g.key.WriteByte(0)
		g.key.WriteString(strconv.Itoa(len(values[i])))
		g.key.WriteByte(0)
		g.key.WriteString(values[i])
	}
	if had := g.groups[g.key.String()]; had != nil {
		return had
	}
	if len(g.groups) >= g.limits.Groups {
		g.status.cut("groups", g.limits.Groups, 1)
		return nil
	}
	x.values = values
	if !g.hold(int64(2*g.key.Len() + 100 + 100*len(g.Aggs))) {
		return nil
	}
	for _, a := range g.Aggs {
		x.accs = append(x.accs, g.accumulator(a))
	}
	for i, v := range x.values {
		x.values[i] = strings.Clone(v)
	}
	g.groups[g.key.String()] = &x
	return &x
}

func (g *grouper) accumulator(a Agg) accumulator {
	switch a.Func {
	case "sum":
		return &sum{}
	case "avg":
		return &sum{mean: true}
	case "min":
		return &extreme{sign: -1}
	case "max":
		return &extreme{sign: 1}
	case "uniq":
		return &distinct{run: g.run, seen: map[string]struct{}{}}
	case "quantile":
		return &quantile{run: g.run, p: float64(a.P) / 100}
	}
	return &count{}
}

// end passes the groups on in order of time and values.
func (g *grouper) end() error {
	if len(g.groups) == 0 && len(g.By) == 0 && g.Bin == 0 {
		g.of(&Row{}) // of nothing, the count is 0
	}
	all := make([]*group, 0, len(g.groups))
	for _, x := range g.groups {
		all = append(all, x)
	}
	slices.SortFunc(all, func(a, b *group) int { return cmp.Or(cmp.Compare(a.bin, b.bin), slices.Compare(a.values, b.values)) })
	for i, n := range g.skipped {
		g.tell(note{g.Aggs[i].String() + ": %d values are no numbers, and left out", n})
	}
	rows := make([]*Row, len(all))
	for i, x := range all {
		rows[i] = g.row(x)
	}
	return pour(rows, g.next)
}

func (g *grouper) row(x *group) *Row {
	r := &Row{}
	if g.Bin > 0 {
		r.cells = append(r.cells, cell{"time", timeOf(time.Unix(0, x.bin*int64(g.Bin)).UTC())})
	}
	for i, name := range g.By {
		r.cells = append(r.cells, cell{name, textOf(x.values[i])})
	}
	for i, a := range g.Aggs {
		r.cells = append(r.cells, cell{a.As, x.accs[i].value()})
	}
	return r
}

// parseAddr is the address that a text is; the zero one if it is none.
func parseAddr(s string) netip.Addr {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return a
}
