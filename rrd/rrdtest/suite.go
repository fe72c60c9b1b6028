package rrdtest

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rondo/rrd"
)

// Store is what the suite tests.
type Store interface {
	rrd.Appender
	rrd.Querier
	rrd.Index
}

// T0 is when the suite's samples begin: at the start of a row of every
// archive that it uses.
const T0 = rrd.Time(1_699_920_000) * rrd.Second

// allColumns asks for everything.
var allColumns = []rrd.Column{rrd.ColAverage, rrd.ColMin, rrd.ColMax, rrd.ColLast, rrd.ColSum, rrd.ColCount, rrd.ColTotal}

// Small is a definition with three short rings, that turn quickly: 10 s for
// 30 m, 1 m for 2 h, 5 m for 12 h.
func Small(t rrd.Type) rrd.Definition {
	return rrd.Definition{
		Type: t, Step: 10 * time.Second, Heartbeat: 2 * time.Minute, Min: math.NaN(), Max: math.NaN(),
		Archives: []rrd.Archive{{Steps: 1, Rows: 180}, {Steps: 6, Rows: 120, XFF: 0.5}, {Steps: 30, Rows: 144, XFF: 0.9}},
	}
}

// SmallByName gives each series Small with the type of its sample, limits 0 to
// 100 if its name begins with "limited", and a step of 20 ms, kept for 2 s,
// if it begins with "fast".
func SmallByName(k rrd.Key, t rrd.Type) rrd.Definition {
	if t == rrd.Unset {
		t = rrd.Gauge
	}
	d := Small(t)
	if len(k) >= 7 && k[:7] == "limited" {
		d.Min, d.Max = 0, 100
	}
	if strings.HasPrefix(string(k), "fast") {
		d.Step, d.Archives[0].Rows, d.Archives[1].Steps, d.Archives[2].Steps = 20*time.Millisecond, 100, 50, 15_000
	}
	return d
}

// A suite is one store under test beside the believed one.
type suite struct {
	*testing.T
	got  Store
	want *Mem
}

// TestStore checks an implementation: open makes an empty one with the given
// options, which the suite does not close.
func TestStore(t *testing.T, open func(t *testing.T, o Options) Store) {
	for name, f := range map[string]func(*suite){
		"in order":      (*suite).inOrder,
		"late":          (*suite).late,
		"refused":       (*suite).refused,
		"counters":      (*suite).counters,
		"limits":        (*suite).limits,
		"ring":          (*suite).ring,
		"archives":      (*suite).archives,
		"long rows":     (*suite).longRows,
		"index":         (*suite).index,
		"empty":         (*suite).empty,
		"not retaining": (*suite).notRetaining,
		"many series":   (*suite).manySeries,
		"few answer":    (*suite).fewAnswer,
		"sub-second":    (*suite).subSecond,
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Define: SmallByName, Now: func() time.Time { return (T0 + 1000*86400*rrd.Second).Std() }}
			f(&suite{t, open(t, o), NewMem(o)})
		})
	}
}

// add appends to both stores and compares what they refuse.
func (s *suite) add(batch ...rrd.Sample) {
	s.Helper()
	got, want := Reasons(s.got.Append(s.Context(), batch)), Reasons(s.want.Append(s.Context(), batch))
	if d := cmp.Diff(want, got); d != "" {
		s.Errorf("refused (-want +got):\n%s", d)
	}
}

// Reasons returns by index why samples of a batch were refused; -1 holds any
// other error.
func Reasons(err error) map[int]string {
	out := map[int]string{}
	if be, ok := errors.AsType[*rrd.BatchError](err); ok {
		for _, r := range be.Refused {
			out[r.Index] = string(r.Reason)
		}
	} else if err != nil {
		out[-1] = err.Error()
	}
	return out
}

// Collect returns all that a query yields.
func Collect(ctx context.Context, q rrd.Querier, query rrd.Query) ([]rrd.Series, error) {
	var out []rrd.Series
	for s, err := range q.Select(ctx, query) {
		if err != nil {
			return out, err
		}
		out = append(out, s)
	}
	return out, nil
}

// Diff compares the answers of two stores to a query, bit for bit.
func Diff(ctx context.Context, want, got rrd.Querier, q rrd.Query) string {
	w, err1 := Collect(ctx, want, q)
	g, err2 := Collect(ctx, got, q)
	if err := errors.Join(err1, err2); err != nil {
		return err.Error()
	}
	if slices.EqualFunc(w, g, equal) {
		return ""
	}
	bits := cmp.Comparer(sameBits)
	return cmp.Diff(w, g, bits, cmpopts.EquateEmpty())
}

func sameBits(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }

