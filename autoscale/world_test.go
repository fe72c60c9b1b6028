package autoscale

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"rondo/alerts/state"
	"rondo/rrd"
)

// A world is a cloud, its instances' heartbeats and a load that they share,
// all in memory and by the bubble's clock.
type world struct {
	t       *testing.T
	boot    time.Duration // of machines that are launched from now on
	limit   int           // of instances alive; one more is a failure of the controller
	floor   int           // a termination that leaves fewer is one, too
	perZone int           // ... fewer in the zone

	mu        sync.Mutex
	demand    float64 // the metric is demand per instance in service
	missing   bool
	instances map[string]*machine
	byDNS     map[string]*machine
	tokens    map[string][]string
	books     books
	chaos     *chaos // what goes wrong by chance, besides calls
	blackout  blackout
	withdrawn map[string]bool
	made      int
	made0     int               // before the part that a test counts
	bad       string            // instances of this template are never heard of
	rng       *rand.Rand        // nil: no faults but these:
	faults    []fault           // of the next changing calls
	hide      time.Duration     // instances are not listed until then
	lag       time.Duration     // of the metric behind the heartbeats
	full      func(Pool) bool   // pools without room, or nil
	launches  int               // calls of Launch
	most      int               // instances that one launch gets, where it is not 0
	calls     int               // changing calls
	slow      int               // so many times longer lives
	note      func(Entry)       // is told of each entry that is written, or nil
	born      func(*life)       // is told of a life, or nil
	wrap      func(Cloud) Cloud // what the controller gets for a cloud, or nil
	store     *state.Journal
	steps     bool          // it has a clock of its own
	off       time.Duration // by which the controller's clock is ahead
	alerts    Alerts        // or nil
	deaf      []string
	metrics   rrd.Evaluator // instead of the world itself, or nil
	moves     Watcher
	fleet     Fleet // instead of the world itself, or nil
	drainer   Drainer
	others    Ears
	reuse     func() string // names instances, or nil; "": as usual
}

// A fault is what a changing call meets.
type fault int

const (
	fine fault = iota
	throttled
	noRoom
	denied
	lostBefore // no answer, nothing done
	lostAfter  // no answer, but done
	late       // no answer, done a little later
	slow       // done, and answered when nobody waits any more
	page       // done, and answered by half an answer, or a proxy's page
	firstCode  // from here on: EC2's errors, see faultCodes
)

// A machine is one instance of the world.
type machine struct {
	Instance
	group   string
	boot    time.Duration
	visible time.Time // listed from then on
	ended   time.Time
	deaf    bool      // runs, is never heard of and does no work
	stuck   bool      // pending for ever
	foreign bool      // not launched by us
	home    string    // the group that it was born in
	lost    time.Time // when it ended, or left the group, by no act of ours

	silentSince time.Time // it runs, but nobody hears it any more
}

func newWorld(t *testing.T, keep int) *world {
	t.Helper()
	store, err := state.OpenJournal(state.NewMemory(), "autoscale", keep)
	if err != nil {
		t.Fatal(err)
	}
	return &world{
		t: t, boot: 6 * time.Second, limit: 1 << 30, instances: map[string]*machine{}, byDNS: map[string]*machine{},
		tokens: map[string][]string{}, withdrawn: map[string]bool{}, store: store, books: newBooks(),
	}
}

func (w *world) setDemand(d float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.demand = d
}

