package alerts

import (
	"cmp"
	"container/heap"
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of looks.
const (
	gatherFor = 50 * time.Millisecond  // what moves within it is one look
	sharpGap  = 100 * time.Millisecond // between two looks at one rule, at least
	bluntGap  = 700 * time.Millisecond // the same, of a rule that every sample moves
	ruleShare = 20                     // one rule is looked at for a twentieth of the time,
	sharpMost = 500 * time.Millisecond // but a sharp one at least so often: what a check cost may be a poor guess
	allShare  = 10                     // all together for a tenth of one core
	lookBurst = 500 * time.Millisecond // what a quiet time may be saved up to, and sharp looks may take ahead
)

// slowCheck is how long a check takes that goes to the slow lane, which has
// half of the workers: so quick rules are checked in time whatever happens to
// the others.
const slowCheck = time.Second

// A place is a rule's place in an agenda.
type place struct {
	r  *runner
	at time.Time // monotonic: steps of the clock do not matter
	i  int       // in the agenda; -1: not in it
}

// An agenda has the rule that is due next in front. It implements
// heap.Interface.
type agenda []*place

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].at.Before(a[j].at) }
func (a agenda) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].i, a[j].i = i, j
}

func (a *agenda) Push(x any) {
	p := x.(*place) //nolint:forcetypeassert // only set and heap call it
	p.i = len(*a)
	*a = append(*a, p)
}

func (a *agenda) Pop() any {
	last := len(*a) - 1
	p := (*a)[last]
	(*a)[last], *a, p.i = nil, (*a)[:last], -1
	return p
}

// set puts a place in, or moves it to another time.
func (a *agenda) set(p *place, at time.Time) {
	p.at = at
	if p.i >= 0 {
		heap.Fix(a, p.i)
	} else {
		heap.Push(a, p)
	}
}

// drop takes a place out, if it is in.
func (a *agenda) drop(p *place) {
	if p.i >= 0 {
		heap.Remove(a, p.i)
	}
}

// A scheduler has rules checked when their time comes, and sooner when they
// are woken. One goroutine starts all checks, each in a goroutine of its own,
// so many at once as there are workers.
type scheduler struct {
	e     *Engine
	rules map[string]*runner // by ID
	poke  chan struct{}      // holds a token while next may come to another result

	readers []*runner     // rules that are looked at when what they read moves
	stirred chan struct{} // holds a token when the first of them has moved since gather
	stir    atomic.Bool   // whether one was put there since

	mu      sync.Mutex
	turns   agenda   // when rules are checked
	sharp   agenda   // when rules are looked at because a threshold was crossed
	blunt   agenda   // when rules are that any sample moves
	parked  []*place // turns of slow rules that wait for the slow lane
	running int
	slow    int           // of running
	budget  time.Duration // what looks may take now
	filled  time.Time     // when budget was brought forward
}

// A timing is what the scheduler knows of a rule. scheduler.mu guards it.
type timing struct {
	turn, look *place
	running    bool
	turned     bool      // had its first turn; there are no looks before
	again      bool      // woken while it was checked
	missed     bool      // has moved while it was checked
	ahead      time.Time // when what has moved can be seen, by a sender whose clock is ahead; zero: all can
	lookAfter  time.Time // no look before
	slow       bool      // its newest check was
	blunt      bool      // every sample moves it
	cost       time.Duration

	moved atomic.Int64 // newest sample that moved it, as rrd.Time; 0: none since gather
}

func newScheduler(e *Engine, rules []*runner) *scheduler {
	now := time.Now()
	s := &scheduler{e: e, rules: make(map[string]*runner, len(rules)), poke: make(chan struct{}, 1), stirred: make(chan struct{}, 1), budget: lookBurst, filled: now}
	for _, r := range rules {
		s.rules[r.Rule.ID()] = r
		r.turn, r.look = &place{r: r, i: -1}, &place{r: r, i: -1}
		s.turns.set(r.turn, now.Add(spread(r.Rule.ID(), r.interval())))
	}
	return s
}

// run has rules checked until ctx ends and the last check has.
func (s *scheduler) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	timer, gather := time.NewTimer(0), time.NewTimer(forever)
	defer timer.Stop()
	defer gather.Stop()
	for ctx.Err() == nil {
		r, look, wait := s.next(time.Now())
		if r != nil {
			wg.Go(func() { s.check(ctx, r, look) })
			continue
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-s.poke:
		case <-s.stirred:
			gather.Reset(gatherFor)
		case <-gather.C:
			s.gather(time.Now())
		case <-timer.C:
		}
	}
}

// forever is how long the scheduler sleeps when nothing is due.
const forever = time.Hour

