package logstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"rondo/syslogd"
	"rondo/syslogd/logstore/chunk"
	"rondo/syslogd/syslog"
)

// Histogram counts all matches in bins of the width, by severity; bins start
// at multiples of the width since 1970. Whole hours of When come from headers
// alone if the filter asks for nothing but severity.
func (s *Store) Histogram(ctx context.Context, q syslogd.Query, width time.Duration) ([]syslogd.Bin, error) {
	if width <= 0 {
		return nil, errors.New("logstore: histogram: width must be positive")
	}
	total := tally[binKey]{}
	err := aggregate(ctx, s, q, total, func(x *part, p *plan, done <-chan struct{}, t tally[binKey]) error {
		return histogram(x, p, int64(width), done, t)
	}, func() error { return fewEnough(total) })
	if err != nil {
		return nil, fmt.Errorf("logstore: histogram: %w", err)
	}
	bins := make([]syslogd.Bin, 0, len(total))
	for k, n := range total {
		bins = append(bins, syslogd.Bin{Start: time.Unix(0, k.bin*int64(width)).UTC(), Severity: k.severity, Count: n})
	}
	slices.SortFunc(bins, func(a, b syslogd.Bin) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Severity, b.Severity))
	})
	return bins, nil
}

// fewEnough refuses a histogram before its bins fill the memory.
func fewEnough(t tally[binKey]) error {
	if len(t) > syslogd.MaxBins {
		return syslogd.ErrTooManyBins
	}
	return nil
}

type binKey struct {
	bin      int64
	severity syslog.Severity
}

// tally counts by a key.
type tally[K comparable] map[K]int64

// aggregate runs count over all parts, on all processors, and adds up. It ends
// with the first error; check looks at each new total.
func aggregate[K comparable](ctx context.Context, s *Store, q syslogd.Query, total tally[K], count func(*part, *plan, <-chan struct{}, tally[K]) error, check func() error) error {
	p := newPlan(q)
	parts, err := s.parts(p)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	g, group := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, x := range parts {
		if group.Err() != nil {
			break
		}
		g.Go(func() error {
			own := tally[K]{}
			err := count(x, p, group.Done(), own)
			mu.Lock()
			defer mu.Unlock()
			for k, n := range own {
				total[k] += n
			}
			return errors.Join(err, check())
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// histogram counts one part, with as little of it as will do.
func histogram(x *part, p *plan, width int64, done <-chan struct{}, t tally[binKey]) error {
	if x.info != nil && hoursSuffice(x, p, width) {
		for _, h := range x.info.header.Hours {
			if p.covers(ofHour(x.info.header, h.Hour)) && p.ofSeverity(h.Severity) == yes {
				t[binKey{floorDiv(int64(h.Hour)*int64(time.Hour), width), h.Severity}] += int64(h.Count)
			}
		}
		return nil
	}
	c, err := x.look(p)
	if c == nil || err != nil {
		return err
	}
	if p.covers(x.time) && floorDiv(x.time.min, width) == floorDiv(x.time.max, width) && c.byTypes() {
		for i, typ := range c.types {
			if c.verdict[i] == yes {
				t[binKey{floorDiv(x.time.min, width), typ.Severity}] += int64(c.counts[i])
			}
		}
		return nil
	}
	return c.each(done, func(i int) error {
		t[binKey{floorDiv(p.time(c.rows, i), width), c.types[c.rows.Type(i)].Severity}]++
		return fewEnough(t)
	})
}

// hoursSuffice reports whether the counts by hour answer the histogram.
func hoursSuffice(x *part, p *plan, width int64) bool {
	h := x.info.header
	if p.received || width%int64(time.Hour) != 0 || h.Hours == nil {
		return false
	}
	return !slices.ContainsFunc(h.Hours, func(c chunk.HourCount) bool {
		time := ofHour(h, c.Hour)
		return p.overlaps(time) && (!p.covers(time) || p.ofSeverity(c.Severity) == maybe)
	})
}

// byTypes reports whether the types alone tell what matches.
func (c *content) byTypes() bool { return !slices.Contains(c.verdict, maybe) }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// Facets counts all matches by host, app, severity or facility.
func (s *Store) Facets(ctx context.Context, q syslogd.Query, field string, limit int) ([]syslogd.Facet, error) {
	if !slices.Contains([]string{"host", "app", "severity", "facility"}, field) {
		return nil, fmt.Errorf("logstore: facets: no field %q: want host, app, severity or facility", field)
	}
	total := tally[string]{}
	err := aggregate(ctx, s, q, total, func(x *part, p *plan, done <-chan struct{}, t tally[string]) error {
		return facets(x, p, field, done, t)
	}, func() error { return nil })
	if err != nil {
		return nil, fmt.Errorf("logstore: facets: %w", err)
	}
	list := make([]syslogd.Facet, 0, len(total))
	for v, n := range total {
		list = append(list, syslogd.Facet{Value: v, Count: n})
	}
	slices.SortFunc(list, func(a, b syslogd.Facet) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Value, b.Value))
	})
	if limit > 0 && len(list) > limit {
		list = list[:limit]
	}
	return list, nil
}

// facets counts one part, from its catalogue if that will do.
func facets(x *part, p *plan, field string, done <-chan struct{}, t tally[string]) error {
	c, err := x.look(p)
	if c == nil || err != nil {
		return err
	}
	if p.covers(x.time) && c.facetsByCounts(field, t) {
		return nil
	}
	return c.each(done, func(i int) error {
		v, err := c.facet(field, i)
		t[v]++
		return err
	})
}

// facetsByCounts counts by the catalogue; false, and nothing counted, if it
// does not know enough.
func (c *content) facetsByCounts(field string, t tally[string]) bool {
	if !c.byTypes() {
		return false
	}
	if field == "host" {
		if c.sources == nil || slices.Contains(c.verdict, no) {
			return false
		}
		for i, o := range c.origins {
			t[hostOf(o)] += int64(c.sources[i])
		}
		return true
	}
	known := func(typ *chunk.Type) bool { _, ok := valueOf(typ, field); return ok }
	if slices.ContainsFunc(c.types, func(typ *chunk.Type) bool { return !known(typ) }) {
		return false
	}
	for i, typ := range c.types {
		if v, _ := valueOf(typ, field); c.verdict[i] == yes {
			t[v] += int64(c.counts[i])
		}
	}
	return true
}

func hostOf(o chunk.Origin) string {
	m := syslog.Message{Host: o.Host, Sender: o.Sender}
	return m.Origin()
}

// valueOf is the value of a field in all lines of a type, if known.
func valueOf(t *chunk.Type, field string) (string, bool) {
	switch field {
	case "severity":
		return t.Severity.String(), true
	case "facility":
		return t.Facility.String(), true
	}
	m, known := t.Known()
	return m.App, known&chunk.KnowsApp != 0
}

// facet is the value of a field of one row.
func (c *content) facet(field string, i int) (string, error) {
	if field == "host" {
		return hostOf(c.origins[c.rows.Origin(i)]), nil
	}
	if v, ok := valueOf(c.types[c.rows.Type(i)], field); ok {
		return v, nil
	}
	m, err := c.rows.Message(i)
	return m.App, err
}
