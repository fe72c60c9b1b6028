package rrdtest

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rondo/rrd"
)

// A Life is a store that can be killed and opened again.
type Life interface {
	Store
	// Maintain does what a store otherwise does in the background.
	Maintain() error
	// Restart closes the store, or kills it so that nothing can be written
	// any more, and opens it anew.
	Restart(clean bool) error
	// Overwrite puts one sample, or none if it is NaN, in the place of all that
	// a slot holds, and returns what it held.
	Overwrite(k rrd.Key, t rrd.Time, value float64) (rrd.Row, error)
}

// A Redefiner is a Life whose series may get other definitions.
type Redefiner interface {
	Redefine(rrd.Key, rrd.Definition) error
}

// TestModel runs random operations on a store and on Mem and compares all
// answers: samples in order, late, repeated, contradicting and refused, clocks
// that leap, background work, clean and unclean restarts, and, for a Redefiner,
// other definitions. open makes an empty store, with further options that it
// may draw, and end is called when it is no longer needed.
func TestModel(t *testing.T, open func(t *rapid.T, o Options) (life Life, end func(), err error)) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{now: T0}
		o := Options{Define: SmallByName, Now: func() time.Time { return m.now.Std() }}
		life, end, err := open(t, o)
		if err != nil {
			t.Fatal(err)
		}
		defer end()
		m.got, m.want = life, NewMem(o)
		actions := map[string]func(*rapid.T){
			"stream":    m.stream,
			"scatter":   m.scatter,
			"backfill":  m.backfill,
			"overwrite": m.overwrite,
			"leap":      m.leap,
			"maintain":  func(t *rapid.T) { m.must(t, m.got.Maintain()) },
			"restart":   func(t *rapid.T) { m.must(t, m.got.Restart(true)) },
			"kill":      func(t *rapid.T) { m.must(t, m.got.Restart(false)) },
			"":          m.check,
		}
		if _, ok := life.(Redefiner); ok {
			actions["redefine"] = m.redefine
		}
		t.Repeat(actions)
	})
}

type model struct {
	got   Life
	want  *Mem
	now   rrd.Time
	dirty bool
}

func (m *model) must(t *rapid.T, err error) {
	m.dirty = true
	if err != nil {
		t.Fatal(err)
	}
}

// names with the type that all their samples have.
func modelSeries() []rrd.Sample {
	return []rrd.Sample{
		{Key: "g1"}, {Key: "g2", Type: rrd.Gauge}, {Key: "c1", Type: rrd.Counter}, {Key: "d1", Type: rrd.Derive},
		{Key: "a1", Type: rrd.Absolute}, {Key: "limited.g"}, {Key: "limited.c", Type: rrd.Counter},
	}
}

func (m *model) append(t *rapid.T, batch []rrd.Sample) {
	m.dirty = true
	want, got := Reasons(m.want.Append(t.Context(), batch)), Reasons(m.got.Append(t.Context(), batch))
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("refused (-want +got):\n%s", d)
	}
}

// stream sends several series' samples at a steady pace, as agents do.
func (m *model) stream(t *rapid.T) {
	step := rrd.Time(rapid.SampledFrom([]int{1, 7, 10, 60, 130}).Draw(t, "step")) * rrd.Second
	rounds := rapid.IntRange(1, 60).Draw(t, "rounds")
	series := rapid.SliceOfN(rapid.SampledFrom(modelSeries()), 1, 4).Draw(t, "series")
	scale := rapid.SampledFrom([]float64{1, 0.01, 0.1, 1e9, 1.0 / 3}).Draw(t, "scale")
	var batch []rrd.Sample
	for i := range rounds {
		m.now += step
		for j, s := range series {
			s.Time = m.now + rrd.Time(j*137)
			s.Value = float64((i*i+7*j)%100) * scale
			batch = append(batch, s)
		}
	}
	m.append(t, batch)
}

// scatter sends samples at any times, again and again, in any order.
func (m *model) scatter(t *rapid.T) {
	one := rapid.Custom(func(t *rapid.T) rrd.Sample {
		s := rapid.SampledFrom(modelSeries()).Draw(t, "series")
		s.Time = m.now + rrd.Time(rapid.IntRange(-700, 30).Draw(t, "ago"))*rrd.Second
		if rapid.IntRange(0, 9).Draw(t, "far") == 0 {
			s.Time = m.now + rrd.Time(rapid.IntRange(-9000, 700).Draw(t, "ago"))*rrd.Second
		}
		s.Value = rapid.SampledFrom([]float64{0, 1, 2, 99, 101, -5, 0.1, 0.3, 1e300, 5e-324}).Draw(t, "value")
		return s
	})
	m.append(t, rapid.SliceOfN(one, 1, 20).Draw(t, "batch"))
}

