package autoscale

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"rondo/alerts"
	"rondo/rrd"
)

// A Fleet knows which hosts are heard of (alerts/fleet does).
type Fleet interface {
	// LastSeen returns when a host was last heard of.
	LastSeen(host string) (time.Time, bool)
	// Withdraw says that a host goes on purpose: it may fall silent.
	Withdraw(host, reason string)
	// Expect takes a withdrawal back.
	Expect(host string)
	// Over says that an instance is over, as its cloud has it: its host may fall
	// silent, unless that is another instance by now. It is said at each look.
	Over(instance, reason string)
	// Bind says which EC2 instance a host is.
	Bind(host, instance string)
}

// A Drainer knows what an instance that drains still has to do: log lines that
// are not stored, sessions that have not ended, a balancer that still sends it
// work. No drain waits longer for it than the group says.
type Drainer interface {
	// Waits says what that is, in few words; "" where nothing is left.
	Waits(group string, i Instance, since time.Time) string
}

// Drainers are several: an instance has drained when all of them say so.
type Drainers []Drainer

// Waits implements [Drainer].
func (ds Drainers) Waits(group string, i Instance, since time.Time) string {
	var waits []string
	for _, d := range ds {
		if w := d.Waits(group, i, since); w != "" {
			waits = append(waits, w)
		}
	}
	return strings.Join(waits, "; ")
}

// A Dater knows when the samples were taken that an expression is made of
// (rrd/promql does).
type Dater interface {
	// Newest returns the time of the newest sample; where an expression has
	// several selectors, that of the selector whose newest is the oldest.
	Newest(ctx context.Context, expr string, at time.Time) (time.Time, error)
}

// Options are what a Controller works with.
type Options struct {
	Config  Config
	Cloud   Cloud
	Metrics rrd.Evaluator // one that is a Dater too lets a group's stale see how old samples are
	Moves   Watcher       // tells when samples of the metrics come; nil: groups peek a few times per tick
	Alerts  Alerts        // nil: no downtime pauses, and no rule holds
	Deaf    []string      // rules that fire when most hosts fall silent at once
	Sweeper Sweeper       // finds instances by tag, whichever group they are of; nil: nobody looks for orphans
	Fleet   Fleet
	Drainer Drainer                               // nil: a drain lasts as long as the group says
	Notes   func(group, instance string) []string // what is to be said of an instance in a [View]; nil: nothing
	House   House                                 // what follows the groups; nil: nothing does
	Journal Log                                   // from [OpenLog]

	// UserData fills in the user data of a launch, just before the call; nil: it is
	// as configured. The same launch must always get the same text.
	UserData func(context.Context, Launch) (string, error)

	Lost string // not empty: why an earlier journal is not there; groups that this one does not know are stopped
	Log  *slog.Logger
}

// The controller's own budget of changing calls, below what EC2 grants an
// account (RunInstances: 5 at once, then 2 a second).
const (
	callsPerSecond = 1
	callsAtOnce    = 4
)

// A Controller keeps groups at the capacity that [Want] says. It is an
// alerts.Action, but scales on levels: a transition only wakes it.
type Controller struct {
	groups  []*group
	tick    time.Duration
	keep    int
	journal *Journal
	moves   Watcher
	log     *slog.Logger
	counts  counters
	bell    bell

	owner   string // our ID; see Claim
	sweeper Sweeper
	broom   broom

	ending sync.RWMutex
	ended  bool // another controller may write the journal now
}

