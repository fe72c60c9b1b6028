package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"rondo/alerts/check"
	"rondo/alerts/state"
	"rondo/rrd/store"
	"rondo/syslogd"
	"rondo/syslogd/filter"
	"rondo/syslogd/logstore"
	"rondo/syslogd/spool"
	"rondo/syslogd/syslog"
)

// stores are what is on disk:
//
//	data/metrics   round-robin store
//	data/logs      log store
//	data/state     alert states, outbox, hosts, autoscaling journal
//	data/spool     the queues of destinations
//	data/snapshot  copies of the above by hard links, while a backup is made
//	data/ballast   room for a start on a full disk
type stores struct {
	metrics *store.Store
	logs    *logstore.Store
	spool   *spool.Spool
	state   *state.Disk

	badStates []string // directories of earlier states, which were damaged
}

// stageDir is where snapshots lie in the data directory.
const stageDir = "snapshot"

// openStores opens all stores, or none.
func openStores(conf *config, log *slog.Logger) (_ *stores, err error) {
	if err := os.MkdirAll(conf.Data, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := newBallast(conf.Data, log).giveUp(); err != nil {
		return nil, err
	}
	s := &stores{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.metrics, err = openMetrics(conf, log); err != nil {
		return nil, err
	}
	s.logs, err = logstore.Open(filepath.Join(conf.Data, "logs"), logstore.Options{Config: conf.Syslogd.Store, Log: log})
	if err != nil {
		return nil, err
	}
	if s.spool, err = spool.Open(filepath.Join(conf.Data, "spool"), spool.Options{Log: log}); err != nil {
		return nil, err
	}
	s.state, err = state.Open(stateDir(conf), state.Options{Log: log})
	if err != nil {
		return nil, err
	}
	if s.badStates, err = state.SetAside(stateDir(conf)); err != nil {
		return nil, err
	}
	// Left over from a backup that was killed. The stores are ours, so nobody
	// is making one now.
	if err := os.RemoveAll(filepath.Join(conf.Data, stageDir)); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	return s, nil
}

func stateDir(conf *config) string { return filepath.Join(conf.Data, "state") }

// lostState says what became of an earlier state, "" if none was lost.
func (s *stores) lostState() string {
	if len(s.badStates) == 0 {
		return ""
	}
	return "an earlier state was damaged and is set aside in " + s.badStates[len(s.badStates)-1]
}

func openMetrics(conf *config, log *slog.Logger) (*store.Store, error) {
	schemas, err := conf.RRD.Store.Build()
	if err != nil {
		return nil, err
	}
	return store.Open(filepath.Join(conf.Data, "metrics"), store.Options{
		Schemas: schemas, MaxSeries: conf.RRD.Store.MaxSeries, LateWindow: conf.RRD.Store.LateWindow, Log: log,
	})
}

func (s *stores) close() error {
	var errs []error
	if s.state != nil {
		errs = append(errs, s.state.Close())
	}
	if s.spool != nil {
		errs = append(errs, s.spool.Close())
	}
	if s.logs != nil {
		errs = append(errs, s.logs.Close())
	}
	if s.metrics != nil {
		errs = append(errs, s.metrics.Close())
	}
	return errors.Join(errs...)
}

// ruleLogs are the messages that rules look at, by our clock: a sender whose
// clock is wrong is heard all the same.
type ruleLogs struct{ searcher syslogd.Searcher }

// Count implements check.Logs.
func (l ruleLogs) Count(ctx context.Context, f *filter.Filter, by []string, from, to time.Time) ([]check.Count, error) {
	groups, err := l.searcher.Count(ctx, syslogd.Query{Filter: f, From: from, To: to, ByReceived: true}, by, 0)
	out := make([]check.Count, len(groups))
	for i, g := range groups {
		out[i] = check.Count{Values: g.Values, Messages: g.Count}
	}
	return out, err
}

// Messages implements check.Logs.
func (l ruleLogs) Messages(ctx context.Context, f *filter.Filter, from, to time.Time) iter.Seq2[syslog.Message, error] {
	return l.searcher.Search(ctx, syslogd.Query{Filter: f, From: from, To: to, ByReceived: true})
}
