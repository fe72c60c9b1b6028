package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"rondo/alerts"
	"rondo/alerts/notify"
	"rondo/alerts/notify/dispatch"
	"rondo/alerts/notify/hook"
	"rondo/alerts/notify/mail"
	"rondo/alerts/notify/pagerduty"
	"rondo/alerts/notify/slack"
	"rondo/alerts/notify/sns"
	"rondo/alerts/notify/webhook"
	"rondo/alerts/state"
	"rondo/rrd"
	"rondo/syslogd/valid"
)

// tellingConfig is the part of the section "alerts" that says who is told by
// routes. Without a route the short forms, webhooks and exec, are told
// everything at once; with one they are receivers like the others.
type tellingConfig struct {
	Receivers []receiverConfig `yaml:"receivers"`
	Dispatch  dispatch.Config  `yaml:",inline"`
}

// A receiverConfig is somebody who is told, in one way; or nobody, where no way
// is given.
type receiverConfig struct {
	Name         string         `yaml:"name"`
	SendResolved *bool          `yaml:"send_resolved"` // tell ends too; default true
	Rate         *dispatch.Rate `yaml:"rate"`          // above it there are digests; default 60/1m; none for no limit
	MaxAlerts    int            `yaml:"max_alerts"`    // in one message; default 100

	Webhook   *webhook.Config   `yaml:"webhook"`
	PagerDuty *pagerduty.Config `yaml:"pagerduty"`
	Slack     *slack.Config     `yaml:"slack"`
	Email     *mail.Config      `yaml:"email"`
	SNS       *sns.Config       `yaml:"sns"`
	Exec      *hook.Config      `yaml:"exec"`
}

// A receiverKind is one way to tell: a line in kinds.
type receiverKind struct {
	name  string
	given bool
	conf  interface{ Validate() error }
	build func(env senderEnv) (notify.Sender, error)
}

// senderEnv is what senders are made with.
type senderEnv struct {
	name  string // of the receiver
	store state.Store
	graph mail.Grapher
	log   *slog.Logger
}

// kinds are all there are.
func (r *receiverConfig) kinds() []receiverKind {
	return []receiverKind{
		{"webhook", r.Webhook != nil, r.Webhook, func(senderEnv) (notify.Sender, error) { return webhook.New(*r.Webhook) }},
		{"pagerduty", r.PagerDuty != nil, r.PagerDuty, func(senderEnv) (notify.Sender, error) { return pagerduty.New(*r.PagerDuty) }},
		{"slack", r.Slack != nil, r.Slack, func(senderEnv) (notify.Sender, error) { return slack.New(*r.Slack) }},
		{"email", r.Email != nil, r.Email, func(e senderEnv) (notify.Sender, error) { return mail.New(*r.Email, e.graph, e.log) }},
		{"sns", r.SNS != nil, r.SNS, func(senderEnv) (notify.Sender, error) { return sns.New(context.Background(), *r.SNS) }},
		{"exec", r.Exec != nil, r.Exec, func(e senderEnv) (notify.Sender, error) { return hook.New(*r.Exec, e.name, e.store, e.log) }},
	}
}

// kind is the one kind that is given; one without a name where none is.
func (r *receiverConfig) kind() (receiverKind, error) {
	var known []string
	var given []receiverKind
	for _, k := range r.kinds() {
		known = append(known, k.name)
		if k.given {
			given = append(given, k)
		}
	}
	if len(given) > 1 {
		return receiverKind{}, fmt.Errorf("a receiver has at most one of %s", strings.Join(known, ", "))
	}
	if len(given) == 0 {
		return receiverKind{}, nil
	}
	return given[0], nil
}

// validate says what is wrong, each with its key.
func (r *receiverConfig) validate() error {
	var errs []error
	if r.Name == "" || len(r.Name) > 100 || strings.ContainsAny(r.Name, "/\x00\n") {
		errs = append(errs, errors.New("name: want 1 to 100 characters, without a slash"))
	}
	if r.MaxAlerts < 0 || r.MaxAlerts > 1000 {
		errs = append(errs, fmt.Errorf("max_alerts: %d: want 1 to 1000", r.MaxAlerts))
	}
	k, err := r.kind()
	if err == nil && k.conf != nil {
		err = prefixed(k.name, k.conf.Validate())
	}
	return errors.Join(append(errs, err)...)
}

// receivers are those of the configuration, and those of the short forms.
func (c *alertsConfig) receivers() []receiverConfig {
	var all []receiverConfig
	for _, w := range c.Receivers.Webhooks {
		all = append(all, receiverConfig{Name: w.Name, Webhook: &w.Webhook})
	}
	for _, x := range c.Receivers.Exec {
		all = append(all, receiverConfig{Name: x.Name, Exec: &x.Exec})
	}
	return append(all, c.Telling.Receivers...)
}

