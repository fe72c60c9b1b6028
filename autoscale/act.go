package autoscale

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Limits of a call that changes something.
const (
	callTimeout  = 30 * time.Second
	stopGrace    = 5 * time.Second  // for a call that is under way when rondo stops
	settleBefore = 15 * time.Minute // an older unclear launch is not asked for again: the need has passed
)

// carryOut does the most urgent thing: settle what is unclear, then the
// decision, then what drains.
func (g *group) carryOut(ctx context.Context, now time.Time, d Decision) {
	may := g.mayCall()
	blind := g.listing.err != nil
	if d.Acts() && d.Replaces != "" && g.holdVet(ctx, now, d, []string{d.Replaces}) {
		return
	}
	switch {
	case g.calling == "" && g.memory.isOld(now) && now.Sub(g.memory.Doubt) > doubtLasts && !blind:
		g.settle(ctx, now)
	case g.memory.Open != nil && may && g.launching.left(now) == 0 && !g.memory.isOld(now):
		g.record(ctx, d)
		g.retry(ctx, now)
		return
	case d.Acts() && !g.claimed(ctx, &d):
		g.record(ctx, d)
	case d.Acts() && d.Direction == Out:
		g.scaleOut(ctx, now, d)
		return
	case d.Acts() && d.Replaces != "":
		g.retire(ctx, now, d)
	case d.Acts() && d.Refresh != "":
		g.retireStale(ctx, now, d)
	case d.Acts():
		g.scaleIn(ctx, now, d)
	default:
		g.record(ctx, d)
	}
	if g.calling == "" && g.memory.Open == nil && !blind {
		g.endDrains(ctx, now, may && g.ending.left(now) == 0)
		if may && g.calling == "" && g.ending.left(now) == 0 {
			g.retag(ctx, now)
		}
	}
}

// isOld says whether the unclear launch is too old to be asked for again: what
// its newest request has done is awaited, then it is settled.
func (m *memory) isOld(now time.Time) bool {
	return m.Open != nil && now.Sub(m.Open.At) > settleBefore
}

// write appends an entry and takes it over. Callers hold g.mu.
func (g *group) write(ctx context.Context, e Entry) error {
	e.Group = g.Name
	if e.At.IsZero() {
		e.At = g.clock.time()
	}
	// A command that is given up on half-way must not leave the journal in doubt.
	e, err := g.journal.Append(context.WithoutCancel(ctx), e)
	if err != nil {
		g.counts.add("journal_failed", 1)
		return err
	}
	g.memory.apply(e)
	return nil
}

// snapshot writes all that the group's entries amount to before the journal,
// which keeps a number of entries of all groups, drops the oldest of them.
// Callers hold g.mu.
func (g *group) snapshot(ctx context.Context) {
	seq := g.journal.Seq()
	if seq-g.snapped < uint64(g.keep/4) {
		return
	}
	g.snapped = seq
	g.note(ctx, Entry{Kind: KindSnapshot, State: g.memory})
}

// record takes a decision that does nothing. Runs of the same are one; a run
// is journalled when it ends.
func (g *group) record(ctx context.Context, d Decision) {
	if g.now.Count > 0 && sameRun(g.now, d) {
		d.Count, d.First = g.now.Count+1, g.now.First
		g.now = d
		return
	}
	g.endRun(ctx)
	d.Count, d.First = 1, d.At
	g.now = d
	g.log.Debug("decision", "code", d.Code, "reason", d.Reason, "held", d.Held)
}

// endRun journals the open run of a non-decision.
func (g *group) endRun(ctx context.Context) {
	if g.now.Count == 0 {
		return
	}
	run := g.now
	g.now = Decision{}
	g.note(ctx, Entry{Kind: KindDecided, At: run.At, Decision: &run})
}

// begin writes the entry that must be on disk before anything is done. Where
// it cannot be written nothing is done, and the decision says so.
func (g *group) begin(ctx context.Context, d Decision, e Entry) bool {
	g.endRun(ctx)
	e.At, e.Decision = d.At, &d
	if err := g.write(ctx, e); err != nil {
		hold(&d, []Guard{blocked("journal", "%v", err)})
		g.record(ctx, d)
		g.launching.fail(d.At, err)
		return false
	}
	g.now = d
	g.log.Info("scale "+string(d.Direction), "from", d.From, "to", d.To, "reason", d.Reason, "decision", d.ID)
	return true
}

