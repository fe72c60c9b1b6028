package dispatch

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"rondo/alerts"
)

// Config is the part of the section "alerts" that says who is told what. Its
// words and defaults are those of Alertmanager's configuration, but for owner
// and escalation, which are ours.
type Config struct {
	Route         *RouteConfig      `yaml:"route"` // nil: there are no routes, and nothing is dispatched
	InhibitRules  []InhibitConfig   `yaml:"inhibit_rules"`
	TimeIntervals []IntervalsConfig `yaml:"time_intervals"`
}

// A RouteConfig is a node of the tree of routes. What it leaves out it has
// from its parent, but for matchers, continue and time intervals.
type RouteConfig struct {
	Receiver            string            `yaml:"receiver"`
	GroupBy             []string          `yaml:"group_by"`        // labels; ... for all of them
	GroupWait           *time.Duration    `yaml:"group_wait"`      // before a new group is told; default 30s
	GroupInterval       *time.Duration    `yaml:"group_interval"`  // between looks at a group that was told; default 5m
	RepeatInterval      *time.Duration    `yaml:"repeat_interval"` // before the same is told again; default 4h
	Match               map[string]string `yaml:"match"`           // old form of matchers, with =
	MatchRE             map[string]string `yaml:"match_re"`        // old form of matchers, with =~
	Matchers            []string          `yaml:"matchers"`
	Continue            bool              `yaml:"continue"` // look at the next siblings too
	MuteTimeIntervals   []string          `yaml:"mute_time_intervals"`
	ActiveTimeIntervals []string          `yaml:"active_time_intervals"`
	Owner               string            `yaml:"owner"` // who is responsible, for people
	Escalation          []RungConfig      `yaml:"escalation"`
	Routes              []RouteConfig     `yaml:"routes"`
}

// A RungConfig is a step of an escalation ladder: who is told as well once a
// group has fired for so long and nobody has acknowledged it.
type RungConfig struct {
	After time.Duration `yaml:"after"`
	To    string        `yaml:"to"` // receiver
}

// An InhibitConfig mutes targets while a source fires that has the same values
// of all labels in equal. A label that is missing has the value "".
type InhibitConfig struct {
	SourceMatchers []string `yaml:"source_matchers"`
	TargetMatchers []string `yaml:"target_matchers"`
	Equal          []string `yaml:"equal"`
}

// Bounds of a configuration.
const (
	maxRoutes = 1000
	maxDepth  = 20
)

// An UnknownError is a name that the configuration does not explain.
type UnknownError struct {
	What  string // receiver or time interval
	Name  string
	Known []string
}

func (e *UnknownError) Error() string { return fmt.Sprintf("there is no %s %q", e.What, e.Name) }

// Validate says all that is wrong, each with its keys and, in lists, the
// number of the item. receivers are the names that there are.
func (c Config) Validate(receivers []string) error {
	_, err := c.compile(receivers)
	return err
}

// Tree is the tree of routes of a valid configuration; nil where there is none.
func (c Config) Tree(receivers []string) (*Route, error) {
	compiled, err := c.compile(receivers)
	return compiled.root, err
}

// A compiled configuration is ready for use.
type compiled struct {
	root     *Route // nil where there are no routes
	inhibits []inhibitRule
}

// compile makes a configuration's tree and rules.
func (c Config) compile(receivers []string) (compiled, error) {
	intervals, err := compileIntervals(c.TimeIntervals)
	errs := []error{prefixed("time_intervals", err)}
	var out compiled
	for i, rule := range c.InhibitRules {
		compiled, err := rule.compile()
		out.inhibits = append(out.inhibits, compiled)
		errs = append(errs, prefixed(fmt.Sprintf("inhibit_rules: %d", i+1), err))
	}
	if c.Route != nil {
		b := builder{receivers: receivers, intervals: intervals, seen: make(map[string]int)}
		out.root, err = b.root(*c.Route)
		errs = append(errs, prefixed("route", err))
	}
	return out, errors.Join(errs...)
}

// prefixed puts a key before each of joined errors.
func prefixed(key string, err error) error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var errs []error
		for _, e := range joined.Unwrap() {
			errs = append(errs, prefixed(key, e))
		}
		return errors.Join(errs...)
	}
	return fmt.Errorf("%s: %w", key, err)
}

// parseMatchers reads lists of matchers as Alertmanager writes them: one or
// more in each text, separated by commas, with or without braces around.
func parseMatchers(texts []string) (ms []alerts.Matcher, err error) {
	for _, text := range texts {
		text = strings.TrimSpace(text)
		if inner, ok := strings.CutPrefix(text, "{"); ok {
			if inner, ok = strings.CutSuffix(inner, "}"); !ok {
				return nil, fmt.Errorf("matchers: %q: a brace is not closed", text)
			}
			text = inner
		}
		for _, part := range splitMatchers(text) {
			m, err := alerts.ParseMatcher(part)
			if err != nil {
				return nil, fmt.Errorf("matchers: %w", err)
			}
			ms = append(ms, m)
		}
	}
	return ms, nil
}

// splitMatchers splits at the commas that stand outside quotes. What is empty,
// as behind a last comma, is left out.
func splitMatchers(text string) (parts []string) {
	quoted, from := false, 0
	take := func(to int) {
		if part := strings.TrimSpace(text[from:to]); part != "" {
			parts = append(parts, part)
		}
		from = to + 1
	}
	for i := 0; i < len(text); i++ {
		switch {
		case quoted && text[i] == '\\':
			i++
		case text[i] == '"':
			quoted = !quoted
		case text[i] == ',' && !quoted:
			take(i)
		}
	}
	if from < len(text) {
		take(len(text))
	}
	return parts
}

// matchers are those of a route in all forms, sorted as Alertmanager sorts
// them: they are part of the keys of groups.
func (c RouteConfig) matchers() ([]alerts.Matcher, error) {
	ms, err := parseMatchers(c.Matchers)
	if err != nil {
		return nil, err
	}
	for op, old := range map[string]map[string]string{"=": c.Match, "=~": c.MatchRE} {
		for name, value := range old {
			m, err := alerts.ParseMatcher(fmt.Sprintf("%s%s%q", name, op, value))
			if err != nil {
				return nil, fmt.Errorf("match: %w", err)
			}
			ms = append(ms, m)
		}
	}
	slices.SortFunc(ms, compareMatchers)
	return ms, nil
}
