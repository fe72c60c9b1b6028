package autoscale

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"
)

// A Preflighter is a [Cloud] that can be asked beforehand whether it would do
// what a group needs of it. Without it the first real call tells.
type Preflighter interface {
	// Preflight changes nothing. The launch is the one that would be made now;
	// ids are instances of the group, of which there may be none.
	Preflight(ctx context.Context, l Launch, ids []string) Preflight
}

// A Preflight is what a cloud answered.
type Preflight struct {
	At           time.Time     `json:"at"`
	Account      string        `json:"account,omitempty"` // and who asks in it
	Requirements []Requirement `json:"requirements"`
}

// A Requirement is one thing that a group needs of its cloud.
type Requirement struct {
	Name   string     `json:"name"` // ec2:RunInstances, image ami-1
	State  Standing   `json:"state"`
	Text   string     `json:"text,omitempty"`
	Policy *Statement `json:"policy,omitempty"` // of IAM, to be added where it is denied
}

// Standing is whether there is what is needed.
type Standing string

// The states of a need.
const (
	Granted Standing = "ok"
	Refused Standing = "denied"
	Missing Standing = "missing" // it does not exist
	Unsure  Standing = "unknown" // it could not be asked
)

// A Statement of an IAM policy.
type Statement struct {
	Effect    string                       `json:"Effect"`
	Action    string                       `json:"Action"`
	Resource  string                       `json:"Resource"`
	Condition map[string]map[string]string `json:"Condition,omitempty"`
}

// Allow is the statement that allows an action on a resource where all
// conditions, key after value, are equal.
func Allow(action, resource string, equal ...string) *Statement {
	s := &Statement{Effect: "Allow", Action: action, Resource: resource}
	for n := 0; n+1 < len(equal); n += 2 {
		if s.Condition == nil {
			s.Condition = map[string]map[string]string{"StringEquals": {}}
		}
		s.Condition["StringEquals"][equal[n]] = equal[n+1]
	}
	return s
}

// Lacks lists what is denied or missing.
func (p Preflight) Lacks() (out []Requirement) {
	for _, n := range p.Requirements {
		if n.State == Refused || n.State == Missing {
			out = append(out, n)
		}
	}
	return out
}

// ErrNoPreflight says that a group's cloud cannot be asked beforehand.
var ErrNoPreflight = errors.New("its cloud cannot be asked beforehand what it would allow")

// Limits of a preflight.
const (
	preflightTimeout = time.Minute
	preflightRest    = 10 * time.Second // an answer that new is given again
)

// Preflight asks a group's cloud whether it would do what the group needs.
func (c *Controller) Preflight(ctx context.Context, name string) (Preflight, error) {
	g, err := c.group(name)
	if err != nil {
		return Preflight{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, preflightTimeout)
	defer cancel()
	p := g.preflight(ctx)
	if _, ok := g.cloud.(Preflighter); !ok && len(p.Requirements) == 0 {
		return Preflight{}, fmt.Errorf("autoscale: group %q: %w", name, ErrNoPreflight)
	}
	return p, nil
}

// preflight asks the cloud and those who follow the group, unless they have just
// been asked.
func (g *group) preflight(ctx context.Context) (p Preflight) {
	now := g.clock.time()
	g.mu.Lock()
	if last := g.preflighted; last != nil && now.Sub(last.At) < preflightRest {
		g.mu.Unlock()
		return *last
	}
	l, _ := g.nextLaunch(now, 1, "preflight")
	var ids []string
	for _, i := range g.instances {
		if i.Phase == Booting || i.Phase == InService || i.Phase == Silent {
			ids = append(ids, i.ID)
		}
	}
	g.mu.Unlock()
	if cloud, ok := g.cloud.(Preflighter); ok {
		p = cloud.Preflight(ctx, l, ids)
	}
	p.Requirements = append(p.Requirements, g.house.Needs(ctx, g.Name)...)
	p.At = now
	g.mu.Lock()
	defer g.mu.Unlock()
	g.preflighted = &p
	return p
}

// checkAtStart preflights a group that is to act, beside its ticks, and says
// what it lacks: once, and again after a call was denied. Callers hold g.mu.
func (g *group) checkAtStart(ctx context.Context) {
	if g.Mode != Act || g.checked {
		return
	}
	g.checked = true
	g.calls.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, preflightTimeout)
		defer cancel()
		var names []string
		for _, n := range g.preflight(ctx).Lacks() {
			names = append(names, fmt.Sprintf("%s (%s)", n.Name, n.State))
		}
		if len(names) > 0 && ctx.Err() == nil {
			g.log.Warn("the cloud would not do what this group needs: see rondo group check "+g.Name, "lacks", strings.Join(names, ", "))
		}
	})
}

// nextLaunch is a launch of up to n instances as it would be made now, and why
// there. Callers hold g.mu.
func (g *group) nextLaunch(now time.Time, n int, id string) (l Launch, why string) {
	tags := map[string]string{"Name": g.Name}
	for k, v := range g.Launch.Tags {
		tags[k] = v
	}
	maps.Copy(tags, g.memory.Claim.tags())
	tags[TagGroup], tags[TagDecision] = g.Name, id
	conf := g.Group
	conf.Launch = g.template()
	tags[TagTemplate] = conf.Launch.Digest()
	at := place(conf, g.instances, g.memory.Refused, now, n)
	return Launch{
		Group: g.Name, Count: at.count, Desired: g.present() + at.count, Token: "rondo-" + id, Tags: tags, Template: conf.Launch,
		Pools: at.pools, Rest: n - at.count, Asked: now.UTC().Round(0),
	}, at.why
}