// New reads the journal, so that nothing that was under way is forgotten. A
// journal whose chain is broken stops all groups until they are started by
// hand.
func New(ctx context.Context, o Options) (*Controller, error) {
	if err := o.Config.Validate(); err != nil {
		return nil, err
	}
	journal, entries, broken := OpenJournal(o.Journal)
	if journal == nil {
		return nil, broken
	}
	c := &Controller{tick: o.Config.Tick, keep: o.Config.Keep, journal: journal, moves: o.Moves, log: o.Log}
	c.owner, c.sweeper = ownerIn(entries), o.Sweeper
	pace := rate.NewLimiter(callsPerSecond, callsAtOnce)
	for _, conf := range o.Config.Groups {
		c.groups = append(c.groups, newGroup(conf.WithDefaults(), o, c, pace, entries))
	}
	c.shareStop()
	if o.Lost != "" {
		if err := c.stopUnknown(ctx, entries, o.Lost); err != nil {
			return nil, err
		}
	}
	if broken != nil {
		o.Log.Error("the journal is damaged, all groups are stopped", "err", broken)
		for _, g := range c.groups {
			if err := g.write(ctx, Entry{Kind: KindStop, Text: "rondo: " + broken.Error()}); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

// stopUnknown stops the groups of which the journal has no entry: they may
// have been stopped, or have launches under way, in the one that is lost.
func (c *Controller) stopUnknown(ctx context.Context, entries []Entry, lost string) error {
	for _, g := range c.groups {
		if slices.ContainsFunc(entries, func(e Entry) bool { return e.Group == g.Name }) {
			continue
		}
		c.log.Error("group is stopped until it is started by hand: its journal is lost", "group", g.Name, "cause", lost)
		if err := g.write(ctx, Entry{Kind: KindStop, Text: "rondo: " + lost}); err != nil {
			return err
		}
	}
	return nil
}

// Run looks at each group every tick, and sooner when its metric is above the
// upper threshold, until ctx ends. A call that is under way then gets a few
// seconds to return.
//
//	ticker, samples above the threshold, transition, end of a call
//	        |
//	      group ──> metric ──> inventory ──> Want ──> journal ──> call (own goroutine)
//	        ^                                                      |
//	        └──────────────── journal <── outcome ─────────────────┘
//
// Each group has a goroutine of its own: a slow call holds no other group.
func (c *Controller) Run(ctx context.Context) error {
	c.watch()
	var wg sync.WaitGroup
	for i, g := range c.groups {
		wg.Go(func() {
			// Ticks are spread: many groups are no herd.
			sleep(ctx, c.tick*time.Duration(i)/time.Duration(len(c.groups)))
			g.run(ctx, c.tick)
		})
	}
	wg.Go(func() { c.sweepAll(ctx) })
	wg.Wait()
	c.unwatch()
	c.ending.Lock()
	defer c.ending.Unlock()
	c.ended = true
	return nil
}

// Act wakes all groups. The transition itself decides nothing.
func (c *Controller) Act(context.Context, alerts.Transition) error {
	for _, g := range c.groups {
		g.poke()
	}
	return nil
}

// Heard wakes the groups that wait for an instance to be heard of: somebody was.
func (c *Controller) Heard() {
	for _, g := range c.groups {
		if g.awaits.Load() {
			g.poke()
		}
	}
}

// Views returns all groups as they are now, in the order of the configuration.
func (c *Controller) Views() []View {
	views := make([]View, len(c.groups))
	for i, g := range c.groups {
		views[i] = g.view()
	}
	return views
}

// View returns one group as it is now.
func (c *Controller) View(name string) (View, error) {
	g, err := c.group(name)
	if err != nil {
		return View{}, err
	}
	return g.view(), nil
}

// Decisions returns a group's decisions, newest first.
func (c *Controller) Decisions(name string) ([]Decision, error) {
	v, err := c.View(name)
	return v.Recent, err
}

// Errors of commands.
var (
	ErrNoGroup    = errors.New("no such group")
	ErrNoDecision = errors.New("no such decision")
	ErrNoSetup    = errors.New("no configuration")
	ErrBadOrder   = errors.New("this order is wrong")
	ErrBadConfig  = errors.New("this configuration is wrong")
	ErrEnded      = errors.New("autoscale: this controller has ended, as in a reload: try again")
)

func (c *Controller) group(name string) (*group, error) {
	i := slices.IndexFunc(c.groups, func(g *group) bool { return g.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("autoscale: %q: %w", name, ErrNoGroup)
	}
	return c.groups[i], nil
}

// Stop pulls a group's stop switch: no call is made until Start, over restarts
// too. A call that is under way is not taken back. [Everything] has a switch of
// its own, beside those of the groups.
func (c *Controller) Stop(ctx context.Context, name, by string) error {
	return c.command(ctx, name, Entry{Kind: KindStop, Text: clean(by, "someone")})
}

// Start releases a group's stop switch. Instances that were launched before, and
// never heard of, do not keep it from launching any more.
func (c *Controller) Start(ctx context.Context, name, by string) error {
	return c.command(ctx, name, Entry{Kind: KindStart, Text: clean(by, "someone")})
}

func (c *Controller) command(ctx context.Context, name string, e Entry) error {
	if name == Everything {
		return c.commandAll(ctx, e)
	}
	return c.change(name, func(g *group) error {
		if err := g.write(ctx, e); err != nil {
			return err
		}
		c.log.Info("stop switch", "group", name, "to", e.Kind, "by", e.Text)
		return nil
	})
}

// change has a command change what a group remembers, under its lock, and makes
// the group look at it. It does not where another controller may have the
// journal.
func (c *Controller) change(name string, do func(*group) error) error {
	g, err := c.group(name)
	if err != nil {
		return err
	}
	c.ending.RLock()
	defer c.ending.RUnlock()
	if c.ended {
		return ErrEnded
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := do(g); err != nil {
		return err
	}
	g.poke()
	return nil
}

// maxBy bounds what a command says about who gave it.
const maxBy = 200

// clean makes a text from outside fit the journal and a page's line.
func clean(s, empty string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if s == "" {
		return empty
	}
	return string([]rune(s)[:min(maxBy, len([]rune(s)))])
}
