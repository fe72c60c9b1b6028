package autoscale

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// runsOf returns how many random runs to make and the first's seed: those that
// the environment asks for, or a sample.
func runsOf(t *testing.T, sample int) (runs int, first uint64) {
	t.Helper()
	runs, first = sample, rand.Uint64()
	if s := os.Getenv("RONDO_CRASH_RUNS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		runs = n
	}
	if s := os.Getenv("RONDO_CRASH_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		runs, first = 1, n
	}
	return runs, first
}

// TestCrash kills the controller at random journal records, calls and moments,
// with a cloud that fails at random, again and again: with each of EC2's
// errors, resets before and after the work, requests that arrive late, answers
// that come too late or cannot be read, and lists that do not show an instance
// for up to five minutes. In every second run instances also stay pending, are
// never heard of, end by themselves, and somebody else meddles with them.
//
// At no time may there be more instances than the load has needed, nor may a
// termination name one that the journal did not choose, or leave fewer than
// min. In the end there are exactly as many as the load needs, all known to the
// controller; and none was launched without a journalled attempt.
//
// RONDO_CRASH_RUNS sets the number of runs, RONDO_CRASH_SEED repeats one.
func TestCrash(t *testing.T) {
	t.Parallel()
	runs, first := runsOf(t, 60)
	crashes, calls := 0, 0
	for n := range uint64(runs) {
		seed := first + n
		synctest.Test(t, func(t *testing.T) {
			c := newCrashRun(t, seed)
			c.run()
			crashes, calls = crashes+c.crashes, calls+c.w.calls
			if t.Failed() {
				t.Logf("again with RONDO_CRASH_SEED=%d", seed)
			}
		})
		if t.Failed() {
			t.FailNow()
		}
	}
	t.Logf("%d runs from seed %d: %d crashes, %d changing calls", runs, first, crashes, calls)
}

// A crashRun is one world in which controllers live and die.
type crashRun struct {
	w       *world
	rng     *rand.Rand
	conf    Config
	crashes int
}

func newCrashRun(t *testing.T, seed uint64) *crashRun {
	c := &crashRun{w: newWorld(t, 1000), rng: rand.New(rand.NewPCG(seed, 1)), conf: web()}
	c.w.rng, c.w.floor = rand.New(rand.NewPCG(seed, 2)), c.conf.Groups[0].Min
	c.w.lag = time.Duration(c.rng.IntN(1500)) * time.Millisecond
	c.conf.Groups[0].Drain = time.Duration(c.rng.IntN(2)*c.rng.IntN(20)) * time.Second
	c.conf.Groups[0].MaxLaunches = 1000 // it has tests of its own
	if seed%2 == 0 {
		c.w.chaos = &chaos{rng: rand.New(rand.NewPCG(seed, 3))}
	}
	return c
}

func (c *crashRun) run() {
	c.need(10)
	for range 1 + c.rng.IntN(4) {
		c.life()
		if c.rng.IntN(3) == 0 {
			c.need(2 + c.rng.IntN(12))
		}
	}
	c.w.repair()
	l := c.w.live(c.conf)
	defer l.stop()
	c.need(10)
	c.w.settled(l, 10, c.w.limit)
	c.w.setDemand(3)
	c.w.settled(l, 3, 3)
}

// need makes the load need n instances.
func (c *crashRun) need(n int) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	c.w.demand, c.w.limit = float64(4*n), max(c.w.limit, n)
	if c.w.limit == 1<<30 {
		c.w.limit = n
	}
}

// life is one controller from its start to its crash.
func (c *crashRun) life() {
	c.crashes++
	l := c.w.live(c.conf)
	c.w.mu.Lock()
	l.session.after = c.rng.IntN(2) == 0
	if c.rng.IntN(2) == 0 {
		l.session.appends = 1 + c.rng.IntN(8*max(c.w.slow, 1))
	} else {
		l.session.calls = 1 + c.rng.IntN(3)
	}
	for range c.rng.IntN(3) {
		time.AfterFunc(time.Duration(c.rng.IntN(60))*time.Second, func() {
			c.w.mu.Lock()
			defer c.w.mu.Unlock()
			if c.w.chaos != nil {
				c.w.chaos.meddle(c.w, "web")
			}
		})
	}
	c.w.mu.Unlock()
	select {
	case <-l.done:
	case <-time.After(time.Duration(c.rng.IntN(90)*max(c.w.slow, 1)) * time.Second):
		c.w.mu.Lock()
		l.crash()
		c.w.mu.Unlock()
	}
	<-l.done
	time.Sleep(time.Duration(c.rng.IntN(10)) * time.Second)
}

// A stop is where a controller is stopped: at its n-th record or changing call,
// from 1 on, before or after it is made; 0 is nowhere.
type stop struct {
	records, calls int
	after          bool
}

// TestCrashAtSteps stops a controller at every record that it writes and every
// call that it makes while it scales out and in again, with each fault at each
// of the calls. The journal's whole story is run through; make test takes a
// sample of all pairs.
func TestCrashAtSteps(t *testing.T) {
	t.Parallel()
	records, calls := 0, 0
	synctest.Test(t, func(t *testing.T) { records, calls = stepRun(t, stop{}, 0, fine) })
	var stops []stop
	for n := range max(records, calls) {
		for _, after := range []bool{false, true} {
			if n < records {
				stops = append(stops, stop{records: n + 1, after: after})
			}
			if n < calls {
				stops = append(stops, stop{calls: n + 1, after: after})
			}
		}
	}
	every, skip := 61, rand.IntN(61)
	if os.Getenv("RONDO_CRASH_RUNS") != "" {
		every, skip = 1, 0
	}
	n, runs := 0, 0
	for _, s := range stops {
		for _, f := range append(allFaults(), fine) {
			for at := range calls {
				if n++; n%every != skip%every {
					continue
				}
				runs++
				synctest.Test(t, func(t *testing.T) { stepRun(t, s, at, f) })
				if t.Failed() {
					t.Fatalf("stop %+v, %v at call %d", s, f, at)
				}
			}
		}
	}
	t.Logf("%d runs of %d: %d records and %d calls, before and after each, %d faults at each call", runs, n, records, calls, len(allFaults()))
}

// stepRun scales from nothing to 2, to 10, and to 3 instances. It returns how
// many records and calls that took.
func stepRun(t *testing.T, s stop, at int, f fault) (records, calls int) {
	w := newWorld(t, 1000)
	w.limit, w.floor = 10, 2
	w.faults = append(make([]fault, at), f)
	first := true
	live := func() *life {
		l := w.live(web())
		if first {
			w.mu.Lock()
			l.session.appends, l.session.calls, l.session.after = s.records, s.calls, s.after
			w.mu.Unlock()
		}
		first = false
		return l
	}
	l := live()
	for _, need := range []float64{2, 40, 3} {
		w.setDemand(need)
		select {
		case <-l.done:
			time.Sleep(3 * time.Second)
			l = live()
		case <-time.After(30 * time.Second):
		}
	}
	if s == (stop{}) {
		w.mu.Lock()
		records, calls = -l.session.appends, -l.session.calls
		w.mu.Unlock()
	}
	w.settled(l, 2, 3) // 2 where the crowd had gone before it was served
	l.stop()
	return records, calls
}
