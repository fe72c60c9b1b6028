package promrule

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"rondo/rrd"
	"rondo/rrd/promql"
)

// Config is the part of the section "alerts" that names rule files.
type Config struct {
	// Files are patterns of file names, from the configuration's folder on.
	Files          []string          `yaml:"rule_files"`
	Interval       time.Duration     `yaml:"evaluation_interval"` // of groups that name none
	ExternalLabels map[string]string `yaml:"external_labels"`     // $externalLabels in templates
}

// DefaultConfig has Prometheus' defaults.
func DefaultConfig() Config { return Config{Interval: time.Minute} }

// Validate says what is wrong with the configuration, not with the files.
func (c Config) Validate() error {
	if c.Interval < time.Second {
		return fmt.Errorf("alerts: evaluation_interval %v: want 1s or more", c.Interval)
	}
	return nil
}

// A File is a rule file as it is written.
type File struct {
	Groups []GroupConfig `yaml:"groups"`
}

// A GroupConfig is a group as it is written.
type GroupConfig struct {
	Name        string            `yaml:"name"` // unique in its file
	Interval    Duration          `yaml:"interval"`
	QueryOffset Duration          `yaml:"query_offset"` // how long ago the group is evaluated for
	Limit       int               `yaml:"limit"`        // most alerts, or series, of one rule; 0: no limit
	Labels      map[string]string `yaml:"labels"`       // of all its rules; theirs win
	Rules       []RuleConfig      `yaml:"rules"`
}

// A RuleConfig is a rule as it is written.
type RuleConfig struct {
	Record        string            `yaml:"record"` // name of the series that a recording rule makes
	Alert         string            `yaml:"alert"`
	Expr          string            `yaml:"expr"`
	For           Duration          `yaml:"for"`
	KeepFiringFor Duration          `yaml:"keep_firing_for"`
	Labels        map[string]string `yaml:"labels"`
	Annotations   map[string]string `yaml:"annotations"`
}

// A Duration is one in Prometheus' words: 5m, 1h30m, 1d, 0.
type Duration time.Duration

// UnmarshalText reads a duration as Prometheus does: whole numbers of y, w, d,
// h, m, s and ms, each once and in this order.
func (d *Duration) UnmarshalText(b []byte) error {
	bad := fmt.Errorf("duration %q: want one such as 30s, 5m, 1h30m or 2d", b)
	rest, total, next := string(b), float64(0), 0
	if rest == "0" {
		*d = 0
		return nil
	}
	for ok := true; ok; ok = rest != "" {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		n, err := strconv.ParseFloat(rest[:digits], 64)
		if err != nil {
			return bad
		}
		rest = rest[digits:]
		letters := len(rest) - len(strings.TrimLeft(rest, "ywdhms"))
		for ; next < len(units) && units[next].name != rest[:letters]; next++ {
		}
		if next == len(units) {
			return bad
		}
		total += n * float64(units[next].length)
		rest, next = rest[letters:], next+1
	}
	if total >= math.MaxInt64 {
		return bad
	}
	*d = Duration(total)
	return nil
}

var units = [...]struct {
	name   string
	length time.Duration
}{
	{"y", 365 * 24 * time.Hour}, {"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour},
	{"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond},
}

// Validate says all that is wrong with a file. Each error begins with where it
// stands: "groups: 1: rules: 2: expr: ...", counted from 1.
func (f File) Validate() error {
	var errs []error
	seen := make(map[string]bool)
	for i, g := range f.Groups {
		fail := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("groups: %d: %w", i+1, fmt.Errorf(format, args...)))
		}
		switch {
		case g.Name == "":
			fail("name: a group needs one")
		case seen[g.Name]:
			fail("name: there is another group %q in this file", g.Name)
		}
		seen[g.Name] = true
		if g.Limit < 0 {
			fail("limit: %d: want 0, for none, or more", g.Limit)
		}
		for _, err := range checkLabels(g.Labels, false) {
			fail("labels: %w", err)
		}
		for j, r := range g.Rules {
			for _, err := range r.check() {
				fail("rules: %d: %w", j+1, err)
			}
		}
	}
	return errors.Join(errs...)
}

func (r RuleConfig) check() (errs []error) {
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	switch {
	case r.Record != "" && r.Alert != "":
		fail("alert: the rule is a recording rule as well: want alert or record, not both")
	case r.Record == "" && r.Alert == "":
		fail("the rule is of no kind: want alert or record")
	case r.Record != "":
		r.checkRecord(fail)
	}
	if strings.TrimSpace(r.Expr) == "" {
		fail("expr: missing")
	} else if err := promql.Check(r.Expr); err != nil {
		fail("expr: %w", err)
	}
	for _, err := range checkLabels(r.Labels, r.Alert != "") {
		fail("labels: %w", err)
	}
	for name, text := range r.Annotations {
		if !labelName.MatchString(name) {
			fail("annotations: %s: want a name of letters, digits and underscores", name)
		}
		if _, err := parseText(text); err != nil {
			fail("annotations: %s: %w", name, err)
		}
	}
	return errs
}

func (r RuleConfig) checkRecord(fail func(string, ...any)) {
	if _, err := rrd.NewKey(r.Record); err != nil || strings.ContainsAny(r.Record, "{}") {
		fail("record: %q: want the name of a series", r.Record)
	}
	if len(r.Annotations) > 0 {
		fail("annotations: a recording rule has none")
	}
	if r.For != 0 {
		fail("for: a recording rule has none")
	}
	if r.KeepFiringFor != 0 {
		fail("keep_firing_for: a recording rule has none")
	}
}

var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

func checkLabels(labels map[string]string, templates bool) (errs []error) {
	for name, text := range labels {
		switch {
		case !labelName.MatchString(name) || name == rrd.NameLabel:
			errs = append(errs, fmt.Errorf("%s: want a name of letters, digits and underscores, and not %s", name, rrd.NameLabel))
		case !utf8.ValidString(text):
			errs = append(errs, fmt.Errorf("%s: the value is not valid UTF-8", name))
		case templates:
			if _, err := parseText(text); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
			}
		}
	}
	return errs
}
