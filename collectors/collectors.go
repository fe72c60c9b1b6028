package collectors

import (
	"context"
	"log/slog"

	"rondo/rrd"
	"rondo/syslogd/syslog"
)

// A Collector brings samples in until ctx ends. Run returns nil after ctx has
// ended and everything it started has ended too.
type Collector interface {
	Run(ctx context.Context) error
}

// Env is what a collector is given to work with.
type Env struct {
	Log   *slog.Logger
	Store rrd.Appender
	Sets  rrd.SetStore // for protocols that speak RRDtool's own arithmetic
	Logs  Logs         // for what is made of log messages
	Data  string       // the data directory
	Stats *Stats
}

// Logs are the messages that the log store takes.
type Logs interface {
	// Tap calls observe with every batch that was stored from now on, until
	// leave returns. observe is called by several goroutines at once; it must
	// neither wait nor retain the batch or its strings.
	Tap(observe func(batch []syslog.Message)) (leave func())
}

// A Kind is a sort of collector, as the configuration names it.
type Kind struct {
	Name string
	// Default says whether it runs where no configuration names it.
	Default bool
	// Single says that there can be only one of it.
	Single bool
	// Build makes a collector. decode fills a configuration struct strictly:
	// it must be called once, with defaults already set, and its error names
	// file, line and column. Build binds the collector's sockets, so that a
	// port in use is found at start; Run owns and closes them.
	Build func(env Env, decode func(config any) error) (Collector, error)
}

// KindOf is the Kind of a collector that is made of a configuration alone: the
// file's over the defaults.
func KindOf[Config any, C Collector](name string, byDefault bool, defaults func() Config, build func(Env, Config) (C, error)) Kind {
	return Kind{
		Name:    name,
		Default: byDefault,
		Build: func(env Env, decode func(any) error) (Collector, error) {
			c := defaults()
			if err := decode(&c); err != nil {
				return nil, err
			}
			built, err := build(env, c)
			if err != nil {
				return nil, err // not a nil C in a Collector that is not nil
			}
			return built, nil
		},
	}
}