// validateTelling says what is wrong with receivers and routes.
func (c *alertsConfig) validateTelling() error {
	var errs []error
	var names []string
	short := len(c.receivers()) - len(c.Telling.Receivers)
	for i, r := range c.receivers() {
		if n := i + 1 - short; n > 0 {
			key := "receivers: " + strconv.Itoa(n)
			errs = append(errs, prefixed(key, r.validate()))
			if slices.Contains(names, r.Name) {
				errs = append(errs, fmt.Errorf("%s: name: %q is there twice", key, r.Name))
			}
		}
		names = append(names, r.Name)
	}
	if c.Telling.Dispatch.Route != nil {
		errs = append(errs, c.noMatch())
	}
	if c.Telling.Dispatch.Route == nil && len(c.Telling.Receivers) > 0 {
		errs = append(errs, errors.New("receivers: 1: nobody is told by it: a route is wanted, at least `route: {receiver: NAME}`"))
	}
	for _, err := range valid.Errors(c.Telling.Dispatch.Validate(names)) {
		if unknown, ok := errors.AsType[*dispatch.UnknownError](err); ok {
			err = fmt.Errorf("%w%s", err, suggest(unknown.Name, unknown.Known))
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// noMatch says where the short forms limit themselves, which only routes do
// where there are any.
func (c *alertsConfig) noMatch() error {
	var errs []error
	for i, w := range c.Receivers.Webhooks {
		if len(w.Match) > 0 {
			errs = append(errs, fmt.Errorf("webhooks: %d: match: with a route it is the routes' matchers that say what goes where", i+1))
		}
	}
	for i, x := range c.Receivers.Exec {
		if len(x.Match) > 0 {
			errs = append(errs, fmt.Errorf("exec: %d: match: with a route it is the routes' matchers that say what goes where", i+1))
		}
	}
	return errors.Join(errs...)
}

// build makes the receivers of a valid configuration.
func (c *alertsConfig) build(env senderEnv) ([]dispatch.Receiver, error) {
	var out []dispatch.Receiver
	if c.Telling.Dispatch.Route == nil {
		return nil, nil
	}
	for _, r := range c.receivers() {
		k, err := r.kind()
		if err != nil {
			return nil, err
		}
		to := dispatch.Receiver{Name: r.Name, Kind: k.name, SendResolved: r.SendResolved == nil || *r.SendResolved, Rate: dispatch.DefaultRate(), MaxAlerts: r.MaxAlerts}
		if r.Rate != nil {
			to.Rate = *r.Rate
		}
		if env.name = r.Name; k.build != nil {
			if to.Sender, err = k.build(env); err != nil {
				return nil, fmt.Errorf("receiver %s: %w", r.Name, err)
			}
		}
		out = append(out, to)
	}
	return out, nil
}

func (s *server) senderEnv() senderEnv {
	return senderEnv{store: s.stores.state, graph: grapher{s.judge, s.events, s.fleet}, log: s.log}
}

// newDispatcher makes the dispatcher of a configuration.
func (s *server) newDispatcher(conf *config) error {
	rs, err := conf.Alerts.build(s.senderEnv())
	if err != nil {
		return err
	}
	s.dispatcher, err = dispatch.New(dispatch.Options{
		Log: s.log, Store: s.stores.state,
		Mute: func(rule string, ls rrd.Labels) alerts.Mute { return s.engine.MuteOf(rule, ls) },
	}, conf.Alerts.Telling.Dispatch, rs, conf.Alerts.Receivers.ExternalURL)
	return err
}

// targets are who the engine tells: all receivers at once, or the dispatcher
// where there are routes. Every transition also wakes the autoscaler.
func (s *server) targets(conf *config) (all []alerts.Target, err error) {
	if conf.Alerts.Telling.Dispatch.Route != nil {
		all = []alerts.Target{{Name: "dispatch", Action: s.dispatcher}}
	} else if all, err = conf.Alerts.Receivers.Build(s.stores.state, s.log); err != nil {
		return nil, err
	}
	return append(all, alerts.Target{Name: notify.Autoscale, Action: waker{s}}), nil
}

// reloadTelling replaces routes and receivers.
func (s *server) reloadTelling(conf *config) error {
	rs, err := conf.Alerts.build(s.senderEnv())
	if err != nil {
		return err
	}
	return s.dispatcher.Reload(conf.Alerts.Telling.Dispatch, rs, conf.Alerts.Receivers.ExternalURL)
}
