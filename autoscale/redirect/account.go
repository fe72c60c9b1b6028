package redirect

import "time"

// slots are the parts of a session's idle time in which requests are told
// apart, and so the precision of all counting.
const slots = 60

// An account counts the sessions of one server, in memory that does not grow
// with them. Each session stands in the slot of its newest request, and its
// cookie knows which that is:
//
//	slots of session/60:   ... |  3 |  0 |  7 | 12 |  now
//	a session comes back:         3-1              12+1      its cookie moves on with it
//	nobody came back:      those who fall out on the left have ended
//
// What has fallen out was forgotten by both sides. A cookie that is shown twice
// moves only what is there to be moved, so that no client can make a count grow but
// by what any can do: begin new sessions.
type account struct {
	since time.Time // what is older was counted by nobody who is still here
	slot  [slots + 1]uint32
	now   int64     // number of the newest slot
	last  time.Time // the newest request of all

	fresh, late float64 // sessions sent since the newest reading; half as many as in the time before that, which it shows half of
	reading     float64
	read        time.Time // when the reading changed

	begun, kept uint64 // redirects of new sessions, and of those it had
	zero        time.Time
}

// lag is the longest that a reading lies behind, as agents send them.
const lag = 10 * time.Second

func slotOf(t time.Time, width time.Duration) int64 { return t.UnixNano() / int64(width) }

// advance turns the ring to now.
func (a *account) advance(now int64) {
	for steps := min(now-a.now, slots+1); steps > 0; steps-- {
		a.slot[(now-steps+1)%(slots+1)] = 0
	}
	a.now = max(a.now, now)
}

// begin counts a new session.
func (a *account) begin(now time.Time, width time.Duration) {
	a.advance(slotOf(now, width))
	a.slot[a.now%(slots+1)]++
	a.last = now
	a.fresh++
	a.begun++
}

// moveOn notes a request of a session whose newest one was at last, and says
// whether its cookie has to say so.
func (a *account) moveOn(last, now time.Time, width time.Duration) bool {
	a.advance(slotOf(now, width))
	a.last = now
	a.kept++
	from := slotOf(last, width)
	if from >= a.now {
		return false
	}
	known := from >= a.now-slots && a.slot[from%(slots+1)] > 0
	if known {
		a.slot[from%(slots+1)]--
	}
	if known || last.Before(a.since) {
		a.slot[a.now%(slots+1)]++
	}
	return true
}

// count is how many sessions are alive.
func (a *account) count(now time.Time, width time.Duration) (n int) {
	a.advance(slotOf(now, width))
	for _, s := range a.slot {
		n += int(s)
	}
	return n
}

// see takes a reading of the server. A new one shows the sessions sent since
// the one before only in part: it is a mean over that time, of which they were
// there for half.
func (a *account) see(v float64, known bool, now time.Time) {
	if known && (v != a.reading || now.Sub(a.read) >= lag) {
		a.reading, a.read = v, now
		a.late, a.fresh = a.fresh/2, 0
	}
}

// sent are the sessions that the newest reading does not show.
func (a *account) sent() float64 { return a.fresh + a.late }
