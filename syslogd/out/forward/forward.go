package forward

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"rondo/syslogd/out"
)

const (
	dialTimeout  = 10 * time.Second
	writeTimeout = time.Minute      // for as much as is written at once
	replyTimeout = time.Minute      // for the answer of a RELP server
	leaveTimeout = 5 * time.Second  // for a server to close its side, once it has everything
	drainTimeout = 30 * time.Second // until all is settled, before the servers change
	chunkBytes   = 64 << 10         // written at once
)

// A Destination is one server or several that stand for one another.
type Destination struct {
	cfg Config
	log *slog.Logger

	connections atomic.Uint64 // opened
	cut         atomic.Uint64 // messages too long for a datagram
	changes     atomic.Uint64 // of servers within a session
}

// New returns a destination. It reads the files of TLS, to see that they are
// good; they are read again for each session.
func New(cfg Config, log *slog.Logger) (*Destination, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("forward: %w", err)
	}
	if cfg.TLS.Given() {
		if _, err := cfg.TLS.Config(); err != nil {
			return nil, fmt.Errorf("forward: %w", err)
		}
	}
	return &Destination{cfg: cfg.withDefaults(), log: log}, nil
}

// Counters implements out.Counter:
//
//	connections     opened
//	cut             messages that were longer than a datagram may be
//	server_changes  times that a server took part, or took over, again
func (d *Destination) Counters() map[string]uint64 {
	return map[string]uint64{
		"connections":    d.connections.Load(),
		"cut":            d.cut.Load(),
		"server_changes": d.changes.Load(),
	}
}

// Open connects to the first server that works, or to all of them.
func (d *Destination) Open(ctx context.Context) (out.Session, error) {
	var lanes []*lane
	var err error
	if d.cfg.Mode == Balance {
		lanes, err = d.dialAll(ctx)
	} else {
		lanes, err = d.dialFirst(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("forward: %w", err)
	}
	return d.newSession(ctx, lanes), nil
}

// dialFirst connects to the first server that works.
func (d *Destination) dialFirst(ctx context.Context) ([]*lane, error) {
	var errs []error
	for i, to := range d.cfg.To {
		l, err := d.dial(ctx, i)
		if err == nil {
			if i > 0 {
				d.log.Warn("the first server does not work; another one takes over", "to", to, "err", errors.Join(errs...))
			}
			return []*lane{l}, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// straggle is how long those that connected first wait for the others.
const straggle = time.Second

// dialAll connects to all servers at once. One that does not answer holds up
// the others only for a moment.
func (d *Destination) dialAll(ctx context.Context) ([]*lane, error) {
	type result struct {
		lane *lane
		err  error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan result)
	for i := range d.cfg.To {
		go func() {
			l, err := d.dial(ctx, i)
			results <- result{l, err}
		}()
	}
	var lanes []*lane
	var errs []error
	for range d.cfg.To { // so that no goroutine is left
		r := <-results
		if r.err != nil {
			errs = append(errs, r.err)
			continue
		}
		if lanes = append(lanes, r.lane); len(lanes) == 1 {
			late := time.AfterFunc(straggle, cancel)
			defer late.Stop()
		}
	}
	switch {
	case len(lanes) == 0:
		return nil, errors.Join(errs...)
	case len(errs) > 0:
		d.log.Warn("some servers do not work; the others take their part", "working", len(lanes), "err", errors.Join(errs...))
	}
	return lanes, nil
}
