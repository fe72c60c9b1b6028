package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"rondo/syslogd"
	"rondo/syslogd/out"
	"rondo/syslogd/out/archive"
	"rondo/syslogd/out/fifo"
	"rondo/syslogd/out/file"
	"rondo/syslogd/out/forward"
	"rondo/syslogd/out/program"
	"rondo/syslogd/out/push"
	"rondo/syslogd/spool"
	"rondo/syslogd/stage"
	"rondo/syslogd/valid"
)

// A destinationConfig is a place that messages are delivered to: exactly one
// of the kinds, and the queue in front of it.
type destinationConfig struct {
	Name  string       `yaml:"name"` // names its queue; letters, digits, "-" and "_"
	Queue spool.Limits `yaml:"queue"`

	Syslog  *forward.Config `yaml:"syslog"`
	File    *file.Config    `yaml:"file"`
	HTTP    *push.Config    `yaml:"http"`
	Program *program.Config `yaml:"program"`
	FIFO    *fifo.Config    `yaml:"fifo"`
	S3      *archive.Config `yaml:"s3"`
}

// A destinationKind is one way to deliver: a line in kinds.
type destinationKind struct {
	name  string
	given bool
	conf  interface{ Validate() error }
	build func(log *slog.Logger) (out.Destination, error)
}

// kinds are all there are.
func (d *destinationConfig) kinds() []destinationKind {
	return []destinationKind{
		{"syslog", d.Syslog != nil, d.Syslog, func(log *slog.Logger) (out.Destination, error) { return forward.New(*d.Syslog, log) }},
		{"file", d.File != nil, d.File, func(log *slog.Logger) (out.Destination, error) { return file.New(*d.File, log) }},
		{"http", d.HTTP != nil, d.HTTP, func(log *slog.Logger) (out.Destination, error) { return push.New(*d.HTTP, log) }},
		{"program", d.Program != nil, d.Program, func(log *slog.Logger) (out.Destination, error) { return program.New(*d.Program, log) }},
		{"fifo", d.FIFO != nil, d.FIFO, func(*slog.Logger) (out.Destination, error) { return fifo.New(*d.FIFO) }},
		{"s3", d.S3 != nil, s3Config{d.S3}, func(*slog.Logger) (out.Destination, error) { return s3Config{d.S3}.build() }},
	}
}

// kind is the one kind that is given.
func (d *destinationConfig) kind() (destinationKind, error) {
	var known []string
	var given []destinationKind
	for _, k := range d.kinds() {
		known = append(known, k.name)
		if k.given {
			given = append(given, k)
		}
	}
	if len(given) != 1 {
		return destinationKind{}, fmt.Errorf("a destination has exactly one of %s", strings.Join(known, ", "))
	}
	return given[0], nil
}

// validate says what is wrong, each with its key.
func (d *destinationConfig) validate() error {
	errs := []error{syslogd.CheckName(d.Name)}
	if d.Name == syslogd.StoreName {
		errs = append(errs, errors.New("name: store is the log store"))
	}
	errs = append(errs, prefixed("queue", d.Queue.Validate()))
	k, err := d.kind()
	if err == nil {
		err = prefixed(k.name, k.conf.Validate())
	}
	return errors.Join(append(errs, err)...)
}

// prefixed puts a key before each error.
func prefixed(key string, err error) error {
	var errs []error
	for _, e := range valid.Errors(err) {
		errs = append(errs, fmt.Errorf("%s: %w", key, e))
	}
	return errors.Join(errs...)
}

// destinations are those of the configuration, and one for each relay, which
// is a short form of a route with one.
func (c *syslogConfig) destinations() []destinationConfig {
	var all []destinationConfig
	for _, r := range c.Server.Relays {
		all = append(all, destinationConfig{
			Name: r.Name, Queue: spool.Limits{Bytes: r.QueueBytes},
			Syslog: &forward.Config{To: []string{r.To}, Framing: forward.Framing(r.Framing), Format: forward.Format(r.Format)},
		})
	}
	return append(all, c.Destinations...)
}

