package pages

import (
	"math"
	"slices"
	"strconv"
	"time"

	"rondo/web/chart"
)

// A Figure is one graph: lines on a common grid of steps, with thresholds and
// marks. The page draws it as SVG and carries it as JSON for the script.
type Figure struct {
	ID         string
	Title      string
	Unit       string
	Start, End time.Time
	Times      []int64 // seconds since the epoch, ascending: the ends of equal steps
	Curves     []Curve
	Thresholds []Threshold
	Marks      []Mark
	Note       string // which archive answered, what was left out
	Link       string // where the same can be explored
	Tall       bool
}

// A Curve is one line of a figure; NaN where it is unknown. Min and Max are
// nil where there is no band to draw.
type Curve struct {
	Name          string
	Avg, Min, Max []float64
	Step          bool // holds its value until the next one
}

// A Threshold is a level line.
type Threshold struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Kind  string  `json:"kind"` // raise or clear
}

// A Mark is an event on the time axis, or several that are close together.
type Mark struct {
	At   int64  `json:"at"`
	End  int64  `json:"end,omitempty"` // of what lasted
	Text string `json:"text"`
	Kind string `json:"kind"` // as an Event's
	What string `json:"what"` // one word for it
	Who  string `json:"who,omitempty"`
	N    int    `json:"n"` // how many events it is
}

// Empty says whether there is no known point to draw.
func (f Figure) Empty() bool {
	return !slices.ContainsFunc(f.Curves, func(c Curve) bool { return c.Stats().Count > 0 })
}

// Stats are the curve's figures over the range. The extremes are the band's
// where there is one, so that a peak that an average hides is still told.
func (c Curve) Stats() chart.Summary {
	return chart.Summarize(chart.Line{Values: c.Avg, Min: c.Min, Max: c.Max})
}

// Summary is the figure in words, for those who do not see it.
func (f Figure) Summary() string {
	if f.Empty() {
		return f.Title + ": no points in this range"
	}
	s := f.Title
	for i, c := range f.Curves {
		if i == 4 {
			return s + "; and " + strconv.Itoa(len(f.Curves)-4) + " more"
		}
		st := c.Stats()
		s += "; " + c.Name + ": lowest " + number(st.Min, f.Unit) + ", average " + number(st.Avg, f.Unit) +
			", highest " + number(st.Max, f.Unit) + ", last " + number(st.Last, f.Unit)
	}
	return s
}

// The script's view of a figure.
type figureJSON struct {
	Unit       string      `json:"unit"`
	Start      int64       `json:"start"`
	End        int64       `json:"end"`
	Times      []int64     `json:"times"`
	Curves     []curveJSON `json:"curves"`
	Thresholds []Threshold `json:"thresholds,omitempty"`
	Marks      []Mark      `json:"marks,omitempty"`
}

type curveJSON struct {
	Name string `json:"name"`
	Avg  floats `json:"avg"`
	Min  floats `json:"min,omitempty"`
	Max  floats `json:"max,omitempty"`
	Step bool   `json:"step,omitempty"`
}

// Data is the figure for the script.
func (f Figure) Data() any {
	d := figureJSON{Unit: f.Unit, Start: f.Start.Unix(), End: f.End.Unix(), Times: f.Times, Marks: f.Marks}
	for _, t := range f.Thresholds {
		if !math.IsNaN(t.Value) && !math.IsInf(t.Value, 0) {
			d.Thresholds = append(d.Thresholds, t)
		}
	}
	for _, c := range f.Curves {
		d.Curves = append(d.Curves, curveJSON{Name: c.Name, Avg: c.Avg, Min: c.Min, Max: c.Max, Step: c.Step})
	}
	return d
}

// floats is written as JSON with null for unknown and six digits that matter.
type floats []float64

// MarshalJSON writes what encoding/json refuses, NaN and infinities, as null.
func (fs floats) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, 8*len(fs)+2)
	b = append(b, '[')
	for i, v := range fs {
		if i > 0 {
			b = append(b, ',')
		}
		if math.IsNaN(v) || math.IsInf(v, 0) {
			b = append(b, "null"...)
			continue
		}
		b = strconv.AppendFloat(b, v, 'g', 6, 64)
	}
	return append(b, ']'), nil
}
