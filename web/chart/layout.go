package chart

import (
	"cmp"
	"math"
	"time"
	"unicode/utf8"
)

// The measures of the layout, in pixels.
const (
	charWidth   = 7  // of a label's letter, on the safe side
	labelHeight = 12 // of a threshold's label
	rowHeight   = 16 // of a legend row
	titleHeight = 22
	timeHeight  = 18
	labelEvery  = 30 // pixels between labels upwards
	timeEvery   = 75 // and across
	maxLegend   = 12 // rows; more are counted
	maxSize     = 8192
)

// A drawing is a chart with its layout decided.
type drawing struct {
	Chart
	canvas   canvas
	lines    []track
	capacity []track // Steps
	bins     []micros
	from, to micros
	plot     plot
	left     axis
	right    axis // of Steps
	legend   int  // rows
	bottom   float64
}

func newDrawing(c Chart, on canvas) *drawing {
	d := &drawing{Chart: c.sized(), canvas: on}
	d.from, d.to = micros(d.From.UnixMicro()), micros(d.To.UnixMicro())
	d.to = max(d.to, d.from+second)
	for _, l := range d.Lines {
		d.lines = append(d.lines, newTrack(l))
	}
	for _, l := range d.Steps {
		d.capacity = append(d.capacity, newTrack(l))
	}
	for _, t := range d.Bars.Times {
		d.bins = append(d.bins, micros(t.UnixMicro()))
	}
	return d
}

// sized fills in and bounds the size and the range.
func (c Chart) sized() Chart {
	c.Width = min(max(cmp.Or(c.Width, 600), 16), maxSize)
	c.Height = min(max(cmp.Or(c.Height, 200), 12), maxSize)
	c.Zone = cmp.Or(c.Zone, time.UTC)
	c.Sparkline = c.Sparkline || c.Width < 120 || c.Height < 60 // no room for words
	return c
}

// layout decides the axes and the box of the plot.
func (d *drawing) layout() {
	w, h := float64(d.Width), float64(d.Height)
	x0, y0, x1, y1 := 1.0, 1.0, w-1, h-1
	if !d.Sparkline {
		if d.Title != "" {
			y0 += titleHeight
		}
		y0 += 6
		if d.Legend {
			d.legend = min(len(d.Lines)+len(d.Steps)+len(d.Bars.Stacks), maxLegend+1)
		}
		y1 -= timeHeight + float64(d.legend)*rowHeight
	}
	y1 = max(y1, y0+1)
	n := max(1, int((y1-y0)/labelEvery))
	left, right := d.extent(d.lines, true), d.extent(d.capacity, false)
	if len(d.Lines) == 0 && len(d.Bars.Times) == 0 { // thresholds are of the steps, then
		left.add(right.lo)
		left.add(right.hi)
		right = left
	}
	d.left = newAxis(left, n, d.Unit)
	d.right = newAxis(right, n, d.StepUnit)
	if !d.Sparkline {
		x0 += d.left.width()
		x1 -= 8
		if len(d.Steps) > 0 {
			x1 -= d.right.width()
		}
	}
	x1 = max(x1, x0+1)
	x1, y1 = min(x1, w), min(y1, h)
	x0, y0 = min(x0, x1), min(y0, y1)
	d.left.a, d.left.b = y1, y0
	d.right.a, d.right.b = y1, y0
	d.plot = plot{x: scale{0, float64(d.to - d.from), x0, x1}, y: d.left.scale, from: d.from, to: d.to}
	d.bottom = y1
}

// width is the room that an axis' labels need.
func (a axis) width() float64 {
	most := 0
	a.ticks(func(_ float64, label string) { most = max(most, utf8.RuneCountInString(label)) })
	return float64(most)*charWidth + 8
}

// limits are the lowest and highest of some values.
type limits struct{ lo, hi float64 }

func (l *limits) add(v float64) {
	if finite(v) {
		l.lo, l.hi = min(l.lo, v), max(l.hi, v)
	}
}

// extent is what must be in sight on an axis.
func (d *drawing) extent(lines []track, leftAxis bool) limits {
	e := limits{math.Inf(1), math.Inf(-1)}
	for _, l := range lines {
		for i := range min(len(l.at), len(l.Values)) {
			if l.at[i] < d.from || l.at[i] > d.to || !finite(l.Values[i]) {
				continue
			}
			e.add(l.Values[i])
			if i < len(l.Min) {
				e.add(l.Min[i])
			}
			if i < len(l.Max) {
				e.add(l.Max[i])
			}
		}
	}
	if leftAxis {
		for _, t := range d.Thresholds {
			e.add(t.Value)
		}
		for i := range d.Bars.Times {
			e.add(0)
			e.add(d.Bars.total(i))
		}
	} else {
		e.add(0)
	}
	return e
}

// total is the height of a bar.
func (b Bars) total(i int) float64 {
	sum := 0.0
	for _, s := range b.Stacks {
		sum += b.count(s, i)
	}
	return sum
}

func (b Bars) count(s Stack, i int) float64 {
	if i < len(s.Counts) && s.Counts[i] > 0 && finite(s.Counts[i]) {
		return s.Counts[i]
	}
	return 0
}