// add makes n instances. Callers hold w.mu.
func (w *world) add(n int, group string, tags map[string]string, hidden time.Duration) (ids []string) {
	for range n {
		w.made++
		id := fmt.Sprintf("i-%04d", w.made)
		m := &machine{
			Instance: Instance{
				ID: id, PrivateDNS: fmt.Sprintf("ip-%d.internal", w.made), Zone: string(rune('a' + w.made%3)),
				Launched: time.Now(), Phase: Pending, Tags: maps.Clone(tags),
			},
			group: group, home: group, boot: w.boot, visible: time.Now().Add(hidden),
		}
		if w.reuse != nil {
			m.PrivateDNS = cmp.Or(w.reuse(), m.PrivateDNS)
		}
		w.instances[id], w.byDNS[m.PrivateDNS] = m, m
		m.deaf = w.bad != "" && tags[TagTemplate] == w.bad
		w.chaos.befall(w, m)
		ids = append(ids, id)
	}
	if n := w.useful(); n > w.limit && !w.bereaved() {
		w.t.Errorf("%s: %d instances alive, at most %d are needed", time.Now().Format("15:04:05"), n, w.limit)
	}
	return ids
}

// alive lists what runs or will. Callers hold w.mu.
func (w *world) alive() (ids []string) {
	for id, m := range w.instances {
		if m.ended.IsZero() {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// useful counts those of our own that work, or will. Callers hold w.mu.
func (w *world) useful() (n int) {
	for _, m := range w.instances {
		if m.ended.IsZero() && !m.foreign && !m.deaf && !m.stuck {
			n++
		}
	}
	return n
}

func (w *world) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.alive())
}

// asked is how often Launch was called.
func (w *world) asked() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.launches
}

func (w *world) running(m *machine) bool {
	return m.ended.IsZero() && !m.stuck && time.Since(m.Launched) >= m.boot
}

// Eval is the metric.
func (w *world) Eval(_ context.Context, _ string, at time.Time) ([]rrd.Value, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.missing {
		return nil, nil
	}
	n := 0
	for _, m := range w.instances {
		if w.running(m) && !m.deaf && m.group != elsewhere && time.Since(m.Launched) >= m.boot+w.lag {
			n++
		}
	}
	return []rrd.Value{{Time: rrd.At(at), Value: w.demand / float64(max(n, 1))}}, nil
}

// The fleet: each running machine is heard of at every moment.

func (w *world) LastSeen(host string) (time.Time, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.byDNS[host]
	switch {
	case m == nil || m.deaf || m.stuck:
		return time.Time{}, false
	case w.blackout.what&darkHearts != 0:
		return w.blackout.since, w.blackout.since.Sub(m.Launched) >= m.boot
	case !m.ended.IsZero():
		return m.ended, m.ended.Sub(m.Launched) >= m.boot
	case !m.silentSince.IsZero():
		return m.silentSince, true
	}
	return time.Now().Add(w.off), w.running(m)
}

func (w *world) Withdraw(host, _ string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.withdrawn[host] = true
}

func (w *world) Expect(host string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.withdrawn, host)
}

func (w *world) Bind(string, string) {}
func (w *world) Over(string, string) {}

// Others implements Listener.
func (w *world) Others([]string, Group) Ears {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.others
}

// A session is what one life of the controller sees of the world. After its
// crash nothing that it does has an effect any more, except what was already
// on its way.
type session struct {
	*world
	book    *state.Journal // of its data directory
	kill    context.CancelFunc
	dead    bool
	appends int // journal records until the crash; 0: none
	after   bool
	calls   int // changing calls until the crash; 0: none
}

var errDead = errors.New("the process is gone")

// crash ends the session. Callers hold w.mu.
func (s *session) crash() {
	s.dead = true
	s.kill()
}

// Append is the journal's, with its crash points.
func (s *session) Append(ctx context.Context, record []byte) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return 0, errDead
	}
	s.appends--
	if s.appends == 0 && !s.after {
		s.crash()
		return 0, errDead
	}
	if s.blackout.what&darkJournal != 0 {
		return 0, errors.New("no space left on device")
	}
	seq, err := s.book.Append(ctx, record)
	if err == nil {
		s.world.noted(s.books.note(s.t, record))
	}
	if s.appends == 0 {
		s.crash()
		return 0, errDead
	}
	return seq, err
}

// noted hands an entry on. Callers hold w.mu.
func (w *world) noted(e Entry) {
	if w.note != nil {
		w.note(e)
	}
}

