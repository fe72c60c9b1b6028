package autoscale

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestGuardBudgetHour: at no moment is there an instance more than an hour's
// budget pays for, whatever becomes of the calls.
func TestGuardBudgetHour(t *testing.T) {
	t.Parallel()
	for _, faults := range [][]fault{nil, {lostAfter, lostBefore, throttled}, {late, noRoom, noRoom}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1000)
			w.limit, w.faults, w.hide = 5, faults, 20*time.Second
			w.setDemand(40) // 10 instances
			c := web()
			c.Groups[0].Budget = &Budget{Hour: 0.55, Prices: map[string]float64{"default": 0.1}}
			l := w.live(c)
			defer l.stop()
			time.Sleep(5 * time.Minute)
			v, _ := l.View("web")
			met, _ := guard(v.Last, "budget-hour")
			if want := "0.5 an hour now, one more is 0.1, budget.hour is 0.55"; w.count() != 5 || !met.Blocks || met.Text != want {
				t.Errorf("%d instances, want 5; %+v, want %s", w.count(), met, want)
			}
		})
	}
}

// cost is what all machines have cost at a price, as the cloud bills them.
func (w *world) cost(each float64, from, to time.Time) (sum float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.instances {
		since, until := m.Launched, m.ended
		if until.IsZero() || until.After(to) {
			until = to
		}
		if since.Before(from) {
			since = from
		}
		sum += max(until.Sub(since), 0).Hours() * each
	}
	return sum
}

// TestGuardBudgetMonth: the last two days of a month in which the load wants
// five times what the money is there for. The wall is not passed by an
// instance-minute, over restarts and failing calls; the minimum is always there;
// with the new month the capacity returns.
func TestGuardBudgetMonth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2000, 1, 30, 0, 0, 0, 0, time.UTC)))
		w := newWorld(t, 1000)
		w.setDemand(40) // 10 instances
		c := web()
		c.Tick = 30 * time.Second
		g := &c.Groups[0]
		g.Stale, g.Out.For, g.In.For, g.Drain = 2*time.Minute, 0, time.Minute, 5*time.Minute
		g.Budget = &Budget{Month: 1500, Prices: map[string]float64{"default": 1}}
		began, spent := time.Now(), 1300.0
		j, _, err := OpenJournal(w.store)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := j.Append(t.Context(), Entry{Group: "web", At: began, Kind: KindBill, Bill: &bill{Month: "2000-01", Spent: spent, At: began}}); err != nil {
			t.Fatal(err)
		}
		end := time.Date(2000, 2, 1, 0, 0, 0, 0, time.UTC)
		l, most := w.live(c), 0
		for hour := 1; time.Now().Before(end); hour++ {
			time.Sleep(min(time.Hour, time.Until(end)))
			if n := w.count(); n < 2 {
				t.Errorf("%d instances, want min 2 at least", n)
			}
			most = max(most, w.count())
			if hour%7 == 0 {
				l.stop()
				time.Sleep(10 * time.Minute) // it runs up costs meanwhile
				l = w.live(c)
			}
			w.mu.Lock()
			w.faults = []fault{fault(hour % int(late+1)), fault(hour * 5 % int(late+1))}
			w.mu.Unlock()
		}
		total := spent + w.cost(1, began, end)
		if total > 1500 || total < 1480 || most != 10 {
			t.Errorf("spent %.2f of 1500, at most %d instances; want nearly all of it, and 10", total, most)
		}
		time.Sleep(time.Hour)
		v, _ := l.View("web")
		if w.count() != 10 || v.Spending.Spent > 12 {
			t.Errorf("%d instances in the new month, %+v", w.count(), v.Spending)
		}
		l.stop()
		if got := story(l.Controller); !strings.Contains(got, "in 10->2 done") {
			t.Errorf("capacity did not go to min in time:\n%s", got)
		}
	})
}

