package alerts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"rondo/alerts/state"
	"rondo/rrd"
)

// Keys in the state store.
const (
	statePrefix   = "alert/state/"
	silencePrefix = "alert/silence/"
	outPrefix     = "alert/out/"
	historyPrefix = "alert/history"
)

// DefaultInterval is how often a rule is checked that does not say.
const DefaultInterval = 10 * time.Second

// Supervised is a rule and how it is supervised.
type Supervised struct {
	Rule        Rule
	Policy      Policy            // its Rule, Interval and Gap are filled in by the Engine
	Interval    time.Duration     // between checks; 0: DefaultInterval
	Timeout     time.Duration     // of one check; 0: 10 s
	Expr        string            // what is checked, for people
	Query       string            // the same as PromQL, of a rule that reads metrics
	Filter      string            // or as a filter of messages, of one that reads logs
	Labels      map[string]string // that the rule adds to its readings, for people
	Annotations map[string]string // handed on with every transition
	Forget      time.Duration     // a label set missing for so long is closed; 0: as Options says

	// Waits says that a check spends its time waiting for a process or for the
	// network, and bounds itself: it takes none of Options.Workers.
	Waits bool
	// Passive says that the rule is not shown while it has no label set: nothing
	// is wrong with one that waits for others.
	Passive bool
	// Keeps says which label sets stay as they are while checks do not mention
	// them, since their readings come by [Engine.Submit]. [none]
	Keeps func(rrd.Labels) bool
}

// policy is Policy with what the Engine fills in. Three checks may fail to come,
// or one take its time, before a clock starts again.
func (s Supervised) policy() Policy {
	p := s.Policy
	p.Rule, p.Interval = s.Rule.ID(), s.interval()
	p.Gap = max(3*p.Interval, 3*p.Retry, 2*s.Timeout, time.Minute)
	return p
}

// A Target is an action that is told all hard changes. Its name is the key of
// its part of the outbox: under a new name it is a new target.
type Target struct {
	Name   string
	Action Action
}

// Options of an Engine. Zero values mean what stands in brackets.
type Options struct {
	Log   *slog.Logger // [quiet]
	Store state.Store
	// Moves tells when series move, which has the rules looked at that read
	// them. [rules are checked at their intervals only]
	Moves rrd.Watcher
	// Withdrawn says whether a label set belongs to something that was taken
	// away on purpose: its states are closed without a problem. [nothing is]
	Withdrawn func(rrd.Labels) bool
	// Leaving says whether a label set belongs to something that is about to be
	// taken away: its states stay as they are, and no new one begins. [nothing is]
	Leaving   func(rrd.Labels) bool
	Muting    Muting
	Series    rrd.Appender  // takes the history of states, see StatusSeries [none]
	Workers   int           // checks at the same time [8]
	MaxStates int           // label sets of all rules; readings of more are refused, counted [20,000]
	MaxOutbox int           // entries per target; the oldest goes, counted [20,000: one for each state]
	History   int           // transitions kept for Transitions [10,000]
	Forget    time.Duration // a label set missing for so long is closed [24 h]
	Tolerate  time.Duration // a check that has failed for less than this changes no state [0]
	Settle    time.Duration // after a start or a step of the clock, label sets not seen since are not yet missing [0]
	Expire    time.Duration // a transition is told no more when it was in the outbox for so long [24 h]
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With("component", "alerts")
	if o.Withdrawn == nil {
		o.Withdrawn = func(rrd.Labels) bool { return false }
	}
	if o.Leaving == nil {
		o.Leaving = func(rrd.Labels) bool { return false }
	}
	for p, d := range map[*int]int{&o.Workers: 8, &o.MaxStates: 20_000, &o.MaxOutbox: 20_000, &o.History: 10_000} {
		if *p <= 0 {
			*p = d
		}
	}
	for _, p := range []*time.Duration{&o.Forget, &o.Expire} {
		if *p <= 0 {
			*p = 24 * time.Hour
		}
	}
	return o
}

// An Engine checks rules, keeps their states and tells hard changes.
type Engine struct {
	o       Options
	stats   Stats
	history *state.Journal
	changed chan struct{} // Reload to Run: rules or targets are new

	deciding  sync.Mutex                // held while silences and downtimes change, from the store to memory
	scheduler atomic.Pointer[scheduler] // of the present rules; nil before Run

	mu         sync.RWMutex // guards what is below, and the records of runners
	rules      map[string]*runner
	queues     map[string]*queue
	silences   map[string]Silence
	downtimes  map[string]Downtime
	relations  relations
	written    chronicle
	steadiness steadiness
	pending    map[stateID]MuteReason // states with something to tell that is muted
	recent     []Transition           // oldest first
	states     int                    // records of all rules
	outSeq     uint64
	dropped    []string // keys of entries that overflowed, still stored
}

