package pages

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"rondo/syslogd"
	"rondo/syslogd/filter"
	"rondo/syslogd/syslog"
)

// Bars of a histogram are drawn in this many units, which the style stretches.
const (
	histWidth  = 1000
	histHeight = 100
	histBins   = 90
	barWidth   = 6 // pixels, about, on a screen
)

// Severities are drawn in bands: four tell enough apart, and stay apart for
// people who see colours differently.
var bands = []struct{ class, name string }{
	{"s-crit", "emerg to crit"}, {"s-err", "err"}, {"s-warn", "warning"}, {"s-info", "notice to debug"},
}

func band(s syslog.Severity) int {
	switch {
	case s <= syslog.Critical:
		return 0
	case s == syslog.Error:
		return 1
	case s == syslog.Warning:
		return 2
	}
	return 3
}

// A Histogram counts log lines over time, stacked by severity.
type Histogram struct {
	Bars   []Bar
	Legend []Legend
	Total  int64
	Peak   int64
	Width  string // of a bar, for people
	Ticks  []string
	Err    string
	Start  int64
	End    int64
	Marks  []Mark
	Wide   int // how wide it is on a screen, about, in pixels
	Narrow int // and on a phone

	query string
}

// A Bar is one bin, a link to the lines in it.
type Bar struct {
	URL, Title string
	X, W       float64
	Parts      []Part
}

// A Part is one band of a bar.
type Part struct {
	Class string
	Y, H  float64
}

// A Legend entry counts one band.
type Legend struct {
	Class, Name string
	Count       int64
}

// histogram counts all matches of the filter in the range. query is its text,
// for the bars' links.
func (p *Pages) histogram(ctx context.Context, f *filter.Filter, query string, r Range, bins int) Histogram {
	h := Histogram{Ticks: ticks(r, 4), Start: r.Start.Unix(), End: r.End.Unix(), Wide: bins * barWidth, Narrow: narrowMarks, query: query}
	if p.deps.Logs == nil {
		return h
	}
	width := r.Step(bins)
	h.Width = span(width)
	got, err := syslogd.Histogram(ctx, p.deps.Logs, syslogd.Query{Filter: f, From: r.Start, To: r.End}, width)
	if err != nil {
		h.Err = p.failed("The histogram", err)
		return h
	}
	h.fill(got, query, r, width)
	return h
}

// fill stacks the bins. A bin's share of the range is its place.
func (h *Histogram) fill(got []syslogd.Bin, query string, r Range, width time.Duration) {
	type stack struct {
		at     time.Time
		counts [4]int64
	}
	var order []int64
	at := make(map[int64]*stack)
	var totals [4]int64
	for _, b := range got {
		k := b.Start.UnixNano()
		if at[k] == nil {
			at[k] = &stack{at: b.Start}
			order = append(order, k)
		}
		at[k].counts[band(b.Severity)] += b.Count
		totals[band(b.Severity)] += b.Count
		h.Total += b.Count
	}
	for i, b := range bands {
		h.Legend = append(h.Legend, Legend{b.class, b.name, totals[i]})
	}
	sum := func(s *stack) int64 { return s.counts[0] + s.counts[1] + s.counts[2] + s.counts[3] }
	for _, s := range at {
		h.Peak = max(h.Peak, sum(s))
	}
	unit := histWidth / float64(r.Span())
	for _, k := range order {
		s := at[k]
		x0 := max(0, float64(s.at.Sub(r.Start))*unit)
		x1 := min(histWidth, float64(s.at.Add(width).Sub(r.Start))*unit)
		if x1 <= x0 {
			continue
		}
		in := absolute(s.at, s.at.Add(width))
		h.Bars = append(h.Bars, Bar{
			X: x0, W: max(0.8, (x1-x0)*0.88),
			URL:   "/logs?q=" + url.QueryEscape(query) + "&" + in.Query(),
			Title: s.at.UTC().Format("15:04:05") + ": " + count(sum(s)) + " lines, " + count(s.counts[0]+s.counts[1]) + " err or worse",
			Parts: h.parts(s.counts),
		})
	}
}

// parts stacks the gravest band at the bottom, where it is seen first.
func (h *Histogram) parts(counts [4]int64) []Part {
	var out []Part
	y := float64(histHeight)
	for i, n := range counts {
		if n == 0 {
			continue
		}
		height := float64(n) / float64(h.Peak) * histHeight
		if i < 2 {
			height = max(height, 2) // a single error must not vanish among thousands
		}
		y -= height
		out = append(out, Part{bands[i].class, max(0, y), height})
	}
	return out
}

// Summary is the histogram in words.
func (h Histogram) Summary() string {
	s := count(h.Total) + " lines"
	for _, l := range h.Legend {
		if l.Count > 0 {
			s += ", " + count(l.Count) + " " + l.Name
		}
	}
	return s + ", at most " + strconv.FormatInt(h.Peak, 10) + " in " + h.Width
}
