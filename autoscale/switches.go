package autoscale

import (
	"context"
	"time"
)

// Everything stands for all groups where a command wants a group's name.
const Everything = "*"

// inTheWay says who stopped the group: the configuration, the switch of all
// groups, or its own; "" while it may act.
func (g *group) inTheWay() string {
	switch {
	case g.off:
		return "autoscale.stopped in the configuration"
	case g.memory.StoppedAll != "":
		return g.memory.StoppedAll + " (all groups)"
	}
	return g.memory.Stopped
}

// switchOf is the stop switch that an entry is about.
func (m *memory) switchOf(e Entry) *string {
	if e.Group == Everything {
		return &m.StoppedAll
	}
	return &m.Stopped
}

// commandAll writes an entry that is meant for all groups.
func (c *Controller) commandAll(ctx context.Context, e Entry) error {
	c.ending.RLock()
	defer c.ending.RUnlock()
	if c.ended {
		return ErrEnded
	}
	for _, g := range c.groups {
		g.mu.Lock()
		defer g.mu.Unlock()
	}
	e.Group, e.At = Everything, time.Now()
	e, err := c.journal.Append(context.WithoutCancel(ctx), e)
	if err != nil {
		return err
	}
	c.log.Info("stop switch of all groups", "to", e.Kind, "by", e.Text)
	for _, g := range c.groups {
		g.memory.apply(e)
		g.poke()
	}
	return nil
}

// shareStop lets a group that is new in the configuration know of the switch
// of all groups, which the journal's oldest entries may have held.
func (c *Controller) shareStop() {
	stopped := ""
	for _, g := range c.groups {
		if g.memory.StoppedAll != "" {
			stopped = g.memory.StoppedAll
		}
	}
	for _, g := range c.groups {
		g.memory.StoppedAll = stopped
	}
}

// stoppedAll says whether the switch of all groups is pulled.
func (c *Controller) stoppedAll() bool {
	for _, g := range c.groups {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.memory.StoppedAll != "" {
			return true
		}
	}
	return false
}
