package autoscale

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An Audit is one thing that somebody did to a group.
type Audit struct {
	At    time.Time `json:"at"`
	Entry uint64    `json:"entry"` // its number in the journal
	What  Kind      `json:"what"`  // stop, start, config, run, claim (taken over), or launch, drain and reclaim of what was applied by hand
	By    string    `json:"by"`
	Text  string    `json:"text,omitempty"`
	Ref   string    `json:"ref,omitempty"` // the decision that was applied
}

// What is kept of the past, snapshots included.
const (
	maxAudit   = 200 // deeds
	maxConfigs = 10  // configurations
)

// A Setup is a configuration of a group and since when it is in force.
type Setup struct {
	Digest string    `json:"digest"`
	Since  time.Time `json:"since"`
	Group  Group     `json:"group"` // without what may be secret
}

// byConfig is who changes a configuration, as far as the journal knows: it sees
// what a start or a reload brings.
const byConfig = "the configuration"

// audit keeps what somebody did.
func (m *memory) audit(e Entry) {
	a := Audit{At: e.At, Entry: e.Seq, What: e.Kind, By: e.Text}
	switch {
	case e.Kind == KindConfig:
		a.By, a.Text = byConfig, e.Text
		m.Setups = append(m.Setups, *e.Setup)
		m.Setups = m.Setups[max(0, len(m.Setups)-maxConfigs):]
	case e.Decision != nil && e.Decision.Who != "" && e.Decision.ID != "":
		a.By, a.Ref = e.Decision.Who, e.Decision.ID
		a.Text = fmt.Sprintf("applied %d -> %d: %s", e.Decision.From, e.Decision.To, e.Decision.Reason)
		m.Applied = e.Decision.ID
	case e.Kind == KindClaim && e.Claim.By != "":
		a.Text = "taken over: epoch " + strconv.Itoa(e.Claim.Epoch)
	case e.Kind == KindRefresh && e.Refresh.By != "":
		a.By, a.Text = e.Refresh.By, e.Refresh.deed()
	case e.Kind == KindOrder:
		a.Text = "up until " + e.Order.Until.Format(time.RFC3339)
		if e.Order.Down {
			a.Text = "down" + a.Text[len("up"):]
		}
	case e.Kind == KindStop, e.Kind == KindStart:
		if e.Group == Everything {
			a.Text = "all groups"
		}
	case e.Kind == KindRun:
		a.Text = e.Said
	default:
		return
	}
	m.Audit = append(m.Audit, a)
	m.Audit = m.Audit[max(0, len(m.Audit)-maxAudit):]
}

// NoteRun journals that somebody has a command run on a group's instances: before
// it is, and how it went.
func (c *Controller) NoteRun(ctx context.Context, name, by, said string) error {
	return c.change(name, func(g *group) error {
		return g.write(ctx, Entry{Kind: KindRun, Text: clean(by, "someone"), Said: clean(said, "")})
	})
}

// setup is the newest configuration that the journal has; false without any.
func (m *memory) setup() (Setup, bool) {
	if len(m.Setups) == 0 {
		return Setup{}, false
	}
	return m.Setups[len(m.Setups)-1], true
}

// noteConfig journals the configuration where it is not the one before.
// Callers hold g.mu.
func (g *group) noteConfig(ctx context.Context, now time.Time) {
	before, known := g.memory.setup()
	if known && before.Digest == g.digest {
		return
	}
	text := "first seen: mode " + string(g.Mode)
	if known {
		var changes []string
		for _, d := range Differences(before.Group, g.Group) {
			changes = append(changes, d.String())
		}
		text = fmt.Sprintf("%s -> %s: %s", before.Digest, g.digest, strings.Join(changes, ", "))
	}
	g.note(ctx, Entry{Kind: KindConfig, At: now, Text: text, Setup: &Setup{Digest: g.digest, Since: now, Group: g.public()}})
}

// Audit lists who did what to a group and when, newest first.
func (c *Controller) Audit(name string) ([]Audit, error) {
	g, err := c.group(name)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	out := append([]Audit{}, g.memory.Audit...)
	slices.Reverse(out)
	return out, nil
}

// Setup is the configuration of a group: with a digest the one that it names, as
// far as it is kept, else the present one.
func (c *Controller) Setup(name, digest string) (Setup, error) {
	g, err := c.group(name)
	if err != nil {
		return Setup{}, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range slices.Backward(g.memory.Setups) {
		if s.Digest == digest || digest == "" && s.Digest == g.digest {
			return s, nil
		}
	}
	if digest == "" || digest == g.digest {
		return Setup{Digest: g.digest, Group: g.public()}, nil
	}
	return Setup{}, fmt.Errorf("autoscale: %s: the journal has %w %q", name, ErrNoSetup, digest)
}
