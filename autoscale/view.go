package autoscale

import (
	"math"
	"slices"
)

// viewPolicies says what the policies are and see. Callers hold g.mu.
func (g *group) viewPolicies(v *View) {
	v.Policies = g.Rules(g.now.From)
	for k, p := range v.Policies {
		if i := slices.IndexFunc(g.feeds, func(f *feed) bool { return f.Expr == p.Metric }); i >= 0 {
			v.Policies[k].Value = known(g.feeds[i].value)
		}
	}
	first := v.Policies[max(0, slices.IndexFunc(v.Policies, func(p PolicyView) bool { return p.Metric != "" }))]
	v.Metric, v.Title, v.Track = first.Metric, first.Title, first.Kind == ByTrack
	v.Value, v.Out, v.In = orElse(first.Value, math.NaN()), orElse(first.Out, 0), orElse(first.In, 0)
}

// Rules are the policies of a group with their levels at a capacity, without
// values.
func (g Group) Rules(capacity int) (out []PolicyView) {
	for _, p := range g.All() {
		out = append(out, PolicyView{Name: p.Name, Kind: p.Kind(), Metric: p.Metric, Title: p.Title, Out: known(p.upper(capacity)), In: known(p.lower())})
	}
	return out
}

// known is v, or nil where it is no number.
func known(v float64) *float64 {
	if !finite(v) {
		return nil
	}
	return &v
}

func orElse(v *float64, def float64) float64 {
	if v == nil {
		return def
	}
	return *v
}
