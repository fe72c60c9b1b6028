package replay

import (
	"math"
	"time"
)

// A Score says how well instances followed what was needed.
type Score struct {
	ThetaUnder    float64 `json:"theta_under_percent"`
	ThetaOver     float64 `json:"theta_over_percent"`
	TimeUnder     float64 `json:"time_under_percent"`
	TimeOver      float64 `json:"time_over_percent"`
	Instability   float64 `json:"instability_percent"`
	CostRatio     float64 `json:"cost_ratio"` // instance time in service / instance time needed
	Changes       int     `json:"actions"`
	InstanceHours float64 `json:"instance_hours"` // from launch on
	Cost          float64 `json:"cost"`           // of these, by the price given

	whole                time.Duration
	needed, served, paid float64 // instance seconds
	before               [2]int  // needed and served in the step before
	hadBefore            bool
}

// add adds one step; paid is how many instances are paid for in it.
func (s *Score) add(needed, served, paid int, length time.Duration) {
	sec := length.Seconds()
	s.whole += length
	s.needed += float64(needed) * sec
	s.served += float64(served) * sec
	s.paid += float64(paid) * sec
	switch {
	case served < needed:
		s.TimeUnder += sec
		s.ThetaUnder += sec * float64(needed-served) / float64(needed)
	case served > needed:
		s.TimeOver += sec
		s.ThetaOver += sec * float64(served-needed) / float64(max(needed, 1))
	}
	if s.hadBefore && sign(needed-s.before[0]) != sign(served-s.before[1]) {
		s.Instability += sec
	}
	s.before, s.hadBefore = [2]int{needed, served}, true
}

// finish turns sums into shares.
func (s *Score) finish(actions int, price float64) {
	share := 100 / s.whole.Seconds()
	for _, v := range []*float64{&s.ThetaUnder, &s.ThetaOver, &s.TimeUnder, &s.TimeOver, &s.Instability} {
		*v *= share
	}
	s.CostRatio = s.served / s.needed
	if s.needed == 0 {
		s.CostRatio = math.Inf(1)
	}
	s.Changes = actions
	s.InstanceHours = s.paid / 3600
	s.Cost = s.InstanceHours * price
}

func sign(n int) int {
	switch {
	case n > 0:
		return 1
	case n < 0:
		return -1
	}
	return 0
}
