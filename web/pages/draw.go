package pages

import (
	"html/template"
	"io"
	"math"
	"net/http"
	"strconv"
	"time"

	"rondo/alerts/event"
	"rondo/alerts/fleet"
	"rondo/rrd"
	"rondo/web/chart"
)

// A drawFunc writes a chart as a picture.
type drawFunc func(w io.Writer, c chart.Chart) error

// Sizes of the graphs that pages carry, in pixels; the style stretches them.
const (
	pageWidth, pageHeight, tallHeight = 720, 190, 280
	sparkWidth, sparkHeight           = 120, 26
	cardWidth, cardHeight             = 560, 84
	meterWidth                        = 64
)

// chart is the figure as the chart package draws it.
func (f Figure) chart(width, height int) chart.Chart {
	c := chart.Chart{Label: f.Title, Unit: chart.Unit(f.Unit), StepUnit: chart.Unit(f.Unit), From: f.Start, To: f.End, Width: width, Height: height}
	times := make([]time.Time, len(f.Times))
	for i, t := range f.Times {
		times[i] = time.Unix(t, 0)
	}
	for _, l := range f.Curves {
		line := chart.Line{Name: l.Name, Times: times, Values: l.Avg, Min: l.Min, Max: l.Max}
		if l.Step {
			c.Steps = append(c.Steps, line)
			continue
		}
		c.Lines = append(c.Lines, line)
	}
	for _, t := range f.Thresholds {
		if !math.IsNaN(t.Value) {
			c.Thresholds = append(c.Thresholds, chart.Threshold{Value: t.Value, Label: t.Name + " " + number(t.Value, f.Unit), Color: levelColor(t.Kind)})
		}
	}
	c.Marks = chartMarks(f.Marks)
	return c
}

func chartMarks(ms []Mark) (out []chart.Mark) {
	for _, m := range ms {
		mark := chart.Mark{Time: time.Unix(m.At, 0), Label: m.Text, What: m.What, Count: m.N, Shape: markShape(m.Kind), Color: markColor(m.Kind)}
		if m.End != 0 {
			mark.End = time.Unix(m.End, 0)
		}
		out = append(out, mark)
	}
	return out
}

// ToldMarks are the events, newest first, that mark a picture of some series: for
// the graphs in mails.
func ToldMarks(es []event.Event, series []rrd.Labels, hosts []fleet.Host, from, to time.Time) []chart.Mark {
	var all []Event
	for _, e := range es {
		all = append(all, toldEvent(e))
	}
	r := Range{Start: from, End: to}
	return chartMarks(marks(marked(all, choice{quiet: quietOnPictures()}, subjectOf(series, hosts)), r))
}

func levelColor(kind string) chart.Color {
	return map[string]chart.Color{"raise": chart.Critical, "clear": chart.OK}[kind]
}

func markColor(kind string) chart.Color {
	return map[string]chart.Color{
		"ok": chart.OK, "warning": chart.Warning, "critical": chart.Critical, "incident": chart.Critical, "unknown": chart.Unknown,
		"out": chart.Info, "deploy": chart.Color1, "refresh": chart.Color1, "config": chart.Color5,
	}[kind]
}

func markShape(kind string) chart.Shape {
	switch kind {
	case "out":
		return chart.Up
	case "in":
		return chart.Down
	case "deploy", "refresh":
		return chart.Diamond
	case "critical", "warning", "unknown", "incident":
		return chart.Square
	}
	return chart.Disc
}

// drawFigure is the figure as part of a page. The chart package escapes all
// text that it writes.
func drawFigure(f Figure) template.HTML {
	h := pageHeight
	if f.Tall {
		h = tallHeight
	}
	return template.HTML(chart.AppendSVG(nil, f.chart(pageWidth, h)))
}

// narrowMarks is how wide a histogram is on a phone. Its marks are laid out for
// that and for a screen; the style shows one.
const narrowMarks = 340

// drawMarks are a histogram's marks, to be laid over its bars.
func drawMarks(h Histogram, width int) template.HTML {
	c := chart.Chart{From: time.Unix(h.Start, 0), To: time.Unix(h.End, 0), Width: width, Marks: chartMarks(h.Marks)}
	return template.HTML(chart.AppendMarks(nil, c, func(from, to time.Time) string {
		return logsURL(h.query, aroundTime(from, to))
	}))
}

// drawSmall is the figure without axes and texts, for a table or a card.
func drawSmall(f Figure, width, height int) template.HTML {
	if f.Empty() {
		return ""
	}
	c := f.chart(width, height)
	c.Label, c.Sparkline = "", true
	return template.HTML(chart.AppendSVG(nil, c))
}

// chartCSS serves the style of the graphs that the server draws.
func chartCSS(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "max-age=300")
	_, _ = io.WriteString(w, chart.Stylesheet()) // the reader may have left
}

// meter draws a share of 100 as a bar; its number always stands beside it.
func meter(v float64) template.HTML {
	if math.IsNaN(v) {
		return ""
	}
	class := "fine"
	switch {
	case v >= 90:
		class = "full"
	case v >= 75:
		class = "high"
	}
	w := strconv.FormatFloat(meterWidth*min(max(v, 0), 100)/100, 'f', 1, 64)
	return template.HTML(`<svg class="meter ` + class + `" viewBox="0 0 64 6" aria-hidden="true"><rect class="bg" width="64" height="6" rx="3"/><rect class="fg" width="` + w + `" height="6" rx="3"/></svg>`)
}
