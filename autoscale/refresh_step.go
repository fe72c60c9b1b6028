package autoscale

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"
)

// A refreshDo is what a refresh does next.
type refreshDo int

const (
	refreshWaits   refreshDo = iota
	refreshLaunch            // n of the target
	refreshRetire            // n of the outdated
	refreshEnds              // none is left
	refreshBackOut           // the new template is no good
	refreshPause             // it comes to nothing
)

// A refreshStep is what a refresh does next, and why.
type refreshStep struct {
	do  refreshDo
	n   int
	ids []string // to retire, where they serve nobody; else n are chosen
	why string
}

func waits(format string, args ...any) refreshStep {
	return refreshStep{why: fmt.Sprintf(format, args...)}
}

// maxRefused is how often in a row a launch of the new template may be refused
// for good.
const maxRefused = 3

// A refreshing is a refresh and what there is, as one step sees it.
type refreshing struct {
	Group
	*Refresh
	policy RefreshPolicy
	in     Input
	c      counts
	back   bool // it is backed out
	base   int  // its Base, within bounds that may have changed
	serve  int  // in service: what is on its way stands in for nobody that goes

	fresh    []Instance // of the target, alive
	stale    []Instance // to be replaced, alive
	kept     int        // to be replaced, but protected
	proven   int        // of the fresh
	unproven []Instance // of those that were launched for the refresh since the newest retirement
	wave     int        // alive of these
	since    time.Time  // when the last of them had proved itself
}

// refreshing looks at who is there.
func (g Group) refreshing(in Input, c counts) *refreshing {
	s := &refreshing{Group: g, Refresh: in.Refresh, policy: g.refreshPolicy(), in: in, c: c, back: in.Refresh.State == BackingOut}
	s.since, s.base = s.At, min(s.Base, s.Max)
	isStale := s.judge()
	for _, i := range in.Instances {
		switch i.Phase {
		case Pending, Booting, InService, Silent:
		case Draining, Replaced, Terminating, Stopped, Terminated:
			continue
		}
		if i.Phase == InService {
			s.serve++
		}
		switch {
		case isStale(i) && i.Protected():
			s.kept++
		case isStale(i):
			s.stale = append(s.stale, i)
		default:
			s.add(i)
		}
	}
	return s
}

// add counts one of the target.
func (s *refreshing) add(i Instance) {
	s.fresh = append(s.fresh, i)
	at, proved := s.provenAt(i)
	if proved {
		s.proven++
	}
	switch {
	case !slices.Contains(s.Wave, i.ID):
	case !proved:
		s.unproven = append(s.unproven, i)
		s.wave++
	default:
		s.wave++
		if at.After(s.since) {
			s.since = at
		}
	}
}

// provenAt is when an instance had served for long enough.
func (s *refreshing) provenAt(i Instance) (at time.Time, proved bool) {
	healthy := max(s.Warm, s.policy.Healthy)
	if s.back {
		healthy = s.Warm
	}
	at = i.FirstSeen.Add(healthy)
	return at, i.Phase == InService && i.Impaired.IsZero() && !i.FirstSeen.IsZero() && !at.After(s.in.Now)
}

// nextRefresh says what a refresh does next. It is pure.
func (g Group) nextRefresh(in Input, c counts) refreshStep {
	s := g.refreshing(in, c)
	if !s.back {
		if why := s.failure(); why != "" {
			return refreshStep{do: refreshBackOut, why: why}
		}
	}
	switch step := s.next(); {
	case step.do == refreshEnds || s.back:
		return step
	case s.State == RefreshPaused:
		return waits("paused: %s", s.Why)
	case step.do == refreshWaits && in.Now.Sub(s.At) > s.policy.Timeout:
		return refreshStep{do: refreshPause, why: fmt.Sprintf("nothing could be done for %s: %s", span(s.policy.Timeout), step.why)}
	default:
		return step
	}
}

// next is the next step where all is well.
func (s *refreshing) next() refreshStep {
	switch {
	case s.in.Unsettled > 0:
		return waits("a launch is unclear")
	case s.c.draining > 0 && !s.back, s.c.draining >= s.most():
		return waits("%d drain", s.c.draining)
	case len(s.stale) == 0:
		return s.ends()
	}
	if step := s.useless(); s.back && step.do == refreshRetire {
		return step
	}
	if s.wave > 0 && len(s.unproven) == 0 || s.wave == 0 && s.c.capacity > s.base {
		if step := s.retire(); step.do == refreshRetire || step.why != "" {
			return step
		}
	}
	if step := s.surge(); step.do == refreshLaunch || step.why != "" {
		return step
	}
	return s.oldFirst("max %d has no room for another", s.Max)
}

