package main

import (
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// The story of the demo, after a published one: a site of two servers is
// linked from a very popular page. The run queue, which should be below 1,
// stands at 137; twelve more servers end it; later ten of them are retired.
// It is shortened, and told again every storyLength.
const (
	storyLength  = 6 * time.Minute
	crowdArrives = 15 * time.Second
	crowdIsHere  = 25 * time.Second
	crowdTires   = 85 * time.Second
	crowdIsGone  = 110 * time.Second
	siteDeployed = 150 * time.Second // in peace, as a lesson of the crowd
	nightFalls   = 260 * time.Second

	worstRunQueue = 137.0
	queueGrowth   = 4.5 // run queue that each missing server adds a second
)

// demand is the work that the crowd asks for at a moment of the story, in
// servers: 1 keeps one server fully busy.
func demand(at time.Duration) float64 {
	at %= storyLength
	between := func(a, b time.Duration, from, to float64) float64 {
		return from + (to-from)*float64(at-a)/float64(b-a)
	}
	switch {
	case at < crowdArrives:
		return 0.9
	case at < crowdIsHere:
		return between(crowdArrives, crowdIsHere, 0.9, 11)
	case at < crowdTires:
		return 11
	case at < crowdIsGone:
		return between(crowdTires, crowdIsGone, 11, 2.2)
	case at < nightFalls:
		return 2.2
	}
	return 0.9
}

// A load is what one server feels of the crowd.
type load struct {
	busy     float64 // share of its CPU, 0..1
	runQueue float64 // processes that wait
	requests float64 // answered, per second
}

// A crowd spreads its demand evenly over the servers that are in service. What
// they cannot answer waits, and is made up for later.
type crowd struct {
	start time.Time

	mu      sync.Mutex
	servers map[string]bool
	waiting float64 // over all servers
	last    time.Time
}

func newCrowd(start time.Time) *crowd {
	return &crowd{start: start, last: start, servers: map[string]bool{}}
}

func (c *crowd) join(server string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.servers[server] = true
}

func (c *crowd) leave(server string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.servers, server)
}

// load is what each server in service feels now.
func (c *crowd) load(now time.Time) load {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := float64(max(len(c.servers), 1))
	d := demand(now.Sub(c.start))
	if dt := now.Sub(c.last).Seconds(); dt > 0 {
		c.waiting = min(max(c.waiting+queueGrowth*(d-n)*dt, 0), worstRunQueue*n)
		c.last = now
	}
	busy := min(d/n, 0.985)
	if c.waiting > 0 {
		busy = 0.985
	}
	steady := min(d/n, 0.9)
	return load{
		busy:     busy,
		runQueue: min(steady*steady/(1-steady)+c.waiting/n, worstRunQueue),
		requests: 160 * min(d/n, 1),
	}
}

// noisy varies a value by a few percent, as readings of real servers vary.
func noisy(v float64) float64 {
	return math.Max(0, v*(1+0.04*(rand.Float64()*2-1)))
}