// equal is what cmp.Diff finds, a hundred times faster.
func equal(a, b rrd.Series) bool {
	for c := range a.Values {
		if !slices.EqualFunc(a.Values[c], b.Values[c], sameBits) {
			return false
		}
	}
	return a.Key == b.Key && a.Archive == b.Archive && a.Open == b.Open && slices.Equal(a.Times, b.Times) &&
		a.Definition.Type == b.Definition.Type && a.Definition.Step == b.Definition.Step
}

// Queries covers each archive as a whole, and parts of them.
func Queries(end rrd.Time) []rrd.Query {
	all := []rrd.Matcher{{Label: rrd.NameLabel, Op: rrd.Regexp, Value: ".*"}}
	var qs []rrd.Query
	for _, row := range []time.Duration{0, 10 * time.Second, time.Minute, time.Hour} {
		for _, back := range []time.Duration{7 * time.Minute, time.Hour, 24 * time.Hour} {
			qs = append(qs, rrd.Query{Matchers: all, Start: end.Add(-back), End: end, Row: row, Columns: allColumns})
		}
		for _, span := range []time.Duration{25 * time.Minute, 15 * time.Second, time.Minute} { // the last ones shorter than rows
			start := end.Add(-40 * time.Minute)
			qs = append(qs, rrd.Query{Matchers: all, Start: start, End: start.Add(span), Row: row, Columns: allColumns})
		}
	}
	return qs
}

// compare asks both stores all questions.
func (s *suite) compare(end rrd.Time) {
	s.Helper()
	for _, q := range Queries(end) {
		if d := Diff(s.Context(), s.want, s.got, q); d != "" {
			s.Errorf("row %s, %v to %v (-want +got):\n%s", q.Row, q.Start, q.End, d)
			return
		}
	}
}

func at(seconds int) rrd.Time { return T0 + rrd.Time(seconds)*rrd.Second }

func sample(name string, seconds int, v float64) rrd.Sample {
	return rrd.Sample{Key: rrd.Key(name), Time: at(seconds), Value: v}
}

func (s *suite) inOrder() {
	var batch []rrd.Sample
	for i := range 2000 {
		batch = append(batch, sample("load", 3*i, float64(i%17)/4), sample("temp", 3*i+1, 20.5))
		if i%211 == 0 {
			s.add(batch...)
			s.compare(at(3*i + 1))
			batch = batch[:0]
		}
	}
	s.add(batch...)
	s.compare(at(6001))
}

func (s *suite) late() {
	for i := range 100 {
		s.add(sample("load", 10*i, float64(i)))
	}
	s.add(sample("load", 985, 7.5))                       // between
	s.add(sample("load", 500, -1))                        // another value for a time that is known
	s.add(sample("load", 500, -1))                        // and again
	s.add(sample("load", 391, 1), sample("load", 390, 1)) // the edge of the window
	s.add(sample("load", 100, 1))                         // much too late
	s.add(sample("load", 990, 99), sample("load", 990, 98))
	s.compare(at(1000))
	for i := range 100 {
		s.add(sample("load", 1000+10*i, float64(i)))
	}
	s.compare(at(2000))
}

func (s *suite) refused() {
	future := int(1000*86400 + 601)
	s.add(
		sample("load", 0, math.NaN()), sample("load", 0, math.Inf(1)), sample("", 0, 1),
		sample("bad\xc3name", 0, 1), sample("load", future, 1), sample("load", 10, 1),
		rrd.Sample{Key: "load", Time: -5, Value: 1}, rrd.Sample{Key: "limited.x", Time: T0, Value: 101},
	)
	s.compare(at(10))
}

func typed(name string, t rrd.Type, seconds int, v float64) rrd.Sample {
	return rrd.Sample{Key: rrd.Key(name), Time: at(seconds), Value: v, Type: t}
}

func (s *suite) counters() {
	v := 0.0
	for i := range 600 {
		v += float64(i % 7)
		switch i {
		case 200, 350:
			v = 3 // a reset
		case 400:
			continue
		}
		t := 10 * i
		if i > 450 {
			t += 300 // silence beyond the heartbeat
		}
		s.add(typed("c", rrd.Counter, t, v), typed("d", rrd.Derive, t, v-100), typed("a", rrd.Absolute, t, float64(i%5)),
			typed("limited.c", rrd.Counter, t, v*float64(1+i/300*400)))
		if i%97 == 0 {
			s.compare(at(t))
		}
	}
	s.compare(at(6300))
}

func (s *suite) limits() {
	s.add(sample("limited.g", 0, 0), sample("limited.g", 10, 100), sample("limited.g", 20, 100.5), sample("limited.g", 30, -0.1))
	s.compare(at(100))
}

