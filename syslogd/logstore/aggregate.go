package logstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"rondo/syslogd"
	"rondo/syslogd/filter"
	"rondo/syslogd/logstore/chunk"
	"rondo/syslogd/syslog"
)

// Count implements syslogd.Searcher. Whole hours of When come from headers
// alone if nothing but the severity is asked for; counts by fields that
// belong to types, or by the origin, from catalogues.
func (s *Store) Count(ctx context.Context, q syslogd.Query, by []string, bin time.Duration) ([]syslogd.Group, error) {
	g, err := newGrouping(by, bin, q.Origin)
	if err != nil {
		return nil, fmt.Errorf("logstore: count: %w", err)
	}
	total, err := s.aggregate(ctx, newPlan(q), g)
	if err != nil {
		return nil, fmt.Errorf("logstore: count: %w", err)
	}
	groups := make([]syslogd.Group, 0, len(total.counts))
	for k, n := range total.counts {
		one := syslogd.Group{Values: append([]string(nil), k.values[:len(by)]...), Count: n}
		if bin > 0 {
			one.Start = time.Unix(0, k.bin*int64(bin)+g.shift).UTC()
		}
		groups = append(groups, one)
	}
	slices.SortFunc(groups, func(a, b syslogd.Group) int {
		return cmp.Or(a.Start.Compare(b.Start), slices.Compare(a.Values, b.Values))
	})
	return groups, nil
}

// aggregate counts all parts and adds up: what headers answer at once, all
// else on all processors. It ends with the first error.
func (s *Store) aggregate(ctx context.Context, p *plan, by *grouping) (*tally, error) {
	parts, err := s.parts(p)
	if err != nil {
		return nil, err
	}
	total := newTally()
	if parts, err = by.headers(parts, p, total); err != nil {
		return nil, err
	}
	var mu sync.Mutex
	g, group := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, x := range parts {
		if group.Err() != nil {
			break
		}
		g.Go(func() error {
			own := newTally()
			if err := by.count(x, p, group.Done(), own); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			return total.merge(own)
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return total, context.Cause(ctx)
}

// grouping is what to count by.
type grouping struct {
	by    []string
	width int64 // of the bins; 0: none
	shift int64 // by how much they begin later than multiples of it
}

func newGrouping(by []string, bin time.Duration, origin time.Time) (*grouping, error) {
	if bin < 0 {
		return nil, errors.New("width must be positive")
	}
	if len(by) > syslogd.MaxBy {
		return nil, fmt.Errorf("by %d fields: at most %d", len(by), syslogd.MaxBy)
	}
	for _, name := range by {
		if known, ok := filter.FieldName(name); name != syslogd.Pattern && (!ok || known != name) {
			return nil, fmt.Errorf("by %q: no such field", name)
		}
	}
	g := &grouping{by: by, width: int64(bin)}
	if at := nanos(origin); !origin.IsZero() && g.width > 0 {
		g.shift = at - chunk.FloorDiv(at, g.width)*g.width
	}
	return g, nil
}

// bin is the number of the bin that holds an instant.
func (g *grouping) bin(at int64) int64 {
	if g.width == 0 {
		return 0
	}
	n := chunk.FloorDiv(at, g.width)
	if at-n*g.width < g.shift {
		n--
	}
	return n
}

// groupKey tells groups apart.
type groupKey struct {
	bin    int64
	values [syslogd.MaxBy]string
}

// tally counts by group, in bounded memory.
type tally struct {
	counts map[groupKey]int64
	bytes  int
}

// maxGroupBytes bounds the values of all groups.
const maxGroupBytes = 64 << 20

func newTally() *tally { return &tally{counts: map[groupKey]int64{}} }

func (t *tally) add(k groupKey, n int64) error {
	had := len(t.counts)
	if t.counts[k] += n; len(t.counts) == had {
		return nil
	}
	for _, v := range k.values {
		t.bytes += len(v)
	}
	if had == syslogd.MaxGroups || t.bytes > maxGroupBytes {
		return syslogd.ErrTooManyGroups
	}
	return nil
}

func (t *tally) merge(o *tally) error {
	for k, n := range o.counts {
		if err := t.add(k, n); err != nil {
			return err
		}
	}
	return nil
}

// whole reports whether all of a part is asked for, and lies in one bin.
func (g *grouping) whole(x *part, p *plan) bool {
	return p.covers(x.time) && g.bin(x.time.min) == g.bin(x.time.max)
}

// hourKey tells the groups apart that headers know of: severity is 0 if it is
// not what is counted by. It is much quicker to look up than a groupKey.
type hourKey struct {
	bin      int64
	severity syslog.Severity
}

// headers counts the parts that their headers answer for, and returns the
// others.
func (g *grouping) headers(parts []*part, p *plan, t *tally) (others []*part, err error) {
	counts := map[hourKey]int64{}
	for _, x := range parts {
		if whole := g.whole(x, p); x.info == nil || !g.hoursSuffice(x, p, whole) {
			others = append(others, x)
		} else if g.byHours(x, p, whole, counts); len(counts) > syslogd.MaxGroups {
			return nil, syslogd.ErrTooManyGroups
		}
	}
	for h, n := range counts {
		k := groupKey{bin: h.bin}
		for i := range g.by {
			k.values[i] = h.severity.String()
		}
		if err := t.add(k, n); err != nil {
			return nil, err
		}
	}
	return others, nil
}

// count counts one part, with as little of it as will do.
func (g *grouping) count(x *part, p *plan, done <-chan struct{}, t *tally) error {
	whole := g.whole(x, p)
	c, err := x.look(p)
	if c == nil || err != nil {
		return err
	}
	defer c.close()
	l := g.label(c)
	if whole && l.byCatalogue(g.bin(x.time.min), t) {
		return nil
	}
	return l.byRows(done, t)
}

// hoursSuffice reports whether the counts by hour answer. Where the part lies
// wholly in one bin, they need only tell the severities.
func (g *grouping) hoursSuffice(x *part, p *plan, whole bool) bool {
	h := x.info.header
	if h.Hours == nil || slices.ContainsFunc(g.by, func(f string) bool { return f != "severity" }) {
		return false
	}
	if !whole && p.received {
		return false
	}
	return !slices.ContainsFunc(h.Hours, func(c chunk.HourCount) bool {
		if whole {
			return p.ofSeverity(c.Severity) == maybe
		}
		time := ofHour(h, c.Hour)
		unsure := !p.covers(time) || g.bin(time.min) != g.bin(time.max)
		return p.overlaps(time) && (unsure || p.ofSeverity(c.Severity) == maybe)
	})
}

// byHours counts a part by the hours of its header.
func (g *grouping) byHours(x *part, p *plan, whole bool, counts map[hourKey]int64) {
	last, n := hourKey{}, int64(0) // neighbours are mostly of one group
	for _, h := range x.info.header.Hours {
		at := x.time
		if !whole {
			at = ofHour(x.info.header, h.Hour)
		}
		if !whole && !p.covers(at) || p.ofSeverity(h.Severity) != yes {
			continue
		}
		k := hourKey{bin: g.bin(at.min)}
		if len(g.by) > 0 {
			k.severity = h.Severity
		}
		if k != last && n > 0 {
			counts[last] += n
			n = 0
		}
		last, n = k, n+int64(h.Count)
	}
	if n > 0 {
		counts[last] += n
	}
}
