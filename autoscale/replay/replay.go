package replay

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"rondo/autoscale"
)

// Options of a replay. Zero values mean what stands in brackets.
type Options struct {
	Use   float64       // what one server may be loaded with at most [0.8]
	Boot  time.Duration // from launch to service [2m]
	Min   int           // least instances [1]
	Max   int           // most instances [2000]
	Price float64       // of an instance for an hour, for the cost
}

func (o Options) withDefaults() Options {
	o.Use, o.Boot, o.Min, o.Max = cmp.Or(o.Use, 0.8), cmp.Or(o.Boot, 2*time.Minute), cmp.Or(o.Min, 1), cmp.Or(o.Max, 2000)
	return o
}

// Validate says what is wrong with the options.
func (o Options) Validate() error {
	o = o.withDefaults()
	var errs []error
	if !(o.Use > 0 && o.Use <= 1e6) {
		errs = append(errs, fmt.Errorf("use %v: want more than 0, and 1 where a server is fully used", o.Use))
	}
	if o.Boot < 0 || o.Boot > 24*time.Hour {
		errs = append(errs, fmt.Errorf("boot %v: want 0 to 24h", o.Boot))
	}
	if o.Min < 0 || o.Max < max(o.Min, 1) || o.Max > 100_000 {
		errs = append(errs, fmt.Errorf("min %d and max %d: want 0 <= min <= max <= 100000", o.Min, o.Max))
	}
	if !(o.Price >= 0) {
		errs = append(errs, fmt.Errorf("price %v: want 0 or more", o.Price))
	}
	return errors.Join(errs...)
}

// needed is how many instances a load needs.
func (o Options) needed(load float64) int {
	return max(o.Min, int(math.Ceil(load/o.Use-1e-9)))
}

// A Sight is what a policy sees when it decides.
type Sight struct {
	Now       time.Time
	Points    []autoscale.Point // of the metric, the newest one step old
	InService int
	Coming    int              // launched, not in service yet
	Since     []time.Time      // since when those in service are
	Last      autoscale.Change // the newest change of capacity
}

// Capacity is what serves and what is on its way.
func (s Sight) Capacity() int { return s.InService + s.Coming }

// load is the newest known load, in servers' worth of work.
func (s Sight) load() float64 {
	p := s.Points[len(s.Points)-1]
	return p.Value * float64(p.Serving)
}

// A Policy says how many instances there should be, and why where it knows.
type Policy interface {
	Want(s Sight) (capacity int, why string)
}

// An Action is a change of capacity that was made.
type Action struct {
	At   time.Time `json:"at"`
	From int       `json:"from"`
	To   int       `json:"to"`
	Why  string    `json:"why,omitempty"`
}

// A Result is what a policy would have done.
type Result struct {
	Score
	Actions []Action
	Needed  []int // by step
	Served  []int // in service, by step
}

// Run replays a load of two steps at least. The options must be valid.
func Run(load []Step, p Policy, o Options) Result {
	o = o.withDefaults()
	f := fleet{boot: o.Boot}
	f.launch(o.needed(load[0].Load), load[0].Time.Add(-o.Boot))
	r := Result{Needed: make([]int, 0, len(load)), Served: make([]int, 0, len(load))}
	points := make([]autoscale.Point, 0, len(load))
	var last autoscale.Change
	for i, step := range load {
		s := Sight{Now: step.Time, Points: points, InService: f.inService(step.Time), Last: last}
		s.Coming, s.Since = f.len()-s.InService, f.ready[:s.InService]
		r.Needed, r.Served = append(r.Needed, o.needed(step.Load)), append(r.Served, s.InService)
		if len(points) > 0 {
			to, why := p.Want(s)
			if to = max(o.Min, min(o.Max, to)); to != s.Capacity() {
				r.Actions = append(r.Actions, Action{step.Time, s.Capacity(), to, why})
				last = f.change(to, step.Time)
			}
		}
		r.add(o.needed(step.Load), s.InService, f.len(), lengthOf(load, i))
		points = append(points, autoscale.Point{Time: step.Time, Value: step.Load / float64(max(s.InService, 1)), Serving: max(s.InService, 1)})
	}
	r.Score.finish(len(r.Actions), o.Price)
	return r
}

// lengthOf is how long a step lasts; the last one as long as the one before.
func lengthOf(load []Step, i int) time.Duration {
	i = min(i, len(load)-2)
	return load[i+1].Time.Sub(load[i].Time)
}

// A fleet is when its instances are in service from, in order.
type fleet struct {
	boot  time.Duration
	ready []time.Time
}

func (f *fleet) len() int { return len(f.ready) }

func (f *fleet) launch(n int, now time.Time) {
	for range n {
		f.ready = append(f.ready, now.Add(f.boot))
	}
}

func (f *fleet) inService(now time.Time) int {
	n, _ := slices.BinarySearchFunc(f.ready, now, func(r, now time.Time) int {
		if r.After(now) {
			return 1
		}
		return -1
	})
	return n
}

// change launches or retires; the newest go first.
func (f *fleet) change(to int, now time.Time) autoscale.Change {
	if to > len(f.ready) {
		f.launch(to-len(f.ready), now)
		return autoscale.Change{Direction: autoscale.Out, At: now}
	}
	f.ready = f.ready[:to]
	return autoscale.Change{Direction: autoscale.In, At: now}
}
