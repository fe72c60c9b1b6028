package fanout

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"rondo/alerts/notify"
)

// Where a command can be run.
const (
	OverHere    = "here"    // on the server
	OverSSH     = "ssh"     // on the instance
	OverSSM     = "ssm"     // on the instance, by AWS Systems Manager
	OverWebhook = "webhook" // nowhere: a URL is called
)

// Bounds of the configuration.
const (
	maxCommands  = 200
	maxProcesses = 64 // on the server, of all commands
)

// A Config is a command that can be run by its name.
type Config struct {
	Name string   `yaml:"name"`
	Over string   `yaml:"over"` // here, ssh, ssm or webhook; the default goes by what else is said
	Run  []string `yaml:"run"`  // program and arguments; there is no shell of ours

	User       string `yaml:"user"`        // ssh: who logs in
	Key        string `yaml:"key"`         // ssh: file with the private key
	KnownHosts string `yaml:"known_hosts"` // ssh: file with the hosts' keys
	Learn      bool   `yaml:"learn"`       // ssh: the key of an instance that is new is taken, and written to known_hosts
	Port       int    `yaml:"port"`        // ssh; default 22

	URL   string        `yaml:"url"`   // webhook
	Token notify.Secret `yaml:"token"` // webhook: sent as bearer token

	Timeout   time.Duration `yaml:"timeout"`    // for each host; default 1m
	AtOnce    int           `yaml:"at_once"`    // hosts at a time; default 10
	StopAfter int           `yaml:"stop_after"` // begin no more after so many failures; default: never
}

// Limits are the command's own.
func (c Config) Limits() Limits {
	return Limits{AtOnce: c.AtOnce, Timeout: c.Timeout, StopAfter: c.StopAfter}.withDefaults()
}

// Where is where it is run, or what the rest of the configuration implies.
func (c Config) Where() string {
	switch {
	case c.Over != "":
		return c.Over
	case c.URL != "":
		return OverWebhook
	case c.User != "" || c.Key != "":
		return OverSSH
	}
	return OverHere
}

// Remote says whether the command is run on the instances themselves.
func (c Config) Remote() bool { return c.Where() == OverSSH || c.Where() == OverSSM }

// Validate checks commands.
func Validate(all []Config) error {
	var errs []error
	seen := map[string]bool{}
	for i, c := range all {
		if c.Name == "" || seen[c.Name] || strings.ContainsAny(c.Name, "/ \t\n") || len(c.Name) > 64 {
			errs = append(errs, fmt.Errorf("commands: %d: name %q: want one of its own, without blanks and /, of at most 64 bytes", i+1, c.Name))
		}
		seen[c.Name] = true
		if err := c.validate(); err != nil {
			errs = append(errs, fmt.Errorf("commands: %d: command %q: %w", i+1, c.Name, err))
		}
	}
	if len(all) > maxCommands {
		errs = append(errs, fmt.Errorf("commands: %d of them: want at most %d", len(all), maxCommands))
	}
	return errors.Join(errs...)
}

func (c Config) validate() error {
	l := Limits{AtOnce: c.AtOnce, Timeout: c.Timeout, StopAfter: c.StopAfter}
	if err := l.Validate(); err != nil {
		return err
	}
	over := c.Where()
	if over == OverWebhook {
		if u, err := url.Parse(c.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return errors.New("url: want http:// or https:// and a host")
		}
		if len(c.Run) > 0 {
			return errors.New("run: a webhook runs nothing; it is sent JSON")
		}
		return nil
	}
	if len(c.Run) == 0 || c.Run[0] == "" {
		return errors.New("run is missing: want [program, argument, ...]")
	}
	if slices.ContainsFunc(c.Run, func(w string) bool { return strings.ContainsRune(w, 0) }) {
		return errors.New("run: a word has a NUL in it")
	}
	switch over {
	case OverHere:
		if !filepath.IsAbs(c.Run[0]) {
			return fmt.Errorf("run: %q: on the server the program is named by its whole path", c.Run[0])
		}
	case OverSSH:
		return c.validateSSH()
	case OverSSM:
	default:
		return fmt.Errorf("over: %q: want here, ssh, ssm or webhook", over)
	}
	return nil
}

func (c Config) validateSSH() error {
	switch {
	case c.User == "":
		return errors.New("user is missing: who logs in over ssh?")
	case !filepath.IsAbs(c.Key):
		return fmt.Errorf("key: %q: want the whole path of a private key's file", c.Key)
	case !filepath.IsAbs(c.KnownHosts):
		return fmt.Errorf("known_hosts: %q: want the whole path of a file with the hosts' keys", c.KnownHosts)
	case c.Port < 0 || c.Port > 65535:
		return fmt.Errorf("port: %d: want 1 to 65535", c.Port)
	}
	return nil
}

// Validate checks limits; zero values mean the defaults.
func (l Limits) Validate() error {
	switch {
	case l.AtOnce < 0 || l.AtOnce > maxAtOnce:
		return fmt.Errorf("at_once: %d: want 1 to %d", l.AtOnce, maxAtOnce)
	case l.Timeout < 0 || l.Timeout > MaxTimeout:
		return fmt.Errorf("timeout: %v: want at most %v", l.Timeout, MaxTimeout)
	case l.StopAfter < 0:
		return fmt.Errorf("stop_after: %d: want 0 or more", l.StopAfter)
	}
	return nil
}

// A Job is a command that is ready to run.
type Job struct {
	Config Config
	Runner Runner
}

// Jobs makes the commands of a valid configuration, by name. Runners of places
// that are not ours to know, such as [OverSSM], come in others.
func Jobs(all []Config, others map[string]Runner) (map[string]Job, error) {
	jobs, here := map[string]Job{}, NewHere(maxProcesses)
	for _, c := range all {
		j := Job{Config: c}
		switch over := c.Where(); over {
		case OverHere:
			j.Runner = here
		case OverSSH:
			j.Runner = NewSSH(c)
		case OverWebhook:
			j.Runner = NewWebhook(c.URL, string(c.Token))
		default:
			if j.Runner = others[over]; j.Runner == nil {
				return nil, fmt.Errorf("fanout: command %q: nothing here can run it over %s (known: %s)", c.Name, over,
					strings.Join(slices.Sorted(maps.Keys(others)), ", "))
			}
		}
		jobs[c.Name] = j
	}
	return jobs, nil
}

// Run runs the command for hosts. What each is told comes from tell, which
// leaves out the words: those are as configured.
func (j Job) Run(ctx context.Context, hosts []Host, l Limits, tell func(Host) Command, done func(Result)) []Result {
	return Run(ctx, hosts, l, j.Runner, func(h Host) Command {
		c := tell(h)
		c.Name, c.Argv = j.Config.Name, j.Config.Run
		return c
	}, done)
}
