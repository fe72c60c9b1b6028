package web_test

import (
	"fmt"
	"math"
	"time"

	"rondo/autoscale"
)

// fakeGroups are one group that acts and one that only watches.
type fakeGroups struct{ w *world }

func (g fakeGroups) Views() []autoscale.View {
	at := func(d time.Duration) time.Time { return g.w.crowd.Add(d) }
	d := func(when time.Duration, dir autoscale.Direction, from, to int, reason, held string) autoscale.Decision {
		out := autoscale.Decision{Group: "web", At: at(when), Direction: dir, From: from, To: to, Reason: reason, Held: held}
		if dir != autoscale.Stay && held == "" {
			out.Outcome, out.RequestID = "done", "59dbff89-35bd-4eac-99ed-be587EXAMPLE"
			out.ID = fmt.Sprintf("59dbff8935bd4eac99edbe587%07d", when/time.Second+5000)
			out.Forecast = &autoscale.Forecast{At: out.At, Work: 12, Then: out.At.Add(3 * time.Minute), Expected: 14, Deviation: 1.5, Need: 20}
			out.Guards = []autoscale.Guard{{Name: "stopped", Text: "no stop switch is pulled"}, {Name: "booting", Text: "none on its way"}}
		}
		for i := range 12 {
			at := out.At.Add(time.Duration(i-11) * 5 * time.Second)
			out.Points = append(out.Points, autoscale.Point{Time: at, Value: math.Round(g.w.load(0, at)*100) / 100, Serving: from})
		}
		if held != "" {
			out.Guards = append(out.Guards, autoscale.Guard{Name: "cooldown", Text: held, Blocks: true})
		}
		out.Saw, out.Entry = autoscale.Saw{InService: from, Watched: at(-time.Hour)}, uint64(when/time.Second+5000)
		return out
	}
	recent := []autoscale.Decision{
		d(19*time.Minute, autoscale.Stay, 6, 6, "run queue 0.7 is between 1 and 4, or too short below 1", ""),
		d(17*time.Minute, autoscale.In, 10, 6, "run queue 0.6 was below 1 for 5 minutes", ""),
		d(14*time.Minute, autoscale.In, 10, 6, "run queue 0.9 was below 1 for 2 minutes", "cooldown: 2 m 10 s left"),
		d(12*time.Minute, autoscale.In, 14, 10, "run queue 0.8 was below 1 for 5 minutes", ""),
		d(3*time.Minute, autoscale.Stay, 14, 14, "run queue 21.4 is above 4, but falling and 4 instances are booting", ""),
		d(80*time.Second, autoscale.Out, 8, 14, "run queue 64 is above 4: 6 more, as the step above 40 says", ""),
		d(35*time.Second, autoscale.Out, 2, 8, "run queue 137 is above 4: 6 more, as the step above 40 says", ""),
		d(-40*time.Minute, autoscale.Stay, 2, 2, "run queue 0.5 is below 1, and 2 is the least", ""),
	}
	var ins []autoscale.Instance
	for i := range 8 {
		in := autoscale.Instance{ID: fmt.Sprintf("i-0a1b2c3d4e5f%04x", i), Type: "m7g.large", Zone: "eu-central-1" + string("abc"[i%3]), PrivateIP: fmt.Sprintf("10.0.%d.%d", i%3, 20+i), Launched: at(time.Duration(i) * time.Minute), Phase: autoscale.InService}
		switch i {
		case 6:
			in.Phase = autoscale.Booting
		case 5:
			in.Outdated = true
		case 7:
			in.Phase = autoscale.Draining
		}
		ins = append(ins, in)
	}
	web := autoscale.View{
		Name: "web", Title: "run queue", Mode: "act", Min: 2, Max: 20, Desired: 6, Metric: `avg({__name__=~"fleet\\.web\\..*\\.run_queue"})`, Value: 0.72, Out: 4, In: 1,
		Cooldown: g.w.now().Add(95 * time.Second), Instances: ins, Last: recent[0], Recent: recent, Policies: fakeSetup().Group.Rules(6),
		Refresh: &autoscale.RefreshView{
			State: autoscale.Refreshing, Outdated: 3, From: "0a1b2c3d4e5f", To: "5f4e3d2c1b0a", Done: 5, Total: 8, Step: "3 of the new template have proved themselves, 2 outdated go in 3 m",
			Changes: []autoscale.Difference{{Name: "image", Old: "ami-0123456789abcdef0", New: "ami-0fedcba9876543210"}}, By: "root: new kernel", Began: at(time.Minute), Since: at(2 * time.Minute), Launched: 3, Retired: 1,
			History: []autoscale.RefreshEvent{{At: at(2 * time.Minute), What: "launched", Text: "2: refresh: 5 are outdated"}, {At: at(time.Minute), What: "started", Text: "root: new kernel"}},
		},
		Shadow: &autoscale.ShadowView{Capacity: 8, InService: 8, Since: at(-6 * time.Hour), Hours: 19.25, Live: 16.5, Changes: 7, Decision: autoscale.Decision{From: 8, To: 8, Reason: "work for 5.1 servers, level"}},
	}
	batch := autoscale.View{Name: "batch", Mode: "dry-run", Min: 0, Max: 4, Desired: 1, Metric: "avg(load1)", Value: math.NaN(), Out: 8, In: 0.5, Last: autoscale.Decision{At: g.w.now(), Direction: autoscale.Out, From: 1, To: 2, DryRun: true, Reason: "load 9.1 is above 8"}}
	follow := autoscale.View{Name: "follow", Title: "use", Mode: "dry-run", Min: 2, Max: 9, Desired: 3, Metric: "avg(load1) / 2", Value: 0.6, Out: 0.8, Track: true}
	return []autoscale.View{web, batch, follow}
}