func (s *suite) ring() {
	s.add(sample("silent", 0, 1))
	var batch []rrd.Sample
	for i := range 12_000 { // 33 turns of the shortest ring
		batch = append(batch, sample("load", 5*i, float64(i)))
		if i%500 == 499 {
			s.add(batch...)
			s.compare(at(5 * i))
			batch = batch[:0]
		}
	}
	s.add(sample("silent", 59_999, 2), sample("load", 9_999_999, 1)) // the clock leaps
	s.compare(at(9_999_999))
	s.compare(at(60_000))
}

func (s *suite) archives() {
	var batch []rrd.Sample
	for i := range 720 {
		batch = append(batch, sample("load", 10*i, float64(i)))
	}
	s.add(batch...)
	for _, back := range []int{10, 1789, 1790, 1791, 1799, 1800, 1801, 7150, 7200, 7300, 99999} {
		q := rrd.Query{Start: at(7190 - back), End: at(7190), Columns: []rrd.Column{rrd.ColAverage}}
		if d := Diff(s.Context(), s.want, s.got, q); d != "" {
			s.Errorf("%d s back (-want +got):\n%s", back, d)
		}
	}
	for _, row := range []time.Duration{time.Second, 10 * time.Second, 59 * time.Second, time.Minute, time.Hour} {
		q := rrd.Query{Start: at(0), End: at(7190), Row: row}
		got, err := Collect(s.Context(), s.got, q)
		if err != nil || len(got) != 1 || got[0].Values[rrd.ColAverage] != nil {
			s.Fatalf("row %s: %v, %v", row, got, err)
		}
		if d := Diff(s.Context(), s.want, s.got, q); d != "" {
			s.Errorf("row %s (-want +got):\n%s", row, d)
		}
	}
}

// longRows: a series that is alive comes without rows where its rows are too
// long for the range; a dead one does not.
func (s *suite) longRows() {
	var batch []rrd.Sample
	for i := range 720 {
		batch = append(batch, sample("alive", 10*i, 1))
		if i < 600 {
			batch = append(batch, sample("dead", 10*i, 1))
		}
	}
	s.add(batch...)
	f := func(start, end int, row time.Duration, want ...rrd.Key) {
		s.Helper()
		q := rrd.Query{Start: at(start), End: at(end), Row: row, Columns: allColumns}
		got, err := Collect(s.Context(), s.got, q)
		if err != nil {
			s.Fatal(err)
		}
		var empty []rrd.Key
		for _, g := range got {
			if len(g.Times) == 0 {
				empty = append(empty, g.Key)
			}
		}
		if d := cmp.Diff(want, empty, cmpopts.EquateEmpty()) + Diff(s.Context(), s.want, s.got, q); d != "" {
			s.Errorf("%d to %d, row %s: without rows (-want +got):\n%s", start, end, row, d)
		}
	}
	f(6010, 6100, 5*time.Minute, "alive", "dead") // both have the row that ends at 6000
	f(6610, 6700, 5*time.Minute, "alive")         // that of the dead one is more than two rows old
	f(6610, 6700, time.Minute)                    // rows fit
	f(7300, 7310, 10*time.Second)                 // alive, but not for two rows
	f(7191, 7199, 10*time.Second, "alive")
	f(7191, 7211, 10*time.Second) // two rows fit
}

func (s *suite) index() {
	for _, labels := range [][]rrd.Label{
		{{Name: "host", Value: "a"}, {Name: "mount", Value: "/"}}, {{Name: "host", Value: "b"}},
		{{Name: "host", Value: "ab"}, {Name: "mount", Value: "/home"}}, {},
	} {
		for _, name := range []string{"disk", "cpu.load"} {
			k, err := rrd.NewKey(name, labels...)
			if err != nil {
				s.Fatal(err)
			}
			s.add(rrd.Sample{Key: k, Time: at(len(name)), Value: 1})
		}
	}
	type m = []rrd.Matcher
	for _, ms := range []m{
		nil, {{Label: "host", Value: "a"}}, {{Label: "host", Value: ""}}, {{Label: "host", Op: rrd.NotEqual, Value: "a"}},
		{{Label: "host", Op: rrd.NotEqual}}, {{Label: "host", Op: rrd.Regexp, Value: "a.*"}}, {{Label: "host", Op: rrd.Regexp, Value: "a|b|"}},
		{{Label: "host", Op: rrd.NotRegexp, Value: "a.*"}}, {{Label: "host", Op: rrd.NotRegexp, Value: "b?"}}, {{Label: "none", Value: "x"}},
		{{Label: rrd.NameLabel, Value: "disk"}, {Label: "mount", Op: rrd.Regexp, Value: "/.*"}, {Label: "host", Op: rrd.NotEqual, Value: "a"}},
		{{Label: rrd.NameLabel, Op: rrd.Regexp, Value: "c..\\..oad"}}, {{Label: "host", Op: rrd.Regexp, Value: "b"}, {Label: "host", Op: rrd.NotRegexp, Value: "a.*"}},
	} {
		for _, limit := range []int{0, 1, 100} {
			got, err1 := s.got.Find(s.Context(), ms, limit)
			want, err2 := s.want.Find(s.Context(), ms, limit)
			if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" || err1 != nil || err2 != nil {
				s.Errorf("find %v (-want +got): %v %v\n%s", ms, err1, err2, d)
			}
		}
		s.sameLists(ms)
	}
	if _, err := s.got.Find(s.Context(), m{{Label: "host", Op: rrd.Regexp, Value: "("}}, 0); err == nil {
		s.Error("a broken expression is no error")
	}
	heads := map[rrd.Key]rrd.Time{}
	for k, t := range s.got.Heads(at(5)) {
		heads[k] = t
	}
	if len(heads) != 4 || heads["cpu.load"] != at(8) {
		s.Errorf("heads: %v", heads)
	}
}

