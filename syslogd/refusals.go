package syslogd

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	maxOffenders = 1024        // of which counts are kept; more are counted as one
	topOffenders = 10          // are named
	reportPeriod = time.Minute // of the log
)

// An Offender is a sender of whom something was refused.
type Offender struct {
	Sender  netip.Addr // the zero Addr: all that the table has no room for
	Refused uint64     // messages and connections
}

// refusals counts what is refused, by reason in Stats and by sender in a
// bounded table.
type refusals struct {
	stats *Stats

	mu       sync.Mutex
	counts   map[netip.Addr]uint64
	reported map[netip.Addr]uint64 // as they were when they were last told
}

func newRefusals(stats *Stats) *refusals {
	return &refusals{stats: stats, counts: map[netip.Addr]uint64{}, reported: map[netip.Addr]uint64{}}
}

// add counts n messages or connections of a sender.
func (r *refusals) add(counter string, from netip.Addr, n int) {
	r.stats.Add(counter, n)
	from = senderOf(from)
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.counts[from]; !known && len(r.counts) >= maxOffenders {
		from = netip.Addr{}
	}
	r.counts[from] += uint64(n)
}

// top returns the senders with the highest counts since those in before.
func (r *refusals) top(before map[netip.Addr]uint64) []Offender {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []Offender
	for from, n := range r.counts {
		if n -= before[from]; n > 0 {
			all = append(all, Offender{from, n})
		}
	}
	slices.SortFunc(all, func(a, b Offender) int {
		return cmp.Or(cmp.Compare(b.Refused, a.Refused), a.Sender.Compare(b.Sender))
	})
	return all[:min(len(all), topOffenders)]
}

// Offenders are the senders of whom most was refused, highest count first.
func (s *Server) Offenders() []Offender { return s.refused.top(nil) }

// report names the offenders of each minute in the log until ctx ends.
func (r *refusals) report(ctx context.Context, log *slog.Logger) {
	for sleep(ctx, reportPeriod) {
		var names []string
		for _, o := range r.top(r.reported) {
			names = append(names, o.String())
		}
		if len(names) > 0 {
			log.Warn("messages or connections were refused", "within", reportPeriod, "senders", strings.Join(names, ", "))
		}
		r.turn()
	}
}

func (o Offender) String() string {
	if !o.Sender.IsValid() {
		return fmt.Sprintf("others %d", o.Refused)
	}
	return fmt.Sprintf("%v %d", o.Sender, o.Refused)
}

// turn begins a new period. Of a full table it forgets those that nothing
// was refused of in the last one.
func (r *refusals) turn() {
	r.mu.Lock()
	defer r.mu.Unlock()
	full := len(r.counts) >= maxOffenders
	for from, n := range r.counts {
		if full && n == r.reported[from] {
			delete(r.counts, from)
			delete(r.reported, from)
			continue
		}
		r.reported[from] = n
	}
}
