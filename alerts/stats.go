package alerts

import "sync/atomic"

// Stats counts what an Engine does.
type Stats struct {
	Checks        atomic.Uint64
	Looks         atomic.Uint64 // of these, out of turn, because series have moved
	CheckErrors   atomic.Uint64 // failed or timed out
	Submitted     atomic.Uint64 // readings that came without a check of ours
	Transitions   atomic.Uint64 // hard changes
	Muted         atomic.Uint64 // of these, not told at once: see Mute
	Told          atomic.Uint64 // actions that succeeded
	Retries       atomic.Uint64 // actions that failed and are tried again
	Refused       atomic.Uint64 // told no more: the action failed for good
	Expired       atomic.Uint64 // told no more: older than Options.Expire
	Overflow      atomic.Uint64 // told no more: the outbox was full, the oldest went
	StatesFull    atomic.Uint64 // readings without a state: Options.MaxStates is reached
	LabelsTooLong atomic.Uint64 // readings without a state: the store could not take their labels
	SeriesLost    atomic.Uint64 // samples of the history of states that could not be written
	StoreErrors   atomic.Uint64 // states that could not be stored; tried again at the next check
}

// Snapshot returns all counters by name.
func (s *Stats) Snapshot() map[string]uint64 {
	return map[string]uint64{
		"checks": s.Checks.Load(), "looks": s.Looks.Load(), "check_errors": s.CheckErrors.Load(),
		"submitted":   s.Submitted.Load(),
		"transitions": s.Transitions.Load(), "muted": s.Muted.Load(),
		"told": s.Told.Load(), "retries": s.Retries.Load(), "refused": s.Refused.Load(),
		"expired": s.Expired.Load(), "overflow": s.Overflow.Load(),
		"states_full": s.StatesFull.Load(), "labels_too_long": s.LabelsTooLong.Load(),
		"store_errors": s.StoreErrors.Load(), "series_lost": s.SeriesLost.Load(),
	}
}