func (s *session) After(seq uint64) iter.Seq2[state.Record, error] { return s.book.After(seq) }

func (s *session) Instances(_ context.Context, group string) ([]Instance, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rng != nil && s.rng.IntN(10) == 0 {
		return nil, faultCodes()[s.rng.IntN(len(faultCodes()))]
	}
	if s.blackout.what&darkList != 0 {
		return nil, errors.New("no route to host")
	}
	var out []Instance
	for _, m := range s.instances {
		if m.group != group || time.Now().Before(m.visible) {
			continue
		}
		i := m.Instance
		i.Tags = maps.Clone(i.Tags)
		switch {
		case !m.ended.IsZero():
			i.Phase = Terminated
		case s.running(m):
			i.Phase = Booting
		}
		out = append(out, i)
	}
	return out, nil
}

// change is what every changing call goes through: faults, delays, crashes.
func (s *session) change(ctx context.Context, known func() bool, do func() error) error {
	s.mu.Lock()
	if s.dead {
		s.mu.Unlock()
		return errDead
	}
	s.world.calls++
	meets, delay := s.nextFault()
	s.calls--
	crashBefore, crashAfter := s.calls == 0 && !s.after, s.calls == 0 && s.after
	s.mu.Unlock()
	// From here the request is on the wire: it arrives even if the process dies.
	sleep(context.WithoutCancel(ctx), delay)
	s.mu.Lock()
	defer s.mu.Unlock()
	if crashBefore {
		s.crash()
		return errDead
	}
	if err := s.refusal(meets, known()); err != nil {
		return err
	}
	if meets == late {
		time.AfterFunc(lateBy, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			_ = do()
		})
		return errors.New("timeout")
	}
	err := do()
	if crashAfter {
		s.crash()
	}
	switch {
	case s.dead || meets == lostAfter:
		return errors.New("connection reset after the work")
	case meets == page:
		return errors.New("XML syntax error: unexpected EOF")
	case meets == slow:
		s.mu.Unlock()
		<-ctx.Done()
		s.mu.Lock()
		return ctx.Err()
	case meets >= firstCode: // unclear, and done
		return faultCodes()[int(meets-firstCode)%len(faultCodes())]
	}
	return err
}

// refusal is the error of a request that does nothing. A launch that was made
// already (known) is answered as it was, whatever room there is now.
func (w *world) refusal(f fault, known bool) error {
	err := refusals[f]
	if f >= firstCode {
		codes := faultCodes()
		n := int(f - firstCode)
		if n >= len(codes) {
			return nil
		}
		err = codes[n]
	}
	if failure := failureOf(err); known && (failure == NoRoom || failure == Permanent) && w.rng != nil {
		return nil
	}
	return err
}

// lateBy is how long a late request is on its way after it was given up.
const lateBy = 8 * time.Second

var refusals = map[fault]error{
	throttled:  &CallError{Failure: Throttled, Code: "RequestLimitExceeded", Err: errors.New("slow down")},
	noRoom:     &CallError{Failure: NoRoom, Code: "InsufficientInstanceCapacity", Err: errors.New("no room")},
	denied:     &CallError{Failure: Denied, Code: "AuthFailure", Err: errors.New("who?")},
	lostBefore: errors.New("connection reset before the work"),
}

// nextFault takes what the test has laid out, else what chance gives. Callers
// hold w.mu.
func (w *world) nextFault() (f fault, delay time.Duration) {
	if len(w.faults) > 0 {
		f, w.faults = w.faults[0], w.faults[1:]
		return f, 0
	}
	if w.rng == nil {
		return fine, 0
	}
	if w.rng.IntN(5) < 2 {
		return fine, time.Duration(w.rng.IntN(2500)) * time.Millisecond
	}
	all := allFaults()
	return all[w.rng.IntN(len(all))], time.Duration(w.rng.IntN(2500)) * time.Millisecond
}