// NewEngine loads the states and the outbox and takes rules and targets as
// Reload does. It checks nothing and tells nothing before Run.
func NewEngine(o Options, rules []Supervised, targets []Target) (*Engine, error) {
	o = o.withDefaults()
	history, err := state.OpenJournal(o.Store, historyPrefix, o.History)
	if err != nil {
		return nil, fmt.Errorf("alerts: history: %w", err)
	}
	e := &Engine{
		o: o, history: history, changed: make(chan struct{}, 1),
		rules: make(map[string]*runner), queues: make(map[string]*queue), silences: make(map[string]Silence),
		downtimes: make(map[string]Downtime), pending: make(map[stateID]MuteReason),
	}
	for _, load := range []func() error{e.loadStates, e.loadSilences, e.loadDowntimes, e.loadHistory, e.loadOutbox} {
		if err := load(); err != nil {
			return nil, err
		}
	}
	if err := e.SetMuting(o.Muting); err != nil {
		return nil, err
	}
	return e, e.Reload(rules, targets)
}

// loaded calls f with every value under a prefix. What is damaged is logged
// and left out, so that the rest starts.
func (e *Engine) loaded(prefix string, f func(key string, value []byte) error) error {
	for entry, err := range e.o.Store.Scan(state.Range{Prefix: prefix}) {
		if err == nil {
			err = f(entry.Key, entry.Value)
		} else if !errors.Is(err, state.ErrCorrupt) {
			return fmt.Errorf("alerts: load: %w", err)
		}
		if err != nil {
			e.o.Log.Error("stored entry is unreadable and left out", "key", entry.Key, "err", err)
		}
	}
	return nil
}

func (e *Engine) loadStates() error {
	return e.loaded(statePrefix, func(_ string, value []byte) error {
		rule, rec, err := decodeRecord(value)
		if err != nil {
			return err
		}
		r := e.rules[rule]
		if r == nil {
			// A runner without a rule, until Reload finds the rule or closes it.
			r = &runner{Supervised: Supervised{Rule: vanished(rule), Policy: Policy{Rule: rule}}, records: make(map[string]record)}
			e.rules[rule] = r
		}
		r.records[rec.labels.String()] = rec
		e.states++
		return nil
	})
}

// vanished stands for a rule of which only the states are left.
type vanished string

func (v vanished) ID() string { return string(v) }

// Check implements Rule; it is never called.
func (v vanished) Check(context.Context, time.Time) ([]Reading, error) { return nil, nil }

func (e *Engine) loadSilences() error {
	return e.loaded(silencePrefix, func(_ string, value []byte) error {
		var s Silence
		if err := json.Unmarshal(value, &s); err != nil {
			return err
		}
		e.silences[s.ID] = s
		return nil
	})
}

func (e *Engine) loadHistory() error {
	return e.loaded(historyPrefix+"/", func(_ string, value []byte) error {
		var t Transition
		if err := json.Unmarshal(value, &t); err != nil {
			return err
		}
		e.recent = append(e.recent, t)
		return nil
	})
}

func (e *Engine) loadOutbox() error {
	return e.loaded(outPrefix, func(key string, value []byte) error {
		it, err := decodeItem(key, value)
		if err != nil {
			return err
		}
		name, seq, err := parseOutKey(key)
		if err != nil {
			return err
		}
		e.outSeq = max(e.outSeq, seq)
		e.queue(name).items = append(e.queue(name).items, it)
		return nil
	})
}

// queue returns a target's queue, and makes it where there is none. The
// caller holds e.mu, or is NewEngine.
func (e *Engine) queue(name string) *queue {
	q := e.queues[name]
	if q == nil {
		q = &queue{name: name, wake: make(chan struct{}, 1)}
		e.queues[name] = q
	}
	return q
}

