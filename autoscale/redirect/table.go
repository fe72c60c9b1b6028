package redirect

import "math"

// A Server of a [Table].
type Server struct {
	Instance string
	Open     bool    // new sessions may be sent to it
	Keeps    bool    // sessions that it has stay
	Weight   float64 // its free capacity at its newest reading, in servers of size 1
	Source   Source  // where the weight is from
	Sent     float64 // sessions sent to it that the reading does not show yet
}

// Source is where a server's weight is from.
type Source string

// The sources.
const (
	Measured Source = "measured" // a fresh reading
	Mean     Source = "mean"     // the others' mean, for nothing is read of it yet
	Stale    Source = "stale"    // nothing: its heartbeat is old
	Deaf     Source = "deaf"     // nothing is heard of any server, which is more likely our ears
)

// A Table is the servers of one group, by which new sessions are shared out.
type Table struct {
	Servers []Server
	Cost    float64 // what a session takes of a server of size 1
}

// least is the share of its weight that a server keeps, however many sessions
// are on their way to it: so a burst that is larger than all capacity is still
// shared out in proportion.
const least = 0.05

// Left is the capacity that is still free on a server, less what is on its way.
func (t Table) Left(i int) float64 {
	s := t.Servers[i]
	if !s.Open {
		return 0
	}
	return max(s.Weight-t.Cost*s.Sent, s.Weight*least)
}

// Pick is the server for a new session, with the probability of its free
// capacity, out of all those that are open; -1 if none is. u is a random number
// from 0 to 1, 1 left out. When all are full each is as likely as another.
func (t Table) Pick(u float64) int {
	sum, open, last := 0.0, 0, -1
	for i, s := range t.Servers {
		if s.Open {
			open++
			last = i
			sum += t.Left(i)
		}
	}
	if open == 0 {
		return -1
	}
	share := func(i int) float64 { return t.Left(i) / sum }
	if sum <= 0 {
		share = func(int) float64 { return 1 / float64(open) }
	}
	for i, s := range t.Servers {
		if !s.Open {
			continue
		}
		if u -= share(i); u < 0 && share(i) > 0 {
			return i
		}
		if share(i) > 0 {
			last = i
		}
	}
	return last // u was nearly 1, and so was the sum
}

// Percent is a server's weight for balancers that want whole numbers: from 1 to
// 100, of the free capacity of a server of size full; 0 for one that gets no new
// sessions. One that is full has 1, for a balancer that has only such must
// send its work to somebody.
func (t Table) Percent(i int, full float64) int {
	if !t.Servers[i].Open {
		return 0
	}
	return int(math.Round(min(max(100*t.Left(i)/full, 1), 100)))
}
