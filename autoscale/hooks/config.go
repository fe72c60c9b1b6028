package hooks

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"rondo/alerts/notify"
	"rondo/autoscale/fanout"
)

// What can happen to an instance.
const (
	Joined  = "joined"
	Leaving = "leaving"
	Left    = "left"
	Changed = "changed"
)

// For whom a hook can be run.
const (
	It     = "it"
	Others = "others"
	All    = "all"
)

// Bounds of the configuration.
const (
	maxHooks     = 200
	maxTries     = 100
	defaultTries = 10
)

// A Config is one hook.
type Config struct {
	Name    string        `yaml:"name"` // under which is kept what was done
	Group   string        `yaml:"group"`
	On      []string      `yaml:"on"`      // joined, leaving, left, changed
	Do      string        `yaml:"do"`      // the name of a command
	Webhook string        `yaml:"webhook"` // or a URL
	Token   notify.Secret `yaml:"token"`   // of the webhook
	Over    string        `yaml:"over"`    // it, others or all
	AtOnce  int           `yaml:"at_once"` // default: the command's
	Timeout time.Duration `yaml:"timeout"` // for each; default: the command's
	Tries   int           `yaml:"tries"`   // then it is given up; default 10
}

// Validate checks hooks, and that they do what there is; commands are the names
// of those that are configured.
func Validate(all []Config, commands []fanout.Config) error {
	var errs []error
	seen := map[string]bool{}
	for i, c := range all {
		if c.Name == "" || seen[c.Name] || strings.ContainsAny(c.Name, "/ \t\n") || len(c.Name) > 64 {
			errs = append(errs, fmt.Errorf("hooks: %d: name %q: want one of its own, without blanks and /, of at most 64 bytes", i+1, c.Name))
		}
		seen[c.Name] = true
		for _, err := range c.validate(commands) {
			errs = append(errs, fmt.Errorf("hooks: %d: hook %q: %w", i+1, c.Name, err))
		}
	}
	if len(all) > maxHooks {
		errs = append(errs, fmt.Errorf("hooks: %d of them: want at most %d", len(all), maxHooks))
	}
	return errors.Join(errs...)
}

func (c Config) validate(commands []fanout.Config) (errs []error) {
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Group == "" {
		bad("group is missing")
	}
	if len(c.On) == 0 {
		bad("on is missing: want joined, leaving, left or changed, or several of them")
	}
	for _, on := range c.On {
		if !slices.Contains([]string{Joined, Leaving, Left, Changed}, on) {
			bad("on: %q: want joined, leaving, left or changed", on)
		}
	}
	if !slices.Contains([]string{"", It, Others, All}, c.Over) {
		bad("over: %q: want it, others or all", c.Over)
	}
	if c.Tries < 0 || c.Tries > maxTries {
		bad("tries: %d: want 1 to %d", c.Tries, maxTries)
	}
	if err := (fanout.Limits{AtOnce: c.AtOnce, Timeout: c.Timeout}).Validate(); err != nil {
		bad("%w", err)
	}
	at := slices.IndexFunc(commands, func(k fanout.Config) bool { return k.Name == c.Do })
	switch {
	case (c.Do == "") == (c.Webhook == ""):
		bad("want one of do: (the name of a command) and webhook: (a URL)")
	case c.Webhook != "":
		if u, err := url.Parse(c.Webhook); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			bad("webhook: want http:// or https:// and a host")
		}
	case at < 0:
		bad("do: there is no command %q (autoscale: commands)", c.Do)
	case commands[at].Remote() && c.over() == It && slices.Contains(c.On, Left):
		bad("on: left: command %q runs on the instance, which is gone by then: want over: others, or on: leaving", c.Do)
	}
	return errs
}

func (c Config) over() string { return cmp.Or(c.Over, It) }

// job is what a hook of a valid configuration does.
func (c Config) job(jobs map[string]fanout.Job) fanout.Job {
	if c.Webhook != "" {
		return fanout.Job{Config: fanout.Config{Name: c.Name}, Runner: fanout.NewWebhook(c.Webhook, string(c.Token))}
	}
	return jobs[c.Do]
}

// limits are the hook's own, or the command's.
func (c Config) limits(j fanout.Job) fanout.Limits {
	l := j.Config.Limits()
	l.AtOnce, l.Timeout = cmp.Or(c.AtOnce, l.AtOnce), cmp.Or(c.Timeout, l.Timeout)
	return l
}
