package rrdtest

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"math"
	"regexp"
	"slices"
	"sync"
	"time"

	"rondo/rrd"
)

// Options of a Mem; a store under test is opened with the same.
type Options struct {
	Define     func(rrd.Key, rrd.Type) rrd.Definition // nil: rrd.DefaultDefinition with the sample's type
	LateWindow time.Duration                          // 0: 10 minutes
	Future     time.Duration                          // 0: 10 minutes
	Now        func() time.Time                       // nil: time.Now
}

// Mem is a round-robin store in memory. It implements rrd.Appender,
// rrd.Querier and rrd.Index.
type Mem struct {
	o      Options
	mu     sync.Mutex
	series map[rrd.Key]*memSeries
	clock  rrd.Time // newest sample's time
}

// memSeries has all rows that were ever closed, and the samples that may still
// change.
type memSeries struct {
	def    rrd.Definition
	window window
	fold   rrd.Fold // of all before the window
	closed []rrd.ClosedRow
	begins []rrd.Time  // of each archive's complete rows, where it was redefined
	late   []rrd.Point // samples that came too late for the window, sorted
}

// A window is a rrd.Window that points leave when they are too old for it.
type window struct {
	rrd.Window
	settled rrd.Time // points up to here have left
}

// Insert puts a sample in its place.
func (w *window) Insert(p rrd.Point) rrd.Offer {
	if p.Time <= w.settled {
		return rrd.TooLate
	}
	return w.Window.Insert(p)
}

// settle removes and returns the points that are too old for the window.
func (w *window) settle() []rrd.Point {
	n := 0
	for n < len(w.Points) && w.Points[n].Time <= w.Points[len(w.Points)-1].Time-w.Length {
		n++
	}
	settled := slices.Clone(w.Points[:n])
	if n > 0 {
		w.settled = settled[n-1].Time
		w.Points = slices.Delete(w.Points, 0, n)
	}
	return settled
}

// NewMem makes an empty store.
func NewMem(o Options) *Mem {
	if o.Define == nil {
		o.Define = defaultDefinition
	}
	if o.LateWindow == 0 {
		o.LateWindow = 10 * time.Minute
	}
	if o.Future == 0 {
		o.Future = 10 * time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Mem{o: o, series: map[rrd.Key]*memSeries{}, clock: math.MinInt64}
}

func defaultDefinition(_ rrd.Key, t rrd.Type) rrd.Definition {
	d := rrd.DefaultDefinition()
	if t != rrd.Unset {
		d.Type = t
	}
	return d
}

// Append implements rrd.Appender.
func (m *Mem) Append(_ context.Context, batch []rrd.Sample) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var refused []rrd.Refused
	var late []lateSample
	clock := m.clock
	for i, s := range batch {
		switch reason := m.take(s, clock); reason {
		case "":
		case tooLate:
			late = append(late, lateSample{i, s.Key, rrd.Point{Time: s.Time, Value: s.Value}})
		default:
			refused = append(refused, rrd.Refused{Index: i, Series: s.Key, Reason: reason, Detail: fmt.Sprint(s.Value)})
		}
	}
	refused = append(refused, m.takeLate(late)...)
	if refused != nil {
		return &rrd.BatchError{Refused: refused}
	}
	return nil
}

// tooLate is no refusal yet.
const tooLate rrd.Refusal = "too late for the window"

// take takes one sample of a batch that came when the store's clock stood as
// given.
func (m *Mem) take(s rrd.Sample, clock rrd.Time) rrd.Refusal {
	if s.Key.Validate() != nil {
		return rrd.RefusedKey
	}
	ser := m.series[s.Key]
	if ser == nil {
		ser = &memSeries{def: m.o.Define(s.Key, s.Type)}
		ser.window.Length = rrd.Time(m.o.LateWindow.Microseconds())
		m.series[s.Key] = ser
	}
	switch {
	case math.IsNaN(s.Value) || math.IsInf(s.Value, 0):
		return rrd.RefusedValue
	case s.Time > rrd.At(m.o.Now().Add(m.o.Future)):
		return rrd.RefusedFuture
	case s.Time <= 0 || clock != math.MinInt64 && s.Time <= reach(&ser.def, clock):
		return rrd.RefusedLate
	case !ser.def.Allowed(s.Value):
		return rrd.RefusedLimit
	}
	if ser.window.Insert(rrd.Point{Time: s.Time, Value: s.Value}) == rrd.TooLate {
		return tooLate
	}
	m.clock = max(m.clock, s.Time)
	for _, p := range ser.window.settle() {
		ser.closed = ser.fold.Add(&ser.def, p, ser.closed)
	}
	return ""
}

// reach is the time before which no archive keeps anything.
func reach(d *rrd.Definition, clock rrd.Time) rrd.Time {
	oldest := rrd.Time(math.MaxInt64)
	for a := range d.Archives {
		oldest = min(oldest, edge(d, a, clock))
	}
	return oldest
}

// edge: the rows of an archive that end later are in its ring.
func edge(d *rrd.Definition, a int, clock rrd.Time) rrd.Time {
	return clock.SlotEnd(d.Row(a)).Add(-d.Span(a))
}

