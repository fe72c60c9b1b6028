package alerts

import (
	"time"
)

// A MuteReason is why a problem is not told. Each is a word that can stand
// behind the status: "critical, unreachable".
type MuteReason string

// The reasons, in the order in which they are given where there are several.
const (
	NotMuted     MuteReason = ""
	Silenced     MuteReason = "silenced"     // a Silence matches
	Flaps        MuteReason = "flapping"     // and that was told
	Acknowledged MuteReason = "acknowledged" // somebody knows, and said so until it is OK
)

// A Mute says what keeps a problem from being told, if anything does. States
// go on as ever meanwhile, and recoveries of what was told are told.
type Mute struct {
	Reason MuteReason `json:"reason"`
	Cause  string     `json:"cause,omitempty"` // for people: silence k3jx until 2026-01-02T03:04:05Z by ana: upgrade
}

// Muted says whether there is a reason.
func (m Mute) Muted() bool { return m.Reason != NotMuted }

// Quiet says whether the problem is muted by something other than an
// acknowledgement.
func (m Mute) Quiet() bool { return m.Muted() && m.Reason != Acknowledged }

// muted says what keeps a record's problem from being told at now. Who has
// another reason adds a function here. The caller holds e.mu.
func (e *Engine) muted(r *runner, rec record, now time.Time) Mute {
	for _, reason := range [...]func(*runner, record, time.Time) Mute{e.bySilence, e.byAck} {
		if m := reason(r, rec, now); m.Muted() {
			return m
		}
	}
	return Mute{}
}

// words says until when something holds, who said so and why.
func words(until time.Time, by, comment string) (s string) {
	if !until.IsZero() {
		s += " until " + until.UTC().Format(time.RFC3339)
	}
	if by != "" {
		s += " by " + by
	}
	if comment != "" {
		s += ": " + comment
	}
	return s
}
