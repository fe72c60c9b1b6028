package chart

import (
	"math"
	"time"
)

// A Chart is all that is drawn. Lines, Bars and Steps may be mixed.
type Chart struct {
	Title  string // drawn above, and the accessible name
	Label  string // the accessible name where no title is drawn
	Unit   Unit   // of Lines and Bars
	From   time.Time
	To     time.Time
	Zone   *time.Location // of the time labels; nil is UTC
	Width  int            // pixels, 600 if 0
	Height int            // pixels, legend included; 200 if 0

	Lines      []Line
	Bars       Bars
	Steps      []Line // drawn as steps, against the second axis on the right
	StepUnit   Unit
	Thresholds []Threshold
	Marks      []Mark

	Sparkline  bool // no axes, no texts
	Legend     bool // min, average, max and last of every line, below
	Standalone bool // SVG only: bring the style along
}

// A Line is one series. Times ascend. Min and Max, as long as Values where
// given, make a band around it.
type Line struct {
	Name     string
	Times    []time.Time
	Values   []float64     // NaN and infinities are unknown
	Min, Max []float64     // of the same rows
	Step     time.Duration // points further apart than 1.5 steps are not joined; 0: twice the usual distance
	Color    Color         // "": by its place among the lines
	Dashed   bool
	Area     bool // filled down to zero
}

// Bars are a stacked histogram.
type Bars struct {
	Times  []time.Time   // where each bar begins, ascending
	Width  time.Duration // of one bar
	Stacks []Stack       // lowest first
}

// A Stack is one colour of a histogram.
type Stack struct {
	Name   string
	Color  Color
	Counts []float64 // one per time
}

// A Threshold is a level that something happens at.
type Threshold struct {
	Value float64
	Label string
	Color Color // Warning if ""
}

// A Mark is something that happened: a deploy, a scale event, an alert.
type Mark struct {
	Time  time.Time
	End   time.Time // of what lasted: a shaded band; zero: an instant
	Label string
	What  string // it in one word, such as deploy: crowded marks are told as "12 deploys"
	Count int    // of how many it was merged already; 0: one
	Shape Shape  // tells marks apart without their colours
	Color Color  // EventColor if ""
}

// A Shape is the sign at the head of a mark.
type Shape uint8

// The shapes.
const (
	NoShape Shape = iota
	Diamond
	Up
	Down
	Square
	Disc
)

// A Color is a name whose value the page's theme decides.
type Color string

// The colours that mean something, beside Color1 to Color8, which only tell lines
// apart (and are told apart without seeing red or green).
const (
	Color1     Color = "s1"
	Color2     Color = "s2"
	Color3     Color = "s3"
	Color4     Color = "s4"
	Color5     Color = "s5"
	Color6     Color = "s6"
	Color7     Color = "s7"
	Color8     Color = "s8"
	OK         Color = "ok"
	Warning    Color = "warning"
	Critical   Color = "critical"
	Unknown    Color = "unknown"
	Info       Color = "info"
	EventColor Color = "event"
)

// seriesColor is the colour of the i-th line.
func seriesColor(i int) Color {
	return [...]Color{Color1, Color2, Color3, Color4, Color5, Color6, Color7, Color8}[i%8]
}

// A Summary is the figures of one line.
type Summary struct {
	Min, Avg, Max, Last float64 // NaN where Count is 0
	Count               int     // of known values
}

// Summarize looks at the known values of l; its band, if any, gives the
// minimum and maximum.
func Summarize(l Line) Summary {
	s := Summary{Min: math.NaN(), Avg: math.NaN(), Max: math.NaN(), Last: math.NaN()}
	sum := 0.0
	for i, v := range l.Values {
		if !finite(v) {
			continue
		}
		lo, hi := v, v
		if i < len(l.Min) && l.Min[i] < lo && finite(l.Min[i]) {
			lo = l.Min[i]
		}
		if i < len(l.Max) && l.Max[i] > hi && finite(l.Max[i]) {
			hi = l.Max[i]
		}
		if s.Count == 0 {
			s.Min, s.Max = lo, hi
		}
		s.Min, s.Max, s.Last = min(s.Min, lo), max(s.Max, hi), v
		s.Count++
		sum += (v - sum) / float64(s.Count) // a mean that cannot overflow
	}
	if s.Count > 0 {
		s.Avg = sum
	}
	return s
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
