package replay

import (
	"math"
	"time"

	"rondo/autoscale"
)

// A TargetTracking policy is that of Amazon EC2 Auto Scaling over one-minute
// metrics: above the target for three minutes it grows to where the metric would
// be at it, below 90 % of the target for fifteen minutes it shrinks likewise,
// not while instances warm up
// (docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-target-tracking.html).
type TargetTracking struct{ Target float64 }

// Want implements Policy.
func (t TargetTracking) Want(s Sight) (int, string) {
	if !onTheMinute(s) {
		return s.Capacity(), ""
	}
	serving := float64(max(s.InService, 1))
	high, n := extremes(s, 3)
	if n == 3 && high.least/serving > t.Target {
		return max(s.Capacity(), wholes(high.newest/t.Target)), ""
	}
	low, n := extremes(s, 15)
	if s.Coming == 0 && n == 15 && low.most/serving < 0.9*t.Target {
		return min(s.Capacity(), wholes(low.most/t.Target)), ""
	}
	return s.Capacity(), ""
}

// A StepScaling policy is Amazon EC2 Auto Scaling's with its documentation's
// example: 10 % more above 60 %, 30 % more above 70 %, 10 % fewer below 40 %,
// 30 % fewer below 30 %, one-minute metrics, two in a row; what warms up counts
// as capacity (as-scaling-simple-step.html).
type StepScaling struct{}

// Want implements Policy.
func (StepScaling) Want(s Sight) (int, string) {
	if !onTheMinute(s) {
		return s.Capacity(), ""
	}
	serving := float64(max(s.InService, 1))
	m, n := extremes(s, 2)
	base := float64(s.InService)
	switch {
	case n < 2:
		return s.Capacity(), ""
	case m.least/serving > 0.7:
		return max(s.Capacity(), int(base+max(1, math.Floor(base*0.3)))), ""
	case m.least/serving > 0.6:
		return max(s.Capacity(), int(base+max(1, math.Floor(base*0.1)))), ""
	case s.Coming > 0:
		return s.Capacity(), ""
	case m.most/serving < 0.3:
		return int(base - max(1, math.Floor(base*0.3))), ""
	case m.most/serving < 0.4:
		return int(base - max(1, math.Floor(base*0.1))), ""
	}
	return s.Capacity(), ""
}

// An HPA is Kubernetes' HorizontalPodAutoscaler: desired = ceil(current x metric
// / target), nothing within a tolerance of 10 %, and for scaling in the highest
// that was desired in five minutes
// (kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale). It is
// stateful: one for each run.
type HPA struct {
	Target float64
	wanted []recommendation
}

type recommendation struct {
	at time.Time
	n  int
}

// Want implements Policy.
func (h *HPA) Want(s Sight) (int, string) {
	capacity := s.Capacity()
	want := capacity
	if ratio := s.load() / float64(max(capacity, 1)) / h.Target; math.Abs(ratio-1) > 0.1 {
		want = wholes(s.load() / h.Target)
	}
	h.wanted = append(h.wanted, recommendation{s.Now, want})
	for s.Now.Sub(h.wanted[0].at) > 5*time.Minute {
		h.wanted = h.wanted[1:]
	}
	if want >= capacity {
		return want, ""
	}
	most := want
	for _, r := range h.wanted {
		most = max(most, r.n)
	}
	return min(capacity, most), ""
}

// React is that of Chieu et al. (ICEBE 2009), with load spread evenly: when all
// instances are above the upper threshold one more is launched, when all are
// below the lower one, one is retired; once a minute.
type React struct{ Upper, Lower float64 }

// Want implements Policy.
func (r React) Want(s Sight) (int, string) {
	if !onTheMinute(s) {
		return s.Capacity(), ""
	}
	switch m := s.Points[len(s.Points)-1].Value; {
	case m > r.Upper:
		return s.Capacity() + 1, ""
	case m < r.Lower && s.Coming == 0:
		return s.Capacity() - 1, ""
	}
	return s.Capacity(), ""
}

// onTheMinute says whether a minute of the metric is complete.
func onTheMinute(s Sight) bool {
	newest := s.Points[len(s.Points)-1].Time
	return s.Now.Truncate(time.Minute).After(newest.Truncate(time.Minute))
}

// minutes of the load: the least, the most and the newest of their averages.
type minutes struct{ least, most, newest float64 }

// extremes looks at the newest n minutes and returns how many there are. Steps
// that are longer than a minute stand for all their minutes.
func extremes(s Sight, n int) (m minutes, found int) {
	m = minutes{math.Inf(1), 0, 0}
	i := len(s.Points) - 1
	for end := s.Now.Truncate(time.Minute); found < n && i >= 0; end = end.Add(-time.Minute) {
		sum, count := 0.0, 0.0
		for ; i >= 0 && !s.Points[i].Time.Before(end.Add(-time.Minute)); i-- {
			sum, count = sum+work(s.Points[i]), count+1
		}
		if count == 0 {
			sum, count = work(s.Points[i]), 1
		}
		average := sum / count
		if found == 0 {
			m.newest = average
		}
		m.least, m.most = min(m.least, average), max(m.most, average)
		found++
	}
	return m, found
}

func work(p autoscale.Point) float64 { return p.Value * float64(p.Serving) }

func wholes(x float64) int { return int(math.Ceil(x - 1e-9)) }
