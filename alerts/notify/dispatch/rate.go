package dispatch

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Rate is how many notices a receiver may get in a time. The zero Rate has
// no limit.
type Rate struct {
	N   int
	Per time.Duration
}

// DefaultRate is that of a receiver that does not say.
func DefaultRate() Rate { return Rate{60, time.Minute} }

func (r Rate) String() string {
	if r.N == 0 {
		return "none"
	}
	return fmt.Sprintf("%d/%s", r.N, ShortDuration(r.Per))
}

// ShortDuration is 1m for 1m0s, as configurations have it.
func ShortDuration(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// MarshalText writes the rate as UnmarshalText reads it.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads "10/1m", "10/m" or "none".
func (r *Rate) UnmarshalText(b []byte) error {
	if string(b) == "none" {
		*r = Rate{}
		return nil
	}
	count, per, ok := strings.Cut(string(b), "/")
	n, err := strconv.Atoi(strings.TrimSpace(count))
	if per = strings.TrimSpace(per); per != "" && (per[0] < '0' || per[0] > '9') {
		per = "1" + per
	}
	d, bad := time.ParseDuration(per)
	if !ok || err != nil || bad != nil || n < 1 || n > 1_000_000 || d < time.Second || d > 24*time.Hour {
		return errors.New("want a number of notices in a time, such as 10/1m, or none")
	}
	*r = Rate{n, d}
	return nil
}

// Times of a storm. The first digest waits until what comes at once has come;
// the next ones wait longer, for who has been woken need not be woken again.
const (
	digestCalm  = 2 * time.Second  // without anything new, before a digest goes out
	digestWait  = 10 * time.Second // and at most so long after the first
	digestEvery = 5 * time.Minute  // between digests
)

// A Gate keeps a receiver's rate. While more groups have something to tell
// than it allows there is a storm: they are gathered, and told by a digest. It
// knows no clock.
type Gate struct {
	Rate  Rate
	Storm bool

	used     float64   // notices against the rate, which drain as time goes
	drained  time.Time // up to when
	began    time.Time // what is gathered: the first
	gathered time.Time // and the newest
	last     time.Time // of the newest digest
}

// Admit says whether so many groups may speak for themselves now. soon are
// those that wait for their first time to be told: if these are too many as
// well, the storm begins before the first of them speaks. room is how many
// notices the queue has room for: what would drop others is gathered too,
// whatever the rate, for a notice that is dropped is not told for a long time.
func (g *Gate) Admit(now time.Time, ready, soon, room int) bool {
	if ready > room {
		g.Storm = true
		return false
	}
	if g.Rate.N == 0 {
		g.Storm = false
		return true
	}
	g.drain(now)
	if g.began.IsZero() && now.Sub(g.gathered) >= g.Rate.Per {
		g.Storm = false // nothing has come for as long as the rate looks back
	}
	if !g.Storm && g.used+float64(ready+soon) <= float64(g.Rate.N) {
		g.used += float64(ready)
		return true
	}
	g.Storm = true
	return false
}

// Count notes a notice that goes out whatever the rate is.
func (g *Gate) Count(now time.Time) {
	g.drain(now)
	g.used = min(g.used+1, float64(g.Rate.N))
}

func (g *Gate) drain(now time.Time) {
	if d := now.Sub(g.drained); d > 0 && g.Rate.N > 0 {
		g.used = max(0, g.used-float64(g.Rate.N)*d.Seconds()/g.Rate.Per.Seconds())
	}
	g.drained = now
}

// Gather notes that a group has something for the digest.
func (g *Gate) Gather(now time.Time) {
	if g.began.IsZero() {
		g.began = now
	}
	g.gathered = now
}

// Due is when the next digest is to go out; zero: nothing is gathered.
func (g *Gate) Due() time.Time {
	if g.began.IsZero() {
		return time.Time{}
	}
	due := g.gathered.Add(digestCalm)
	if last := g.began.Add(digestWait); last.Before(due) {
		due = last
	}
	if next := g.last.Add(digestEvery); !g.last.IsZero() && due.Before(next) {
		due = next
	}
	return due
}

// Sent notes that a digest went out.
func (g *Gate) Sent(now time.Time) {
	g.last, g.began = now, time.Time{}
	g.Count(now)
}

// Dropped notes that what was gathered need not be told any more.
func (g *Gate) Dropped() { g.began = time.Time{} }
