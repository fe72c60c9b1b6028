package rrdtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"rondo/rrd"
)

// A SetLife is a store of sets that can be killed and opened again.
type SetLife interface {
	rrd.SetStore
	// Maintain does what a store otherwise does in the background.
	Maintain() error
	// Restart closes the store, or kills it so that nothing can be written
	// any more, and opens it anew.
	Restart(clean bool) error
}

// TestSets runs random operations on a store of sets and on MemSets and
// compares all answers: sets that come, are replaced, imported, updated and
// dropped; readings that are late, unknown, infinite and nonsense; clocks that
// leap and hosts that fall silent; background work, clean and unclean
// restarts. open makes an empty store, and end is called when it is no longer
// needed.
func TestSets(t *testing.T, open func(o Options) (life SetLife, end func(), err error)) {
	rapid.Check(t, func(t *rapid.T) {
		o := Options{Define: SmallByName}
		life, end, err := open(o)
		if err != nil {
			t.Fatal(err)
		}
		defer end()
		m := &setModel{got: life, want: NewMemSets(o), now: map[string]rrd.Time{}}
		t.Repeat(map[string]func(*rapid.T){
			"create":   m.create,
			"update":   m.update,
			"stream":   m.stream,
			"import":   m.importSet,
			"drop":     m.drop,
			"fetch":    m.fetch,
			"maintain": func(t *rapid.T) { must(t, m.got.Maintain()) },
			"restart":  func(t *rapid.T) { must(t, m.got.Restart(true)) },
			"kill":     func(t *rapid.T) { must(t, m.got.Restart(false)) },
			"":         m.check,
		})
	})
}

type setModel struct {
	got   SetLife
	want  *MemSets
	now   map[string]rrd.Time // each set has a clock of its own
	dirty []string
}

func must(t *rapid.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// both fails unless a store and MemSets agree whether there is an error.
func (m *setModel) both(t *rapid.T, name string, got, want error) {
	t.Helper()
	m.dirty = append(m.dirty, name)
	if (got == nil) != (want == nil) || errors.Is(got, rrd.ErrNoSet) != errors.Is(want, rrd.ErrNoSet) ||
		errors.Is(got, rrd.ErrSetExists) != errors.Is(want, rrd.ErrSetExists) {
		t.Fatalf("set %q: error %v, want %v", name, got, want)
	}
}

func setName(t *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "b", "net/eth0", "net/eth1"}).Draw(t, "name")
}

// setDefinition draws a definition of few data sources and short rings.
func setDefinition(t *rapid.T) rrd.SetDefinition {
	d := rrd.SetDefinition{Step: time.Duration(rapid.SampledFrom([]int{1, 10, 60}).Draw(t, "step")) * time.Second}
	for i := range rapid.IntRange(1, 3).Draw(t, "sources") {
		d.Sources = append(d.Sources, rrd.DataSource{
			Name: "ds" + strconv.Itoa(i), Type: rapid.SampledFrom([]rrd.Type{rrd.Gauge, rrd.Counter, rrd.Derive}).Draw(t, "type"),
			Heartbeat: 20 * d.Step, Min: math.NaN(), Max: math.NaN(),
		})
	}
	for range rapid.IntRange(1, 5).Draw(t, "archives") {
		d.Archives = append(d.Archives, rrd.SetArchive{
			CF:    rapid.SampledFrom([]rrd.CF{rrd.Average, rrd.Min, rrd.Max, rrd.Last}).Draw(t, "cf"),
			Steps: rapid.SampledFrom([]int{1, 1, 2, 5, 30}).Draw(t, "steps"),
			Rows:  rapid.SampledFrom([]int{1, 2, 40, 100}).Draw(t, "rows"),
			XFF:   rapid.SampledFrom([]float64{0, 0.5, 0.99}).Draw(t, "xff"),
		})
	}
	return d
}

// setStart draws when a set's time begins: some are younger than others by
// far more than their rings.
func setStart(t *rapid.T) rrd.Time {
	return T0 - rrd.Time(rapid.SampledFrom([]int{0, 7, 3600, 86400, 700 * 86400}).Draw(t, "age"))*rrd.Second
}

