package autoscale

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// nightly is down on weekdays from 20:00 for 11 hours, and from Friday to Monday.
func nightly(t *testing.T) Group {
	week := slotOf(t, "0 20 * * mon-fri", "Europe/Vienna", 11*time.Hour)
	end := slotOf(t, "0 20 * * fri", "Europe/Vienna", 59*time.Hour)
	week.Min, end.Min = 0, 0
	g := web().Groups[0].WithDefaults()
	g.Down, g.Boot, g.Warm = []Slot{week, end}, 3*time.Minute, time.Minute
	return g
}

func TestShutDown(t *testing.T) {
	t.Parallel()
	running := []Instance{
		{ID: "i-1", Phase: InService}, {ID: "i-2", Phase: InService, Tags: map[string]string{TagProtect: "yes"}},
		{ID: "i-3", Phase: Booting}, {ID: "i-4", Phase: Silent, LastSeen: time.Unix(1, 0)},
	}
	order := func(down bool, until string) Order {
		at, err := time.Parse(time.RFC3339, until)
		if err != nil {
			t.Fatal(err)
		}
		return Order{Down: down, Until: at, By: "ops: a test"}
	}
	for _, tc := range []struct {
		now       string
		order     Order
		instances []Instance
		least     int    // the cloud's own min
		want      string // its beginning
		why       string
	}{
		{"2026-03-03T18:59:59Z", Order{}, running, 0, "", ""}, // Tuesday
		{"2026-03-03T19:00:00Z", Order{}, running, 0, "in 3 1 down", "down until Wed 07:00 CET by schedule (0 20 * * mon-fri Europe/Vienna); starts at Wed 06:56 CET; 1 stay, they are protected"},
		{"2026-03-04T01:00:00Z", Order{}, running[1:2], 0, "stay 1 1 down", "down until 07:00 CET"},
		{"2026-03-04T01:00:00Z", Order{}, nil, 0, "stay 0 0 down", "down until 07:00 CET by schedule (0 20 * * mon-fri Europe/Vienna); starts at 06:56 CET"},
		{"2026-03-04T05:55:59Z", Order{}, nil, 0, "stay 0 0 down", "down until 07:00 CET"},
		{"2026-03-04T05:56:00Z", Order{}, nil, 0, "out 0 2 below-min", "capacity 0 is below min 2"},
		{"2026-03-06T19:00:00Z", Order{}, nil, 0, "stay 0 0 down", "down until Mon 07:00 CET by schedule (0 20 * * fri Europe/Vienna); starts at Mon 06:56 CET"},
		{"2026-03-28T12:00:00Z", Order{}, nil, 0, "stay 0 0 down", "down until Mon 07:00 CEST"}, // clocks change on Sunday
		{"2026-03-03T19:30:00Z", order(false, "2026-03-03T21:30:00Z"), running, 0, "", ""},
		{"2026-03-03T21:30:00Z", order(false, "2026-03-03T21:30:00Z"), running, 0, "in 3 1 down", ""},
		{"2026-03-03T12:00:00Z", order(true, "2026-03-03T14:00:00Z"), running, 0, "in 3 1 down", "down until 14:00 UTC by order of ops: a test; starts at 13:56 UTC"},
		{"2026-03-03T12:00:00Z", order(true, "2026-03-03T19:30:00Z"), nil, 0, "stay 0 0 down", "down until Wed 07:00 CET by order of ops: a test; starts"},
		{"2026-03-03T13:56:00Z", order(true, "2026-03-03T14:00:00Z"), nil, 0, "out 0 2 below-min", ""},
		{"2026-03-03T19:00:00Z", Order{}, running, 2, "in 3 2 down", "down until Wed 07:00 CET by schedule (0 20 * * mon-fri Europe/Vienna); starts at Wed 06:56 CET; 1 stay, they are protected; 2 stay, for that is the cloud's own min"},
		{"2026-03-03T19:00:00Z", Order{}, running[:2], 2, "stay 2 2 down", ""},
	} {
		now, err := time.Parse(time.RFC3339, tc.now)
		if err != nil {
			t.Fatal(err)
		}
		g := nightly(t)
		g.least = tc.least
		d := Want(g, Input{Now: now, Started: now.Add(-time.Hour), Instances: tc.instances, Order: tc.order, Trouble: "no sample"})
		got := strings.Join([]string{string(d.Direction), num(float64(d.From)), num(float64(d.To)), d.Code}, " ")
		if tc.want == "" && !d.isDown() {
			continue
		}
		if !strings.HasPrefix(got, tc.want) || !strings.HasPrefix(d.Reason, tc.why) || tc.want == "" {
			t.Errorf("%s: %s (%s), want %s (%s)", tc.now, got, d.Reason, tc.want, tc.why)
		}
	}
}

