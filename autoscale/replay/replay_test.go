package replay

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rondo/autoscale"
)

// fixed has always so many instances.
type fixed int

func (f fixed) Want(Sight) (int, string) { return int(f), "" }

// script has a number of instances for each step.
type script []int

func (s script) Want(sight Sight) (int, string) { return s[len(sight.Points)-1], "" }

func ofLoads(loads ...float64) []Step {
	return steps(len(loads), time.Minute, func(i int) float64 { return loads[i] })
}

// TestScore holds the scores to what one works out by hand.
func TestScore(t *testing.T) {
	t.Parallel()
	// Needed: 1 2 4 4 2 1. In service: 1 1 2 4 4 4.
	load := ofLoads(0.5, 1.6, 3.2, 3.2, 1.6, 0.5)
	r := Run(load, script{2, 4, 4, 4, 4}, Options{Boot: time.Minute, Price: 6})
	if d := cmp.Diff([]int{1, 2, 4, 4, 2, 1}, r.Needed); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]int{1, 1, 2, 4, 4, 4}, r.Served); d != "" {
		t.Error(d)
	}
	want := Score{
		ThetaUnder: 100.0 / 6 * (0.5 + 0.5), ThetaOver: 100.0 / 6 * (1 + 3), TimeUnder: 100.0 / 3, TimeOver: 100.0 / 3,
		Instability: 100.0 / 6 * 4, CostRatio: 16.0 / 14, Changes: 2, InstanceHours: 19.0 / 60, Cost: 1.9,
	}
	near := cmp.Comparer(func(a, b float64) bool { return a-b < 1e-9 && b-a < 1e-9 })
	if d := cmp.Diff(want, r.Score, cmpopts.IgnoreUnexported(Score{}), near); d != "" {
		t.Error(d)
	}
}

// TestLimits: min and max hold whatever a policy wants.
func TestLimits(t *testing.T) {
	t.Parallel()
	for _, wanted := range []fixed{-5, 0, 1000} {
		r := Run(ofLoads(1, 1, 1, 1), wanted, Options{Min: 2, Max: 5, Boot: time.Minute})
		for _, s := range r.Served {
			if s < 2 || s > 5 {
				t.Errorf("wanted %d: %v in service", wanted, r.Served)
			}
		}
	}
}

// A goal is what is asked of a policy at most.
type goal struct {
	theta, time, cost float64
	actions           int
}

func (g goal) check(t *testing.T, name string, s Score) {
	t.Helper()
	if s.ThetaUnder > g.theta || s.TimeUnder > g.time || s.CostRatio > g.cost || s.Changes > g.actions {
		t.Errorf("%s: under %.3f %%, %.3f %% of time, cost %.4f, %d actions; want %.3f, %.3f, %.4f, %d",
			name, s.ThetaUnder, s.TimeUnder, s.CostRatio, s.Changes, g.theta, g.time, g.cost, g.actions)
	}
}

// TestFlashCrowd and TestWeeks hold the recommended policy to the figures that
// it is made for. All seeds are laid down, so that they are exact.
func TestFlashCrowd(t *testing.T) {
	t.Parallel()
	for seed, straight := range []bool{true, false, true, false} {
		load := flashCrowd(uint64(seed+1), 1.2+0.05*float64(seed), straight)
		r := Run(load, Group(Recommended(Options{}), Options{}, 10*time.Second), Options{})
		goal{0.5, 0.85, 1.12, 32}.check(t, "rondo", r.Score)
		tracking := Run(load, TargetTracking{0.7}, Options{})
		goal{tracking.ThetaUnder * 0.5, tracking.TimeUnder * 0.6, tracking.CostRatio * 0.9, 32}.check(t, "beside target tracking", r.Score)
	}
}

// TestWeeks takes 30 days, of a small and of a large group.
func TestWeeks(t *testing.T) {
	t.Parallel()
	for seed, mean := range map[uint64]float64{1: 20, 2: 8} {
		load := weeks(seed, mean, 0.02, time.Minute, 30)
		r := Run(load, Group(Recommended(Options{}), Options{}, time.Minute), Options{})
		tracking := Run(load, TargetTracking{0.7}, Options{})
		goal{0.05, 0.4, 1.08, tracking.Changes}.check(t, "rondo", r.Score)
	}
}

// TestSeasons: where a day is like the one before, what used to come is launched
// before it comes; where it is not, seasons change nothing.
func TestSeasons(t *testing.T) {
	t.Parallel()
	run := func(load []Step, seasons string) Score {
		o := Options{Boot: 5 * time.Minute}
		g := Recommended(o)
		g.Track.Seasons = seasons
		return Run(load, Group(g, o, time.Minute), o).Score
	}
	for seed := uint64(1); seed <= 2; seed++ {
		load := offices(seed, 14)
		with, without := run(load, "auto"), run(load, "off")
		goal{0.85 * without.ThetaUnder, 0.95 * without.TimeUnder, 1.01 * without.CostRatio, without.Changes * 6 / 5}.check(t, "offices", with)
		load = requests(seed, 6)
		with, without = run(load, "auto"), run(load, "off")
		goal{without.ThetaUnder, without.TimeUnder, 1.001 * without.CostRatio, without.Changes + 5}.check(t, "requests", with)
	}
}

