package rrdtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"rondo/rrd"
)

// MemSets is a rrd.SetStore in memory: a rrd.Set for each name, and every row
// that it made and its rings still hold.
type MemSets struct {
	define func(rrd.Key, rrd.Type) rrd.Definition
	mu     sync.Mutex
	sets   map[string]*memSet
}

type memSet struct {
	def  rrd.SetDefinition
	set  *rrd.Set
	rows []map[rrd.Time][]float64 // by archive and end
}

// NewMemSets makes an empty store; of o only Define matters.
func NewMemSets(o Options) *MemSets {
	if o.Define == nil {
		o.Define = defaultDefinition
	}
	return &MemSets{define: o.Define, sets: map[string]*memSet{}}
}

// CreateSet implements rrd.SetStore.
func (m *MemSets) CreateSet(_ context.Context, name string, d rrd.SetDefinition, start rrd.Time, replace bool) error {
	set, err := rrd.NewSet(d, start)
	if err != nil {
		return err
	}
	return m.put(name, &memSet{def: d, set: set, rows: make([]map[rrd.Time][]float64, len(d.Archives))}, replace)
}

func (m *MemSets) put(name string, s *memSet, replace bool) error {
	for _, src := range s.def.Sources {
		if _, err := rrd.NewKey(name, rrd.Label{Name: "ds", Value: src.Name}); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sets[name] != nil && !replace {
		return rrd.ErrSetExists
	}
	m.sets[strings.Clone(name)] = s
	return nil
}

// ImportSet implements rrd.SetStore.
func (m *MemSets) ImportSet(_ context.Context, name string, image *rrd.SetImage, replace bool) error {
	d := image.Definition
	set, err := rrd.RestoreSet(d, image.State)
	if err != nil {
		return err
	}
	if len(image.Rings) != len(d.Archives) {
		return errors.New("rrdtest: the image has another number of rings than archives")
	}
	s := &memSet{def: d, set: set}
	n := len(d.Sources)
	for a, ring := range image.Rings {
		if isSeason(&d, a) && ring == nil {
			s.rows = append(s.rows, nil)
			continue
		}
		if len(ring) != d.Archives[a].Rows*n {
			return fmt.Errorf("rrdtest: ring %d has %d values, not %d", a, len(ring), d.Archives[a].Rows*n)
		}
		rows := map[rrd.Time][]float64{}
		for i, end := range s.ends(a) {
			rows[end] = slices.Clone(ring[i*n : (i+1)*n])
		}
		s.rows = append(s.rows, rows)
	}
	return m.put(name, s, replace)
}

// ends are the ends of the rows that ring a holds, oldest first.
func (s *memSet) ends(a int) []rrd.Time {
	width := rowTime(&s.def, a)
	last := s.set.Last()
	last -= last % width
	ends := make([]rrd.Time, s.def.Archives[a].Rows)
	for i := range ends {
		ends[i] = last - rrd.Time(len(ends)-1-i)*width
	}
	return ends
}

// isSeason says whether a ring is part of the state.
func isSeason(d *rrd.SetDefinition, a int) bool {
	return d.Archives[a].CF == rrd.Seasonal || d.Archives[a].CF == rrd.DevSeasonal
}

func rowTime(d *rrd.SetDefinition, a int) rrd.Time {
	return rrd.Time(d.Archives[a].Steps) * rrd.Time(d.Step/time.Microsecond)
}

// value is what ring a holds of a data source; NaN where it holds nothing.
func (s *memSet) value(a, source int, end rrd.Time) float64 {
	if isSeason(&s.def, a) {
		if row := s.set.SeasonRow(a, end); row != nil {
			return row[source]
		}
		return math.NaN()
	}
	if row, ok := s.rows[a][end]; ok {
		return row[source]
	}
	return math.NaN()
}

// ExportSet implements rrd.SetStore.
func (m *MemSets) ExportSet(_ context.Context, name string) (*rrd.SetImage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sets[name]
	if s == nil {
		return nil, rrd.ErrNoSet
	}
	image := &rrd.SetImage{Definition: s.def, State: s.set.State()}
	for a := range s.def.Archives {
		var ring []float64
		if isSeason(&s.def, a) {
			image.Rings = append(image.Rings, nil)
			continue
		}
		for _, end := range s.ends(a) {
			for i := range s.def.Sources {
				ring = append(ring, s.value(a, i, end))
			}
		}
		image.Rings = append(image.Rings, ring)
	}
	return image, nil
}

// UpdateSets implements rrd.SetStore.
func (m *MemSets) UpdateSets(_ context.Context, batch []rrd.SetUpdate) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var refused []rrd.Refused
	for i, u := range batch {
		s := m.sets[u.Name]
		if s == nil {
			refused = append(refused, rrd.Refused{Index: i, Series: rrd.Key(u.Name), Reason: rrd.RefusedSet, Detail: rrd.ErrNoSet.Error(), Err: rrd.ErrNoSet})
			continue
		}
		if err := s.update(u); err != nil {
			refused = append(refused, rrd.Refused{Index: i, Series: rrd.Key(u.Name), Reason: rrd.SetRefusal(err), Detail: err.Error(), Err: err})
		}
	}
	if refused != nil {
		return &rrd.BatchError{Refused: refused}
	}
	return nil
}