// Reload replaces all rules and targets. States go on by rule ID and labels;
// those of rules that are gone are closed, and outboxes of targets that are
// gone are kept until their entries expire, should the target come back. When
// it returns an error that names a rule or target, nothing has changed.
func (e *Engine) Reload(rules []Supervised, targets []Target) error {
	if err := validate(rules, targets); err != nil {
		return err
	}
	next := make(map[string]*runner, len(rules))
	for _, s := range rules {
		s.Policy = s.policy()
		next[s.Rule.ID()] = &runner{Supervised: s, records: make(map[string]record)}
	}
	e.mu.Lock()
	for _, q := range e.queues {
		q.action = nil
	}
	for _, t := range targets {
		e.queue(t.Name).action = t.Action
	}
	e.mu.Unlock()
	err := e.replace(next)
	select {
	case e.changed <- struct{}{}:
	default:
	}
	return err
}

// replace hands the records of the present runners on to the next ones.
func (e *Engine) replace(next map[string]*runner) error {
	var errs []error
	for _, old := range e.runners() {
		old.mu.Lock()
		if r := next[old.Rule.ID()]; r != nil {
			e.mu.Lock()
			r.records = old.records
			e.mu.Unlock()
		} else if err := e.closeAll(old, "the rule was removed"); err != nil {
			errs = append(errs, err)
		}
		old.gone = true
		old.mu.Unlock()
	}
	e.mu.Lock()
	e.rules = next
	e.relate(e.relations.dependencies)
	e.mu.Unlock()
	return errors.Join(errs...)
}

func validate(rules []Supervised, targets []Target) error {
	var errs []error
	seen := make(map[string]bool)
	for _, s := range rules {
		id := s.Rule.ID()
		switch {
		case id == "" || len(id) > 200 || strings.ContainsFunc(id, func(r rune) bool { return !unicode.IsPrint(r) }):
			errs = append(errs, fmt.Errorf("alerts: rule name %q: want 1 to 200 printable characters", id))
		case seen[id]:
			errs = append(errs, fmt.Errorf("alerts: there are two rules named %q", id))
		}
		seen[id] = true
		if err := s.Policy.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("alerts: rule %s: %w", id, err))
		}
	}
	clear(seen)
	for _, t := range targets {
		if t.Name == "" || len(t.Name) > 200 || strings.Contains(t.Name, "/") || seen[t.Name] || t.Action == nil {
			errs = append(errs, fmt.Errorf("alerts: target name %q: want a unique one without a slash", t.Name))
		}
		seen[t.Name] = true
	}
	return errors.Join(errs...)
}

// Run checks rules and tells transitions until ctx ends, and returns nil when
// all that it started has ended. It must be called once.
func (e *Engine) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		e.generation(ctx)
	}
	return nil
}

// generation runs the present rules and targets until they are replaced or
// ctx ends.
func (e *Engine) generation(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	rules := e.runners()
	s := newScheduler(e, rules)
	e.scheduler.Store(s)
	s.listen(rules)
	wg.Go(func() { s.run(ctx) })
	for _, q := range e.live() {
		wg.Go(func() { e.deliver(ctx, q) })
	}
	if e.o.Series != nil {
		wg.Go(func() { e.write(ctx) })
	}
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	muted := time.NewTicker(releaseParents)
	defer muted.Stop()
	for looks := 1; ; {
		select {
		case <-ctx.Done():
			return
		case <-e.changed:
			return
		case now := <-minute.C:
			e.dropSilences(ctx, now)
			e.dropDowntimes(ctx, now)
			e.sweep(ctx, now)
			e.chronicleAll(now)
		case now := <-muted.C:
			e.release(ctx, now, looks%releaseAll == 0)
			looks++
		}
	}
}

// live returns the queues that have an action.
func (e *Engine) live() (qs []*queue) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	for _, q := range e.queues {
		if q.action != nil {
			qs = append(qs, q)
		}
	}
	return qs
}

// runners returns the present rules, sorted by ID.
func (e *Engine) runners() []*runner {
	e.mu.RLock()
	defer e.mu.RUnlock()
	out := make([]*runner, 0, len(e.rules))
	for _, id := range slices.Sorted(maps.Keys(e.rules)) {
		out = append(out, e.rules[id])
	}
	return out
}

// Stats returns the live counters.
func (e *Engine) Stats() *Stats { return &e.stats }

// spread is where within its interval a rule is checked: the same place in
// every run, another for every rule, so that checks do not come in bursts.
func spread(rule string, interval time.Duration) time.Duration {
	h := fnv.New32a()
	h.Write([]byte(rule))
	within := min(interval, DefaultInterval)
	return time.Duration(float64(within) * float64(h.Sum32()) / (1 << 32))
}
