package rrd

import (
	"fmt"
	"math"
	"slices"
)

// HoltWinters has the parameters of an archive of the Holt-Winters family
// (rrdcreate(1), "Aberrant Behavior Detection with Holt-Winters Forecasting").
// Its archives have one primary point per row, and work together:
//
//	HWPredict or MHWPredict <-> Seasonal      forecast and season
//	        ^
//	   DevSeasonal                            how far off it is, by part of the season
//	     ^      ^
//	DevPredict  Failures                      the same over time; too far off too often
//
// # What is computed
//
// With intercept a, slope b, n points since the last known one, the season's
// coefficient c and deviation d, all as they were, for a point y:
//
//	              HWPredict                           MHWPredict
//	prediction    a + b*n + c                         (a + b*n) * c
//	a'            alpha*(y-c) + (1-alpha)*(a + b*n)   y/c instead of y-c
//	b'            beta*(a'-a) + (1-beta)*b            the same
//	c'            gamma*(y-a') + (1-gamma)*c          y/a'; in the first season y-a, y/a
//	d'            gamma*|prediction-y| + (1-gamma)*d  in the first season |prediction-y|
//
// The first known point is a, with b = 0 and c = 0 (or 1). Of the unknown
// nothing is learned. A factor that is not positive makes the result unknown.
// A violation is a y outside of prediction +- delta*d, or an unknown y where d
// is known.
//
// Archives learn from a point in the order in which they are defined, and the
// order is part of the arithmetic: one that stands before another one has
// already learned when that one looks at it, and is then seen as it was before.
// Failures takes the deviation by where the season stands.
//
// More than two equal points at once are not learned from: they are noted as
// missed, their rows are unknown (Failures: 0), and the season goes on. After a
// gap of more than a season RRDtool's is out of phase.
//
// Once a period, and in the first three at the end of the ring, seasons are
// smoothed by a moving average; of Seasonal the mean goes into the intercept.
//
// Which fields an archive has is noted at each; the others are 0.
type HoltWinters struct {
	Alpha, Beta float64 // HWPredict, MHWPredict: how fast intercept and slope follow, 0 to 1
	Gamma       float64 // Seasonal, DevSeasonal: how fast the season follows, 0 to 1
	// Smoothing is the share of the period over which Seasonal and DevSeasonal
	// take a moving average once a period; RRDtool's default is
	// DefaultSmoothing.
	Smoothing float64
	SmoothRow int // Seasonal, DevSeasonal: the row of the ring that starts smoothing
	// Partner is the index of the archive that this one works with, from 0: of
	// HWPredict and MHWPredict a Seasonal; of Seasonal and DevSeasonal a
	// HWPredict or MHWPredict; of DevPredict and Failures a DevSeasonal.
	// rrdcreate's rra-num counts from 1.
	Partner            int
	DeltaPos, DeltaNeg float64 // Failures: the band's half widths, in deviations
	Threshold, Window  int     // Failures: readings outside of the last Window, 1 to MaxFailureWindow
}

const (
	// DefaultSmoothing is the smoothing window of archives that name none.
	DefaultSmoothing = 0.05
	// MaxFailureWindow is how many readings Failures can look back on.
	MaxFailureWindow = 28
	// maxSeason is how many values a season may have. They are in memory.
	maxSeason = 1 << 20
)

func (d *SetDefinition) validateHoltWinters(i int) error {
	a := &d.Archives[i]
	h := a.HoltWinters
	share := func(v float64) bool { return v >= 0 && v <= 1 }
	switch {
	case a.Steps != 1:
		return fmt.Errorf("%s with %d steps per row: want 1", a.CF, a.Steps)
	case !share(h.Alpha) || !share(h.Beta) || !share(h.Gamma) || !share(h.Smoothing):
		return fmt.Errorf("%s: want coefficients from 0 to 1", a.CF)
	case h.Partner < 0 || h.Partner >= len(d.Archives) || !a.CF.worksWith(d.Archives[h.Partner].CF):
		return fmt.Errorf("%s cannot work with archive %d", a.CF, h.Partner)
	case a.season() && (a.Rows > maxSeason/len(d.Sources) || h.SmoothRow < 0 || h.SmoothRow >= a.Rows):
		return fmt.Errorf("%s: want at most %d values, and one of its rows to smooth at", a.CF, maxSeason)
	case a.CF == Failures && (h.Window < 1 || h.Window > MaxFailureWindow || h.Threshold < 1 || h.Threshold > h.Window):
		return fmt.Errorf("failures: want a window from 1 to %d and a threshold from 1 to the window", MaxFailureWindow)
	}
	return nil
}

