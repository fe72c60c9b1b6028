package chart

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"
)

// drawChart lays a chart out and draws it.
func drawChart(c Chart, on canvas) {
	d := newDrawing(c, on)
	d.layout()
	if !d.Sparkline {
		d.grid()
	}
	d.bars()
	for i, l := range d.lines {
		d.band(l, l.Color.valid(seriesColor(i)))
	}
	for i, l := range d.lines {
		d.line(l, l.Color.valid(seriesColor(i)), i)
	}
	for i, l := range d.capacity {
		d.steps(l, l.Color.valid(seriesColor(len(d.Lines)+i)))
	}
	d.thresholds()
	d.marks()
	if !d.Sparkline {
		d.texts()
	}
}

func (d *drawing) grid() {
	x0, x1 := d.plot.x.a, d.plot.x.b
	d.canvas.begin(ink{role: roleGrid})
	d.left.ticks(func(v float64, _ string) {
		y := d.left.at(v)
		d.canvas.move(x0, y)
		d.canvas.line(x1, y)
	})
	d.eachTime(func(t micros, _ string) {
		x := d.plot.across(t)
		d.canvas.move(x, d.left.b)
		d.canvas.line(x, d.left.a)
	})
	d.canvas.end()
	d.canvas.begin(ink{role: roleAxis})
	d.canvas.move(x0, d.left.b)
	d.canvas.line(x0, d.left.a)
	d.canvas.line(x1, d.left.a)
	d.canvas.end()
}

func (d *drawing) eachTime(f func(micros, string)) {
	n := max(1, int((d.plot.x.b-d.plot.x.a)/timeEvery))
	timeTicks(d.from, d.to, n, d.Zone, f)
}

func (d *drawing) bars() {
	width := micros(d.Bars.Width.Microseconds())
	for i, t := range d.bins {
		if t+width <= d.from || t >= d.to {
			continue
		}
		x0, x1 := d.plot.across(max(t, d.from)), d.plot.across(min(t+width, d.to))
		gap := min(1, (x1-x0)/4)
		base := 0.0
		for k, s := range d.Bars.Stacks {
			n := d.Bars.count(s, i)
			if n == 0 {
				continue
			}
			y0, y1 := d.left.at(base), d.left.at(base+n)
			tip := ""
			if !d.Sparkline {
				tip = fmt.Sprintf("%s: %s", s.Name, Format(n, d.Unit))
			}
			d.canvas.rect(ink{roleBar, s.Color.valid(seriesColor(k))}, x0, y1, max(x1-x0-gap, 0), y0-y1, tip)
			base += n
		}
	}
}

// band draws from the minima to the maxima of a line, run by run.
func (d *drawing) band(l track, c Color) {
	if len(l.Min) == 0 && len(l.Max) == 0 {
		return
	}
	var back []float64 // x and y of the lower edge, to return along
	d.canvas.begin(ink{roleBand, c})
	d.plot.runs(l, func(i, j int) {
		first := true
		d.plot.envelope(l, l.Max, i, j, math.Max, func(t micros, v float64) {
			d.goOn(&first, d.plot.across(t), d.left.at(v))
		})
		back = back[:0]
		d.plot.envelope(l, l.Min, i, j, math.Min, func(t micros, v float64) {
			back = append(back, d.plot.across(t), d.left.at(v))
		})
		for k := len(back) - 2; k >= 0; k -= 2 {
			d.canvas.line(back[k], back[k+1])
		}
	})
	d.canvas.end()
}

// goOn moves to the first point of a run and draws on to the others.
func (d *drawing) goOn(first *bool, x, y float64) {
	if *first {
		d.canvas.move(x, y)
	} else {
		d.canvas.line(x, y)
	}
	*first = false
}

// role is the stroke of the i-th line. Colours come round after eight: then the
// strokes differ.
func (l Line) role(i int) role {
	if l.Dashed || l.Color == "" && i >= 8 {
		return roleDashed
	}
	return roleLine
}

// line draws the values of a line.
func (d *drawing) line(l track, c Color, i int) {
	if l.Area {
		d.area(l, c)
	}
	d.canvas.begin(ink{l.role(i), c})
	d.plot.runs(l, func(i, j int) {
		first := true
		d.plot.reduce(l, i, j, func(t micros, v float64) {
			d.goOn(&first, d.plot.across(t), d.left.at(v))
		})
		if j == i+1 { // a lone point is a dot: a stroke of no length would not show
			x := d.plot.across(l.at[i]) + 0.1
			if x > d.plot.x.b {
				x -= 0.2
			}
			d.canvas.line(x, d.left.at(l.Values[i]))
		}
	})
	d.canvas.end()
}

func (d *drawing) area(l track, c Color) {
	zero := d.left.at(0)
	d.canvas.begin(ink{roleArea, c})
	d.plot.runs(l, func(i, j int) {
		d.canvas.move(d.plot.across(l.at[i]), zero)
		d.plot.reduce(l, i, j, func(t micros, v float64) {
			d.canvas.line(d.plot.across(t), d.left.at(v))
		})
		d.canvas.line(d.plot.across(l.at[j-1]), zero)
	})
	d.canvas.end()
}

// steps draws a value that holds until the next one, and to the end.
func (d *drawing) steps(l track, c Color) {
	d.canvas.begin(ink{roleStep, c})
	first, y := true, 0.0
	for i := range min(len(l.at), len(l.Values)) {
		if !finite(l.Values[i]) || l.at[i] > d.to {
			continue
		}
		x := d.plot.across(max(l.at[i], d.from))
		if !first {
			d.canvas.line(x, y)
		}
		y = d.right.at(l.Values[i])
		d.goOn(&first, x, y)
	}
	if !first {
		d.canvas.line(d.plot.x.b, y)
	}
	d.canvas.end()
}

// thresholds draws the levels from the highest. A label stands on its line, or
// where it would run into the one above it, in that one's row.
func (d *drawing) thresholds() {
	levels := slices.DeleteFunc(slices.Clone(d.Thresholds), func(t Threshold) bool { return !finite(t.Value) })
	slices.SortStableFunc(levels, func(a, b Threshold) int { return cmp.Compare(b.Value, a.Value) })
	row, x := math.Inf(-1), d.plot.x.b-2
	for _, t := range levels {
		y := d.left.at(t.Value)
		d.canvas.begin(ink{roleLimit, t.Color.valid(Warning)})
		d.canvas.move(d.plot.x.a, y)
		d.canvas.line(d.plot.x.b, y)
		d.canvas.end()
		if d.Sparkline || t.Label == "" {
			continue
		}
		if own := max(y-3, d.left.b+9); own-row >= labelHeight {
			row, x = own, d.plot.x.b-2
		}
		width := float64(utf8.RuneCountInString(t.Label)) * charWidth
		if x-width < d.plot.x.a { // no room in the row
			row, x = max(y-3, d.left.b+9), d.plot.x.b-2
		}
		d.canvas.text(t.Label, x, row, right, textTick)
		x -= width + charWidth
	}
}
