package dispatch

import "sync/atomic"

// Stats counts what a Dispatcher does, for all receivers.
type Stats struct {
	Taken       atomic.Uint64 // hard changes that came in
	Full        atomic.Uint64 // alerts refused: Options.MaxAlerts are there
	StoreErrors atomic.Uint64 // times when something could not be stored; it is tried again
}

// Snapshot returns all counters by name.
func (s *Stats) Snapshot() map[string]uint64 {
	return map[string]uint64{
		"taken": s.Taken.Load(), "full": s.Full.Load(), "store_errors": s.StoreErrors.Load(),
	}
}

// ReceiverStats counts what becomes of the notices to one receiver.
type ReceiverStats struct {
	Told     atomic.Uint64 // sent, and taken by the receiver
	Retried  atomic.Uint64 // tries that failed and are made again
	Refused  atomic.Uint64 // told no more: the receiver said that trying again is no use
	Expired  atomic.Uint64 // told no more: older than Options.Expire
	Dropped  atomic.Uint64 // told no more: the queue was full, the oldest went
	Repeated atomic.Uint64 // were being sent when the process ended: perhaps told twice, with one key
	Digests  atomic.Uint64 // of the notices: digests
}

// Snapshot returns all counters by name.
func (s *ReceiverStats) Snapshot() map[string]uint64 {
	return map[string]uint64{
		"told": s.Told.Load(), "retried": s.Retried.Load(), "refused": s.Refused.Load(), "expired": s.Expired.Load(),
		"dropped": s.Dropped.Load(), "repeated": s.Repeated.Load(), "digests": s.Digests.Load(),
	}
}