// fakeSetup is the configuration of the group that acts.
func fakeSetup() autoscale.Setup {
	g := autoscale.Group{
		Name: "web", Title: "run queue", Metric: "avg(load1)", Min: 2, Max: 20,
		Out: autoscale.OutPolicy{Above: 4, Add: 6}, In: autoscale.InPolicy{Below: 1, For: 5 * time.Minute, Remove: 4},
	}
	return autoscale.Setup{Digest: g.Digest(), Group: g}
}

func (g fakeGroups) Record(group, ref string) (autoscale.Record, error) {
	for _, v := range g.Views() {
		for _, d := range v.Recent {
			if v.Name == group && d.Ref() == ref {
				r := autoscale.Record{Ref: ref, Hash: "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9", Decision: d}
				if d.Direction == autoscale.Out {
					r.Calls = []autoscale.Call{{Kind: autoscale.KindLaunch, Attempt: d.ID, Outcome: "done", RequestID: d.RequestID, Asked: d.At, Ended: d.At.Add(time.Second)}}
				}
				return r, nil
			}
		}
	}
	return autoscale.Record{}, autoscale.ErrNoDecision
}

func (fakeGroups) Setup(string, string) (autoscale.Setup, error) { return fakeSetup(), nil }

func (fakeGroups) Why(string, time.Time) (autoscale.Why, error) {
	return autoscale.Why{
		More: autoscale.Against{Text: "run queue would have to be above 4, it is 0.72; it would be held back: cooldown for 1m35s more"},
		Less: autoscale.Against{Text: "run queue has to stay below 1 for 2m0s more, it is 0.72"},
	}, nil
}

func (g fakeGroups) Audit(string) ([]autoscale.Audit, error) {
	return []autoscale.Audit{
		{At: g.w.crowd.Add(-time.Hour), What: autoscale.KindStart, By: "ops: the new image is in place"},
		{At: g.w.crowd.Add(-2 * time.Hour), What: autoscale.KindConfig, By: "the configuration", Text: "8a9f -> 5fec: out.above 5 -> 4"},
	}, nil
}
