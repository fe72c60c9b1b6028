package alerts

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"rondo/rrd"
)

// StatusSeries is the name of the series that keep the history of states in a
// round-robin store: one for each state, with the labels of the state and its
// rule's name as alertname. The value is the status as Nagios numbers it, less
// a half while the state is soft:
//
//	0 ok   0.5 soft warning   1 warning   1.5 soft critical   2 critical   2.5 soft unknown   3 unknown
//
// So the maximum of a row is the worst that there was in it, and ceil() of a
// value is its status.
const StatusSeries = "rondo_alert_status"

// IsStatus says whether a series keeps the history of a state. Its samples are
// ours: they are no sign that the host lives which they name.
func IsStatus(k rrd.Key) bool { return k.Name() == StatusSeries }

// Bounds of what is written into the history.
const (
	maxWaiting  = 50_000 // samples that wait to be written; more are left out, counted
	writeEvery  = time.Second
	appendBatch = 5000
	lastWrite   = 5 * time.Second // for what waits at a stop
)

// A chronicle writes the history of states: each change within a second, and
// all states once a minute, so that a series whose state stays does not end.
type chronicle struct {
	mu      sync.Mutex
	waiting []rrd.Sample
}

// statusValue is a state as a number, see StatusSeries.
func statusValue(s State) float64 {
	v := float64(s.Status)
	if s.Status != OK && s.Soft() {
		v -= 0.5
	}
	return v
}

// chronicle notes how a state stands. Labels that make no series are counted.
func (e *Engine) chronicle(rule string, rec record, now time.Time) {
	if e.o.Series == nil {
		return
	}
	labels := slices.DeleteFunc(slices.Clone(rec.labels), func(l rrd.Label) bool { return l.Name == RuleLabel || l.Name == rrd.NameLabel })
	key, err := rrd.NewKey(StatusSeries, append(labels, rrd.Label{Name: RuleLabel, Value: rule})...)
	e.written.mu.Lock()
	defer e.written.mu.Unlock()
	if err != nil || len(e.written.waiting) >= maxWaiting {
		e.stats.SeriesLost.Add(1)
		return
	}
	e.written.waiting = append(e.written.waiting, rrd.Sample{Key: key, Time: rrd.At(now), Value: statusValue(rec.state), Type: rrd.Gauge})
}

// chronicleAll notes how all states stand.
func (e *Engine) chronicleAll(now time.Time) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	for rule, r := range e.rules {
		for _, rec := range r.records {
			e.chronicle(rule, rec, now)
		}
	}
}

// write writes what is noted, until ctx ends.
func (e *Engine) write(ctx context.Context) {
	tick := time.NewTicker(writeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrite)
			defer cancel()
			e.flush(last)
			return
		case <-tick.C:
			e.flush(ctx)
		}
	}
}

// flush writes what waits. What cannot be written is counted and left out: in
// a minute all states are written again.
func (e *Engine) flush(ctx context.Context) {
	e.written.mu.Lock()
	waiting := e.written.waiting
	e.written.waiting = nil
	e.written.mu.Unlock()
	for part := range slices.Chunk(waiting, appendBatch) {
		err := e.o.Series.Append(ctx, part)
		if some, ok := errors.AsType[*rrd.BatchError](err); ok {
			e.stats.SeriesLost.Add(uint64(len(some.Refused)))
		} else if err != nil {
			e.stats.SeriesLost.Add(uint64(len(part)))
		}
	}
}
