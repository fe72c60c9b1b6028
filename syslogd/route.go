package syslogd

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"rondo/syslogd/filter"
	"rondo/syslogd/spool"
	"rondo/syslogd/stage"
	"rondo/syslogd/syslog"
)

// StoreName is the log store among the destinations of a route.
const StoreName = "store"

// MaxDestinations is how many destinations there can be besides the store.
const MaxDestinations = spool.MaxQueues - 1

// storeSet is the set of the log store alone: the place of no queue.
const storeSet = spool.Set(1) << MaxDestinations

// RouteConfig says which messages go where.
type RouteConfig struct {
	Name   string         `yaml:"name"`   // in counters; letters, digits, "-" and "_"
	Filter *filter.Filter `yaml:"filter"` // which messages; none: all
	Stages []stage.Config `yaml:"stages"` // that they go through on this way
	To     []string       `yaml:"to"`     // names of destinations, and "store"
	Final  bool           `yaml:"final"`  // what matches goes along no later route
}

// Validate says what is wrong, each with its key. Destinations are those there
// are, besides the store.
func (r *RouteConfig) Validate(destinations []string) error {
	var errs []error
	errs = append(errs, CheckName(r.Name))
	if len(r.To) == 0 {
		errs = append(errs, errors.New("to: a route leads somewhere: name destinations, or store"))
	}
	for i, to := range r.To {
		if to != StoreName && !slices.Contains(destinations, to) {
			errs = append(errs, fmt.Errorf("to: there is no destination %q", to))
		}
		if slices.Contains(r.To[:i], to) {
			errs = append(errs, fmt.Errorf("to: %q is there twice", to))
		}
	}
	return errors.Join(append(errs, stage.Validate(r.Stages))...)
}

// A Route is a RouteConfig as a Router uses it.
type Route struct {
	Name   string
	Filter *filter.Filter
	Stages *stage.Pipe
	To     spool.Set // places in the list of queues, and the store's
	Final  bool

	counters [len(RouteCounts)]string // of Stats
}

// Build makes the route. Queues are the names of the queues, in their order.
func (r *RouteConfig) Build(queues []string) (Route, error) {
	pipe, err := stage.New(r.Stages)
	if err != nil {
		return Route{}, fmt.Errorf("syslogd: route %s: %w", r.Name, err)
	}
	if len(r.Stages) == 0 {
		pipe = nil
	}
	route := Route{Name: r.Name, Filter: r.Filter, Stages: pipe, Final: r.Final}
	for _, to := range r.To {
		if to == StoreName {
			route.To |= storeSet
			continue
		}
		i := slices.Index(queues, to)
		if i < 0 {
			return Route{}, fmt.Errorf("syslogd: route %s: there is no destination %q", r.Name, to)
		}
		route.To = route.To.With(i)
	}
	return route, nil
}

// RouteCounts are what a route counts, each as route_NAME_WHAT:
//
//	received + made = filtered + staged + already + routed
var RouteCounts = [...]string{
	"received", // offered by the routes before
	"filtered", // not what its filter wants
	"staged",   // less after its stages than before
	"made",     // more after its stages than before: summaries
	"already",  // an earlier route has led to all of its destinations
	"routed",   // given to its destinations
}

// name makes the names of the counters.
func (r *Route) name() {
	for i, what := range RouteCounts {
		r.counters[i] = "route_" + r.Name + "_" + what
	}
}

// A tally is what became of a batch on a route.
type tally struct{ received, filtered, staged, made, already, routed int }

// A routing is a batch on its way: each message with the set of destinations
// that it is for. Its memory is used again.
type routing struct {
	batch []syslog.Message // the caller's, or own
	own   []syslog.Message // where stages of routes have changed something
	to    []spool.Set
	rest  []spool.Set // to, without the store
	few   []syslog.Message
	all   spool.Set // to of all messages together
	none  bool      // one is not for the store

	unrouted int // that no route took

	tallies []tally // of each route
}

