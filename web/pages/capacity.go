package pages

import (
	"context"
	"math"
	"slices"
	"time"

	"rondo/autoscale"
	"rondo/rrd"
)

// storedCapacity reads a gauge that the program writes of a group, such as what
// it desired, at each step; unknown where it has not.
func (p *Pages) storedCapacity(ctx context.Context, group, what string, g grid) ([]float64, error) {
	out := unknowns(g.len())
	if p.deps.Metrics == nil {
		return out, nil
	}
	q := rrd.Query{
		Matchers: []rrd.Matcher{{Label: rrd.NameLabel, Op: rrd.Equal, Value: "rondo.autoscale." + group + "." + what}},
		Start:    g.start, End: g.end, Row: g.step, Columns: []rrd.Column{rrd.ColLast}, Limit: 1,
	}
	for s, err := range p.deps.Metrics.Select(ctx, q) {
		if err != nil {
			return out, err
		}
		g.hold(out, s)
	}
	return out, nil
}

// hold lays a gauge's last values on the grid. Each holds until the next one,
// but not for longer than the series' heartbeat: then nobody wrote.
func (g grid) hold(out []float64, s rrd.Series) {
	longest := max(s.Definition.Heartbeat, 2*s.Row())
	for i, t := range s.Times {
		from, _ := g.covered(t, s.Row())
		until := t.Add(longest)
		if i+1 < len(s.Times) {
			until = min(until, s.Times[i+1])
		}
		to := g.index(min(until, g.end))
		for k := max(from, 0); k <= to; k++ {
			out[k] = s.Values[rrd.ColLast][i]
		}
	}
}

// capacityFigure is a step line of the group's capacity: as stored, and before
// that made backwards from what is desired now through the decisions that
// changed it. Before the program's start and the oldest decision it is not
// known.
func capacityFigure(v autoscale.View, r Range, started time.Time, stored []float64) Figure {
	g := newGrid(r, groupSteps)
	fig := Figure{Title: "Capacity", Start: r.Start, End: r.End, Times: g.times()}
	avg := decidedCapacity(v, fig.Times, started)
	if first := slices.IndexFunc(stored, func(f float64) bool { return !math.IsNaN(f) }); first >= 0 {
		copy(avg[first:], stored[first:])
	}
	fig.Curves = []Curve{{Name: "desired", Avg: avg, Step: true}}
	fig.Thresholds = []Threshold{{"most", float64(v.Max), "limit"}, {"least", float64(v.Min), "limit"}}
	return fig
}

// decidedCapacity is the capacity as the group's decisions tell it.
func decidedCapacity(v autoscale.View, times []int64, started time.Time) []float64 {
	avg := unknowns(len(times))
	moves := slices.DeleteFunc(slices.Clone(v.Recent), func(d autoscale.Decision) bool { return !acted(d) })
	known := started
	if n := len(v.Recent); n > 0 && firstOf(v.Recent[n-1]).Before(known) {
		known = firstOf(v.Recent[n-1])
	}
	now, i := v.Desired, 0
	for k, t := range slices.Backward(times) {
		at := time.Unix(t, 0)
		for i < len(moves) && moves[i].At.After(at) {
			now = moves[i].From
			i++
		}
		if at.Before(known) {
			break
		}
		avg[k] = float64(now)
	}
	return avg
}

// firstOf is when a run of the same decision began.
func firstOf(d autoscale.Decision) time.Time {
	if d.First.IsZero() {
		return d.At
	}
	return d.First
}