// next takes out the rule that is to be checked now, or says how long to wait.
func (s *scheduler) next(now time.Time) (r *runner, look bool, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running >= s.e.o.Workers {
		return nil, false, forever // the end of a check pokes
	}
	s.park(now)
	wait = forever
	if len(s.turns) > 0 {
		r, wait = s.turns[0].r, s.turns[0].at.Sub(now)
	}
	unpaid := s.unpaid(now)
	for _, looks := range []agenda{s.sharp, s.blunt} {
		if len(looks) == 0 {
			continue
		}
		p, credit := looks[0], lookBurst*allShare
		if p.r.blunt {
			credit = 0
		}
		if d := max(p.at.Sub(now), unpaid-credit); d < max(wait, 1) {
			r, look, wait = p.r, true, d
		}
	}
	if wait > 0 {
		return nil, false, wait
	}
	s.start(r, now)
	return r, look, 0
}

// park takes slow rules that are due off the agenda while their lane is full.
func (s *scheduler) park(now time.Time) {
	for len(s.turns) > 0 && s.slow >= max(s.e.o.Workers/2, 1) {
		p := s.turns[0]
		if p.at.After(now) || !p.r.slow {
			return
		}
		s.turns.drop(p)
		s.parked = append(s.parked, p)
	}
}

// unpaid is how long it takes until looks have had no more than their share.
func (s *scheduler) unpaid(now time.Time) time.Duration {
	s.budget = min(s.budget+now.Sub(s.filled)/allShare, lookBurst)
	s.filled = now
	return max(0, -s.budget*allShare)
}

// looks is the agenda of looks that a rule belongs to.
func (s *scheduler) looks(r *runner) *agenda {
	if r.blunt {
		return &s.blunt
	}
	return &s.sharp
}

func (s *scheduler) start(r *runner, now time.Time) {
	s.turns.drop(r.turn)
	s.looks(r).drop(r.look)
	r.running = true
	if r.Waits {
		return // it needs a free place to begin, and takes none
	}
	s.running++
	if r.slow {
		s.slow++
	}
}

// note takes down how long a check took. What it costs is guessed from the
// quickest of the newest: the others have waited for a core.
func (t *timing) note(took time.Duration, now time.Time) {
	if t.cost == 0 {
		t.cost = took
	}
	t.cost = min(took, t.cost+t.cost/4)
	gap := min(max(sharpGap, ruleShare*t.cost), sharpMost)
	if t.blunt {
		gap = max(bluntGap, ruleShare*t.cost)
	}
	t.lookAfter = now.Add(gap)
}

// check checks a rule, and puts it in its next place.
func (s *scheduler) check(ctx context.Context, r *runner, look bool) {
	began := time.Now()
	took := s.e.check(ctx, r, look)
	now := time.Now()
	next := r.turn.at
	if !look {
		next = nextTurn(r, next, now)
	}
	s.done(r, look, s.e.wanted(r, next, now), took, began)
}

func (s *scheduler) done(r *runner, look bool, next time.Time, took time.Duration, began time.Time) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !r.Waits {
		s.running--
	}
	if r.slow {
		s.slow--
		for _, p := range s.parked {
			s.turns.set(p, p.at)
		}
		s.parked = s.parked[:0]
	}
	r.note(took, now)
	if look {
		s.unpaid(now)
		s.budget -= r.cost
	}
	if r.again {
		next = now
	}
	s.turns.set(r.turn, next)
	r.turned = r.turned || !look
	r.slow = took > slowCheck && !r.Waits
	r.running, r.again = false, false
	s.lookAgain(r, began, now)
	s.wakeUp()
}

func (s *scheduler) wakeUp() {
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

// wake gives a rule its turn now, or once more where it is being checked.
func (s *scheduler) wake(r *runner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.running {
		r.again = true
	} else if now := time.Now(); r.turn.i >= 0 && r.turn.at.After(now) {
		s.turns.set(r.turn, now)
		s.wakeUp()
	}
}

// Wake has a rule checked now, as if its time had come: for those who know
// that it has something new to say, such as a result that was sent to us. What
// wakes it while it waits for its check is one check. It does not wait, and
// says whether there is such a rule.
func (e *Engine) Wake(rule string) bool {
	s := e.scheduler.Load()
	if s == nil || s.rules[rule] == nil {
		return false
	}
	s.wake(s.rules[rule])
	return true
}

// interval is Interval with its default.
func (s Supervised) interval() time.Duration { return cmp.Or(max(s.Interval, 0), DefaultInterval) }

// nextTurn is when a rule is checked that was due at a time and is checked by
// now: after its interval. Turns that a long check or a pause of the machine has
// missed are not made up for.
func nextTurn(r *runner, due, now time.Time) time.Time {
	pause := r.interval()
	next := due.Add(pause)
	if late := now.Sub(next); late >= 0 {
		next = next.Add(late.Truncate(pause) + pause)
	}
	return next
}

// wanted is a rule's next turn, or sooner where one of its states wants it so;
// see [Policy.Next].
func (e *Engine) wanted(r *runner, turn, now time.Time) time.Time {
	wait := turn.Sub(now)
	if wait <= 0 {
		return turn
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	least := wait
	for _, rec := range r.records {
		least = min(least, r.Policy.Next(rec.state, now, wait))
	}
	return now.Add(least)
}
