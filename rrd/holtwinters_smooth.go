package rrd

import (
	"math"
	"slices"
)

// smooth smooths all seasons if one of them is due. RRDtool does so once for
// all readings of one call, and so do we: a call has one.
func (s *Set) smooth() {
	if s.family == nil || !s.family.smooth {
		return
	}
	s.family.smooth = false
	for a := range s.def.Archives {
		if s.def.Archives[a].season() {
			s.smoothSeason(a)
		}
	}
}

// smoothSeason replaces each row by the mean of those around it. From the
// coefficients of a Seasonal their mean is then taken, and given to the
// intercept of the forecast. A season of which anything is unknown stays.
func (s *Set) smoothSeason(a int) {
	d := &s.def.Archives[a]
	values, n := s.family.seasons[a].Values, len(s.sources)
	around := int(math.Floor(d.HoltWinters.Smoothing / 2 * float64(d.Rows)))
	if around == 0 || slices.ContainsFunc(values, math.IsNaN) {
		return
	}
	column := make([]float64, d.Rows)
	for i := range n {
		for r := range column {
			column[r] = values[r*n+i]
		}
		baseline := 0.0
		movingAverage(column, around, func(r int, mean float64) {
			values[r*n+i] = mean
			baseline += mean
		})
		if d.CF != Seasonal {
			continue
		}
		baseline /= float64(d.Rows)
		k := s.seasonal(d.HoltWinters.Partner)
		for r := range column {
			values[r*n+i] = k.without(values[r*n+i], baseline)
		}
		s.family.cells[d.HoltWinters.Partner][i].Level += baseline
	}
}

// movingAverage hands out the mean of each value and as many around it on
// either side, in a ring. What is added to the running sum and taken from it,
// and when, is part of the arithmetic.
func movingAverage(ring []float64, around int, put func(r int, mean float64)) {
	at := func(r int) float64 { return ring[((r%len(ring))+len(ring))%len(ring)] }
	sum := 0.0
	for r := -around; r < around; r++ {
		sum += at(r)
	}
	for r := range ring {
		sum += at(r + around)
		put(r, sum/float64(2*around+1))
		sum -= at(r - around)
	}
}