// routes are those of relays, in front of those of the configuration. Where
// there are none of these, everything is stored.
func (c *syslogConfig) routes() []syslogd.RouteConfig {
	var all []syslogd.RouteConfig
	for _, r := range c.Server.Relays {
		all = append(all, syslogd.RouteConfig{Name: r.Name, Filter: r.Filter, To: []string{r.Name}})
	}
	if len(c.Routes) == 0 && len(all) > 0 {
		all = append(all, syslogd.RouteConfig{Name: syslogd.StoreName, To: []string{syslogd.StoreName}})
	}
	return append(all, c.Routes...)
}

// validateRoutes says what is wrong with destinations and routes.
func (c *syslogConfig) validateRoutes() error {
	var errs []error
	var names []string
	for i, d := range c.destinations() {
		n := i + 1 - len(c.Server.Relays)
		if n > 0 {
			errs = append(errs, prefixed(fmt.Sprintf("destinations: %d", n), d.validate()))
		}
		if n > 0 && slices.Contains(names, d.Name) {
			errs = append(errs, fmt.Errorf("destinations: %d: name: %q is there twice, or is a relay's", n, d.Name))
		}
		names = append(names, d.Name)
	}
	if len(names) > syslogd.MaxDestinations {
		errs = append(errs, fmt.Errorf("destinations: %d are more than %d", len(names), syslogd.MaxDestinations))
	}
	for i, r := range c.Routes {
		key := fmt.Sprintf("routes: %d", i+1)
		errs = append(errs, prefixed(key, r.Validate(names)))
		same := func(other syslogd.RouteConfig) bool { return other.Name == r.Name }
		if slices.ContainsFunc(c.Routes[:i], same) || slices.ContainsFunc(c.Server.Relays, func(relay syslogd.RelayConfig) bool { return relay.Name == r.Name }) {
			errs = append(errs, fmt.Errorf("%s: name: %q is there twice, or is a relay's", key, r.Name))
		}
	}
	return errors.Join(errs...)
}

// A destination is one that runs: its queue, and where that is delivered to.
type destination struct {
	kind  string
	queue *spool.Queue
	to    out.Destination
}

// buildDestinations opens the queues of the destinations.
func (s *server) buildDestinations(conf *config, log *slog.Logger) (all []destination, err error) {
	var queues []spool.QueueConfig
	for _, d := range conf.Syslogd.destinations() {
		k, err := d.kind()
		if err != nil {
			return nil, err
		}
		to, err := k.build(log.With("destination", d.Name))
		if err != nil {
			return nil, fmt.Errorf("destination %s: %w", d.Name, err)
		}
		queues = append(queues, spool.QueueConfig{Name: d.Name, Limits: d.Queue})
		all = append(all, destination{kind: k.name, to: to})
	}
	opened, err := s.stores.spool.Queues(queues)
	for i := range opened {
		all[i].queue = opened[i]
	}
	return all, err
}

// buildRouter makes the router of a configuration.
func (s *server) buildRouter(conf *config, p *parts, log *slog.Logger) (err error) {
	o := syslogd.RouterOptions{
		Store: stored{s.stores.logs, s.fleet, s.taps}, Discard: conf.Syslogd.Server.Discard,
		Spool: s.stores.spool, Stats: p.syslogged, Log: log,
	}
	if o.Stages, err = stage.New(conf.Syslogd.Server.Stages); err != nil {
		return err
	}
	if p.destinations, err = s.buildDestinations(conf, log); err != nil {
		return err
	}
	var names []string
	for _, d := range p.destinations {
		names = append(names, d.queue.Name())
		o.Queues = append(o.Queues, d.queue)
	}
	for _, rc := range conf.Syslogd.routes() {
		route, err := rc.Build(names)
		if err != nil {
			return err
		}
		o.Routes = append(o.Routes, route)
	}
	p.router = syslogd.NewRouter(o)
	return takeRelayQueues(context.Background(), s.conf.Data, s.stores.spool, o.Queues, log)
}
