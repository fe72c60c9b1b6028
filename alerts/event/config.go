package event

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"rondo/alerts/notify"
)

// Config is the section "events" of the configuration.
type Config struct {
	Keep  int           `yaml:"keep"` // how many events are kept
	Age   time.Duration `yaml:"age"`  // and for how long
	Hooks []Hook        `yaml:"hooks"`
}

// DefaultConfig keeps events for as long as the coarsest archives.
func DefaultConfig() Config { return Config{Keep: 20_000, Age: 3 * 366 * 24 * time.Hour} }

// The kinds of hooks.
const (
	GitHub  = "github"
	GitLab  = "gitlab"
	Generic = "generic"
)

// A Hook takes the deliveries of one sender at /api/events/hook/<name>.
type Hook struct {
	Name   string        `yaml:"name"`
	Kind   string        `yaml:"kind"`
	Secret notify.Secret `yaml:"secret"`
	Tags   []string      `yaml:"tags"`  // put on its events, beside those of the kind
	Group  string        `yaml:"group"` // the label group of its events
	Rate   float64       `yaml:"rate"`  // deliveries a second, in the mean; 0: 5

	Labels   map[string]string `yaml:"labels"`
	Branches []string          `yaml:"branches"` // whose pushes are events; none: the default branch
	Map      map[string]string `yaml:"map"`      // generic: field -> text with {paths} into the JSON
}

// Bounds of the configuration.
const (
	maxKeep   = 200_000
	maxHooks  = 100
	minSecret = 16
	hookRate  = 5 // a second
	hookBurst = 50
)

// Validate says all that is wrong.
func (c Config) Validate() error {
	var errs []error
	if c.Keep < 100 || c.Keep > maxKeep {
		errs = append(errs, fmt.Errorf("keep: %d events: want 100 to %d", c.Keep, maxKeep))
	}
	if c.Age < 24*time.Hour {
		errs = append(errs, fmt.Errorf("age: %v: want a day (24h) or more", c.Age))
	}
	if len(c.Hooks) > maxHooks {
		errs = append(errs, fmt.Errorf("hooks: %d, at most %d", len(c.Hooks), maxHooks))
	}
	seen := map[string]bool{}
	for _, h := range c.Hooks {
		if seen[h.Name] {
			errs = append(errs, fmt.Errorf("hooks: hook %q: there is another one of this name", h.Name))
		}
		seen[h.Name] = true
		if err := h.validate(); err != nil {
			errs = append(errs, fmt.Errorf("hooks: hook %q: %w", h.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (h Hook) validate() error {
	switch {
	case h.Name == "" || strings.Trim(h.Name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" || len(h.Name) > maxTag:
		return errors.New("name: want small letters, digits, - and _, which go into its address")
	case !slices.Contains([]string{GitHub, GitLab, Generic}, h.Kind):
		return fmt.Errorf("kind: %q is none of %s, %s, %s", h.Kind, GitHub, GitLab, Generic)
	case len(h.Secret) < minSecret:
		return fmt.Errorf("secret: want %d characters or more (openssl rand -hex 16), the same as the sender has", minSecret)
	case h.Rate < 0:
		return fmt.Errorf("rate: %g a second: want more than 0", h.Rate)
	case h.Kind != Generic && len(h.Map) > 0:
		return fmt.Errorf("map: only of kind %s; %s says what its fields mean", Generic, h.Kind)
	case h.Kind == Generic && len(h.Branches) > 0:
		return fmt.Errorf("branches: only of kinds %s and %s", GitHub, GitLab)
	}
	for field, text := range h.Map {
		if !slices.Contains(mapped(), field) && !strings.HasPrefix(field, labelField) {
			return fmt.Errorf("map: %q: want one of %s, or labels.NAME", field, strings.Join(mapped(), ", "))
		}
		if _, err := parsePattern(text); err != nil {
			return fmt.Errorf("map: %s: %w", field, err)
		}
	}
	e := Event{Title: "x", Tags: h.Tags, Labels: h.labels()}
	return e.checkWords()
}

// labels are what is put on the hook's events.
func (h Hook) labels() map[string]string {
	out := map[string]string{}
	for k, v := range h.Labels {
		out[k] = v
	}
	if h.Group != "" {
		out["group"] = h.Group
	}
	return out
}