func (m *setModel) create(t *rapid.T) {
	name, d, start, replace := setName(t), setDefinition(t), setStart(t), rapid.Bool().Draw(t, "replace")
	want := m.want.CreateSet(t.Context(), name, d, start, replace)
	m.both(t, name, m.got.CreateSet(t.Context(), name, d, start, replace), want)
	if want == nil {
		m.now[name] = start
	}
}

// reading draws a text, sound more often than not.
func reading(t *rapid.T, typ rrd.Type) string {
	n := rapid.IntRange(0, 40).Draw(t, "reading")
	switch {
	case n == 0:
		return "U"
	case n == 1 && typ == rrd.Gauge:
		return rapid.SampledFrom([]string{"inf", "-inf", "-0", "1e300", "nonsense"}).Draw(t, "odd")
	case typ == rrd.Gauge && n < 20:
		return strconv.FormatFloat(float64(n)/7, 'g', -1, 64)
	}
	return strconv.Itoa(n * n)
}

func (m *setModel) texts(t *rapid.T, name string) (texts []string) {
	if d, _, err := m.want.DescribeSet(name); err == nil {
		for _, s := range d.Sources {
			texts = append(texts, reading(t, s.Type))
		}
	}
	return texts
}

// update sends a few readings to any sets, late ones and broken ones among
// them.
func (m *setModel) update(t *rapid.T) {
	var batch []rrd.SetUpdate
	for range rapid.IntRange(1, 8).Draw(t, "updates") {
		name := setName(t)
		at := m.now[name] + rrd.Time(rapid.SampledFrom([]int{0, 1, 10, 59, 60, 900, 86400}).Draw(t, "after"))*rrd.Second
		at += rrd.Time(rapid.SampledFrom([]int{0, 0, 250_000}).Draw(t, "microseconds"))
		m.now[name] = at
		batch = append(batch, rrd.SetUpdate{Name: name, Time: at, Texts: m.texts(t, name)})
	}
	m.send(t, batch)
}

// stream sends one set many readings, so that its rings turn.
func (m *setModel) stream(t *rapid.T) {
	name := setName(t)
	d, _, err := m.want.DescribeSet(name)
	if err != nil {
		return
	}
	var batch []rrd.SetUpdate
	every := d.Step * time.Duration(rapid.SampledFrom([]int{1, 1, 3}).Draw(t, "every"))
	scale := rapid.IntRange(1, 1000).Draw(t, "scale")
	for i := range rapid.IntRange(1, 150).Draw(t, "readings") {
		m.now[name] = m.now[name].Add(every)
		texts := make([]string, len(d.Sources))
		for j := range texts {
			texts[j] = strconv.Itoa(i*(j+1)*scale%977 + i*scale)
		}
		batch = append(batch, rrd.SetUpdate{Name: name, Time: m.now[name], Texts: texts})
	}
	m.send(t, batch)
}

func (m *setModel) send(t *rapid.T, batch []rrd.SetUpdate) {
	want, got := refusals(m.want.UpdateSets(t.Context(), batch)), refusals(m.got.UpdateSets(t.Context(), batch))
	sameText := cmp.Comparer(func(a, b error) bool { return fmt.Sprint(a) == fmt.Sprint(b) })
	if d := cmp.Diff(want, got, sameText); d != "" {
		t.Fatalf("refused (-want +got):\n%s", d)
	}
	for _, u := range batch {
		m.dirty = append(m.dirty, u.Name)
	}
}

// refusals returns what was refused, with the words; any other error has the
// index -1.
func refusals(err error) []rrd.Refused {
	if be, ok := errors.AsType[*rrd.BatchError](err); ok {
		return be.Refused
	}
	if err != nil {
		return []rrd.Refused{{Index: -1, Detail: err.Error()}}
	}
	return nil
}

