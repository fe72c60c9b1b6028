package chart

import (
	"fmt"
	"strings"
)

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
		rows = append(rows, legendRow{ink{l.role(i), l.Color.valid(seriesColor(i))}, l.Name + ": " + figures(l, d.Unit)})
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
	parts = append(parts, c.describeMarks()...)
	return strings.Join(parts, "; ")
}
