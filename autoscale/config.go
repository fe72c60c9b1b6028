package autoscale

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// Mode says whether a group's decisions are carried out.
type Mode string

// The modes.
const (
	DryRun Mode = "dry-run" // decide, explain, do nothing
	Act    Mode = "act"
)

// Config is the section "autoscale" of the configuration.
type Config struct {
	Tick    time.Duration `yaml:"tick"` // how often each group is looked at
	Groups  []Group       `yaml:"groups"`
	Stopped bool          `yaml:"stopped"` // the stop switch of all groups
	Keep    int           `yaml:"keep"`    // journal entries that are kept
}

// DefaultConfig has no groups.
func DefaultConfig() Config { return Config{Tick: 5 * time.Second, Keep: 20_000} }

// Validate says what is wrong with the configuration. Groups are checked as
// [Group.WithDefaults] completes them.
func (c Config) Validate() error {
	var errs []error
	if c.Tick < 100*time.Millisecond || c.Tick > time.Minute {
		errs = append(errs, fmt.Errorf("autoscale: tick %v: want 100ms to 1m", c.Tick))
	}
	if least := max(1000, 50*len(c.Groups)); c.Keep < least {
		errs = append(errs, fmt.Errorf("autoscale: keep %d: want at least %d journal entries", c.Keep, least))
	}
	seen := make(map[string]bool)
	for _, g := range c.Groups {
		if seen[g.Name] {
			errs = append(errs, fmt.Errorf("autoscale: group %q is defined twice", g.Name))
		}
		seen[g.Name] = true
		errs = append(errs, g.WithDefaults().Validate())
	}
	return errors.Join(errs...)
}

// A Group is a set of like instances that share one load, and the policy by
// which it grows and shrinks.
//
// Metric is a PromQL expression that yields one series: the load of one
// instance on average (avg, not sum).
type Group struct {
	Name     string        `yaml:"name"`
	Mode     Mode          `yaml:"mode"` // dry-run unless it says act
	Metric   string        `yaml:"metric"`
	Title    string        `yaml:"title"` // what the metric is called in reasons; default "load"
	Min      int           `yaml:"min"`
	Max      int           `yaml:"max"`
	Out      OutPolicy     `yaml:"out"`
	In       InPolicy      `yaml:"in"`
	Track    *TrackPolicy  `yaml:"track"`    // instead of out and in: follow the load
	Policies []Policy      `yaml:"policies"` // beside them, or instead: the safest of all wins
	Shadow   *Shadow       `yaml:"shadow"`   // a policy that is asked beside them and launches nothing
	Cooldown time.Duration `yaml:"cooldown"` // rest after a change; default 2m
	Boot     time.Duration `yaml:"boot"`     // from launch to first heartbeat, until it is learnt; no reversal within it; default 3m
	Learn    *bool         `yaml:"learn"`    // false: boot is as written, whatever instances show
	Warm     time.Duration `yaml:"warm"`     // from first heartbeat until it counts in the metric's average; default out.for, at least stale/2
	Stale    time.Duration `yaml:"stale"`    // a metric without a newer sample is missing; default 1m
	Frozen   time.Duration `yaml:"frozen"`   // a metric that changed with most samples, and is the same to the last bit for as long, is missing; default 5m
	Silent   time.Duration `yaml:"silent"`   // a heartbeat that old is none; default 2m
	Drain    time.Duration `yaml:"drain"`    // longest drain; 0 terminates at once
	Replace  Patience      `yaml:"replace"`  // how long an instance may be silent, or fail its status check, until it is replaced; default 10m, or never
	MaxStep  int           `yaml:"max_step"` // most instances in one decision; default 20
	Budget   *Budget       `yaml:"budget"`   // what it may cost
	Veto     Veto          `yaml:"veto"`     // alerts that hold it
	Retire   RetirePolicy  `yaml:"retire"`   // who goes first
	Launch   Template      `yaml:"launch"`   // what EC2 instances are launched as
	ASG      string        `yaml:"asg"`      // or the name of the Auto Scaling Group that they are in
	Exec     *Program      `yaml:"exec"`     // or the program that manages them

	// MinPerZone is what stays in service in each zone, and what each of
	// launch.zones or launch.subnets gets at first: min is at least so many times
	// their number.
	MinPerZone  int `yaml:"min_per_zone"`
	MaxLaunches int `yaml:"max_launches"` // most instances launched within 10 minutes; default max, at least 20

	Single  bool           `yaml:"single"`  // never two at once: of a group with max 1 the lost one is over before another is launched
	Down    []Slot         `yaml:"down"`    // when it is shut down: no instance is wanted, whatever the load
	Refresh *RefreshPolicy `yaml:"refresh"` // how instances are replaced when launch changes

	raised int // by how much schedules have raised Min
	least  int // the cloud's own min: it ends none beyond
}

