package join

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// How often may be asked: by one address, and by all together. A launch of
// hundreds behind one NAT is let in within minutes: agents ask again.
const (
	peerRate, peerBurst = 1, 30
	allRate, allBurst   = 100, 500
	maxPeers            = 4096 // addresses that are told apart
)

// limits bound what redemption can cost.
type limits struct {
	all   *rate.Limiter
	mu    sync.Mutex
	peers map[netip.Prefix]*rate.Limiter
}

func newLimits() limits {
	return limits{all: rate.NewLimiter(allRate, allBurst), peers: map[netip.Prefix]*rate.Limiter{}}
}

// allow counts a request. An address is asked for before all together, so that
// one cannot use up what is for all.
func (l *limits) allow(peer netip.Addr, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := network(peer)
	p := l.peers[name]
	if p == nil {
		if len(l.peers) >= maxPeers {
			clear(l.peers) // what is for all still bounds
		}
		p = rate.NewLimiter(peerRate, peerBurst)
		l.peers[name] = p
	}
	return p.AllowN(now, 1) && l.all.AllowN(now, 1)
}

// network is what counts as one address: of IPv6 one has 2^64.
func network(peer netip.Addr) netip.Prefix {
	bits := peer.BitLen()
	if peer.Is6() {
		bits = 64
	}
	p, err := peer.Prefix(bits)
	if err != nil { // not valid: all of those are one
		return netip.Prefix{}
	}
	return p
}

// counts are counters by name.
type counts struct {
	mu sync.Mutex
	n  map[string]uint64
}

func (c *counts) add(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]uint64{}
	}
	c.n[name]++
}

// refused counts and logs a refusal. Neither token nor document is told.
func (a *Authority) refused(ctx context.Context, r Request, peer netip.Addr, err error) {
	reason := "store"
	if no, ok := errors.AsType[*Refusal](err); ok {
		reason, err = no.Reason, errors.Join(no, no.Err)
	}
	a.counts.add("refused_" + reason)
	if !a.told.Allow() {
		return
	}
	level := slog.LevelWarn
	if reason == "store" {
		level = slog.LevelError
	}
	id, _ := secretID(tokenPrefix, r.Token)
	a.log.Log(ctx, level, "agent refused", "reason", reason, "peer", peer.String(), "host", cut(r.Host), "instance", cut(r.Instance), "token", id, "err", err)
}

// cut bounds what a stranger writes into our log.
func cut(s string) string { return s[:min(len(s), 64)] }

// Snapshot returns the counters: tokens_created, keys_made, keys_replaced,
// keys_retired, refused_REASON, unauthorized_key (one that is none),
// unauthorized_ended, unauthorized_address (one that another shows), and how
// many tokens and keys there are.
func (a *Authority) Snapshot() map[string]uint64 {
	a.counts.mu.Lock()
	out := maps.Clone(a.counts.n)
	a.counts.mu.Unlock()
	if out == nil {
		out = map[string]uint64{}
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	out["tokens"], out["keys"] = uint64(len(a.tokens)), uint64(len(a.keys))
	return out
}
