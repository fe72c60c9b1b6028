package fleet

import (
	"context"
	"maps"
	"strings"
	"time"

	"rondo/alerts/state"
	"rondo/rrd"
)

// Each poll looks at series with a sample in the last recent, by their own
// clocks. Once a minute one looks further back, as far as a wrong time zone can
// put a clock; the polls until the next then look back as far as it takes to
// see the host whose clock was furthest behind.
const (
	pollEvery  = time.Second
	recent     = time.Minute
	wide       = 25 * time.Hour
	wideEvery  = 60 // polls
	maxChanges = 500
	// noteEvery is how many polls may pass until it is stored when hosts logged.
	noteEvery = 600
)

// Run reads heartbeats once a second until ctx ends, and returns nil.
func (f *Fleet) Run(ctx context.Context, heads Heads) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	f.poll(heads, 0, time.Now()) // once all, for the hosts that are known
	f.save(ctx)
	var behind, most time.Duration // in the minute before, and in this one
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			f.noteLogs()
			f.save(context.WithoutCancel(ctx))
			return nil
		case now := <-tick.C:
			back := recent + behind
			if n%wideEvery == 0 {
				back = wide
			}
			most = max(most, f.poll(heads, rrd.At(now.Add(-back)), now))
			if n%wideEvery == 0 {
				behind, most = most, 0
			}
			if n%noteEvery == 0 {
				f.noteLogs()
			}
			f.save(ctx)
			if f.arrivals() {
				f.o.Arrived()
			}
		}
	}
}

// arrivals says whether hosts arrived since it was asked last.
func (f *Fleet) arrivals() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	arrived := f.arrived
	f.arrived = false
	return arrived
}

// noteLogs has it stored when hosts logged, where that has changed.
func (f *Fleet) noteLogs() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, e := range f.hosts {
		if e.lastLog.Load() != e.stored {
			f.dirty[id] = true
		}
	}
}

// A sighting is what one poll saw of one host.
type sighting struct {
	key    rrd.Key // of the newest sample
	newest rrd.Time
}

// poll brings all hosts forward by the heads newer than since. It returns how
// far the clock is behind that lags the most, of hosts that sent something.
func (f *Fleet) poll(heads Heads, since rrd.Time, now time.Time) (behind time.Duration) {
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
	for host, s := range seen {
		if e := f.hosts[host]; e != nil {
			behind = max(behind, f.sight(e, s, now))
			delete(seen, host)
		}
	}
	f.crowded = false // now it is known who only logs
	for _, s := range seen {
		if id, ok := f.Identify(s.key); ok {
			f.meet(id, s, now)
		}
	}
	f.forget(now)
	f.polled = true
	return behind
}

// meet takes a host in that is not known under this name, unless its samples
// are old. The caller holds f.mu.
func (f *Fleet) meet(id Identity, s sighting, now time.Time) {
	if now.Sub(s.newest.Std()) > f.o.NewWithin {
		return
	}
	e := f.rename(id.Host)
	if e == nil {
		e = f.add(Host{ID: id.Host})
	}
	if e != nil { // else it is refused and counted
		f.sight(e, s, now)
	}
}

// heard is when the newest sample came in, as far as one poll can tell: not
// after now, whatever the host's clock says.
func (s sighting) heard(now time.Time) time.Time {
	if at := s.newest.Std(); at.Before(now) {
		return at
	}
	return now
}

// sight brings one host forward. A newer sample than at the poll before came in
// since then, whatever time it carries: the host lives, also where its clock is
// wrong. It returns how far the clock is behind then. The caller holds f.mu.
func (f *Fleet) sight(e *entry, s sighting, now time.Time) (behind time.Duration) {
	at := s.heard(now)
	if s.newest > e.newest && f.polled {
		at, behind = now, now.Sub(s.newest.Std())
	}
	if id, ok := f.Identify(s.key); ok {
		f.describe(e, id, at)
	}
	if s.newest <= e.newest {
		return 0
	}
	e.newest = s.newest
	if at.Sub(e.LastSeen) > recent || !e.Withdrawn.IsZero() {
		f.arrived = true
	}
	if at.After(e.LastSeen) {
		e.LastSeen = at
	}
	if !e.Withdrawn.IsZero() && at.After(e.Withdrawn.Add(f.o.Margin)) {
		f.expect(e)
	}
	return behind
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
	return f.add(h)
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
		f.changed.Add(1)
		f.dirty[e.ID] = true
	}
}

// forget drops hosts, and words of Bind, whose time is over. The caller holds f.mu.
func (f *Fleet) forget(now time.Time) {
	maps.DeleteFunc(f.bound, func(_ string, b binding) bool { return now.Sub(b.at) > f.o.LogKeep })
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
		h := e.view()
		if !h.LastLog.IsZero() {
			e.stored = h.LastLog.UnixMicro()
		}
		value, err := h.encode()
		if err != nil {
			f.o.Log.Error("host cannot be stored", "host", id, "err", err)
			continue
		}
		changes = append(changes, state.Put(keyPrefix+id, value))
	}
	return changes, ids
}