// What is metered up to the newest tick is what machines cost.
func TestBillIsWhatMachinesCost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		c := web()
		c.Groups[0].Budget = &Budget{Hour: 1000, Prices: map[string]float64{"default": 3}}
		began := time.Now()
		l := w.live(c)
		for i := range 20 {
			w.setDemand(float64(i * 7 % 40))
			time.Sleep(3 * time.Minute)
			if i == 10 {
				l.stop()
				l = w.live(c)
			}
		}
		v, _ := l.View("web")
		l.stop()
		cost := w.cost(3, began, time.Now())
		slack := float64(2*w.made) * time.Second.Hours() * 3
		if v.Spending.Spent < cost-float64(w.made)*time.Second.Hours()*3 || v.Spending.Spent > cost+slack {
			t.Errorf("metered %.4f, cost %.4f; want no less than a tick, and at most %.4f more", v.Spending.Spent, cost, slack)
		}
	})
}

func TestBillCharge(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 30, 22, 0, 0, 0, time.UTC)
	b := bill{Month: "2026-11", Spent: 10, Rate: 2, At: start}
	f := func(what string, after time.Duration, rate float64, want bill) {
		t.Helper()
		got := b.charge(start.Add(after), rate)
		want.Rate, want.At = rate, start.Add(after)
		if got != want {
			t.Errorf("%s: got %+v, want %+v", what, got, want)
		}
	}
	f("at the same rate", time.Hour, 2, bill{Month: "2026-11", Spent: 12})
	f("more were launched meanwhile", time.Hour, 5, bill{Month: "2026-11", Spent: 15})
	f("some were retired meanwhile", time.Hour, 1, bill{Month: "2026-11", Spent: 12})
	f("over the month's end", 3*time.Hour, 2, bill{Month: "2026-12", Spent: 2, Before: 14})
	f("over all of a month", 34*24*time.Hour, 1, bill{Month: "2027-01", Spent: 2 * (2*24 + 22), Before: 10 + 2*(34*24-2*24-22)})
	f("the clock stepped back", -time.Hour, 2, bill{Month: "2026-11", Spent: 10})
	b = bill{Month: "2026-12", Spent: 1, Before: 10, Rate: 2, At: start.Add(3 * time.Hour)}
	f("it had been in the next month", 0, 2, bill{Month: "2026-11", Spent: 11})
}

func TestBudgetErrors(t *testing.T) {
	t.Parallel()
	f := func(b Budget, want string) {
		t.Helper()
		g := web().Groups[0]
		g.Launch.Type, g.Budget = "c7g.large", &b
		if got := fmt.Sprint(g.WithDefaults().Validate()); got != want {
			t.Errorf("%+v:\n got %s\nwant %s", b, got, want)
		}
	}
	prices := map[string]float64{"c7g.large": 0.0725}
	f(Budget{Hour: 12.5, Month: 3000, Prices: prices}, "<nil>")
	f(Budget{Month: 3000, Prices: map[string]float64{"default": 0.1}}, "<nil>")
	f(Budget{Prices: prices}, `autoscale: group "web": budget: hour or month is wanted, more than 0`)
	f(Budget{Hour: math.NaN(), Prices: prices}, `autoscale: group "web": budget: hour or month is wanted, more than 0
autoscale: group "web": budget.hour NaN does not pay for min 2, which costs 0.14`)
	f(Budget{Hour: 1}, `autoscale: group "web": budget.prices: what an hour of c7g.large costs is wanted, or a default`)
	f(Budget{Hour: 1, Prices: map[string]float64{"m5.large": 1}}, `autoscale: group "web": budget.prices: what an hour of c7g.large costs is wanted, or a default
autoscale: group "web": budget.hour 1 does not pay for min 2, which costs 2`)
	f(Budget{Month: 100, Prices: prices}, `autoscale: group "web": budget.month 100 does not pay for min 2, which costs 107.88 in 31 days`)
}

// TestBudgetEndsTheSilent: what is heard no more costs as well. Where the month's
// money does not last it goes like all above min, and no guard rail of a
// replacement keeps the others from going.
func TestBudgetEndsTheSilent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		w.setDemand(24) // 6 instances
		c := web()
		g := &c.Groups[0]
		g.Replace = Patience(time.Minute)
		c.Tick, g.Stale, g.Silent = 10*time.Second, 30*time.Second, 30*time.Second // hours pass quicker
		g.Budget = &Budget{Month: 2*longestMonth + 12, Prices: map[string]float64{"default": 1}}
		l := w.live(c)
		defer l.stop()
		time.Sleep(2 * time.Minute)
		w.mu.Lock()
		most := len(w.alive())
		for _, id := range w.alive()[:4] {
			w.instances[id].silentSince = time.Now()
		}
		w.mu.Unlock()
		time.Sleep(5 * time.Hour)
		if v, _ := l.View("web"); most < 4 || w.count() != 2 {
			t.Errorf("%d of %d instances are left, want min 2: %s (%s)", w.count(), most, v.Last.Reason, v.Last.Held)
		}
	})
}