// ends is the end, where nothing is left to replace: what went first has come
// back, and proved itself.
func (s *refreshing) ends() refreshStep {
	switch missing := s.base - s.c.capacity; {
	case len(s.unproven) > 0:
		return waits("%d of %d that were launched have not served for %s yet", len(s.unproven), s.wave, span(s.policy.Healthy))
	case min(missing, s.Max-s.c.silent-s.c.capacity) > 0:
		return s.surge()
	}
	why := fmt.Sprintf("%d launched, %d retired", s.Launched, s.Retired)
	if s.kept > 0 {
		why += fmt.Sprintf("; %d outdated are protected, and stay", s.kept)
	}
	return refreshStep{do: refreshEnds, why: why}
}

// useless lets those of a template that is backed out go which serve nobody, as
// many as go at once.
func (s *refreshing) useless() refreshStep {
	step := refreshStep{}
	for _, i := range s.stale {
		counts := i.Phase == Pending || i.Phase == Booting
		listed := len(i.Tags) > 0 // what the cloud does not show yet cannot be ended
		if i.Phase == InService || !listed || counts && s.c.capacity-step.n <= s.Min || len(step.ids) >= s.most() {
			continue
		}
		if counts {
			step.n++
		}
		step.do, step.ids = refreshRetire, append(step.ids, i.ID)
	}
	step.why = fmt.Sprintf("%d of the new template do not serve", len(step.ids))
	return step
}

// most is how many may be changed at once.
func (s *refreshing) most() int { return min(s.policy.Batch.of(s.base), s.MaxStep) }

// size is how many the present wave has: the canaries first.
func (s *refreshing) size() int {
	if canary := s.canaries(); !s.back && s.proven < canary {
		return min(canary, s.MaxStep)
	}
	return s.most()
}

// canaries are as many as are tried first, of a small group no more than it has.
func (s *refreshing) canaries() int { return min(s.policy.Canary, max(s.base, 1)) }

// retire lets as many outdated ones go as were launched beyond what the load
// wants. Nothing is said where the load wants them all by now.
func (s *refreshing) retire() refreshStep {
	if s.proven < s.canaries() && !s.back {
		return refreshStep{}
	}
	n := min(s.serve-s.base, len(s.serving()), s.most())
	if s.wave > 0 {
		n = min(n, s.wave)
	}
	if n <= 0 {
		return refreshStep{}
	}
	if left := s.rest(); left > 0 {
		return waits("%d of the new template have proved themselves, %d outdated go in %s", s.proven, n, span(left))
	}
	if n = s.spared(n); n == 0 {
		return refreshStep{}
	}
	return refreshStep{do: refreshRetire, n: n, why: fmt.Sprintf("%d of the %s template serve, %d are %s", s.proven, s.words("new", "old"), len(s.stale), s.words("outdated", "of the new one"))}
}

// words are one thing while instances are refreshed, and another while that is
// backed out.
func (s *refreshing) words(forth, back string) string {
	if s.back {
		return back
	}
	return forth
}

// rest is what is left of the pause.
func (s *refreshing) rest() time.Duration {
	if s.back {
		return 0
	}
	return s.policy.Pause - s.in.Now.Sub(s.since)
}

// serving are the outdated that serve.
func (s *refreshing) serving() []Instance {
	return slices.DeleteFunc(slices.Clone(s.stale), func(i Instance) bool { return i.Phase != InService })
}

// surge launches beyond what the load wants, or waits for what was launched.
// Nothing is said where there is no room.
func (s *refreshing) surge() refreshStep {
	base := s.base
	if spare := s.c.capacity - base; spare > 0 && len(s.unproven) == 0 && s.serve == s.c.capacity && !s.spares(1) {
		base = s.c.capacity // the load wants them all by now
	}
	n := base + min(s.size(), s.policy.Surge.of(s.base), len(s.stale)) - s.c.capacity
	switch {
	case s.back: // no more of the old than the load wants
		n = min(n, base-s.serves(s.fresh))
	case s.proven < s.canaries():
		n = min(n, s.canaries()-s.serves(s.fresh)) // what the load has launched is a canary too
	}
	n = max(n, base-s.c.capacity) // what went first comes back
	room := s.Max - s.c.silent - s.c.capacity
	switch {
	case min(n, room) > 0 && s.back && s.Old.isZero():
		return waits("the old template is not known: put it back into the configuration")
	case min(n, room) > 0:
		n = min(n, room, s.MaxStep)
		if s.c.capacity < base {
			return refreshStep{do: refreshLaunch, n: n, why: fmt.Sprintf("%d of the %d that the load wants went first", base-s.c.capacity, base)}
		}
		return refreshStep{do: refreshLaunch, n: n, why: fmt.Sprintf("%d are %s: %d beyond the %d that the load wants", len(s.stale), s.words("outdated", "of the new template"), s.c.capacity+n-base, base)}
	case len(s.unproven) > 0:
		return waits("%d of %d that were launched have not served for %s yet", len(s.unproven), s.wave, span(s.policy.Healthy))
	case s.back && s.serves(s.fresh) < base && room > 0:
		return waits("the old template's instances are on their way")
	case !s.back && s.proven < s.canaries() && s.serves(s.fresh) >= s.canaries():
		return waits("%d of the new template have not served for %s yet", len(s.fresh)-s.proven, span(s.policy.Healthy))
	case room > 0 && len(s.serving()) == 0:
		return waits("%d outdated do not serve yet", len(s.stale))
	}
	return refreshStep{}
}

