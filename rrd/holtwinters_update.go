package rrd

import (
	"math"
	"math/bits"
)

// burnIn is for how many seasons smoothing is at the end of the ring.
const burnIn = 3

// forecast hands elapsed equal primary points to the archives of the family.
// It learns from one or two; of more it only notes that they were missed.
func (s *Set) forecast(elapsed int64) {
	f := s.family
	if f == nil {
		return
	}
	for a := range f.seasons {
		if s.def.Archives[a].season() && s.smoothingDue(a, elapsed) {
			f.smooth = true
		}
	}
	if elapsed > 2 {
		for a := range f.cells {
			for i := range f.cells[a] {
				s.miss(a, i, elapsed)
			}
		}
		return
	}
	for n := range elapsed {
		for a := range f.cells {
			for i := range f.cells[a] {
				f.made[n][a][i] = s.learn(a, i, elapsed+1+n)
			}
		}
	}
}

// smoothingDue reports whether elapsed steps lead to where the seasons are
// smoothed: the end of the ring until burn-in is over, SmoothRow then.
func (s *Set) smoothingDue(a int, elapsed int64) bool {
	d, first := &s.def.Archives[a], &s.family.cells[a][0]
	rows, smoothRow := int64(d.Rows), int64(d.HoltWinters.SmoothRow)
	row := int64(s.family.seasons[a].Newest)
	to := row + elapsed
	switch {
	case first.Count <= burnIn:
		if to >= rows {
			first.Count++
		}
		return to >= rows
	case smoothRow > row:
		return to >= smoothRow
	}
	return to >= rows && to >= rows+smoothRow
}

// miss notes that elapsed points were not learned from.
func (s *Set) miss(a, i int, elapsed int64) {
	c, value := &s.family.cells[a][i], math.NaN()
	switch s.def.Archives[a].CF {
	case HWPredict, MHWPredict:
		c.Count += elapsed
		c.LastCount += elapsed - 1
	case Seasonal, DevSeasonal:
		c.LastLevel, c.Level = s.coefficient(a, i, elapsed), s.coefficient(a, i, elapsed+1)
	case Failures:
		c.Violations, value = 0, 0
	}
	s.family.made[0][a][i], s.family.made[1][a][i] = value, value
}

// coefficient is what a season has some rows after its newest one.
func (s *Set) coefficient(a, i int, after int64) float64 {
	season := &s.family.seasons[a]
	row := (int64(season.Newest) + after) % int64(s.def.Archives[a].Rows)
	return season.Values[row*int64(len(s.sources))+int64(i)]
}

// learn makes the value of the next row of an archive. The coefficient of the
// row after it is some rows after the newest.
func (s *Set) learn(a, i int, after int64) float64 {
	y := s.points[i]
	switch s.def.Archives[a].CF {
	case HWPredict, MHWPredict:
		return s.learnForecast(a, i, y)
	case Seasonal:
		return s.learnSeason(a, i, y, s.coefficient(a, i, after))
	case DevSeasonal:
		return s.learnDeviation(a, i, y, s.coefficient(a, i, after))
	case DevPredict:
		return s.seen(a, s.def.Archives[a].HoltWinters.Partner, i).level
	}
	return s.learnFailure(a, i, y)
}

// seasonal has the arithmetic of one of the two kinds of season.
type seasonal struct{ multiplicative bool }

func (s *Set) seasonal(forecast int) seasonal {
	return seasonal{s.def.Archives[forecast].CF == MHWPredict}
}

// predict is what is expected n points after the level.
func (k seasonal) predict(f level, coefficient float64) float64 {
	base := f.level + float64(f.slope*float64(f.count))
	if k.multiplicative {
		return base * coefficient
	}
	return base + coefficient
}

// without takes a part from y: of the season, or of the level. What is not
// positive is no factor.
func (k seasonal) without(y, part float64) float64 {
	switch {
	case !k.multiplicative:
		return y - part
	case part <= 0:
		return math.NaN()
	}
	return y / part
}

// A level is the part of a HoltWintersState that predictions are made with.
type level struct {
	level, slope float64
	count        int64
}

// seen is what archive a sees of another one: its state before this point. One
// that stands before a in the definition has already learned from the point.
func (s *Set) seen(a, other, i int) level {
	c := &s.family.cells[other][i]
	if other < a {
		return level{c.LastLevel, c.LastSlope, c.LastCount}
	}
	return level{c.Level, c.Slope, c.Count}
}

func (s *Set) learnForecast(a, i int, y float64) float64 {
	d, c := s.def.Archives[a].HoltWinters, &s.family.cells[a][i]
	k := s.seasonal(a)
	c.LastLevel, c.LastSlope, c.LastCount = c.Level, c.Slope, c.Count
	season := s.seen(a, d.Partner, i).level
	if math.IsNaN(c.Level) || math.IsNaN(c.Slope) || math.IsNaN(season) {
		if math.IsNaN(c.Level) && !math.IsNaN(y) { // the first point
			c.Level, c.LastLevel = y, y
			c.Slope, c.LastSlope = 0, 0
			c.Count, c.LastCount = 1, 1
		}
		return math.NaN()
	}
	now := level{c.Level, c.Slope, c.Count}
	prediction := k.predict(now, season)
	if math.IsNaN(y) {
		c.Count++
		return prediction
	}
	c.Level = k.intercept(d.Alpha, y, season, now)
	c.Slope = float64(d.Beta*(c.Level-c.LastLevel)) + float64((1-d.Beta)*c.Slope)
	c.Count = 1
	return prediction
}

