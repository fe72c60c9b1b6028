package autoscale

import (
	"context"
	"hash/maphash"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"rondo/rrd"
)

// A group is a Group under control.
type group struct {
	Group
	cloud   Cloud
	metrics rrd.Evaluator

	userData func(context.Context, Launch) (string, error) // nil: as configured

	fleet   Fleet
	drainer Drainer
	notes   func(group, instance string) []string
	house   House
	journal *Journal
	pace    *rate.Limiter
	counts  *counters
	ring    func() // wakes those who follow the members
	log     *slog.Logger
	keep    int
	owner   string // of all groups; see Claim
	alerts  Alerts
	deaf    []string
	off     bool // by the configuration

	clock   clock
	set     setting
	wake    chan struct{}
	stirred chan struct{} // samples of the metric have come
	awaits  atomic.Bool   // an instance is to be heard of
	down    atomic.Bool   // it is shut down, or was and does not serve yet
	calls   sync.WaitGroup

	// Owned by the goroutine of run.
	feeds    []*feed            // what is observed; the group's metric first
	sessions map[string]float64 // by host; see RetirePolicy
	peeked   time.Time          // the newest peek
	asleep   bool               // the newest decision is to be shut down
	capacity int                // after the newest decision
	watched  time.Time
	started  time.Time
	ticked   time.Time
	listed   []Instance
	listedAt time.Time
	buried   map[string]time.Time // by ID: it is over, and since when the fleet is told
	seen     map[string]bool      // by ID, and by ID@host where the fleet was told
	first    map[string]time.Time // by ID: when it was first heard of
	listing  backoff
	past     recollection
	sighted  time.Time // the newest look at the instances themselves

	mu        sync.Mutex // guards what follows, which calls and pages touch too
	memory    *memory
	instances []Instance
	membersAt time.Time    // when the cloud's list that they are made of is from; zero: none yet
	told      uint64       // who they were when that was told last, as a hash
	seed      maphash.Seed // of it
	downText  string       // until when it is down, or up by order; "": neither
	calling   string       // what is under way; "" while nothing is
	since     time.Time
	changed   bool // something was done that the list does not show yet
	launching backoff
	applying  *application // what somebody wants to be carried out
	shadow    *shadow      // nil without one
	outage    backoff      // of listing, as of the newest look
	digest    string       // of the configuration
	ending    backoff      // of terminations: what cannot be retired must not keep from launching
	caring    backoff      // of the instances; see Attendant
	attending bool
	waiting   map[string]time.Time // by ID: since when a hook holds up its end
	rival     Claim                // of another controller, the foremost; none: no Owner
	bill      bill                 // up to the newest look
	now       Decision             // the newest; the open run where it does nothing
	asked     asked                // what Want was asked last
	snapped   uint64               // the journal's length at the last snapshot
	health    health
	images    gallery
	born      map[string]string // see bornOf
	refreshes string            // what the refresh does next, or waits for
	vetted    vetting

	preflighted *Preflight // the newest
	checked     bool       // it was preflighted at the start
}

func newGroup(conf Group, o Options, c *Controller, pace *rate.Limiter, entries []Entry) *group {
	g := &group{
		Group: conf, cloud: cloudOf(o.Cloud, conf.Name), metrics: o.Metrics, fleet: o.Fleet, drainer: o.Drainer, notes: o.Notes, house: o.House,
		journal: c.journal, pace: pace, counts: &c.counts, ring: c.bell.ring, seed: maphash.MakeSeed(), keep: c.keep, owner: c.owner, alerts: o.Alerts, deaf: o.Deaf, off: o.Config.Stopped,
		log:  o.Log.With("group", conf.Name),
		wake: make(chan struct{}, 1), stirred: make(chan struct{}, 1), seen: make(map[string]bool), buried: make(map[string]time.Time), first: make(map[string]time.Time), memory: newMemory(),
		userData: o.UserData, vetted: vetting{asked: map[string]time.Time{}, locked: map[string]string{}},
	}
	if g.house == nil {
		g.house = noHouse{}
	}
	g.feed()
	g.digest = conf.Digest()
	for _, e := range entries {
		if e.Group == conf.Name || e.Group == Everything {
			g.memory.apply(e)
			if e.Kind == KindSnapshot {
				g.snapped = e.Seq
			}
		}
	}
	g.born = bornOf(conf.Name, entries)
	g.shadow = newShadow(conf, g.memory.Shade)
	g.feeds = g.shadow.feedsOf(conf, g.feeds)
	return g
}