// serves counts those that are capacity.
func (s *refreshing) serves(of []Instance) (n int) {
	for _, i := range of {
		if i.Phase != Silent {
			n++
		}
	}
	return n
}

// oldFirst retires before it launches, where there is no room for both and the
// floor and the load allow.
func (s *refreshing) oldFirst(format string, args ...any) refreshStep {
	why := fmt.Sprintf(format, args...)
	n := min(s.size(), len(s.serving()))
	switch {
	case s.policy.AtMax != OldFirst:
		return waits("%s, and at_max is %s", why, s.policy.AtMax)
	case s.c.capacity < s.base:
		return waits("%s, and %d are missing already", why, s.base-s.c.capacity)
	case len(s.unproven) > 0:
		return waits("%d of %d that were launched have not served for %s yet", len(s.unproven), s.wave, span(s.policy.Healthy))
	}
	if len(s.serving()) == 0 {
		return waits("%s, and %d outdated do not serve yet", why, len(s.stale))
	}
	switch n = s.spared(n); {
	case n <= 0 && s.serve < s.c.capacity:
		return waits("%s, and %d are on their way", why, s.c.capacity-s.serve)
	case n <= 0 && s.c.capacity <= s.Min:
		return waits("%s, and min %d lets none go first: raise max by one", why, s.Min)
	case n <= 0:
		return waits("%s, and the load wants all %d", why, s.c.capacity)
	case s.wave > 0 && s.rest() > 0:
		return waits("%d of the new template have proved themselves, %d outdated go in %s", s.proven, n, span(s.rest()))
	}
	return refreshStep{do: refreshRetire, n: n, why: fmt.Sprintf("%s: %d outdated go first", why, n)}
}

// spared is how many of up to n could go without being missed: who would miss
// some would miss more.
func (s *refreshing) spared(n int) int {
	return sort.Search(n, func(k int) bool { return !s.spares(k + 1) })
}

// spares says whether neither the floor nor the load would miss n of those that
// serve. The load is asked: [Want]'s policies say whether they would want more.
func (s *refreshing) spares(n int) bool {
	if s.Single {
		return true // there is no other way: never two at once
	}
	left := s.serve - n
	if left < s.Min {
		return false
	}
	in := s.in
	in.Refresh, in.Rest, in.Instances = nil, 0, slices.Clone(in.Instances)
	for _, i := range s.serving()[:min(n, len(s.serving()))] {
		at := slices.IndexFunc(in.Instances, func(o Instance) bool { return o.ID == i.ID })
		in.Instances[at].Phase = Draining
	}
	c := s.count(in)
	c.capacity = left
	for _, p := range s.ask(c, in) {
		switch {
		case p.code == codeMissing && s.back:
		case p.code == codeMissing || p.to > left || p.policy.Kind() == ByStep && s.crowded(p, left):
			return false
		}
	}
	return true
}

// crowded says whether a step policy's metric would be above its upper threshold
// if so few shared the work.
func (s *refreshing) crowded(p plan, left int) bool {
	return wholes(p.value*float64(s.c.serving())/p.policy.Out.Above) > max(left, 1)
}

// failure says why the new template is no good; "" while it may be.
func (s *refreshing) failure() string {
	switch {
	case s.in.Alarm != "":
		return s.in.Alarm
	case s.Failed >= maxRefused:
		return fmt.Sprintf("%d launches of the new template were refused", s.Failed)
	case s.in.Deaf != "" || blocking(s.holdBoth(Input{Ears: s.in.Ears}, s.c)):
		return "" // it is us who do not hear
	}
	for _, i := range s.fresh {
		if why := s.failed(i); why != "" {
			return why
		}
	}
	if s.Launch.Spot.Share > 0 {
		return "" // Spot instances end by themselves
	}
	for _, id := range s.Wave {
		if !slices.ContainsFunc(s.in.Instances, func(i Instance) bool { return i.ID == id && i.Phase != Terminating && i.Phase != Terminated }) {
			return id + ", launched of the new template, has ended by itself"
		}
	}
	return ""
}

