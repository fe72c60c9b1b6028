package chart

import (
	"cmp"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// A canvas is what a chart is drawn on.
type canvas interface {
	begin(k ink)       // a path: of strokes, or one filled shape
	move(x, y float64) // start a stretch of it
	line(x, y float64) // go on
	end()              // finish the path
	rect(k ink, x, y, w, h float64, tip string)
	mark(k ink, x, y0, y1 float64, tip string) // an upright line with something to tell
	text(s string, x, y float64, a anchor, c textClass)
}

// An anchor is where a text stands on its point.
type anchor uint8

const (
	left anchor = iota
	middle
	right
)

// A textClass is how a text looks.
type textClass string

const (
	textTick  textClass = "dim"
	textTitle textClass = "title"
	textPlain textClass = "plain"
)

// The measures of the layout, in pixels.
const (
	charWidth   = 7  // of a label's letter, on the safe side
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
	d.left = newAxis(d.extent(d.lines, true), n, d.Unit)
	d.right = newAxis(d.extent(d.capacity, false), n, d.StepUnit)
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

// line draws the values of a line. Colours come round after eight: then the
// strokes differ.
func (d *drawing) line(l track, c Color, i int) {
	if l.Area {
		d.area(l, c)
	}
	k := ink{roleLine, c}
	if l.Dashed || l.Color == "" && i >= 8 {
		k.role = roleDashed
	}
	d.canvas.begin(k)
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

func (d *drawing) thresholds() {
	for _, t := range d.Thresholds {
		if !finite(t.Value) {
			continue
		}
		y := d.left.at(t.Value)
		d.canvas.begin(ink{roleLimit, t.Color.valid(Warning)})
		d.canvas.move(d.plot.x.a, y)
		d.canvas.line(d.plot.x.b, y)
		d.canvas.end()
		if !d.Sparkline && t.Label != "" {
			d.canvas.text(t.Label, d.plot.x.b-2, max(y-3, d.left.b+9), right, textTick)
		}
	}
}

func (d *drawing) marks() {
	for _, m := range d.Marks {
		at := micros(m.Time.UnixMicro())
		if at < d.from || at > d.to {
			continue
		}
		tip := ""
		if !d.Sparkline {
			tip = m.Time.In(d.Zone).Format("15:04:05 ") + m.Label
		}
		d.canvas.mark(ink{roleMark, m.Color.valid(EventColor)}, d.plot.across(at), d.left.b, d.left.a, tip)
	}
}

// texts writes the title, the labels of the axes and the legend.
func (d *drawing) texts() {
	if d.Title != "" {
		d.canvas.text(d.Title, 4, titleHeight-6, left, textTitle)
	}
	d.left.ticks(func(v float64, label string) {
		d.canvas.text(label, d.plot.x.a-4, min(d.left.at(v)+4, float64(d.Height)), right, textTick)
	})
	if len(d.Steps) > 0 {
		d.right.ticks(func(v float64, label string) {
			d.canvas.text(label, d.plot.x.b+4, min(d.right.at(v)+4, float64(d.Height)), left, textTick)
		})
	}
	d.eachTime(func(t micros, label string) {
		half := float64(len(label)) * charWidth / 2
		x := min(max(d.plot.across(t), half), float64(d.Width)-half)
		d.canvas.text(label, max(x, 0), min(d.bottom+14, float64(d.Height)), middle, textTick)
	})
	d.legends()
}

// A legendRow is a swatch, a name and figures.
type legendRow struct {
	ink  ink
	text string
}

func (d *drawing) legendRows() []legendRow {
	var rows []legendRow
	for i, l := range d.Lines {
		rows = append(rows, legendRow{ink{roleLine, l.Color.valid(seriesColor(i))}, l.Name + ": " + figures(l, d.Unit)})
	}
	for i, l := range d.Steps {
		c := l.Color.valid(seriesColor(len(d.Lines) + i))
		rows = append(rows, legendRow{ink{roleStep, c}, l.Name + ": " + figures(l, d.StepUnit)})
	}
	for i, s := range d.Bars.Stacks {
		sum := 0.0
		for k := range d.Bars.Times {
			sum += d.Bars.count(s, k)
		}
		rows = append(rows, legendRow{ink{roleStep, s.Color.valid(seriesColor(i))}, s.Name + ": total " + Format(sum, d.Unit)})
	}
	return rows
}

func (d *drawing) legends() {
	if d.legend == 0 {
		return
	}
	rows := d.legendRows()
	for i, r := range rows {
		y := d.bottom + timeHeight + float64(i)*rowHeight + 8
		if y+4 > float64(d.Height) {
			return
		}
		if i == maxLegend {
			d.canvas.text(fmt.Sprintf("and %d more", len(rows)-i), 24, y+4, left, textTick)
			return
		}
		d.canvas.begin(r.ink)
		d.canvas.move(6, y)
		d.canvas.line(18, y)
		d.canvas.end()
		d.canvas.text(r.text, 24, y+4, left, textPlain)
	}
}

// figures are a line's summary in words.
func figures(l Line, u Unit) string {
	s := Summarize(l)
	if s.Count == 0 {
		return "no data"
	}
	return fmt.Sprintf("min %s, avg %s, max %s, last %s", Format(s.Min, u), Format(s.Avg, u), Format(s.Max, u), Format(s.Last, u))
}

// describe tells in words what the picture shows.
func (c Chart) describe() string {
	var parts []string
	for i, l := range c.Lines {
		if i == maxLegend {
			parts = append(parts, fmt.Sprintf("and %d more lines", len(c.Lines)-i))
			break
		}
		parts = append(parts, strings.TrimSpace(l.Name+": ")+" "+figures(l, c.Unit))
	}
	for _, l := range c.Steps {
		parts = append(parts, strings.TrimSpace(l.Name+": ")+" "+figures(l, c.StepUnit))
	}
	for _, t := range c.Thresholds {
		parts = append(parts, strings.TrimSpace("threshold "+t.Label)+" at "+Format(t.Value, c.Unit))
	}
	if n := len(c.Marks); n > 0 {
		parts = append(parts, fmt.Sprintf("%d events", n))
	}
	return strings.Join(parts, "; ")
}
