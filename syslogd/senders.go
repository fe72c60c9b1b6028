package syslogd

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// maxSenders bounds the table of senders that are limited.
const maxSenders = 4096

// senderOf is what counts as one sender: an IPv4 address, or the /64 network
// that one IPv6 host may choose its addresses from.
func senderOf(a netip.Addr) netip.Addr {
	if a.Is6() && !a.Is4In6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a.Unmap()
}

// rates limits each sender to a number of messages a second, with bursts: a
// token bucket for each. The nil rates limit nobody.
type rates struct {
	rate, burst float64

	mu      sync.Mutex
	buckets map[netip.Addr]*bucket
}

// bucket is how many messages a sender may send at a time. It may fall below
// zero for senders that can be made to wait.
type bucket struct {
	tokens float64
	at     time.Time
}

func newRates(rate, burst int) *rates {
	if rate == 0 {
		return nil
	}
	if burst == 0 {
		burst = rate
	}
	return &rates{rate: float64(rate), burst: float64(burst), buckets: map[netip.Addr]*bucket{}}
}

// take reports whether a sender may send one message now. Local ones always may.
func (r *rates) take(from netip.Addr, now time.Time) bool {
	if r == nil || !from.IsValid() {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.bucket(senderOf(from), now)
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// pace waits after n messages of a connection until more may come from its
// sender: meanwhile nothing is read, and the sender's own buffers fill up.
func (r *rates) pace(ctx context.Context, from netip.Addr, n int) {
	if d := r.wait(from, n, time.Now()); d > 0 {
		sleep(ctx, d)
	}
}

// wait is how long a sender of which n messages were taken has to wait until
// the next are.
func (r *rates) wait(from netip.Addr, n int, now time.Time) time.Duration {
	if r == nil || !from.IsValid() || n == 0 {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.bucket(senderOf(from), now)
	b.tokens -= float64(n)
	return max(0, time.Duration(-b.tokens/r.rate*float64(time.Second)))
}

// bucket returns a sender's bucket as it is now.
func (r *rates) bucket(from netip.Addr, now time.Time) *bucket {
	b := r.buckets[from]
	if b == nil {
		if len(r.buckets) >= maxSenders {
			r.evict()
		}
		b = &bucket{r.burst, now}
		r.buckets[from] = b
		return b
	}
	if d := now.Sub(b.at); d > 0 {
		b.tokens = min(r.burst, b.tokens+r.rate*d.Seconds())
		b.at = now
	}
	return b
}

// evict forgets one of a few senders, the one that has been silent for
// longest: a map yields them in no order.
func (r *rates) evict() {
	const looks = 8
	var oldest netip.Addr
	var at time.Time
	n := 0
	for from, b := range r.buckets {
		if n == 0 || b.at.Before(at) {
			oldest, at = from, b.at
		}
		if n++; n == looks {
			break
		}
	}
	delete(r.buckets, oldest)
}