// An OutPolicy says when to launch how many.
type OutPolicy struct {
	Above float64       `yaml:"above"`
	For   time.Duration `yaml:"for"` // how long the metric must stay above
	Add   Amount        `yaml:"add"`
	Steps []Step        `yaml:"steps"` // instead of add: the highest step reached counts
}

// A Step of an [OutPolicy].
type Step struct {
	Above float64 `yaml:"above"`
	Add   Amount  `yaml:"add"`
}

// An InPolicy says when to retire how many.
type InPolicy struct {
	Below  float64       `yaml:"below"`
	For    time.Duration `yaml:"for"` // how long the metric must stay below
	Remove Amount        `yaml:"remove"`
}

// Amount is how many instances a policy adds or removes.
type Amount int

// Enough is the amount that brings the metric back to the threshold, taking
// the load per instance to fall as instances are added: a run queue of 137 on
// 2 instances and a threshold of 4 want 69.
const Enough Amount = -1

// UnmarshalText reads a positive number or "enough".
func (a *Amount) UnmarshalText(b []byte) error {
	switch string(b) {
	case "enough":
		*a = Enough
		return nil
	case "": // nothing was said, as where a configuration is kept whose policy has none
		*a = 0
		return nil
	}
	n, err := strconv.Atoi(string(b))
	if err != nil || n < 1 {
		return fmt.Errorf("amount %q: want a number from 1 on, or enough", b)
	}
	*a = Amount(n)
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (a Amount) MarshalText() ([]byte, error) {
	switch a {
	case Enough:
		return []byte("enough"), nil
	case 0:
		return nil, nil
	}
	return strconv.AppendInt(nil, int64(a), 10), nil
}

// WithDefaults fills in what the configuration left out.
func (g Group) WithDefaults() Group {
	set := func(d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
	}
	set(&g.Cooldown, 2*time.Minute)
	set(&g.Boot, 3*time.Minute)
	set(&g.Stale, time.Minute)
	warm := max(g.Out.For, g.Stale/2)
	for _, p := range g.Policies {
		warm = max(warm, p.growAfter())
	}
	set(&g.Warm, warm)
	set(&g.Silent, 2*time.Minute)
	set(&g.Frozen, 5*time.Minute)
	if g.Track != nil {
		track := g.Track.withDefaults()
		g.Track = &track
	}
	if g.Exec != nil {
		program := *g.Exec
		set(&program.Timeout, 30*time.Second)
		g.Exec = &program
	}
	if g.Refresh != nil {
		policy := g.Refresh.withDefaults()
		g.Refresh = &policy
	}
	if g.Replace == 0 {
		g.Replace = Patience(defaultReplace)
	}
	if g.Mode == "" {
		g.Mode = DryRun
	}
	if g.Title == "" {
		g.Title = "load"
	}
	if g.MaxStep == 0 {
		g.MaxStep = 20
	}
	if g.MaxLaunches == 0 {
		g.MaxLaunches = g.defaultLaunches()
	}
	if n := len(g.Launch.Zones) + len(g.Launch.Subnets); g.MinPerZone > 0 {
		g.Min = max(g.Min, g.MinPerZone*n)
	}
	g.Policies = slices.Clone(g.Policies)
	for i, p := range g.Policies {
		g.Policies[i] = p.withDefaults(g)
	}
	return g
}

// groupName is what fits an EC2 tag, a URL path and a metric's name.
var groupName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)