// Select implements rrd.Querier.
func (m *Mem) Select(_ context.Context, q rrd.Query) iter.Seq2[rrd.Series, error] {
	return func(yield func(rrd.Series, error) bool) {
		m.mu.Lock()
		defer m.mu.Unlock()
		keys, err := m.find(q.Matchers, 0)
		if err != nil {
			yield(rrd.Series{}, err)
			return
		}
		answered := 0
		for _, k := range keys {
			s, ok := m.answer(k, q)
			if !ok {
				continue
			}
			if answered++; !yield(s, nil) || answered == q.Limit {
				return
			}
		}
	}
}

// answer says whether a series belongs to the answer, and what it is.
func (m *Mem) answer(k rrd.Key, q rrd.Query) (rrd.Series, bool) {
	d := &m.series[k].def
	a := m.archive(m.series[k], q)
	out := m.rows(k, a, q)
	row := d.Row(a)
	if len(out.Times) > 0 || q.End.Sub(q.Start) >= 2*row {
		return out, len(out.Times) > 0
	}
	before := m.rows(k, a, rrd.Query{Start: q.Start.Add(-2 * row), End: q.Start})
	return out, len(before.Times) > 0
}

// rows returns what an archive has in the range.
func (m *Mem) rows(k rrd.Key, a int, q rrd.Query) rrd.Series {
	ser := m.series[k]
	d := &ser.def
	out := rrd.Series{Key: k, Definition: *d, Archive: a}
	add := func(stamp rrd.Time, r rrd.Row) bool {
		if r.End <= edge(d, a, m.clock) || stamp <= q.Start || stamp > q.End {
			return false
		}
		out.Times = append(out.Times, stamp)
		for _, c := range q.Columns {
			out.Values[c] = append(out.Values[c], r.Column(c))
		}
		return true
	}
	fold, closed := ser.fold.Clone(), slices.Clip(ser.closed)
	for _, p := range ser.window.Points {
		closed = fold.Add(d, p, closed)
	}
	for _, c := range closed {
		if c.Archive == a {
			add(c.Row.End, c.Row)
		}
	}
	if r, newest, ok := fold.Open(d, a); ok {
		out.Open = add(newest, r)
	}
	return out
}

// archive chooses as rrd.Query says.
func (m *Mem) archive(s *memSeries, q rrd.Query) int {
	best := 0
	for a := range s.def.Archives {
		switch {
		case q.Row > 0:
			if s.def.Row(a) <= q.Row {
				best = a
			}
		case s.covers(a, m.clock) <= q.Start:
			return a
		case s.covers(a, m.clock) < s.covers(best, m.clock):
			best = a
		}
	}
	return best
}

// covers is where the rows of an archive begin that are all there.
func (s *memSeries) covers(a int, clock rrd.Time) rrd.Time {
	e := edge(&s.def, a, clock)
	if s.begins != nil {
		e = max(e, s.begins[a])
	}
	return e
}

func (m *Mem) find(ms []rrd.Matcher, limit int) ([]rrd.Key, error) {
	var keys []rrd.Key
	for _, k := range slices.Sorted(maps.Keys(m.series)) {
		ok, err := matches(k, ms)
		if err != nil {
			return nil, err
		}
		if ok && (limit == 0 || len(keys) < limit) {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

func matches(k rrd.Key, ms []rrd.Matcher) (bool, error) {
	for _, m := range ms {
		v := k.Get(m.Label)
		ok := v == m.Value
		if m.Op == rrd.Regexp || m.Op == rrd.NotRegexp {
			re, err := regexp.Compile("^(?s:" + m.Value + ")$")
			if err != nil {
				return false, err
			}
			ok = re.MatchString(v)
		}
		if ok == (m.Op == rrd.NotEqual || m.Op == rrd.NotRegexp) {
			return false, nil
		}
	}
	return true, nil
}

// Find implements rrd.Index.
func (m *Mem) Find(_ context.Context, ms []rrd.Matcher, limit int) ([]rrd.Key, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.find(ms, limit)
}

// LabelNames implements rrd.Index.
func (m *Mem) LabelNames(_ context.Context, ms []rrd.Matcher) ([]string, error) {
	return m.collect(ms, func(l rrd.Label) (string, bool) { return l.Name, true })
}

// LabelValues implements rrd.Index.
func (m *Mem) LabelValues(_ context.Context, name string, ms []rrd.Matcher) ([]string, error) {
	return m.collect(ms, func(l rrd.Label) (string, bool) { return l.Value, l.Name == name })
}

func (m *Mem) collect(ms []rrd.Matcher, pick func(rrd.Label) (string, bool)) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	keys, err := m.find(ms, 0)
	set := map[string]bool{}
	for _, k := range keys {
		for _, l := range k.Labels() {
			if s, ok := pick(l); ok {
				set[s] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(set)), err
}

// Heads implements rrd.Index.
func (m *Mem) Heads(since rrd.Time) iter.Seq2[rrd.Key, rrd.Time] {
	return func(yield func(rrd.Key, rrd.Time) bool) {
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, k := range slices.Sorted(maps.Keys(m.series)) {
			ps := m.series[k].window.Points
			if len(ps) > 0 && ps[len(ps)-1].Time > since && !yield(k, ps[len(ps)-1].Time) {
				return
			}
		}
	}
}