// attempt returns an ID that no other attempt has, here or with another data
// directory: it is made of the journal's newest hash, the group and the time.
func (g *group) attempt(now time.Time) string { return g.journal.attempt(g.Name, now) }

func (j *Journal) attempt(group string, now time.Time) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %d", j.Hash(), group, now.UnixNano()))
	return hex.EncodeToString(sum[:16])
}

// scaleOut takes back what drains, then launches the rest.
func (g *group) scaleOut(ctx context.Context, now time.Time, d Decision) {
	d.ID = g.attempt(now)
	n := d.To - d.From
	if back := g.draining(n); len(back) > 0 {
		n -= len(back)
		d.Instances = back
		if !g.begin(ctx, d, Entry{Kind: KindReclaim, Instances: back, Text: d.Reason}) {
			return
		}
		g.expect(back)
		d.ID, d.Instances = g.attempt(now.Add(1)), nil
	}
	if n == 0 {
		return
	}
	l, why := g.nextLaunch(now, n, d.ID)
	if why != "" {
		d.Reason += "; " + why
	}
	if g.begin(ctx, d, Entry{Kind: KindLaunch, Attempt: d.ID, Launch: &l}) {
		g.launch(ctx, now, l, d.ID, false)
	}
}

// present counts the instances that are there, or on their way, whatever they
// are good for.
func (g *group) present() (n int) {
	for _, i := range g.instances {
		switch i.Phase {
		case Pending, Booting, InService, Silent, Draining, Replaced:
			n++
		case Terminating, Stopped, Terminated:
		}
	}
	return n
}

// draining returns up to n instances that drain, the newest first.
func (g *group) draining(n int) (ids []string) {
	for _, i := range slices.Backward(g.memory.Refresh.backable(g.instances)) {
		if len(ids) < n {
			ids = append(ids, i.ID)
		}
	}
	return ids
}

// retry asks again for the launch whose outcome is unclear, with its own token
// and exactly as it was.
func (g *group) retry(ctx context.Context, now time.Time) {
	open := g.memory.Open
	g.launch(ctx, now, *open.Launch, open.Attempt, true)
}

// launch makes the call.
func (g *group) launch(ctx context.Context, now time.Time, l Launch, attempt string, again bool) {
	if !again {
		g.owe(l)
	}
	g.call(ctx, now, fmt.Sprintf("launch of %d", l.Count), &g.launching, func(ctx context.Context) Entry {
		got, request, err := g.ask(ctx, l)
		e := launched(l, got, attempt, request, err)
		e.Again, e.Ordered = again, l.ordered(got, err)
		g.counts.add("launched", len(got)+e.Ordered)
		return e
	})
}

// maxUserData is what EC2 takes.
const maxUserData = 16 << 10

// ask makes the call of a launch, with its user data filled in. Where that
// fails nothing was asked for.
func (g *group) ask(ctx context.Context, l Launch) ([]Instance, string, error) {
	if g.userData == nil {
		return g.cloud.Launch(ctx, l)
	}
	text, err := g.userData(ctx, l)
	if err == nil && len(text) > maxUserData {
		err = fmt.Errorf("%d bytes, EC2 takes %d", len(text), maxUserData)
	}
	if err != nil {
		return nil, "", &CallError{Failure: Permanent, Code: "UserData", Err: err}
	}
	l.Template.UserData = text
	return g.cloud.Launch(ctx, l)
}

// settle closes an old unclear launch by what the cloud shows under its tag.
func (g *group) settle(ctx context.Context, now time.Time) {
	open := g.memory.Open
	e := Entry{Kind: KindOutcome, At: now, Attempt: open.Attempt, Instances: g.launchedBy(open.Attempt)}
	switch {
	case g.ASG != "":
		e.Ordered = open.Launch.Count // if it was, it is listed
	case len(e.Instances) == 0:
		e.Failure, e.Text = Permanent, fmt.Sprintf("failed: nothing that carries its tag is to be seen after %s", span(now.Sub(open.At)))
	}
	g.note(ctx, e)
}

