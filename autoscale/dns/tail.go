package dns

import (
	"encoding/json"
	"math"
	"slices"
	"time"
)

// What is learnt of tails: the 99th percentile of the newest.
const (
	keepTails  = 100
	enoughTail = 5 // fewer tell nothing
	tailShare  = 0.99
)

// Tails are how long clients came to the addresses of earlier drains beyond
// the TTL, the newest last.
type tails []time.Duration

// add learns of one more.
func (ts tails) add(d, longest time.Duration) tails {
	ts = append(ts, min(max(d, 0), longest))
	return ts[max(len(ts)-keepTails, 0):]
}

// expect is how long the next one will be; the longest where nobody knows.
func (ts tails) expect(longest time.Duration) time.Duration {
	if len(ts) < enoughTail {
		return longest
	}
	s := slices.Sorted(slices.Values(ts))
	rank := int(math.Ceil(tailShare * float64(len(s))))
	return min(s[rank-1], longest)
}

// A departure is an address that left its name.
type departure struct {
	At  time.Time     `json:"at,omitzero"` // acknowledged by all servers; zero: not yet
	TTL time.Duration `json:"ttl"`         // that it had

	busy    time.Time // when clients last came
	known   bool      // something is known of its traffic now
	heard   bool      // and was before
	teaches bool      // it is a drain, and watched from its beginning
}

// wait is what a departure still has to wait for, and for how long at most.
type wait int

const (
	over     wait = iota
	settling      // not all servers have it
	holding       // clients may have it
	visited       // clients still come
	unknown       // nothing is known of them
)

// waits says what it is. Where traffic is watched, one TTL must have passed
// without any: a client that comes at all asks once in a TTL.
func (d departure) waits(now time.Time, tail, longest time.Duration, watched bool) wait {
	if d.At.IsZero() {
		return settling
	}
	gone := now.Sub(d.At)
	switch {
	case gone < d.TTL+tail:
		return holding
	case !watched || gone >= d.TTL+longest:
		return over
	case !d.known:
		return unknown
	case now.Sub(d.busy) < min(d.TTL, longest):
		return visited
	}
	return over
}

// tail is how long clients came beyond the TTL, where it teaches.
func (d departure) tail() (time.Duration, bool) {
	if d.At.IsZero() || !d.teaches || !d.heard {
		return 0, false
	}
	return max(d.busy.Sub(d.At)-d.TTL, 0), true
}

// What is kept over restarts.
type kept struct {
	Gone  map[string]departure `json:"gone"` // by instance
	Tails tails                `json:"tails"`
}

func (k kept) encode() ([]byte, error) { return json.Marshal(k) }

// decodeKept reads it; what is damaged is as if it were not there.
func decodeKept(b []byte) (k kept, err error) {
	if err = json.Unmarshal(b, &k); err != nil {
		k = kept{}
	}
	if k.Gone == nil {
		k.Gone = make(map[string]departure)
	}
	return k, err
}