func (s *memSet) update(u rrd.SetUpdate) error {
	rows, err := s.set.Update(u.Time, u.Texts...)
	for _, r := range rows {
		if s.rows[r.Archive] == nil {
			s.rows[r.Archive] = map[rrd.Time][]float64{}
		}
		for end := range r.Ends() {
			s.rows[r.Archive][end] = slices.Clone(r.Values)
		}
	}
	for a, rows := range s.rows {
		ends := s.ends(a)
		maps.DeleteFunc(rows, func(end rrd.Time, _ []float64) bool { return end < ends[0] })
	}
	return err
}

// DescribeSet implements rrd.SetStore.
func (m *MemSets) DescribeSet(name string) (rrd.SetDefinition, rrd.SetState, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sets[name]
	if s == nil {
		return rrd.SetDefinition{}, rrd.SetState{}, rrd.ErrNoSet
	}
	return s.def, s.set.State(), nil
}

// FetchSet implements rrd.SetStore.
func (m *MemSets) FetchSet(_ context.Context, q rrd.SetQuery) (rrd.SetRows, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sets[q.Name]
	if s == nil {
		return rrd.SetRows{}, rrd.ErrNoSet
	}
	var columns []int
	out := rrd.SetRows{}
	for i, src := range s.def.Sources {
		if len(q.Sources) == 0 || slices.Contains(q.Sources, src.Name) {
			columns, out.Sources = append(columns, i), append(out.Sources, src.Name)
		}
	}
	if len(q.Sources) > 0 && len(columns) != len(q.Sources) {
		return rrd.SetRows{}, fmt.Errorf("rrdtest: fetch %s: no such data source in %q", q.Name, q.Sources)
	}
	var err error
	if out.SetRange, err = s.set.Fetch(q.CF, q.Start, q.End, q.Resolution); err != nil {
		return rrd.SetRows{}, err
	}
	ends := s.ends(out.Archive)
	width := rowTime(&s.def, out.Archive)
	if err := q.Admit(int64(out.End-out.Start)/int64(width), len(columns)); err != nil {
		return rrd.SetRows{}, err
	}
	for end := out.Start + width; end <= out.End; end += width {
		for _, i := range columns {
			v := math.NaN()
			if end >= ends[0] {
				v = s.value(out.Archive, i, end)
			}
			out.Values = append(out.Values, v)
		}
	}
	return out, nil
}

// ListSets implements rrd.SetStore.
func (m *MemSets) ListSets(prefix string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := slices.Sorted(maps.Keys(m.sets))
	return slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, prefix) })
}

// CountSets implements rrd.SetStore.
func (m *MemSets) CountSets() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.sets)
}

// EditSet implements rrd.SetStore. Updates at the same time may be lost.
func (m *MemSets) EditSet(ctx context.Context, name string, e *rrd.SetEdit) error {
	image, err := m.ExportSet(ctx, name)
	if err != nil {
		return err
	}
	plan, _, err := e.Plan(image.Definition)
	if err != nil {
		return err
	}
	if image, _, err = rrd.ChangeImage(image, plan); err != nil {
		return err
	}
	return m.ImportSet(ctx, name, image, true)
}

// DropSet implements rrd.SetStore.
func (m *MemSets) DropSet(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sets[name] == nil {
		return rrd.ErrNoSet
	}
	delete(m.sets, name)
	return nil
}

// Schema implements rrd.SetStore.
func (m *MemSets) Schema(name string) rrd.Definition { return m.define(rrd.Key(name), rrd.Unset) }
