package stage

import (
	"errors"
	"fmt"
	"strings"

	"rondo/syslogd/filter"
	"rondo/syslogd/valid"
)

// Config is one stage: one of the list `stages`. It has exactly one of its
// kinds.
type Config struct {
	Name   string         `yaml:"name"`   // in counters and errors: letters, digits, - and _; else its number and kind
	Filter *filter.Filter `yaml:"filter"` // which messages; all others pass by. None: all

	Parse     *ParseConfig     `yaml:"parse"`
	Rewrite   *RewriteConfig   `yaml:"rewrite"`
	Redact    *RedactConfig    `yaml:"redact"`
	Dedup     *DedupConfig     `yaml:"dedup"`
	RateLimit *RateLimitConfig `yaml:"rate_limit"`
	Sample    *SampleConfig    `yaml:"sample"`
	Drop      bool             `yaml:"drop"`
}

// A builder makes the stage of a configuration, or says all that is wrong
// with it, each with its key.
type builder interface{ build() (stage, error) }

// kind is the one kind that is given, by its key. Messages that it drops are
// counted by reason.
func (c *Config) kind() (key string, reason Reason, b builder, err error) {
	var given []string
	add := func(is bool, name string, why Reason, of builder) {
		if is {
			given = append(given, name)
			key, reason, b = name, why, of
		}
	}
	add(c.Parse != nil, "parse", "", c.Parse)
	add(c.Rewrite != nil, "rewrite", "", c.Rewrite)
	add(c.Redact != nil, "redact", "", c.Redact)
	add(c.Dedup != nil, "dedup", Repeated, c.Dedup)
	add(c.RateLimit != nil, "rate_limit", RateLimited, c.RateLimit)
	add(c.Sample != nil, "sample", Sampled, c.Sample)
	add(c.Drop, "drop", Filtered, drop{})
	switch len(given) {
	case 1:
		return key, reason, b, nil
	case 0:
		return "", "", nil, errors.New("nothing to do: want one of parse, rewrite, redact, dedup, rate_limit, sample, drop")
	}
	return "", "", nil, fmt.Errorf("%s: a stage has one of these; make a stage of each", strings.Join(given, ", "))
}

// Validate says all that is wrong with a list of stages, each with its place
// and key.
func Validate(stages []Config) error {
	_, err := build(stages)
	return err
}

// build makes the steps of a pipe.
func build(stages []Config) ([]*step, error) {
	var errs []error
	steps := make([]*step, 0, len(stages))
	names := map[string]bool{}
	for i := range stages {
		s, err := stages[i].step(i + 1)
		for _, e := range valid.Errors(err) {
			errs = append(errs, fmt.Errorf("stages: %d: %w", i+1, e))
		}
		if names[s.name] {
			errs = append(errs, fmt.Errorf("stages: %d: name: %q is there twice", i+1, s.name))
		}
		names[s.name] = true
		steps = append(steps, s)
	}
	return steps, errors.Join(errs...)
}

// step builds the stage with a number.
func (c *Config) step(number int) (*step, error) {
	key, reason, b, err := c.kind()
	if err != nil {
		return &step{name: fmt.Sprint(number)}, err
	}
	s := &step{name: c.Name, kind: key, reason: reason, filter: c.Filter}
	if s.name == "" {
		s.name = fmt.Sprintf("%d_%s", number, key)
	}
	var errs []error
	if !isName(s.name) {
		errs = append(errs, fmt.Errorf("name: %q is not made of letters, digits, - and _", s.name))
	}
	s.stage, err = b.build()
	for _, e := range valid.Errors(err) {
		errs = append(errs, fmt.Errorf("%s: %w", key, e))
	}
	s.counters.init(s.name, reason)
	return s, errors.Join(errs...)
}

func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// unknown says that a name is none of the known ones, and which is nearest.
func unknown(name string, known []string) error {
	return fmt.Errorf("%q is none of %s; did you mean %s?", name, strings.Join(known, ", "), filter.Nearest(name, known))
}

// atLeast checks a number that has a default: 0 stands for it.
func atLeast(key string, n *int, least, usual int) error {
	if *n == 0 {
		*n = usual
	}
	if *n < least {
		return fmt.Errorf("%s: %d is less than %d", key, *n, least)
	}
	return nil
}

// drop drops every message.
type drop struct{}

func (drop) build() (stage, error) { return drop{}, nil }
