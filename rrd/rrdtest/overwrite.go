package rrdtest

import (
	"errors"
	"math"

	"rondo/rrd"
)

// errOverwrite: a primary point cannot be overwritten.
var errOverwrite = errors.New("open, or not all there")

// Overwrite puts one sample, or none if it is NaN, in the place of all that the
// slot with a time holds, and returns what it held.
func (m *Mem) Overwrite(k rrd.Key, t rrd.Time, value float64) (rrd.Row, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.series[k]
	if s == nil || !math.IsNaN(value) && !s.def.Allowed(value) {
		return rrd.Row{}, errOverwrite
	}
	end := t.SlotEnd(s.def.Step)
	if open, ok := s.fold.OpenEnd(0); (!ok || end >= open) && !s.settleBehind(end) {
		return rrd.Row{}, errOverwrite
	}
	if !s.whole(end, m.clock) || !s.consistent(end, m.clock) {
		return rrd.Row{}, errOverwrite
	}
	old, row := s.row(0, end), rrd.Row{End: end}
	if !math.IsNaN(value) {
		row = rrd.Row{End: end, Count: 1, Sum: value, Min: value, Max: value, Last: value, Total: old.Total}
		if old.Count == 0 && s.def.Type != rrd.Gauge {
			return rrd.Row{}, errOverwrite
		}
	}
	s.remember(end, nil)
	s.fix(row)
	return old, nil
}

// settleBehind settles samples up to the first that is newer than a slot.
func (s *memSeries) settleBehind(end rrd.Time) bool {
	for i, p := range s.window.Points {
		if p.Time > end {
			for _, q := range s.window.Points[:i+1] {
				s.closed = s.fold.Add(&s.def, q, s.closed)
			}
			s.window.settled, s.window.Points = p.Time, s.window.Points[i+1:]
			return true
		}
	}
	return false
}
