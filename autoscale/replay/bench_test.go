package replay

import (
	"testing"
	"time"
)

// BenchmarkPolicies prints how the recommended policy stands beside the others,
// with the same load: shares in percent, cost as ratio. A run of "weeks" is 30
// days.
func BenchmarkPolicies(b *testing.B) {
	for _, l := range []struct {
		name string
		load []Step
	}{
		{"flash", flashCrowd(1, 1.35, false)},
		{"weeks", weeks(1, 20, 0.02, time.Minute, 30)},
		{"matches", matches(1)},
		{"offices", offices(1, 14)},
		{"requests", requests(1, 14)},
	} {
		for _, p := range []struct {
			name string
			make func() Policy
		}{
			{"rondo", func() Policy { return Group(Recommended(Options{}), Options{}, lengthOf(l.load, 0)) }},
			{"rondo without seasons", func() Policy {
				g := Recommended(Options{})
				g.Track.Seasons = "off"
				return Group(g, Options{}, lengthOf(l.load, 0))
			}},
			{"target tracking", func() Policy { return TargetTracking{0.7} }},
			{"step scaling", func() Policy { return StepScaling{} }},
			{"HPA", func() Policy { return &HPA{Target: 0.7} }},
			{"React", func() Policy { return React{0.8, 0.5} }},
		} {
			b.Run(l.name+"/"+p.name, func(b *testing.B) {
				var r Result
				for b.Loop() {
					r = Run(l.load, p.make(), Options{})
				}
				b.ReportMetric(r.ThetaUnder, "theta-under-%")
				b.ReportMetric(r.TimeUnder, "time-under-%")
				b.ReportMetric(r.CostRatio, "cost")
				b.ReportMetric(float64(r.Changes), "actions")
			})
		}
	}
}