// TestDownAndUp: a group is shut down by the clock with a load on it, its hosts
// withdrawn, and serves again when the slot ends; an order by hand holds against
// the slot, over a restart; its metric is not missing meanwhile.
func TestDownAndUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		w.setDemand(24)
		c := web()
		c.Tick = 5 * time.Second
		slot := slotOf(t, "0 1 * * *", "UTC", 2*time.Hour)
		slot.Min = 0
		c.Groups[0].Down = []Slot{slot}
		l := w.live(c)
		serving := func(n int) {
			t.Helper()
			v, err := l.View("web")
			if err != nil {
				t.Fatal(err)
			}
			got := 0
			for _, i := range v.Instances {
				if i.Phase == InService {
					got++
				}
			}
			if got != n || w.count() != n {
				t.Errorf("%s: %d in service, %d run, want %d: %s", time.Now().Format(time.TimeOnly), got, w.count(), n, v.Last.Reason)
			}
		}
		time.Sleep(30 * time.Minute)
		serving(6)
		time.Sleep(31 * time.Minute) // 1:01
		serving(0)
		if !l.Down("web") || len(w.withdrawn) != 6 {
			t.Errorf("down: %v, %d hosts are withdrawn", l.Down("web"), len(w.withdrawn))
		}
		if err := l.Order(t.Context(), "web", false, time.Hour, "ops: a late test"); err != nil {
			t.Fatal(err)
		}
		l.stop()
		l = w.live(c)
		time.Sleep(2 * time.Minute) // 1:03
		serving(6)
		if l.Down("web") {
			t.Error("down, though it serves by order")
		}
		time.Sleep(time.Hour) // 2:03
		serving(0)
		time.Sleep(57 * time.Minute) // 3:00
		v, _ := l.View("web")
		if n := len(slices.DeleteFunc(v.Instances, func(i Instance) bool { return i.Phase != InService })); n < 2 {
			t.Errorf("%d serve when the slot ends, min is 2", n)
		}
		time.Sleep(10 * time.Minute)
		serving(6)
		deeds, err := l.Audit("web")
		if err != nil || !slices.ContainsFunc(deeds, func(a Audit) bool { return a.What == KindOrder && a.By == "ops: a late test" }) {
			t.Errorf("audit: %v, %v", deeds, err)
		}
		l.stop()
	})
}

// TestDownButStopped: while the stop switch keeps instances from draining they
// serve, and what is missing of them is trouble as ever.
func TestDownButStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		w.setDemand(12)
		l := w.live(web())
		defer l.stop()
		time.Sleep(time.Minute)
		if err := l.Stop(t.Context(), "web", "ops"); err != nil {
			t.Fatal(err)
		}
		if err := l.Order(t.Context(), "web", true, time.Hour, "ops"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := w.count(); n < 2 || l.Down("web") {
			t.Errorf("stopped: %d run, down %v", n, l.Down("web"))
		}
		if err := l.Start(t.Context(), "web", "ops"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := w.count(); n != 0 || !l.Down("web") {
			t.Errorf("started again: %d run, down %v", n, l.Down("web"))
		}
	})
}
