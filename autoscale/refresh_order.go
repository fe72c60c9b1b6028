package autoscale

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrNoRefresh says that a group cannot be refreshed.
var ErrNoRefresh = errors.New("it cannot be refreshed")

// RefreshGroup begins to replace a group's outdated instances; once it is under
// way it does nothing.
func (c *Controller) RefreshGroup(ctx context.Context, name, by string) error {
	return c.orderRefresh(ctx, name, func(g *group, now time.Time) (RefreshNote, error) {
		present, known := g.configured()
		outdated := func(i Instance) bool { return i.Outdated && i.Phase != Draining && i.Phase != Replaced }
		if err := g.mayRefresh(); err != nil {
			return RefreshNote{}, err
		}
		switch r := g.memory.Refresh; {
		case r.active():
			return RefreshNote{}, fmt.Errorf("%w: it is being refreshed already (%s)", ErrNothing, r.State)
		case !known:
			return RefreshNote{}, fmt.Errorf("%w yet: no image is known", ErrNothing)
		case !slices.ContainsFunc(g.instances, outdated):
			return RefreshNote{}, fmt.Errorf("%w: no instance is outdated", ErrNothing)
		}
		return g.startNote(present, now, by), nil
	})
}

// mayRefresh says why no refresh may begin, or be taken up again.
func (g *group) mayRefresh() error {
	switch why := g.refreshless(); {
	case why != "":
		return fmt.Errorf("%w: %s", ErrNoRefresh, why)
	case g.Mode != Act:
		return fmt.Errorf("%w: the group is in a dry run", ErrNothing)
	}
	return nil
}

// PauseRefresh keeps a refresh from its next steps. An alarm, or a new instance
// that fails, backs it out all the same.
func (c *Controller) PauseRefresh(ctx context.Context, name, by string) error {
	return c.turn(ctx, name, RefreshPaused, by, Refreshing)
}

// ResumeRefresh lets a refresh go on that is paused.
func (c *Controller) ResumeRefresh(ctx context.Context, name, by string) error {
	return c.turn(ctx, name, Refreshing, by, RefreshPaused)
}

// BackOutRefresh retires what was launched of the new template, and launches the
// old one in its place.
func (c *Controller) BackOutRefresh(ctx context.Context, name, by string) error {
	return c.turn(ctx, name, BackingOut, by, Refreshing, RefreshPaused, RefreshDone, RefreshAbort)
}

// AbortRefresh ends a refresh, and leaves the instances as they are.
func (c *Controller) AbortRefresh(ctx context.Context, name, by string) error {
	return c.turn(ctx, name, RefreshAbort, by, Refreshing, RefreshPaused, BackingOut)
}

// turn changes the state of a refresh that has one of those.
func (c *Controller) turn(ctx context.Context, name string, to RefreshState, by string, from ...RefreshState) error {
	return c.orderRefresh(ctx, name, func(g *group, now time.Time) (RefreshNote, error) {
		r := g.memory.Refresh
		switch {
		case r == nil:
			return RefreshNote{}, fmt.Errorf("%w: no refresh is under way", ErrNothing)
		case !slices.Contains(from, r.State):
			return RefreshNote{}, fmt.Errorf("%w: the refresh is %s", ErrNothing, r.State)
		case r.active():
			return RefreshNote{State: to, By: by}, nil
		case r.To != aimOf(g.configured()):
			return RefreshNote{}, fmt.Errorf("%w: the configuration has changed since the refresh ended", ErrNothing)
		}
		if err := g.mayRefresh(); err != nil {
			return RefreshNote{}, err
		}
		return RefreshNote{State: to, By: by, Base: g.capable(now)}, nil
	})
}

// orderRefresh has a command write a note of a refresh.
func (c *Controller) orderRefresh(ctx context.Context, name string, order func(*group, time.Time) (RefreshNote, error)) error {
	return c.change(name, func(g *group) error {
		note, err := order(g, g.clock.time())
		if err != nil {
			return fmt.Errorf("autoscale: %s: %w", name, err)
		}
		note.By = clean(note.By, "someone")
		e := Entry{Kind: KindRefresh, Text: note.words(), Refresh: &note}
		if err := g.write(ctx, e); err != nil {
			return err
		}
		g.log.Info("refresh", "state", note.State, "by", note.By, "why", note.Why)
		return nil
	})
}

// orderedRefresh carries out a command by its name.
func (c *Controller) orderedRefresh(ctx context.Context, name, do, by string) error {
	switch do {
	case "start":
		return c.RefreshGroup(ctx, name, by)
	case "pause":
		return c.PauseRefresh(ctx, name, by)
	case "resume":
		return c.ResumeRefresh(ctx, name, by)
	case "back-out":
		return c.BackOutRefresh(ctx, name, by)
	case "abort":
		return c.AbortRefresh(ctx, name, by)
	}
	return fmt.Errorf("autoscale: %w: do=%.40q: want start, pause, resume, back-out or abort", ErrBadConfig, do)
}