// backfill sends what is older than the window, and mostly still in the first
// archive; counters about where they were then.
func (m *model) backfill(t *rapid.T) {
	s := rapid.SampledFrom(modelSeries()).Draw(t, "series")
	step := rrd.Time(rapid.SampledFrom([]int{3, 10, 20, 70}).Draw(t, "step")) * rrd.Second
	s.Time = m.now - rrd.Time(rapid.IntRange(590, 1900).Draw(t, "ago"))*rrd.Second
	var batch []rrd.Sample
	for i := range rapid.IntRange(1, 20).Draw(t, "samples") {
		s.Time += step
		s.Value = float64(rapid.IntRange(0, 3).Draw(t, "value") + i)
		batch = append(batch, s)
	}
	if rapid.Bool().Draw(t, "shuffled") {
		batch = rapid.Permutation(batch).Draw(t, "order")
	}
	m.append(t, batch)
	if rapid.IntRange(0, 3).Draw(t, "again") == 0 {
		m.append(t, batch)
	}
}

// overwrite puts another point, or none, where mostly there is one.
func (m *model) overwrite(t *rapid.T) {
	s := rapid.SampledFrom(modelSeries()).Draw(t, "series")
	s.Time = m.now - rrd.Time(rapid.IntRange(-20, 2000).Draw(t, "ago"))*rrd.Second
	s.Value = rapid.SampledFrom([]float64{math.NaN(), 0, 50, 101, 1e300, 0.1}).Draw(t, "value")
	m.dirty = true
	want, err1 := m.want.Overwrite(s.Key, s.Time, s.Value)
	want.Total = 0 // nobody is told
	got, err2 := m.got.Overwrite(s.Key, s.Time, s.Value)
	if (err1 == nil) != (err2 == nil) || err1 == nil && want != got {
		t.Fatalf("overwritten was %+v, %v; want %+v, %v", got, err2, want, err1)
	}
}

func (m *model) leap(t *rapid.T) {
	m.now += rrd.Time(rapid.SampledFrom([]int{30, 600, 3600, 86400}).Draw(t, "seconds")) * rrd.Second
}

// redefine gives a series a definition that has something in common with the
// present one, or nothing.
func (m *model) redefine(t *rapid.T) {
	keys, err := m.want.Find(t.Context(), nil, 0)
	if err != nil || len(keys) == 0 {
		return
	}
	k := rapid.SampledFrom(keys).Draw(t, "key")
	d := definitions(m.want.series[k].def.Type).Draw(t, "definition")
	m.must(t, m.got.(Redefiner).Redefine(k, d))
	m.want.Redefine(k, d)
}

// definitions are random ones of a data source that has had a type.
func definitions(before rrd.Type) *rapid.Generator[rrd.Definition] {
	return rapid.Custom(func(t *rapid.T) rrd.Definition {
		d := Small(before)
		if rapid.IntRange(0, 4).Draw(t, "retype") == 0 {
			d.Type = rapid.SampledFrom([]rrd.Type{rrd.Counter, rrd.Derive, rrd.Absolute}).Draw(t, "type")
		}
		if rapid.IntRange(0, 3).Draw(t, "restep") == 0 {
			d.Step = rapid.SampledFrom([]time.Duration{5 * time.Second, 15 * time.Second, 20 * time.Second, time.Minute}).Draw(t, "step")
		}
		d.Heartbeat = rapid.SampledFrom([]time.Duration{time.Minute, 10 * time.Minute}).Draw(t, "heartbeat")
		if rapid.IntRange(0, 5).Draw(t, "limit") == 0 {
			d.Min, d.Max = 0, 50
		}
		d.Archives = []rrd.Archive{{Steps: 1, Rows: rapid.SampledFrom([]int{40, 180, 400}).Draw(t, "rows")}}
		for _, row := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute} {
			if row <= d.Step || row%d.Step != 0 || rapid.Bool().Draw(t, "without") {
				continue
			}
			d.Archives = append(d.Archives, rrd.Archive{
				Steps: int(row / d.Step), Rows: rapid.SampledFrom([]int{30, 120, 144, 300}).Draw(t, "rows"),
				XFF: rapid.SampledFrom([]float64{0, 0.5, 0.9}).Draw(t, "xff"),
			})
		}
		return d
	})
}

func (m *model) check(t *rapid.T) {
	if !m.dirty {
		return
	}
	m.dirty = false
	for _, q := range Queries(m.now + 700*rrd.Second) {
		if d := Diff(t.Context(), m.want, m.got, q); d != "" {
			t.Fatal(fmt.Sprintf("row %s, %v to %v (-want +got):\n%s", q.Row, q.Start, q.End, d))
		}
	}
}