func TestWantOverBudget(t *testing.T) {
	t.Parallel()
	g := Group{Name: "web", Mode: Act, Metric: "m", Min: 2, Max: 12, Track: &TrackPolicy{}, Budget: &Budget{Month: 10, Prices: map[string]float64{"default": 1}}}.WithDefaults()
	f := func(fleet, want string) {
		t.Helper()
		in := Input{Now: scriptNow, Started: scriptNow.Add(-24 * time.Hour), Spent: 20}
		for n, word := range strings.Fields(fleet) {
			i := Instance{ID: fmt.Sprintf("i-%d", n), Launched: scriptNow.Add(-10 * time.Hour), LastSeen: scriptNow}
			switch word {
			case "ok":
				i.Phase = InService
			case "new":
				i.Phase, i.Launched = InService, scriptNow.Add(-5*time.Minute)
			case "drain":
				i.Phase = Draining
			case "mute":
				i.Phase, i.LastSeen = Silent, scriptNow.Add(-time.Hour)
			case "kept":
				i.Phase, i.LastSeen, i.Tags = Silent, scriptNow.Add(-time.Hour), map[string]string{TagProtect: "yes"}
			case "sick":
				i.Phase, i.Impaired = InService, scriptNow.Add(-time.Hour)
			}
			in.Instances = append(in.Instances, i)
		}
		d := Want(g, in)
		if got := strings.TrimSpace(fmt.Sprintf("%s %d->%d %s %s", d.Direction, d.From, d.To, d.Code, d.Replaces)); got != want {
			t.Errorf("%s:\n got %s: %s (%s)\nwant %s", fleet, got, d.Reason, d.Held, want)
		}
	}
	f("ok ok ok ok", "in 4->2 budget")
	f("ok ok ok sick new", "in 5->2 budget")
	f("ok ok ok kept", "in 3->2 budget")
	f("ok ok mute", "in 2->2 budget i-2")
	f("ok ok ok mute mute mute mute mute mute mute", "in 3->3 budget i-3")
	f("ok mute mute", "out 1->2 below-min+budget-month")
	f("ok drain drain", "out 1->2 below-min") // taken back: what is at min is paid for
	f("ok ok drain", "stay 2->2 missing")
}

// TestBudgetAndSchedule: what a schedule makes of min is neither set aside until
// the month's end nor launched past the wall.
func TestBudgetAndSchedule(t *testing.T) {
	t.Parallel()
	g := Group{
		Name: "web", Mode: Act, Metric: "m", Min: 2, Max: 40, Track: &TrackPolicy{},
		Budget:   &Budget{Month: 4700, Prices: map[string]float64{"default": 1}},
		Policies: []Policy{{Name: "office", Schedule: []Slot{slotOf(t, "0 0 * * *", "UTC", 24*time.Hour)}}},
	}
	g.Policies[0].Schedule[0].Min = 20
	g = g.WithDefaults()
	f := func(serving int, spent, load float64, want string) {
		t.Helper()
		in := Input{Now: scriptNow, Started: scriptNow.Add(-24 * time.Hour), Spent: spent}
		for n := range serving {
			in.Instances = append(in.Instances, Instance{ID: fmt.Sprint(n), Phase: InService, LastSeen: scriptNow})
		}
		for s := range 60 {
			in.Points = append(in.Points, Point{Time: scriptNow.Add(time.Duration(s-59) * 10 * time.Second), Value: load / float64(serving), Serving: serving})
		}
		d := Want(g, in)
		if got := fmt.Sprintf("%s %d->%d %s", d.Direction, d.From, d.To, d.Code); got != want {
			t.Errorf("got %s: %s (%s)\nwant %s", got, d.Reason, d.Held, want)
		}
	}
	f(2, 100, 1, "out 2->20 below-min")
	f(20, 100, 20, "out 20->27 above")
	f(2, 5000, 1, "out 2->20 below-min+budget-month")
	f(20, 5000, 1, "in 20->2 budget")
}