func (s *suite) sameLists(ms []rrd.Matcher) {
	s.Helper()
	got, err1 := s.got.LabelNames(s.Context(), ms)
	want, err2 := s.want.LabelNames(s.Context(), ms)
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" || err1 != nil || err2 != nil {
		s.Errorf("label names %v (-want +got): %v %v\n%s", ms, err1, err2, d)
	}
	for _, name := range []string{rrd.NameLabel, "host", "none"} {
		got, err1 := s.got.LabelValues(s.Context(), name, ms)
		want, err2 := s.want.LabelValues(s.Context(), name, ms)
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" || err1 != nil || err2 != nil {
			s.Errorf("values of %s, %v (-want +got): %v %v\n%s", name, ms, err1, err2, d)
		}
	}
}

func (s *suite) empty() {
	s.add()
	s.compare(at(0))
	if keys, err := s.got.Find(s.Context(), nil, 0); len(keys) != 0 || err != nil {
		s.Errorf("keys of an empty store: %v, %v", keys, err)
	}
}

func (s *suite) notRetaining() {
	name := []byte("will.change")
	batch := []rrd.Sample{{Key: rrd.Key(name), Time: at(0), Value: 1}}
	s.add(batch...)
	batch[0] = rrd.Sample{Key: "other", Time: at(5), Value: 9}
	s.compare(at(10))
}

func (s *suite) manySeries() {
	var batch []rrd.Sample
	for round := range 40 {
		batch = batch[:0]
		for i := range 300 {
			k, err := rrd.NewKey("m", rrd.Label{Name: "i", Value: string(rune('a'+i%26)) + string(rune('a'+i/26))})
			if err != nil {
				s.Fatal(err)
			}
			batch = append(batch, rrd.Sample{Key: k, Time: at(60*round + i%60), Value: float64(i * round)})
		}
		s.add(batch...)
	}
	s.compare(at(2400))
}

// fewAnswer: a limit is of the series that answer, not of those that match and
// have been silent for long.
func (s *suite) fewAnswer() {
	s.add(sample("a", 0, 1), sample("b", 0, 1), sample("c", 40_000, 1), sample("d", 40_000, 1), sample("e", 40_000, 1))
	q := rrd.Query{Start: at(39_000), End: at(41_000), Columns: []rrd.Column{rrd.ColLast}, Limit: 2}
	got, err := Collect(s.Context(), s.got, q)
	if err != nil || len(got) != 2 || got[0].Key != "c" || got[1].Key != "d" {
		s.Errorf("answered %v, %v; want c and d", got, err)
	}
}

// subSecond has rows of 20 ms, 1 s and 5 m.
func (s *suite) subSecond() {
	ask := func(end rrd.Time) {
		s.Helper()
		for _, q := range []rrd.Query{
			{Start: end - rrd.Second, End: end, Columns: allColumns},
			{Start: end - 3*rrd.Second/2, End: end - rrd.Second/2, Row: 20 * time.Millisecond, Columns: allColumns},
			{Start: end - 90*rrd.Second, End: end, Row: time.Second, Columns: allColumns},
		} {
			if d := Diff(s.Context(), s.want, s.got, q); d != "" {
				s.Errorf("row %s, %v to %v (-want +got):\n%s", q.Row, q.Start, q.End, d)
			}
		}
	}
	for round := range 8 {
		var batch []rrd.Sample
		for i := range 500 {
			now := T0 + rrd.Time(500*round+i)*9000 // every 9 ms
			batch = append(batch, rrd.Sample{Key: "fast.load", Time: now, Value: float64(i % 31)},
				rrd.Sample{Key: "fast.bytes", Time: now + 1, Value: float64(500*round + i), Type: rrd.Counter})
		}
		s.add(batch...)
		ask(batch[len(batch)-1].Time)
	}
	s.compare(T0 + 90*rrd.Second)
}
