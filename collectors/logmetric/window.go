package logmetric

import (
	"time"

	"rondo/rrd"
	"rondo/syslogd/syslog"
)

// storeWindow is how late a sample may be and still make the same rows: the
// store's default.
const storeWindow = 10 * time.Minute

// A window tells the slots that messages of a time may be counted in: as old as
// the store still takes their samples at the next flush, with a zero in the slot
// before, and none that is yet to begin.
type window struct {
	step time.Duration
	open rrd.Time // the end of the slot that now is in
}

func newWindow(step time.Duration, now time.Time) window {
	return window{step, rrd.At(now).SlotEnd(step)}
}

// slotOf is the end of the slot that a message is counted in. It says false
// where the sender's clock is wanted and too far off: then ours counts.
func (w *window) slotOf(m *syslog.Message, byTime bool) (end rrd.Time, ok bool) {
	if byTime {
		end = rrd.At(m.When()).SlotEnd(w.step)
		if w.holds(end) {
			return end, true
		}
	}
	// A message that waited longer than the window before it could be stored
	// counts when it was.
	if end = rrd.At(m.Received).SlotEnd(w.step); !w.holds(end) {
		end = w.open
	}
	return end, !byTime
}

func (w *window) holds(end rrd.Time) bool {
	return end == w.open || end < w.open && w.open.Sub(end) <= storeWindow-2*w.step
}

// stamp is the time of the sample that brings the count of a slot at a flush.
// It is the slot's end; but a slot may be counted in several flushes, and the
// store takes the same value at the same time for one told twice. So what is
// late has a time inside the slot, in proportion to how late it is, and what
// is early, at a stop, the time of the flush.
func (w *window) stamp(slot, flush rrd.Time) rrd.Time {
	late := flush.Sub(slot)
	switch {
	case late > 0:
		return slot.Add(-late / (storeWindow/w.step + 2))
	case -late < w.step:
		return flush
	}
	return slot
}