func (r *Router) take() *routing {
	if w, ok := r.routed.Get().(*routing); ok {
		return w
	}
	return &routing{tallies: make([]tally, len(r.Routes))}
}

// give keeps the memory of a routing, but not what it holds.
func (r *Router) give(w *routing) {
	clear(w.own)
	clear(w.few)
	clear(w.tallies)
	*w = routing{own: w.own[:0], few: w.few[:0], to: w.to[:0], rest: w.rest[:0], tallies: w.tallies}
	r.routed.Put(w)
}

// add appends one message of its own.
func (w *routing) add(m *syslog.Message, to spool.Set) {
	w.disown()
	w.own = append(w.own, *m)
	w.batch = w.own
	w.note(to)
}

// disown makes the batch our own, so that it can be changed.
func (w *routing) disown() {
	if len(w.own) == 0 {
		w.own = append(w.own, w.batch[:len(w.to)]...)
	}
}

func (w *routing) note(to spool.Set) {
	w.to = append(w.to, to)
	w.all |= to
	w.none = w.none || to&storeSet == 0
}

// along takes a batch along the routes. A destination gets a message once at
// most: by the first route that leads there.
func (r *Router) along(w *routing, batch []syslog.Message) {
	w.batch = batch
	if r.plain {
		return
	}
	now := time.Now()
	for i := range batch {
		var to, seen spool.Set // as it is; in any form
		for k := range r.Routes {
			route, count := &r.Routes[k], &w.tallies[k]
			count.received++
			if !route.Filter.Match(&batch[i]) {
				count.filtered++
				continue
			}
			switch more := route.To &^ seen; {
			case more == 0:
				count.already++
			case route.Stages == nil:
				to |= more
				count.routed++
			default:
				r.staged(w, k, now, batch[i:i+1], more)
			}
			seen |= route.To
			if route.Final {
				break
			}
		}
		if seen == 0 {
			w.unrouted++
		}
		w.place(&batch[i], to)
	}
}

// place appends the message as it is. One for nobody is counted, and has its
// place while the batch is the caller's.
func (w *routing) place(m *syslog.Message, to spool.Set) {
	if len(w.own) > 0 {
		if to != 0 {
			w.add(m, to)
		}
		return
	}
	w.note(to)
}

// staged takes one message through the stages of a route.
func (r *Router) staged(w *routing, k int, now time.Time, one []syslog.Message, to spool.Set) {
	count := &w.tallies[k]
	out := r.Routes[k].Stages.Apply(now, one)
	if len(out) == 0 {
		count.staged++
	} else {
		count.made += len(out) - 1
	}
	count.routed += len(out)
	for i := range out {
		w.add(&out[i], to)
	}
}

// report adds what was counted to the stats.
func (r *Router) report(w *routing) {
	if r.plain {
		return // there is nothing to tell apart
	}
	for i := range w.tallies {
		route, c := &r.Routes[i], &w.tallies[i]
		for k, n := range [...]int{c.received, c.filtered, c.staged, c.made, c.already, c.routed} {
			r.Stats.Add(route.counters[k], n)
		}
		route.Stages.Report(func(what string, n int) { r.Stats.Add("route_"+route.Name+"_"+what, n) })
	}
	r.Stats.Add("unrouted", w.unrouted)
}

// queued says which queues each message is for.
func (w *routing) queued() []spool.Set {
	w.rest = w.rest[:0]
	for _, to := range w.to {
		w.rest = append(w.rest, to&^storeSet)
	}
	return w.rest
}

// stored are the messages for the store.
func (w *routing) stored() []syslog.Message {
	if !w.none {
		return w.batch
	}
	w.few = w.few[:0]
	for i, to := range w.to {
		if to&storeSet != 0 {
			w.few = append(w.few, w.batch[i])
		}
	}
	return w.few
}
