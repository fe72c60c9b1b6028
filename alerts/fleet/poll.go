package fleet

import (
	"context"
	"strings"
	"time"

	"rondo/alerts/state"
	"rondo/rrd"
)

// Each poll looks at series with a sample in the last recent; a host whose
// clock lags further behind is looked at once a minute.
const (
	pollEvery  = time.Second
	recent     = time.Minute
	wideEvery  = 60 // polls
	maxChanges = 500
)

// Run reads heartbeats once a second until ctx ends, and returns nil.
func (f *Fleet) Run(ctx context.Context, heads Heads) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	f.poll(heads, 0, time.Now()) // once all, for the hosts that are known
	f.save(ctx)
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			back := recent
			if n%wideEvery == 0 {
				back = max(recent, f.o.NewWithin)
			}
			f.poll(heads, rrd.At(now.Add(-back)), now)
			f.save(ctx)
		}
	}
}

// A sighting is what one poll saw of one host.
type sighting struct {
	key    rrd.Key // of the newest sample
	newest rrd.Time
}

// poll brings all hosts forward by the heads newer than since.
func (f *Fleet) poll(heads Heads, since rrd.Time, now time.Time) {
	seen := make(map[string]sighting)
	for k, t := range heads.Heads(since) {
		host := f.hostOf(k) // the rest of the identity is taken once per host
		if host == "" {
			continue
		}
		if s, known := seen[host]; !known || t > s.newest {
			seen[host] = sighting{k, t}
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range seen {
		if id, ok := f.Identify(s.key); ok {
			f.sight(id, s.newest, now)
		}
	}
	f.forget(now)
}

// sight brings one host forward. The caller holds f.mu.
func (f *Fleet) sight(s Identity, newest rrd.Time, now time.Time) {
	at := newest.Std()
	if at.After(now) {
		at = now // a clock that runs ahead is no promise
	}
	e := f.hosts[s.Host]
	if e == nil {
		if now.Sub(at) > f.o.NewWithin {
			return
		}
		if e = f.rename(s.Host); e == nil {
			e = f.add(Host{ID: s.Host, FirstSeen: at})
		}
		if e == nil {
			return // refused and counted
		}
	}
	f.describe(e, s, at)
	if at.After(e.LastSeen) {
		e.LastSeen = at
	}
	if !e.Withdrawn.IsZero() && at.After(e.Withdrawn.Add(f.o.Margin)) {
		f.expect(e)
	}
}

// rename gives a host that was known by its logs, or by a withdrawal, the
// name that its samples carry. The caller holds f.mu.
func (f *Fleet) rename(name string) *entry {
	old := f.find(name)
	if old == nil || !old.LastSeen.IsZero() {
		return nil
	}
	h := old.view()
	f.remove(h.ID)
	h.ID = name
	e := f.add(h)
	if e != nil && !h.LastLog.IsZero() {
		e.lastLog.Store(h.LastLog.UnixMicro())
	}
	return e
}

// describe takes over what a series says of its host. A host that sends
// under two names (a label, and a template) keeps the first. The caller holds
// f.mu.
func (f *Fleet) describe(e *entry, s Identity, at time.Time) {
	f.bind(e, s.Instance)
	fresh := e.LastSeen.IsZero()
	if e.FirstSeen.IsZero() {
		e.FirstSeen = at
	}
	if fresh && e.Template != s.Prefix {
		e.Template = strings.Clone(s.Prefix)
		f.dirty[e.ID] = true
	}
	if s.Group != "" && s.Group != e.Group && (e.Group == "" || e.Template == s.Prefix) {
		e.Group = strings.Clone(s.Group)
		f.dirty[e.ID] = true
	}
}

// forget drops hosts whose time is over. The caller holds f.mu.
func (f *Fleet) forget(now time.Time) {
	for id, e := range f.hosts {
		h := e.view()
		switch {
		case !h.Withdrawn.IsZero():
			if now.Sub(h.Withdrawn) > f.o.Keep && now.Sub(h.heard()) > f.o.Margin {
				f.remove(id)
			}
		case h.LastSeen.IsZero() && now.Sub(later(h.heard(), f.started)) > f.o.LogKeep:
			f.remove(id)
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// save stores what changed. What the store refuses stays dirty, for the next
// poll. The write itself holds no lock that a message or a page needs.
func (f *Fleet) save(ctx context.Context) {
	f.saving.Lock()
	defer f.saving.Unlock()
	for {
		changes, ids := f.changes()
		if len(changes) == 0 {
			return
		}
		err := f.store.Write(ctx, changes...)
		if err == nil {
			f.failing = false
			continue
		}
		f.mu.Lock()
		for _, id := range ids {
			f.dirty[id] = true
		}
		f.mu.Unlock()
		if !f.failing {
			f.o.Log.Warn("hosts not stored yet", "err", err)
		}
		f.failing = true
		return
	}
}

// changes takes a batch of what is dirty.
func (f *Fleet) changes() (changes []state.Change, ids []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id := range f.dirty {
		if len(ids) == maxChanges {
			break
		}
		delete(f.dirty, id)
		ids = append(ids, id)
		e := f.hosts[id]
		if e == nil {
			changes = append(changes, state.Delete(keyPrefix+id))
			continue
		}
		value, err := e.encode()
		if err != nil {
			f.o.Log.Error("host cannot be stored", "host", id, "err", err)
			continue
		}
		changes = append(changes, state.Put(keyPrefix+id, value))
	}
	return changes, ids
}
