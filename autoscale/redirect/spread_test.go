package redirect

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"rondo/autoscale"
)

// A crowd of sessions comes to servers of unlike sizes. Each session takes so
// much of a server of size 1 for as long as it lasts; each server says every
// heartbeat what was free on average since the one before, a little wrong. The
// ideal is that all are used alike; how far a server is from the mean of all, in
// percent of a server, is its error.
type crowd struct {
	sizes    []float64
	arrivals float64       // sessions a second
	lasts    time.Duration // a session, on average; exponential
	takes    float64
	beat     time.Duration
	joins    time.Duration // of the last server
	length   time.Duration
}

// spreadError is the mean and the largest error, each the mean over the seconds
// from settled on.
type spreadError struct{ mean, max float64 }

// An ending is when a session ends, and where.
type ending struct {
	at     time.Duration
	server int
}

type endings []ending

func (e endings) Len() int           { return len(e) }
func (e endings) Less(i, j int) bool { return e[i].at < e[j].at }
func (e endings) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *endings) Push(v any)        { *e = append(*e, v.(ending)) }
func (e *endings) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// run plays the crowd against a way to choose, and tells a watcher each second
// how much of each server is used.
func (c crowd) run(rng *rand.Rand, way chooser, watch func(at time.Duration, used []float64)) {
	const tick = 10 * time.Millisecond
	n := make([]int, len(c.sizes))
	sums := make([]float64, len(c.sizes))
	var ends endings
	carry, ticks := 0.0, 0
	used := make([]float64, len(c.sizes))
	for at := time.Duration(0); at < c.length; at += tick {
		serving := len(c.sizes)
		if at < c.joins {
			serving--
		}
		for len(ends) > 0 && ends[0].at <= at {
			n[heap.Pop(&ends).(ending).server]--
		}
		for carry += c.arrivals * tick.Seconds(); carry >= 1; carry-- {
			k := way.choose(serving, at, rng.Float64())
			n[k]++
			heap.Push(&ends, ending{at + time.Duration(rng.ExpFloat64()*float64(c.lasts)), k})
		}
		ticks++
		for k := range n {
			used[k] = min(float64(n[k])*c.takes/c.sizes[k], 1)
			sums[k] += used[k]
		}
		if at%c.beat == 0 && at > 0 {
			for k := range sums {
				way.hear(k, min(max(1-sums[k]/float64(ticks)+0.01*rng.NormFloat64(), 0), 1))
				sums[k] = 0
			}
			ticks = 0
		}
		if at%time.Second == 0 {
			watch(at, used[:serving])
		}
	}
}

// A chooser is a way to share sessions out.
type chooser interface {
	choose(serving int, at time.Duration, u float64) int
	hear(server int, free float64)
}

// byCapacity is the real table and its accounts, looked at each second.
type byCapacity struct {
	sizes    []float64
	free     map[string]float64
	accounts []account
	table    Table
	looked   time.Duration
	cost     float64
	members  []autoscale.Instance
}

func newByCapacity(sizes []float64) *byCapacity {
	return &byCapacity{sizes: sizes, free: map[string]float64{}, accounts: make([]account, len(sizes)), looked: -1, cost: firstCost}
}

func (b *byCapacity) hear(server int, free float64) {
	if server < len(b.members) {
		b.free[b.members[server].ID] = free
	}
}

func (b *byCapacity) choose(serving int, at time.Duration, u float64) int {
	now := time.Unix(1_000_000, 0).Add(at)
	if at/lookEvery != b.looked {
		b.looked = at / lookEvery
		b.look(serving, now)
	}
	k := b.table.Pick(u)
	b.accounts[k].begin(now, time.Second)
	b.table.Servers[k].Sent++
	return k
}

func (b *byCapacity) look(serving int, now time.Time) {
	for n := len(b.members); n < serving; n++ {
		b.members = append(b.members, autoscale.Instance{ID: fmt.Sprintf("i-%d", n), Phase: autoscale.InService, LastSeen: now})
	}
	s := sight{now: now, free: b.free, size: map[string]float64{}, heard: func(string) (time.Time, bool) { return now, true }}
	for k, i := range b.members {
		s.size[i.ID] = b.sizes[k]
	}
	b.table, _ = weigh(b.members, s, time.Minute)
	b.cost = learn(b.cost, b.members, s, func(i autoscale.Instance) float64 {
		for k := range b.members {
			if b.members[k].ID == i.ID {
				return float64(b.accounts[k].count(now, time.Second))
			}
		}
		return 0
	})
	b.table.Cost = b.cost
	for k, i := range b.members {
		v, known := b.free[i.ID]
		b.accounts[k].see(v, known, now)
		b.table.Servers[k].Sent = b.accounts[k].sent()
	}
}