// family reports whether an archive is of the Holt-Winters family.
func (d *SetDefinition) family() bool {
	return slices.ContainsFunc(d.Archives, func(a SetArchive) bool { return a.HoltWinters != nil })
}

// worksWith reports whether an archive of cf can have one of partner.
func (cf CF) worksWith(partner CF) bool {
	switch cf {
	case HWPredict, MHWPredict:
		return partner == Seasonal
	case Seasonal, DevSeasonal:
		return partner == HWPredict || partner == MHWPredict
	case DevPredict, Failures:
		return partner == DevSeasonal
	}
	return false
}

// season reports whether a's ring is a season, which lives in the state.
func (a *SetArchive) season() bool { return a.CF == Seasonal || a.CF == DevSeasonal }

// A HoltWintersState is what an archive of that family remembers of a data
// source. What a field holds differs:
//
//	           HWPredict, MHWPredict       Seasonal, DevSeasonal      Failures
//	Level      intercept                   coefficient or deviation
//	           of the next row             of the next row
//	Slope      slope
//	Count      points since the last       seasons begun, from 1,
//	           known one, from 1           until smoothing moves
//	                                       to SmoothRow
//	Last...    the same, one row earlier
//	Violations                                                        below
type HoltWintersState struct {
	Level, LastLevel float64
	Slope, LastSlope float64
	Count, LastCount int64
	// Violations has a bit for each point of the window, the newest one in bit
	// 0: 1 if it was outside the band.
	Violations uint32
}

// A Season is the ring of a Seasonal or DevSeasonal archive. It is part of the
// state and not of the rows that Update returns, because all of it is changed
// when it is smoothed.
type Season struct {
	Newest int       // the row of Values that ended last: rra_ptr.cur_row
	Values []float64 // by row and data source
}

// A family is what a Set has for its archives of the Holt-Winters family.
type family struct {
	cells   [][]HoltWintersState // by archive and data source
	seasons []Season             // by archive
	// made has the values of the rows of this reading, by archive and data
	// source: of the first row, and of those behind it.
	made   [2][][]float64
	smooth bool // the seasons, after this reading
}

// newFamily makes what the family remembers at the beginning; nil: there is
// none.
func newFamily(d *SetDefinition) *family {
	if !d.family() {
		return nil
	}
	nan, n, archives := math.NaN(), len(d.Sources), len(d.Archives)
	f := &family{cells: make([][]HoltWintersState, archives), seasons: make([]Season, archives)}
	f.made = [2][][]float64{make([][]float64, archives), make([][]float64, archives)}
	for i := range d.Archives {
		a := &d.Archives[i]
		if a.HoltWinters == nil {
			continue
		}
		f.cells[i] = slices.Repeat([]HoltWintersState{{
			Level: nan, LastLevel: nan, Slope: nan, LastSlope: nan, Count: 1, LastCount: 1,
		}}, n)
		f.made[0][i], f.made[1][i] = make([]float64, n), make([]float64, n)
		if a.season() {
			f.seasons[i].Values = slices.Repeat([]float64{nan}, a.Rows*n)
		}
	}
	return f
}

// SeasonRow returns the row of a Seasonal or DevSeasonal archive that ends at
// end, valid until the next Update; nil if the ring does not have it.
func (s *Set) SeasonRow(archive int, end Time) []float64 {
	ring, n := &s.family.seasons[archive], len(s.sources)
	rows := len(ring.Values) / n
	newest := floor(s.last, s.def.Step)
	age := int((newest - end) / (Time(s.step) * Second))
	if end > newest || end != floor(end, s.def.Step) || age >= rows {
		return nil
	}
	at := (ring.Newest - age + rows) % rows * n
	return ring.Values[at : at+n : at+n]
}