// failed says why an instance of the new template is no good. One that has
// proved itself and fails later is lost like any other.
func (s *refreshing) failed(i Instance) string {
	age := s.in.Now.Sub(i.Launched)
	heard := i.LastSeen.Sub(i.FirstSeen)
	late := max(overdueAfter*s.Boot, s.Boot+s.policy.Healthy) // Boot may be what former images took
	switch {
	case i.Launched.Before(s.Began):
		return ""
	case i.Phase != InService && i.LastSeen.IsZero() && age > late:
		return fmt.Sprintf("%s, launched of the new template, was never heard of in %s", i.ID, span(age))
	case i.Phase == Silent && !i.LastSeen.IsZero() && heard < s.policy.Healthy && s.c.silent <= s.c.capacity:
		return fmt.Sprintf("%s, launched of the new template, fell silent after %s", i.ID, span(heard))
	case !i.Impaired.IsZero() && i.Impaired.Sub(i.FirstSeen) < s.policy.Healthy:
		return fmt.Sprintf("%s, launched of the new template, fails its status check", i.ID)
	}
	return ""
}

// The codes of what a refresh decides.
const (
	codeRefresh = "refresh"         // launch
	codeRetire  = "refresh-retire"  // drain
	codeProving = "refresh-proving" // a scale-in waits for what has not proved itself
)

// refreshed turns the decision to change nothing into the next step of a
// refresh. The load goes first; what it does not want goes not in the place of
// an instance that has not proved itself.
func (g Group) refreshed(d Decision, in Input, c counts) Decision {
	if !in.Refresh.active() || g.refreshless() != "" { // it may have begun before the group was configured so
		return d
	}
	if d.Direction == In && d.Replaces == "" && !strings.HasPrefix(d.Code, codeBudget) {
		return g.notForUnproven(d, in, c)
	}
	if d.Direction != Stay {
		return d
	}
	if strings.HasPrefix(d.Code, codeMissing) && in.Refresh.State != BackingOut {
		d.Reason += "; the refresh waits for the metric"
		return d
	}
	switch step := g.nextRefresh(in, c); step.do {
	case refreshLaunch:
		return g.launchFresh(d, in, c, step)
	case refreshRetire:
		return g.retireStale(d, in, c, step)
	default:
		d.Reason += "; refresh: " + step.why
		return d
	}
}

// notForUnproven keeps a scale-in from counting on what has not proved itself.
func (g Group) notForUnproven(d Decision, in Input, c counts) Decision {
	n := len(g.refreshing(in, c).unproven)
	if n == 0 {
		return d
	}
	if to := d.To + n; to < d.From {
		d.Reason += fmt.Sprintf("; %d less, for so many new ones have not proved themselves yet", n)
		d.To = to
		return d
	}
	hold(&d, []Guard{blocked(codeProving, "%d that a refresh has launched have not proved themselves yet", n)})
	return d
}

// launchFresh decides to launch n of the target. Where the budget has no room
// for them, outdated ones go first.
func (g Group) launchFresh(d Decision, in Input, c counts, step refreshStep) Decision {
	out := g.refreshDecision(d, in, Out, d.From+step.n, codeRefresh, step.why)
	g.decideOut(&out, in, c, plan{})
	poor := slices.ContainsFunc(out.Guards, func(m Guard) bool { return m.Blocks && strings.HasPrefix(m.Name, "budget-") })
	if !poor {
		return out
	}
	first := g.refreshing(in, c).oldFirst("the budget has no room for another")
	if first.do == refreshRetire {
		return g.retireStale(d, in, c, first)
	}
	out.Reason += "; " + first.why
	return out
}

// retireStale decides to let n outdated ones go.
func (g Group) retireStale(d Decision, in Input, c counts, step refreshStep) Decision {
	out := g.refreshDecision(d, in, In, d.From-step.n, codeRetire, step.why)
	out.Instances = step.ids
	met := g.holdBoth(in, c)
	if watched, window := in.Now.Sub(in.Started), g.window(); watched < window && in.Refresh.State != BackingOut {
		met = append(met, blocked("started", "watching for %s only, retiring wants %s", span(watched), span(window)))
	}
	hold(&out, met)
	return out
}

// refreshDecision is a decision in place of d, about the same moment and points.
func (g Group) refreshDecision(d Decision, in Input, dir Direction, to int, code, why string) Decision {
	what := "refresh"
	if in.Refresh.State == BackingOut {
		what = "refresh is backed out"
	}
	return Decision{
		Group: d.Group, At: d.At, Direction: dir, From: d.From, To: to, Code: code, Reason: what + ": " + why,
		Points: d.Points, Saw: d.Saw, DryRun: g.Mode != Act, Refresh: in.Refresh.ID,
	}
}
