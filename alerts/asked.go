package alerts

import (
	"time"

	"rondo/rrd"
)

// MuteOf says what keeps the problem of a rule and label set from being told
// at this moment, an acknowledgement among it. Who tells, repeats or escalates
// later than the change itself asks this first.
func (e *Engine) MuteOf(rule string, ls rrd.Labels) Mute {
	e.mu.RLock()
	defer e.mu.RUnlock()
	r := e.rules[rule]
	if r == nil {
		return Mute{}
	}
	rec, ok := r.records[ls.String()]
	if !ok {
		return Mute{}
	}
	return e.muted(r, rec, time.Now())
}