// scaleIn chooses who goes. They are terminated when they have drained.
func (g *group) scaleIn(ctx context.Context, now time.Time, d Decision) {
	choose, n := g.victims, d.From-d.To
	switch d.Code {
	case codeBudget:
		choose = g.dispensable
	case codeDown:
		within, _ := g.bounded(g.Group)
		choose, n = within.leavers, g.MaxStep
	}
	chosen := g.staleFirst(choose)(g.instances, n, g.sessions, now)
	if len(chosen) == 0 {
		hold(&d, []Guard{blocked("protected", "all instances in service are protected by their tag %s or by the cloud, or the last of their zone", TagProtect)})
		g.record(ctx, d)
		return
	}
	ids, why := make([]string, len(chosen)), make([]string, len(chosen))
	for i, v := range chosen {
		ids[i], why[i] = v.id, v.why
	}
	if g.holdVet(ctx, now, d, ids) {
		return
	}
	if d.Code != codeDown && len(ids) < n {
		d.Reason += fmt.Sprintf("; only %d of %d may go, the rest is protected or the last of its zone", len(ids), n)
	}
	left := d.From - len(ids)
	if d.Code == codeDown {
		left = max(left, d.To) // the silent go too, and are no capacity
	}
	d.ID, d.To, d.Instances = g.attempt(now), left, ids
	d.Reason += "; " + strings.Join(why, ", ")
	d.Outcome = "draining"
	if !g.begin(ctx, d, Entry{Kind: KindDrain, Instances: ids}) {
		return
	}
	for i := range g.instances {
		if slices.Contains(ids, g.instances[i].ID) {
			g.instances[i].Phase = Draining
		}
	}
}

// call runs f on its own, journals what became of it, lengthens or ends the
// backoff and wakes the group. Callers hold g.mu.
func (g *group) call(ctx context.Context, now time.Time, what string, wait *backoff, f func(context.Context) Entry) {
	g.calling, g.since = what, now
	g.calls.Go(func() {
		callCtx, cancel := patient(ctx)
		defer cancel()
		e := Entry{}
		if err := g.pace.Wait(callCtx); err != nil {
			e = Entry{Kind: KindOutcome, Failure: Unclear, Text: "unclear: stopped before the call"}
		} else {
			e = f(callCtx)
		}
		g.finish(ctx, e, wait)
	})
}

// patient outlives ctx by stopGrace, so that rondo's stop does not leave
// unclear what would have been clear a second later.
func patient(ctx context.Context) (context.Context, context.CancelFunc) {
	out, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	stop := context.AfterFunc(ctx, func() {
		sleep(out, stopGrace)
		cancel()
	})
	return out, func() { stop(); cancel() }
}

// finish journals an outcome. If that fails the attempt stays open, and is
// repeated with its own token.
func (g *group) finish(ctx context.Context, e Entry, wait *backoff) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock.time()
	g.log.Info("call ended", "call", g.calling, "failure", e.Failure, "text", e.Text, "request", e.RequestID, "instances", e.Instances)
	e.At, g.calling, g.changed = now, "", true
	err := g.write(ctx, e)
	if err != nil {
		g.log.Error("journal", "err", err)
	}
	if e.Failure != "" {
		g.counts.add("call_failed_"+string(e.Failure), 1)
		g.checked = g.checked && e.Failure != Denied // by the preflight one sees what is missing
		err = errors.New(e.Text)
	}
	if err != nil && !(len(e.Refused) > 0 && g.elsewhere(now)) {
		g.failed(wait, now, err)
	} else {
		*wait = backoff{}
	}
	g.poke()
}

// outcome is the entry of a call that returned err.
func outcome(attempt, request string, err error) Entry {
	e := Entry{Kind: KindOutcome, Attempt: attempt, RequestID: request}
	if err == nil {
		return e
	}
	e.Failure = failureOf(err)
	if ce, ok := errors.AsType[*CallError](err); ok {
		e.RequestID = ce.RequestID
	}
	word := "failed"
	if e.Failure == Unclear {
		word = "unclear"
	}
	e.Text = fmt.Sprintf("%s: %.*s", word, maxTrouble, strings.ToValidUTF8(err.Error(), "?"))
	return e
}