// minPause keeps a storm of transitions from becoming a storm of queries.
const minPause = 100 * time.Millisecond

func (g *group) run(ctx context.Context, every time.Duration) {
	defer g.calls.Wait()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	peek := time.NewTimer(every / peeks)
	defer peek.Stop()
	g.watched, _ = g.clock.read()
	g.mu.Lock()
	g.memory.notAfter(g.watched)
	g.mu.Unlock()
	for ctx.Err() == nil {
		now, set := g.clock.read()
		if set != 0 {
			g.resetClock(ctx, now, set)
		}
		g.look(ctx, now, every)
		for waiting := true; waiting; {
			waiting = false
			select {
			case <-ctx.Done():
			case <-ticker.C:
			case <-g.wake:
				sleep(ctx, minPause-time.Since(g.clock.at))
			case <-g.stirred:
				waiting = true
				peek.Reset(g.peekIn(time.Now(), every))
			case <-peek.C:
				waiting = !g.surge(ctx)
				peek.Reset(g.peekAfter(time.Now(), every))
			}
		}
	}
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// poke makes the group look now.
func (g *group) poke() {
	select {
	case g.wake <- struct{}{}:
	default: // it is about to look anyway
	}
}

// look is one tick: see, decide, act.
func (g *group) look(ctx context.Context, now time.Time, every time.Duration) {
	if now.Sub(g.ticked) > max(g.Stale, 3*every) {
		g.started = now // the first tick, or the first after a sleep
	}
	g.ticked = now
	g.observe(ctx, now)
	g.recall(ctx, now)
	blind := g.list(ctx, now, every)
	if ctx.Err() != nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.outage = g.listing
	if blind == nil {
		conf, _ := g.learnt()
		g.instances = conf.reconcile(sight{now, g.watched, g.listed, g.memory, g.first, g.seen, g.heard})
		g.noteBoots(ctx, now, every)
	}
	if blind == nil {
		g.checkAtStart(ctx)
	}
	g.lookForRivals()
	g.meter(ctx, now)
	g.lookImages(ctx, now)
	g.noteHealth(now)
	g.noteTemplates()
	g.checkHealth(ctx, now)
	g.bind()
	if blind == nil {
		g.bury(now)
	}
	g.noteConfig(ctx, now)
	serving := g.count(Input{Now: now, Instances: g.instances}).serving()
	for _, f := range g.feeds {
		f.points[len(f.points)-1].Serving = serving
	}
	conf, known := g.learnt()
	conf, said := g.bounded(conf)
	in := g.input(now)
	in.BootsKnown = known
	conf, in = g.tendRefresh(ctx, conf, in, blind)
	in.Season = g.past.Season(now, conf.Boot)
	g.tally(conf, in)
	g.asked = asked{in, conf, g.sessions, map[Direction][]Guard{Out: g.holdCalls(now, Out, blind), In: g.holdCalls(now, In, blind)}}
	d := Want(conf, in)
	d.Policy = g.digest
	g.remark(&d, said)
	g.asleep = d.isDown()
	g.noteDown(now, in)
	hold(&d, d.heeds(g.holdCalls(now, d.Direction, blind)))
	g.sayRefresh(conf, in, d)
	g.capacity = d.From
	if d.Acts() {
		g.capacity = d.To
	}
	g.carryOrApply(ctx, now, d)
	g.shade(ctx, in)
	if blind == nil {
		g.tellMembers()
		g.attend(ctx, now)
	}
	g.snapshot(ctx)
	g.counts.add("decisions", 1)
}

// asked is what Want was asked, and what the calls had to say at that time.
type asked struct {
	in       Input
	by       Group // with what was learnt
	sessions map[string]float64
	calls    map[Direction][]Guard
}

// input gathers what Want looks at.
func (g *group) input(now time.Time) Input {
	in := Input{
		Refresh: g.memory.Refresh, Deaf: g.unheard(),
		Now: now, Points: g.feeds[0].points, Trouble: g.feeds[0].trouble, Instances: g.instances,
		Last: g.memory.Last, Rest: g.memory.Rest.left(now), Heirs: g.memory.Heirs, Order: g.memory.Order, Ears: g.ears(), Launched: g.memory.launched(now), Spent: g.bill.Spent, Started: g.started, Stopped: g.inTheWay(), Released: g.memory.Released, Signals: make(map[string]Signal),
	}
	for _, f := range g.feeds[1:] {
		in.Signals[f.Key] = Signal{f.points, f.trouble, f.hosts}
	}
	if in.Refresh.active() {
		in.Alarm = g.alarm()
	}
	if open := g.memory.Open; open != nil {
		in.Unsettled = max(0, open.Launch.Count-len(g.launchedBy(open.Attempt)))
		if g.ASG != "" { // it puts no tags on, and its list has what was ordered
			in.Unsettled = max(0, min(in.Unsettled, open.Launch.Desired-g.present()))
		}
	}
	return in
}

// launchedBy returns the instances that carry an attempt's tag.
func (g *group) launchedBy(attempt string) (ids []string) {
	for _, i := range g.instances {
		if i.Tags[TagDecision] == attempt {
			ids = append(ids, i.ID)
		}
	}
	return ids
}

// holdCalls lists what the calls themselves forbid.
func (g *group) holdCalls(now time.Time, dir Direction, blind error) (met []Guard) {
	if blind != nil {
		met = append(met, blocked("blind", "the cloud does not list the instances: %v", blind))
	} else {
		met = append(met, passed("blind", "instances were listed %s ago", span(now.Sub(g.listedAt))))
	}
	met = append(append(met, g.holdRival(), g.holdClock(now)), g.holdAlerts(dir)...)
	if dir == Out {
		met = append(met, g.holdImage()...)
	}
	switch {
	case g.calling != "":
		return append(met, blocked("in-flight", "%s is under way for %s", g.calling, span(now.Sub(g.since))))
	case g.memory.Open != nil:
		return append(met, blocked("unclear", "launch %s is unclear, it is asked for again first", short(g.memory.Open.Attempt)))
	case dir == Out && g.launching.left(now) > 0:
		return append(met, blocked("backoff", "%s; again in %s", g.launching.why, span(g.launching.left(now))))
	}
	return append(met, passed("in-flight", "no call is under way or unclear"))
}

// heard asks the fleet for an instance's heartbeat.
func (g *group) heard(i Instance) (host string, last time.Time) {
	for _, name := range hostNames(i) {
		if t, ok := g.fleet.LastSeen(name); ok && t.After(last) {
			host, last = name, t
		}
	}
	return host, last
}

// bind tells the fleet which instance a host is, when it is first heard of.
func (g *group) bind() {
	for _, i := range g.instances {
		if bound := i.ID + "@" + i.Host; i.Host != "" && !g.seen[bound] {
			g.seen[bound] = true
			g.fleet.Bind(i.Host, i.ID)
		}
	}
}

// view returns a copy that its reader may keep.
func (g *group) view() View {
	v := g.viewed()
	if g.notes != nil {
		for i := range v.Instances {
			v.Instances[i].Notes = g.notes(g.Name, v.Instances[i].ID)
		}
	}
	return v
}

func (g *group) viewed() View {
	g.mu.Lock()
	defer g.mu.Unlock()
	v := View{
		Name: g.Name, Mode: string(g.Mode), Stopped: g.inTheWay() != "", StoppedBy: g.inTheWay(),
		Min: g.Min, Max: g.Max, Down: g.downText,
		Instances: append([]Instance{}, g.instances...), Last: g.now, Desired: g.now.From,
		Spending: g.spending(), Breakers: g.breakers(g.clock.time()),
	}
	g.viewPolicies(&v)
	if g.now.Acts() {
		v.Desired = g.now.To
	}
	if g.shadow != nil {
		seen := g.shadow.view
		v.Shadow = &seen
	}
	if !g.memory.Last.At.IsZero() {
		v.Cooldown = g.memory.Last.At.Add(g.Cooldown)
	}
	conf, known := g.learnt()
	v.Boot, v.BootsKnown = conf.Boot.Seconds(), known
	v.Preflight = g.preflighted
	v.Refresh = g.viewRefresh()
	v.Recent = append([]Decision{}, g.memory.Recent...)
	if g.now.Count > 0 {
		v.Recent = append(v.Recent, g.now)
	}
	slices.Reverse(v.Recent)
	return v
}

// short is how an attempt is called in texts.
func short(attempt string) string { return attempt[:min(8, len(attempt))] }