// TestShapes: whatever a site's load is like, no policy beside ours is better in
// time and share, and no dearer.
func TestShapes(t *testing.T) {
	t.Parallel()
	for name, load := range map[string][]Step{
		"matches": matches(1), "matches/5m": every(5, matches(2)), "requests": requests(1, 10), "requests/5m": every(5, requests(2, 20)),
		"offices": offices(3, 10), "offices/5m": every(5, offices(4, 20)), "weeks/5m": every(5, weeks(4, 12, 0.05, time.Minute, 20)),
	} {
		ours := Run(load, Group(Recommended(Options{}), Options{}, lengthOf(load, 0)), Options{})
		for rival, p := range map[string]Policy{"target tracking": TargetTracking{0.7}, "step scaling": StepScaling{}, "HPA": &HPA{Target: 0.7}, "React": React{0.8, 0.5}} {
			r := Run(load, p, Options{})
			if r.ThetaUnder <= ours.ThetaUnder && r.TimeUnder <= ours.TimeUnder && r.CostRatio <= ours.CostRatio {
				t.Errorf("%s: %s is under %.3f %%, %.3f %% of time, cost %.3f; ours %.3f, %.3f, %.3f", name, rival,
					r.ThetaUnder, r.TimeUnder, r.CostRatio, ours.ThetaUnder, ours.TimeUnder, ours.CostRatio)
			}
		}
	}
}

// TestGroupIsTheController: a group with thresholds does in a replay what it
// does live: it waits, launches, rests.
func TestGroupIsTheController(t *testing.T) {
	t.Parallel()
	g := autoscale.Group{
		Name: "web", Metric: "load",
		Out: autoscale.OutPolicy{Above: 0.8, For: 2 * time.Minute, Add: autoscale.Enough},
		In:  autoscale.InPolicy{Below: 0.3, For: 2 * time.Minute, Remove: 1},
	}
	loads := make([]float64, 40)
	for i := range loads {
		loads[i] = 0.5
		if i >= 5 && i < 20 {
			loads[i] = 3
		}
	}
	r := Run(ofLoads(loads...), Group(g, Options{}, time.Minute), Options{})
	var got []string
	for _, a := range r.Actions {
		got = append(got, a.At.Format("15:04 ")+a.Why)
	}
	want := []string{
		"00:08 load 3 above 0.8 for 2m0s: 1 -> 4",
		"00:23 load 0.13 below 0.3 for 2m0s: 4 -> 3",
		"00:25 load 0.17 below 0.3 for 4m0s: 3 -> 2",
		"00:27 load 0.25 below 0.3 for 6m0s: 2 -> 1",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestReplayable: a load stands for the group's metric and no other.
func TestReplayable(t *testing.T) {
	t.Parallel()
	g := Recommended(Options{})
	g.Policies = []autoscale.Policy{{Out: autoscale.OutPolicy{Above: 0.9, Add: 2}, In: autoscale.InPolicy{Below: 0.5, Remove: 1}}}
	if err := Replayable(g); err != nil {
		t.Error(err)
	}
	loads := []float64{0.5, 0.5, 0.5, 0.5, 3, 3, 3, 3, 3}
	r := Run(ofLoads(loads...), Group(g, Options{}, time.Minute), Options{})
	if len(r.Actions) == 0 || !strings.HasPrefix(r.Actions[0].Why, "track: work for ") {
		t.Errorf("%+v", r.Actions)
	}
	g.Policies = append(g.Policies, autoscale.Policy{Demand: &autoscale.DemandPolicy{Per: 3}})
	if err := Replayable(g); err == nil || !strings.HasPrefix(err.Error(), `policy "demand" cannot be replayed`) {
		t.Error(err)
	}
	g.Policies = g.Policies[:1]
	g.Policies[0].Metric, g.Policies[0].Name = "sum(queue)", "queue"
	if err := Replayable(g); err == nil || err.Error() != `policy "queue" cannot be replayed: it goes by sum(queue), of which a load says nothing; leave it out` {
		t.Error(err)
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	good, err := Read(strings.NewReader("time,load\n1700000000,1.5\n1700000010.5, 2\n"))
	if err != nil || len(good) != 2 || good[1].Load != 2 || good[1].Time.UnixMilli() != 1700000010500 {
		t.Errorf("%v, %v", good, err)
	}
	for text, want := range map[string]string{
		"":                       "0 steps",
		"a,b\n1,2\n":             "line 1",
		"time,load\n1\n":         "line 2",
		"time,load\n1,2\n1,2\n":  "line 3: its time is not after",
		"time,load\n1,-2\n3,4\n": "line 2: load",
		"time,load\nnow,2\n":     "line 2: time",
		"time,load\n1,NaN\n":     "line 2: load",
		"time,load\n1,2\n":       "1 steps",
		"time,load\n1," + strings.Repeat("9", 5000): "line",
	} {
		if _, err := Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, want %s", text, err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("time,load\n1700000000,1.5\n1700000010,2\n")
	f.Fuzz(func(t *testing.T, text string) {
		load, err := Read(strings.NewReader(text))
		if err != nil {
			return
		}
		if len(load) > 500 {
			load = load[:500]
		}
		for i := range load {
			load[i].Load = min(load[i].Load, 1000)
		}
		r := Run(load, Group(Recommended(Options{}), Options{}, lengthOf(load, 0)), Options{})
		if len(r.Served) != len(load) {
			t.Error(r)
		}
	})
}
