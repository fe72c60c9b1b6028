package pages

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"rondo/alerts"
	"rondo/rrd"
)

// bandSteps is how many steps a band is read in.
const bandSteps = 240

// A Band is the history of one state over a range: what it was, from the left
// to the right. The graver a status the taller it stands, and what is soft is
// hatched, so that it reads without colour.
type Band struct {
	Spans  []Span
	Shares []Share
	Ticks  []string
	Err    string
}

// A Span is a time in which the state stayed as it was; X and W are of 1000.
type Span struct {
	Badge Badge
	Soft  bool
	X, W  float64
	Y, H  int // of 30
	Title string
}

// A Share is how much of the range the state was of one kind.
type Share struct {
	Badge Badge
	Soft  bool
	Text  string
}

// bandClass names the kind of a value of [alerts.StatusSeries], or "" where
// it is unknown.
func bandClass(v float64) (b Badge, soft bool) {
	if math.IsNaN(v) || v < 0 || v > 3 {
		return Badge{}, false
	}
	status := math.Ceil(v)
	b = statusBadge(alerts.Status(status))
	if soft = v != status && v <= status-0.5; soft {
		b.Text = "soft " + b.Text
	}
	return b, soft
}

// Words are the band for those who do not see it.
func (b Band) Words() string {
	var parts []string
	for _, s := range b.Shares {
		parts = append(parts, s.Badge.Text+" "+s.Text)
	}
	return "The state over the range: " + strings.Join(parts, ", ")
}

// band reads the history of one state.
func (p *Pages) band(ctx context.Context, rule string, ls rrd.Labels, r Range) Band {
	b := Band{Ticks: ticks(r, 4)}
	if p.deps.Metrics == nil {
		return b
	}
	g := newGrid(r, bandSteps)
	// What stood before the range still stands when it begins.
	q := rrd.Query{
		Matchers: statusMatchers(rule, ls), Start: g.start.Add(-standsFor), End: g.end, Row: g.step,
		Columns: []rrd.Column{rrd.ColMax, rrd.ColLast},
	}
	for s, err := range p.deps.Metrics.Select(ctx, q) {
		if err != nil {
			b.Err = p.failed("The history of the state", err)
			return b
		}
		if sameState(s.Key, ls) {
			b.fill(worst(s, g, rrd.At(time.Now())), g, r)
			return b
		}
	}
	return b
}

// standsFor is how long a state stands that nothing more is heard of. The
// engine writes every state each minute.
const standsFor = 2 * time.Minute

// worst is the worst status of every step, and where a step has none of its
// own, the newest one before it for as long as that stands.
func worst(s rrd.Series, g grid, now rrd.Time) []float64 {
	out := unknowns(g.len())
	highest, last := s.Values[rrd.ColMax], s.Values[rrd.ColLast]
	for i, t := range s.Times {
		if from, to := g.covered(t, s.Row()); to >= 0 && highest != nil {
			for k := from; k <= to; k++ {
				out[k] = larger(out[k], highest[i])
			}
		}
	}
	if last == nil {
		return out
	}
	row, heard, stands := 0, rrd.Time(0), math.NaN()
	for k := range out {
		end := g.start.Add(time.Duration(k+1) * g.step)
		for ; row < len(s.Times) && s.Times[row] <= end; row++ {
			if !math.IsNaN(last[row]) {
				heard, stands = s.Times[row], last[row]
			}
		}
		if math.IsNaN(out[k]) && end.Sub(heard) <= standsFor && end.Add(-g.step) < now {
			out[k] = stands
		}
	}
	return out
}

// larger is the larger of two values that may be unknown.
func larger(a, b float64) float64 {
	if math.IsNaN(a) || b > a {
		return b
	}
	return a
}

// statusMatchers select the series of a state, and of those that have more
// labels than it.
func statusMatchers(rule string, ls rrd.Labels) []rrd.Matcher {
	ms := []rrd.Matcher{
		{Label: rrd.NameLabel, Op: rrd.Equal, Value: alerts.StatusSeries},
		{Label: alerts.RuleLabel, Op: rrd.Equal, Value: rule},
	}
	for _, l := range ls {
		if l.Name != rrd.NameLabel && l.Name != alerts.RuleLabel {
			ms = append(ms, rrd.Matcher{Label: l.Name, Op: rrd.Equal, Value: l.Value})
		}
	}
	return ms
}

// sameState says whether a series that these matchers select has no label
// beyond those of the state.
func sameState(k rrd.Key, ls rrd.Labels) bool {
	for _, l := range k.Labels() {
		if l.Name != rrd.NameLabel && l.Name != alerts.RuleLabel && ls.Get(l.Name) == "" {
			return false
		}
	}
	return true
}

// fill makes spans of the worst status of every step.
func (b *Band) fill(worst []float64, g grid, r Range) {
	total := make(map[string]time.Duration)
	badges := make(map[string]Share)
	known := time.Duration(0)
	for from := 0; from < len(worst); {
		badge, soft := bandClass(worst[from])
		to := from + 1
		for to < len(worst) && sameClass(worst[to], badge) {
			to++
		}
		if badge.Class != "" {
			lasting := time.Duration(to-from) * g.step
			total[badge.Text] += lasting
			known += lasting
			badges[badge.Text] = Share{Badge: badge, Soft: soft}
			b.Spans = append(b.Spans, newSpan(badge, soft, g.start.Add(time.Duration(from)*g.step), g.start.Add(time.Duration(to)*g.step), r))
		}
		from = to
	}
	for text, s := range badges {
		s.Text = span(total[text])
		if total[text] < known {
			s.Text += " (" + fixed(100*total[text].Seconds()/known.Seconds(), 1, "%") + ")"
		}
		b.Shares = append(b.Shares, s)
	}
	slices.SortFunc(b.Shares, func(x, y Share) int {
		return cmp.Or(cmp.Compare(bandHeight(y.Badge.Class), bandHeight(x.Badge.Class)), strings.Compare(x.Badge.Text, y.Badge.Text))
	})
}

func sameClass(v float64, b Badge) bool {
	other, _ := bandClass(v)
	return other == b
}

// bandHeight is how tall a status stands in a band of 30.
func bandHeight(class string) int {
	return map[string]int{"ok": 8, "warning": 18, "unknown": 24, "critical": 30}[class]
}

func newSpan(badge Badge, soft bool, from, to rrd.Time, r Range) Span {
	x := func(t rrd.Time) float64 {
		share := float64(t.Std().Sub(r.Start)) / float64(r.Span())
		return math.Round(10000*min(max(share, 0), 1)) / 10
	}
	s := Span{Badge: badge, Soft: soft, X: x(from), H: bandHeight(badge.Class)}
	s.W, s.Y = max(x(to)-s.X, 1), 30-s.H
	s.Title = badge.Text + " from " + from.Std().UTC().Format(time.DateTime) + " for " + span(to.Sub(from))
	return s
}