func (s *session) Launch(ctx context.Context, l Launch) (out []Instance, request string, err error) {
	s.mu.Lock()
	s.launches++
	full := s.full != nil && len(l.Pools) > 0 && s.full(l.Pools[0])
	s.mu.Unlock()
	if full {
		return nil, "", refusals[noRoom]
	}
	err = s.change(ctx, func() bool { return s.tokens[l.Token] != nil }, func() error {
		ids, again := s.tokens[l.Token]
		if !again {
			n, hidden := l.Count, s.hide
			if s.most > 0 {
				n = min(n, s.most)
			}
			if s.rng != nil {
				n, hidden = 1+s.rng.IntN(l.Count), time.Duration(s.rng.IntN([]int{1, 30, 301}[s.rng.IntN(3)]))*time.Second
			}
			ids = s.add(n, l.Group, l.Tags, hidden)
			s.tokens[l.Token] = ids
			for _, id := range ids {
				if m := s.instances[id]; len(l.Pools) > 0 {
					m.Type, m.Zone, m.Market = l.Pools[0].Type, l.Pools[0].Zone, l.Pools[0].Market
				}
			}
		}
		for _, id := range ids {
			out = append(out, s.instances[id].Instance)
		}
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	return out, "req-" + l.Token, nil
}

func (s *session) Terminate(ctx context.Context, group string, ids []string) (request string, err error) {
	s.mu.Lock()
	s.checkVictims(group, ids)
	s.mu.Unlock()
	err = s.change(ctx, func() bool { return false }, func() error {
		for _, id := range ids {
			if m := s.instances[id]; m == nil || m.group != group || m.Protected() {
				return &CallError{Failure: Permanent, Code: "Refused", Err: fmt.Errorf("%s is not the group's, or protected", id)}
			}
		}
		for _, id := range ids {
			if m := s.instances[id]; m.ended.IsZero() {
				m.ended = time.Now()
			}
		}
		return nil
	})
	return "req-t", err
}

// A life is one run of a controller.
type life struct {
	*Controller
	*session
	cancel context.CancelFunc
	done   chan struct{}
}

// seenAs is the session as the controller's cloud.
func (w *world) seenAs(s *session) Cloud {
	if w.wrap == nil {
		return s
	}
	return w.wrap(s)
}

// live starts a controller in the world.
func (w *world) live(c Config) *life {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	s := &session{world: w, book: w.store, kill: cancel}
	if w.metrics == nil {
		w.metrics = w
	}
	if w.fleet == nil {
		w.fleet = w
	}
	ctl, err := New(ctx, Options{Config: c, Cloud: w.seenAs(s), Metrics: w.metrics, Moves: w.moves, Fleet: w.fleet, Drainer: w.drainer, Journal: s, Sweeper: s, Alerts: w.alerts, Deaf: w.deaf, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		w.t.Fatal(err)
	}
	if w.steps {
		for _, g := range ctl.groups {
			g.clock.now = w.wallClock
		}
	}
	l := &life{ctl, s, cancel, make(chan struct{})}
	if w.born != nil {
		w.born(l)
	}
	go func() {
		defer close(l.done)
		if err := ctl.Run(ctx); err != nil {
			w.t.Error(err)
		}
	}()
	return l
}

func (l *life) stop() {
	l.cancel()
	<-l.done
}

// web is the group of these tests: 4 of the demand per instance is right.
func web() Config {
	c := DefaultConfig()
	c.Tick = time.Second
	c.Groups = []Group{{
		Name: "web", Mode: Act, Metric: "m", Title: "run queue", Min: 2, Max: 14,
		Out: OutPolicy{Above: 4, For: 2 * time.Second, Add: Enough}, In: InPolicy{Below: 1, For: 5 * time.Second, Remove: Enough},
		Cooldown: 10 * time.Second, Boot: 8 * time.Second, Warm: 2 * time.Second, Stale: 5 * time.Second, Silent: 10 * time.Second,
		Launch: Template{Image: "ami-1"},
	}}
	return c
}
