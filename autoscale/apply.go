package autoscale

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// Errors of Apply.
var (
	ErrChanged = errors.New("the decision has changed since")
	ErrNothing = errors.New("there is nothing to apply")
)

// applyWithin is how long an application may wait for the group's next look.
const applyWithin = 20 * time.Second

// An application asks that the present decision of a group in a dry run is
// carried out, once.
type application struct {
	terms  string // of the decision that was shown; "" takes what there is
	by     string
	answer chan applied
}

type applied struct {
	d   Decision
	err error
}

// Terms are what a decision comes to, to be named when it is applied: its code,
// and the capacity before and after. Figures in its reason may change meanwhile,
// these may not.
func (d Decision) Terms() string { return fmt.Sprintf("%s:%d-%d", d.Code, d.From, d.To) }

// Apply carries out the present decision of a group that is in a dry run, once,
// through the same journal, guard rails and calls as if it acted. It is refused
// with ErrChanged where the decision is not the one whose terms are given, and
// with ErrNothing where none would act.
func (c *Controller) Apply(ctx context.Context, name, terms, by string) (Decision, error) {
	g, err := c.group(name)
	if err != nil {
		return Decision{}, err
	}
	if g.Mode == Act {
		return Decision{}, fmt.Errorf("autoscale: %s: %w: the group acts by itself", name, ErrNothing)
	}
	conf := g.Group
	conf.Mode = Act
	if err := conf.Validate(); err != nil {
		return Decision{}, fmt.Errorf("%w: %w", ErrNothing, err)
	}
	a := &application{terms, clean(by, "someone"), make(chan applied, 1)}
	if !g.offer(a) {
		return Decision{}, fmt.Errorf("autoscale: %s: %w: another one is being applied", name, ErrChanged)
	}
	ctx, cancel := context.WithTimeout(ctx, applyWithin)
	defer cancel()
	select {
	case done := <-a.answer:
		return done.d, done.err
	case <-ctx.Done():
	}
	if g.takeBack(a) {
		return Decision{}, fmt.Errorf("autoscale: %s: the group did not look in time: %w", name, ctx.Err())
	}
	done := <-a.answer // it was taken at this very moment
	return done.d, done.err
}

// offer hands an application to the group's next look; false while there is one.
func (g *group) offer(a *application) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.applying != nil {
		return false
	}
	g.applying = a
	g.poke()
	return true
}

// takeBack takes an application back; false where the group has taken it.
func (g *group) takeBack(a *application) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.applying != a {
		return false
	}
	g.applying = nil
	return true
}

// carryOrApply carries the decision out, by hand where somebody asks for it.
// Callers hold g.mu.
func (g *group) carryOrApply(ctx context.Context, now time.Time, d Decision) {
	a := g.applying
	g.applying = nil
	if a == nil {
		g.carryOut(ctx, now, d)
		return
	}
	err := a.refused(d)
	if err == nil {
		d.DryRun, d.Who = false, a.by
	}
	g.carryOut(ctx, now, d)
	if err == nil && g.now.ID == "" && g.vetted.asking {
		g.applying = a // the cloud's answer wakes the group
		return
	}
	if err == nil && g.now.ID == "" {
		err = fmt.Errorf("autoscale: %s: %w: %s", g.Name, ErrNothing, cmp.Or(g.now.Held, g.now.Reason))
	}
	if err == nil {
		g.log.Info("applied by hand", "by", a.by, "decision", g.now.ID)
	}
	a.answer <- applied{g.now, err}
}

// refused says why a decision is not applied, or nil.
func (a *application) refused(d Decision) error {
	switch {
	case a.terms != "" && a.terms != d.Terms():
		return fmt.Errorf("autoscale: %s: %w: it was %s, it is %s: %s", d.Group, ErrChanged, a.terms, d.Terms(), d.Reason)
	case d.Held != "":
		return fmt.Errorf("autoscale: %s: %w: %s, held back: %s", d.Group, ErrNothing, d.Reason, d.Held)
	case d.Direction == Stay:
		return fmt.Errorf("autoscale: %s: %w: %s", d.Group, ErrNothing, d.Reason)
	}
	return nil
}

// mayCall says whether calls that change something may be made: the group acts,
// or something that was applied by hand is not finished. Callers hold g.mu.
func (g *group) mayCall() bool {
	return g.inTheWay() == "" && g.calling == "" && !g.refused() && !g.paused() && (g.Mode == Act || g.memory.inHand())
}

// inHand says whether what was applied by hand is not finished.
func (m *memory) inHand() bool {
	if m.Open != nil && m.Open.Decision.Who != "" {
		return true
	}
	for _, l := range m.Leaving {
		if m.byHand(l) {
			return true
		}
	}
	return false
}

// byHand says whether a drain was applied by hand. Journals from before drains
// said so know it of the newest application.
func (m *memory) byHand(l leave) bool {
	return l.ByHand || m.Applied != "" && l.Decision == m.Applied
}