// Validate says all that is wrong with the group, each with its field's name.
func (g Group) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("autoscale: group %q: "+format, append([]any{g.Name}, args...)...))
		}
	}
	check(groupName.MatchString(g.Name), "name: want 1 to 63 letters, digits, - or _")
	check(g.Mode == DryRun || g.Mode == Act, "mode %q: want dry-run or act", g.Mode)
	check(g.Metric != "" || len(g.All()) == len(g.Policies), "metric: a PromQL expression is wanted")
	check(g.Min >= 0, "min %d: want 0 or more", g.Min)
	check(g.Max >= 1 && g.Max >= g.Min && g.Max <= 2000, "max %d: want %d to 2000 (not less than min)", g.Max, max(g.Min, 1))
	check(g.Replace == Never || g.Replace >= Patience(time.Minute), "replace %v: want 1m or more, or never", time.Duration(g.Replace))
	check(g.MaxStep >= 1, "max_step %d: want 1 or more", g.MaxStep)
	check(g.MaxLaunches >= 1, "max_launches %d: want 1 or more", g.MaxLaunches)
	for _, f := range []named{{"cooldown", g.Cooldown}, {"boot", g.Boot}, {"warm", g.Warm}, {"stale", g.Stale}, {"silent", g.Silent}, {"frozen", g.Frozen}} {
		check(f.d > 0, "%s %v: want more than 0", f.name, f.d)
	}
	check(g.Drain >= 0 && g.Drain <= time.Hour, "drain %v: want 0 to 1h", g.Drain)
	check(g.MinPerZone >= 0 && g.MinPerZone <= 2000, "min_per_zone %d: want 0 to 2000", g.MinPerZone)
	g.Retire.validate(check)
	g.Budget.validate(g, check)
	g.validateSource(check)
	g.Launch.validate(check)
	g.validateRefresh(check)
	check(!g.Single || g.Max == 1, "single: want max 1, never two at once")
	g.validateDown(check)
	g.validatePolicies(check)
	g.validateShadow(check)
	return errors.Join(errs...)
}

// validatePolicy checks that there is one policy, and that one.
func (g Group) validatePolicy(check func(bool, string, ...any)) {
	if g.Track != nil {
		check(g.Out.Above == 0 && g.Out.Add == 0 && len(g.Out.Steps) == 0 && g.In == InPolicy{}, "track stands instead of out and in: take one of them away")
		g.Track.validate(check)
		return
	}
	for _, f := range []named{{"out.for", g.Out.For}, {"in.for", g.In.For}} {
		check(f.d >= 0 && f.d <= time.Hour, "%s %v: want 0 to 1h", f.name, f.d)
	}
	check(g.In.Below < g.Out.Above, "in.below %v must be less than out.above %v: between them nothing changes", g.In.Below, g.Out.Above)
	check(!math.IsInf(g.In.Below, 0), "in.below %v: want a number", g.In.Below)
	check(g.In.Remove >= 1 || g.In.Remove == Enough, "in.remove: want a number from 1 on, or enough")
	g.Out.validate(check)
}

// A named duration is a field under validation.
type named struct {
	name string
	d    time.Duration
}

// validate checks the thresholds and amounts of the out policy.
func (o OutPolicy) validate(check func(bool, string, ...any)) {
	check(o.Above > 0 && !math.IsInf(o.Above, 0), "out.above %v: want more than 0", o.Above)
	check(o.Add == 0 || len(o.Steps) == 0, "out: add and steps exclude each other")
	check(o.Add != 0 || len(o.Steps) > 0, "out: add (a number or enough) or steps is wanted")
	check(o.Add >= Enough, "out.add %d: want a number from 1 on, or enough", o.Add)
	last := math.Inf(-1)
	for i, s := range o.Steps {
		check(s.Above >= o.Above && s.Above > last && !math.IsInf(s.Above, 0), "out.steps[%d].above %v: steps rise and start at out.above %v or more", i, s.Above, o.Above)
		check(s.Add >= 1 || s.Add == Enough, "out.steps[%d].add: want a number from 1 on, or enough", i)
		last = s.Above
	}
}