// importSet takes over what another set holds, with some values of its own.
func (m *setModel) importSet(t *rapid.T) {
	name, from, replace := setName(t), setName(t), rapid.Bool().Draw(t, "replace")
	image, err := m.want.ExportSet(t.Context(), from)
	if err != nil {
		return
	}
	odd := rapid.SampledFrom([]float64{math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 1.0 / 3, 5e-324, math.MaxFloat64, math.NaN(), 0.1})
	for _, ring := range image.Rings {
		for range rapid.IntRange(0, 5).Draw(t, "odd") {
			ring[rapid.IntRange(0, len(ring)-1).Draw(t, "at")] = odd.Draw(t, "value")
		}
	}
	want := m.want.ImportSet(t.Context(), name, image, replace)
	m.both(t, name, m.got.ImportSet(t.Context(), name, image, replace), want)
	if want == nil {
		m.now[name] = image.State.Last
	}
}

func (m *setModel) drop(t *rapid.T) {
	name := setName(t)
	want := m.want.DropSet(t.Context(), name)
	m.both(t, name, m.got.DropSet(t.Context(), name), want)
}

func (m *setModel) fetch(t *rapid.T) {
	name := setName(t)
	end := m.now[name] + rrd.Time(rapid.IntRange(-300, 300).Draw(t, "end"))*rrd.Second
	q := rrd.SetQuery{
		Name: name, CF: rapid.SampledFrom([]rrd.CF{rrd.Average, rrd.Min, rrd.Max, rrd.Last}).Draw(t, "cf"),
		Start: end - rrd.Time(rapid.SampledFrom([]int{0, 30, 600, 86400}).Draw(t, "span"))*rrd.Second, End: end,
		Resolution: time.Duration(rapid.SampledFrom([]int{0, 10, 300}).Draw(t, "resolution")) * time.Second,
	}
	if rapid.Bool().Draw(t, "some") {
		q.Sources = []string{"ds0"}
	}
	want, err := m.want.FetchSet(t.Context(), q)
	got, gotErr := m.got.FetchSet(t.Context(), q)
	m.both(t, name, gotErr, err)
	if slices.EqualFunc(want.Values, got.Values, sameValue) {
		want.Values, got.Values = nil, nil // cmp.Diff takes its time
	}
	if d := cmp.Diff(want, got, setBits, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("fetch %+v (-want +got):\n%s", q, d)
	}
}

// setBits compares numbers bit for bit, and unknown as equal to unknown.
var setBits = cmp.Comparer(sameValue)

func sameValue(a, b float64) bool { return sameBits(a, b) || math.IsNaN(a) && math.IsNaN(b) }

// check compares all that there is of the sets that may have changed.
func (m *setModel) check(t *rapid.T) {
	if d := cmp.Diff(m.want.ListSets(""), m.got.ListSets(""), cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("sets (-want +got):\n%s", d)
	}
	if d := cmp.Diff(m.want.ListSets("net/"), m.got.ListSets("net/"), cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("sets below net (-want +got):\n%s", d)
	}
	names := m.dirty
	if len(names) == 0 {
		names = m.want.ListSets("") // after a restart, or maintenance
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if d := DiffSet(t.Context(), m.want, m.got, name); d != "" {
			t.Fatalf("set %s (-want +got):\n%s", name, d)
		}
	}
	m.dirty = m.dirty[:0]
}

// DiffSet compares what two stores hold of a set, bit for bit.
func DiffSet(ctx context.Context, want, got rrd.SetStore, name string) string {
	w, wantErr := want.ExportSet(ctx, name)
	g, gotErr := got.ExportSet(ctx, name)
	if wantErr != nil || gotErr != nil {
		if errors.Is(gotErr, rrd.ErrNoSet) && errors.Is(wantErr, rrd.ErrNoSet) {
			return ""
		}
		return errors.Join(wantErr, gotErr).Error()
	}
	same := func(a, b []float64) bool { return slices.EqualFunc(a, b, sameValue) }
	if slices.EqualFunc(w.Rings, g.Rings, same) {
		w.Rings, g.Rings = nil, nil // cmp.Diff takes its time
	}
	return cmp.Diff(w, g, setBits, cmpopts.EquateEmpty())
}
