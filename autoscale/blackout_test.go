package autoscale

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rondo/rrd"
)

// A dark is what cannot be seen or done for a while.
type dark uint

const (
	darkMetric  dark = 1 << iota // the query fails, or gives nothing
	darkSamples                  // the query goes on giving its last value; its samples do not come
	darkList                     // the cloud does not list
	darkHearts                   // no heartbeat arrives
	darkJournal                  // the disk takes nothing
	darkAll     = 1<<iota - 1
)

func (d dark) String() string {
	var names []string
	for i, name := range []string{"metric", "samples", "list", "heartbeats", "journal"} {
		if d&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, "+")
}

// blackout is the part of a world that can go dark.
type blackout struct {
	what  dark
	since time.Time
	last  float64 // value of the metric
}

// dimmed is the metric of a world that goes dark.
type dimmed struct{ *world }

func (d dimmed) Eval(ctx context.Context, expr string, at time.Time) ([]rrd.Value, error) {
	d.mu.Lock()
	b := d.blackout
	d.mu.Unlock()
	switch {
	case b.what&darkMetric != 0 && at.Unix()%2 == 0:
		return nil, errors.New("no store")
	case b.what&darkMetric != 0:
		return nil, nil
	case b.what&darkSamples != 0:
		return []rrd.Value{{Time: rrd.At(at), Value: b.last}}, nil
	}
	values, err := d.world.Eval(ctx, expr, at)
	if len(values) == 1 {
		d.mu.Lock()
		d.blackout.last = values[0].Value
		d.mu.Unlock()
	}
	return values, err
}

func (d dimmed) Newest(_ context.Context, _ string, at time.Time) (time.Time, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.blackout.what&darkSamples != 0 {
		return d.blackout.since, nil
	}
	return at, nil
}

// TestBlackouts has the metric, its samples, the cloud's list, the heartbeats
// and the journal's disk go dark, alone and together, for a second to a day,
// while the load falls, rises or stays. Meanwhile nothing is terminated and
// nothing launched beyond the greatest need; afterwards the group is soon as
// large as the load wants.
//
// RONDO_BLACKOUTS is the number of blackouts, RONDO_BLACKOUT_SEED repeats one.
func TestBlackouts(t *testing.T) {
	t.Parallel()
	runs, first := 8, rand.Uint64()
	if s := os.Getenv("RONDO_BLACKOUTS"); s != "" {
		runs, _ = strconv.Atoi(s)
	}
	if s := os.Getenv("RONDO_BLACKOUT_SEED"); s != "" {
		first, _ = strconv.ParseUint(s, 10, 64)
		runs = 1
	}
	for seed := first; seed < first+uint64(runs); seed++ {
		synctest.Test(t, func(t *testing.T) {
			about := blackoutRun(t, seed)
			if t.Failed() {
				t.Logf("%s; again with RONDO_BLACKOUT_SEED=%d", about, seed)
			}
		})
		if t.Failed() {
			t.FailNow()
		}
	}
	t.Logf("%d blackouts from seed %d", runs, first)
}

func blackoutRun(t *testing.T, seed uint64) string {
	rng := rand.New(rand.NewPCG(seed, 1))
	lasts := []time.Duration{time.Second, 10 * time.Second, time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour}[rng.IntN(7)]
	lasts += rand.N(lasts)
	what := dark(1) << rng.IntN(5)
	if rng.IntN(2) == 0 {
		what = 1 + dark(rng.IntN(darkAll))
	}
	before, after := 5+rng.IntN(9), 2+rng.IntN(12)
	about := fmt.Sprintf("%v of %v, need %d, then %d", lasts, what, before, after)

	c := web()
	c.Tick = min(max(lasts/300, 4*time.Second), 20*time.Second)
	g := &c.Groups[0]
	g.In = InPolicy{Below: 2, For: time.Minute, Remove: Enough}
	g.Cooldown, g.Boot, g.Warm, g.Stale, g.Silent = time.Minute, 3*time.Minute, 30*time.Second, time.Minute, 2*time.Minute
	g.Out.For, g.MaxLaunches = 0, 1000
	w := newWorld(t, 1000)
	w.boot, w.limit, w.floor = 90*time.Second, before, 2
	w.metrics = dimmed{w}
	w.setDemand(float64(4 * before))
	l := w.live(c)
	time.Sleep(20 * time.Minute)
	if n := w.count(); n != before {
		t.Errorf("%d instances at first, want %d", n, before)
	}
	w.darken(what)
	turn := time.Duration(rng.Int64N(int64(lasts))) / 4
	if what&darkHearts != 0 { // until then the last heartbeats count, and who goes is well chosen
		turn = min(max(turn, g.Silent), lasts)
	}
	time.Sleep(turn)
	w.mu.Lock()
	w.limit, w.demand = max(before, after), float64(4*after)
	w.mu.Unlock()
	time.Sleep(time.Until(w.blackout.since.Add(lasts)))
	w.mu.Lock()
	if n := len(w.alive()); n < before {
		t.Errorf("%d of %d instances are left at the end of the blackout", n, before)
	}
	w.mu.Unlock()
	w.darken(0)
	w.settled(l, after, max(before, after))
	w.setDemand(3)
	w.settled(l, 2, 2)
	l.stop()
	return about
}

func (w *world) darken(what dark) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.blackout.what, w.blackout.since = what, time.Now()
}