// roundRobin is one after the other; weighted, by size.
type roundRobin struct {
	sizes   []float64 // nil: all alike
	current []float64
	next    int
}

func (r *roundRobin) hear(int, float64) {}

func (r *roundRobin) choose(serving int, _ time.Duration, _ float64) int {
	if r.sizes == nil {
		r.next = (r.next + 1) % serving
		return r.next
	}
	// Smooth, as nginx does it: who has the most credit is next, and pays for all.
	if r.current == nil {
		r.current = make([]float64, len(r.sizes))
	}
	best, sum := 0, 0.0
	for k := range serving {
		r.current[k] += r.sizes[k]
		sum += r.sizes[k]
		if r.current[k] > r.current[best] {
			best = k
		}
	}
	r.current[best] -= sum
	return best
}

// measure is the error from settled on.
func (c crowd) measure(way chooser, settled time.Duration) (e spreadError) {
	seconds := 0.0
	c.run(rand.New(rand.NewPCG(7, 8)), way, func(at time.Duration, used []float64) {
		if at < settled {
			return
		}
		mean, most := 0.0, 0.0
		for _, u := range used {
			mean += u / float64(len(used))
		}
		sum := 0.0
		for _, u := range used {
			sum += math.Abs(u-mean) / float64(len(used))
			most = max(most, math.Abs(u-mean))
		}
		e.mean, e.max, seconds = e.mean+100*sum, e.max+100*most, seconds+1
	})
	return spreadError{e.mean / seconds, e.max / seconds}
}

// level is when, after the last server joined, it is used as much as the others
// are, within a tenth of a server.
func (c crowd) level(way chooser) time.Duration {
	var reached time.Duration
	c.run(rand.New(rand.NewPCG(7, 8)), way, func(at time.Duration, used []float64) {
		if at < c.joins || reached > 0 {
			return
		}
		mean := 0.0
		for _, u := range used {
			mean += u / float64(len(used))
		}
		if math.Abs(used[len(used)-1]-mean) < 0.1 {
			reached = at
		}
	})
	return reached - c.joins
}

// busy is a group of eight servers of sizes from 1 to 8, three quarters used.
func busy() crowd {
	return crowd{sizes: []float64{1, 1, 2, 2, 4, 4, 8, 8}, arrivals: 25, lasts: 45 * time.Second, takes: 0.02, beat: 10 * time.Second, length: 10 * time.Minute}
}

// TestSpread: servers of unlike sizes are used alike, though nobody tells the
// redirector what a session takes; round robin, which knows no sizes, fills the
// small ones. A server that joins is level with the others within a minute.
func TestSpread(t *testing.T) {
	c := busy()
	ours, robin := c.measure(newByCapacity(c.sizes), 3*time.Minute), c.measure(&roundRobin{}, 3*time.Minute)
	t.Logf("free capacity %.1f mean %.1f max, round robin %.1f mean %.1f max", ours.mean, ours.max, robin.mean, robin.max)
	if ours.mean > 8 || ours.max > 20 || ours.mean > robin.mean/3 {
		t.Errorf("error %.1f, at most %.1f; of round robin %.1f and %.1f", ours.mean, ours.max, robin.mean, robin.max)
	}
	c.sizes, c.arrivals, c.joins, c.length = []float64{4, 4, 4, 4}, 8, 4*time.Minute, 7*time.Minute
	if got := c.level(newByCapacity(c.sizes)); got <= 0 || got > time.Minute {
		t.Errorf("a server that joined is level after %v", got)
	}
}

// BenchmarkSpread prints how evenly servers of unlike sizes are used.
func BenchmarkSpread(b *testing.B) {
	for b.Loop() {
		c := busy()
		for _, way := range []struct {
			name string
			chooser
		}{
			{"free capacity", newByCapacity(c.sizes)}, {"round robin", &roundRobin{}}, {"round robin by size, as one would have to know it", &roundRobin{sizes: c.sizes}},
		} {
			e := c.measure(way.chooser, 3*time.Minute)
			fmt.Printf("%-52s mean error %5.2f %%, largest %5.2f %%\n", way.name, e.mean, e.max)
		}
		c.sizes, c.arrivals, c.joins, c.length = []float64{4, 4, 4, 4}, 8, 4*time.Minute, 9*time.Minute
		fmt.Printf("a fourth server joins: level after %v; by round robin after %v\n", c.level(newByCapacity(c.sizes)), c.level(&roundRobin{}))
	}
}
