package autoscale

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A RefreshPolicy says how a group's instances are replaced when what they are
// launched as has changed: see [Refresh]. A group without one has the defaults,
// and is refreshed when somebody asks for it.
type RefreshPolicy struct {
	When    string        `yaml:"when"`      // asked, the default: by command alone; change: by itself too
	Canary  int           `yaml:"canary"`    // so many new ones are tried first; default 1
	Batch   Portion       `yaml:"batch"`     // then so many at once: a number, or a share of the capacity; default 25%
	Surge   Portion       `yaml:"max_surge"` // most beyond what the load wants; default batch
	AtMax   string        `yaml:"at_max"`    // where max or the budget has no room beyond: old-first, the default, or wait
	Healthy time.Duration `yaml:"healthy"`   // a new one must serve for so long, without falling silent; default 2m
	Pause   time.Duration `yaml:"pause"`     // and then so much passes before old ones go; default 5m
	BackOut []string      `yaml:"back_out"`  // rules whose alarm backs it out; default any, of all that are about the group; none
	Timeout time.Duration `yaml:"timeout"`   // with no step for so long it pauses, and waits for somebody; default 1h
}

// The words of a [RefreshPolicy].
const (
	WhenAsked  = "asked"
	WhenChange = "change"

	OldFirst = "old-first"
	MaxWait  = "wait"

	AnyRule = "any"
	NoRule  = "none"
)

// refreshPolicy is how the group is refreshed, completed.
func (g Group) refreshPolicy() RefreshPolicy {
	if g.Refresh == nil {
		return RefreshPolicy{}.withDefaults()
	}
	return g.Refresh.withDefaults()
}

func (p RefreshPolicy) withDefaults() RefreshPolicy {
	if p.When == "" {
		p.When = WhenAsked
	}
	if p.Canary == 0 {
		p.Canary = 1
	}
	if p.Batch == (Portion{}) {
		p.Batch = Portion{Percent: 25}
	}
	if p.Surge == (Portion{}) {
		p.Surge = p.Batch
	}
	if p.AtMax == "" {
		p.AtMax = OldFirst
	}
	for _, d := range []struct {
		field *time.Duration
		def   time.Duration
	}{{&p.Healthy, 2 * time.Minute}, {&p.Pause, 5 * time.Minute}, {&p.Timeout, time.Hour}} {
		if *d.field == 0 {
			*d.field = d.def
		}
	}
	if len(p.BackOut) == 0 {
		p.BackOut = []string{AnyRule}
	}
	return p
}

// validateRefresh checks how a group is refreshed.
func (g Group) validateRefresh(check func(bool, string, ...any)) {
	if g.Refresh == nil {
		return
	}
	p := g.refreshPolicy()
	check(g.Exec == nil && g.ASG == "", "refresh: %s", g.refreshless())
	check(p.When == WhenAsked || p.When == WhenChange, "refresh.when %q: want %s or %s", p.When, WhenAsked, WhenChange)
	check(p.Canary >= 1 && p.Canary <= 2000, "refresh.canary %d: want 1 to 2000", p.Canary)
	check(p.AtMax == OldFirst || p.AtMax == MaxWait, "refresh.at_max %q: want %s or %s", p.AtMax, OldFirst, MaxWait)
	for _, f := range []named{{"refresh.healthy", p.Healthy}, {"refresh.pause", p.Pause}} {
		check(f.d > 0 && f.d <= 24*time.Hour, "%s %v: want more than 0, to 24h", f.name, f.d)
	}
	check(p.Timeout > p.Healthy+p.Pause && p.Timeout <= 7*24*time.Hour, "refresh.timeout %v: want more than healthy and pause together, to 168h", p.Timeout)
	for _, word := range []string{AnyRule, NoRule} {
		check(len(p.BackOut) == 1 || !slices.Contains(p.BackOut, word), "refresh.back_out: %s stands alone", word)
	}
}

// refreshless says why a group cannot be refreshed; "" where it can.
func (g Group) refreshless() string {
	switch {
	case g.ASG != "":
		return "the Auto Scaling Group launches by its own launch template: use EC2 Auto Scaling's instance refresh"
	case g.Exec != nil:
		return "the program knows what it launches, rondo does not"
	}
	return ""
}

// A Portion is a number, or a share of what there is.
type Portion struct{ N, Percent int }

// UnmarshalText reads 3, or 25%.
func (p *Portion) UnmarshalText(b []byte) error {
	text, share := strings.CutSuffix(string(b), "%")
	if text == "" && !share { // nothing was said, as where a configuration is kept
		*p = Portion{}
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || share && n > 100 {
		return fmt.Errorf("%q: want a number from 1 on, or a share from 1%% to 100%%", b)
	}
	*p = Portion{N: n}
	if share {
		*p = Portion{Percent: n}
	}
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (p Portion) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

func (p Portion) String() string {
	switch {
	case p.Percent > 0:
		return strconv.Itoa(p.Percent) + "%"
	case p.N > 0:
		return strconv.Itoa(p.N)
	}
	return ""
}

// of is the portion of all: at least one.
func (p Portion) of(all int) int {
	if p.N > 0 {
		return p.N
	}
	return max(all*p.Percent/100, 1)
}