// intercept follows y.
func (k seasonal) intercept(alpha, y, season float64, now level) float64 {
	return float64(alpha*k.without(y, season)) + float64((1-alpha)*(now.level+float64(now.slope*float64(now.count))))
}

func (s *Set) learnSeason(a, i int, y, next float64) float64 {
	d, c := s.def.Archives[a].HoltWinters, &s.family.cells[a][i]
	k := s.seasonal(d.Partner)
	old := c.Level
	c.LastLevel, c.Level = c.Level, next
	if math.IsNaN(y) {
		return old
	}
	now := s.seen(a, d.Partner, i)
	intercept := s.family.cells[d.Partner][i].Level
	switch unset := math.IsNaN(now.level) || math.IsNaN(now.slope); {
	case unset && d.Partner < a:
		return math.NaN()
	case unset:
		return k.identity()
	case math.IsNaN(old):
		return k.without(y, intercept)
	case d.Partner > a: // and has not yet learned from y
		intercept = k.intercept(s.def.Archives[d.Partner].HoltWinters.Alpha, y, old, now)
	}
	return float64(d.Gamma*k.without(y, intercept)) + float64((1-d.Gamma)*old)
}

// identity is the coefficient that changes nothing.
func (k seasonal) identity() float64 {
	if k.multiplicative {
		return 1
	}
	return 0
}

func (s *Set) learnDeviation(a, i int, y, next float64) float64 {
	d, c := s.def.Archives[a].HoltWinters, &s.family.cells[a][i]
	old := c.Level
	c.LastLevel, c.Level = c.Level, next
	prediction, ok := s.predictionFor(a, d.Partner, i)
	switch off := math.Abs(prediction - y); {
	case !ok:
		return math.NaN()
	case math.IsNaN(y):
		return old
	case math.IsNaN(old):
		return off
	default:
		return float64(d.Gamma*off) + float64((1-d.Gamma)*old)
	}
}

// predictionFor is the prediction of a forecast as archive a sees it, if all
// that it is made of is known.
func (s *Set) predictionFor(a, forecast, i int) (prediction float64, ok bool) {
	now := s.seen(a, forecast, i)
	season := s.seen(a, s.def.Archives[forecast].HoltWinters.Partner, i).level
	ok = !math.IsNaN(now.level) && !math.IsNaN(now.slope) && !math.IsNaN(season)
	return s.seasonal(forecast).predict(now, season), ok
}

func (s *Set) learnFailure(a, i int, y float64) float64 {
	d, c := s.def.Archives[a].HoltWinters, &s.family.cells[a][i]
	forecast := s.def.Archives[d.Partner].HoltWinters.Partner
	prediction, _ := s.predictionFor(a, forecast, i)
	// RRDtool looks where the season stands, and not the deviation.
	deviation := s.family.cells[d.Partner][i].LastLevel
	if s.def.Archives[forecast].HoltWinters.Partner > a {
		deviation = s.family.cells[d.Partner][i].Level
	}
	// Unknown is outside of every known band.
	violation := !math.IsNaN(deviation) && (math.IsNaN(y) ||
		y > prediction+float64(d.DeltaPos*deviation) || y < prediction-float64(d.DeltaNeg*deviation))
	c.Violations <<= 1
	if violation {
		c.Violations |= 1
	}
	c.Violations &= 1<<d.Window - 1
	if bits.OnesCount32(c.Violations) >= d.Threshold {
		return 1
	}
	return 0
}

// putForecast puts the rows of archive a into its season, or among those that
// Update returns.
func (s *Set) putForecast(a int, slot, elapsed int64) {
	d, f := &s.def.Archives[a], s.family
	if d.season() {
		season := &f.seasons[a]
		rows := elapsed
		if !s.def.Mended { // after more than a season RRDtool's stays where it was
			rows = min(rows, int64(d.Rows))
		}
		season.Newest = int((int64(season.Newest) + rows) % int64(d.Rows))
		if elapsed == 1 { // learned from two, RRDtool keeps none
			copy(season.Values[season.Newest*len(s.sources):], f.made[0][a])
		}
		return
	}
	rows := min(elapsed, int64(d.Rows))
	width := Time(s.step) * Second
	end := Time(slot+elapsed)*width - Time(rows-1)*width
	for r := range min(rows, 2) {
		run := SetRow{a, end, 1, s.row(), width}
		copy(run.Values, f.made[r][a])
		if r > 0 {
			run.End, run.Count = end+Time(rows-1)*width, int(rows-1)
		}
		s.rows = append(s.rows, run)
	}
}
