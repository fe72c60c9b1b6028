package fleet

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"rondo/alerts/state"
	"rondo/rrd"
)

const keyPrefix = "fleet/host/"

// Options of a Fleet. Zero values mean what stands in brackets.
type Options struct {
	Log       *slog.Logger  // [quiet]
	Templates []string      // [DefaultTemplates]
	MaxHosts  int           // beyond it one that only logs goes, else the newest is refused; both counted [5,000]
	NewWithin time.Duration // an older newest sample makes no new host [5 m]
	Margin    time.Duration // after a withdrawal, in which samples do not count [5 m]
	Keep      time.Duration // how long a withdrawn host stays listed [1 h]
	LogKeep   time.Duration // how long a host that only logs stays, and what Bind says of one not heard of [24 h]
	Arrived   func()        // told after a poll that heard of hosts for the first time, or again after a silence [nobody]
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With("component", "fleet")
	if o.Templates == nil {
		o.Templates = DefaultTemplates()
	}
	o.MaxHosts = cmp.Or(o.MaxHosts, 5000)
	o.NewWithin = cmp.Or(o.NewWithin, 5*time.Minute)
	o.Margin = cmp.Or(o.Margin, 5*time.Minute)
	o.Keep = cmp.Or(o.Keep, time.Hour)
	o.LogKeep = cmp.Or(o.LogKeep, 24*time.Hour)
	if o.Arrived == nil {
		o.Arrived = func() {}
	}
	return o
}

// Heads is what the fleet reads heartbeats from; rrd.Index is one.
type Heads interface {
	Heads(since rrd.Time) iter.Seq2[rrd.Key, rrd.Time]
}

// A Fleet knows the hosts. It is safe for concurrent use.
type Fleet struct {
	o         Options
	store     state.Store
	templates []Template
	started   time.Time
	refused   atomic.Uint64
	evicted   atomic.Uint64
	unbound   atomic.Uint64
	changed   atomic.Uint64 // who is there, and in which group

	mu      sync.RWMutex
	hosts   map[string]*entry
	aliases map[string]string  // short name or instance -> host ID
	bound   map[string]binding // by short name, of hosts not heard of yet
	dirty   map[string]bool    // hosts whose stored form is out of date
	crowded bool               // nobody can be evicted until the next poll has looked
	polled  bool               // all that was stored before our start was seen: a newer sample came in since
	arrived bool               // a host was heard of that was silent, or new, before this poll

	saving  sync.Mutex // one save at a time; taken before mu
	failing bool       // the store refused the newest write; guarded by saving
}

// An entry is a host; its newest log message is apart, so that a message of
// a known host takes no exclusive lock.
type entry struct {
	Host
	newest  rrd.Time     // of its samples, by the host's clock; 0: none since our start
	lastLog atomic.Int64 // microseconds since the epoch; 0: none
	stored  int64        // lastLog as it is stored, or about to be
}

// New loads the hosts that were known.
func New(store state.Store, o Options) (*Fleet, error) {
	o = o.withDefaults()
	f := &Fleet{
		o: o, store: store, started: time.Now(), hosts: make(map[string]*entry),
		aliases: make(map[string]string), bound: make(map[string]binding), dirty: make(map[string]bool),
		crowded: true, // which of the hosts only log, the first poll tells
	}
	for _, s := range o.Templates {
		t, err := ParseTemplate(s)
		if err != nil {
			return nil, err
		}
		f.templates = append(f.templates, t)
	}
	for e, err := range store.Scan(state.Range{Prefix: keyPrefix}) {
		var h Host
		if err == nil {
			err = json.Unmarshal(e.Value, &h)
		} else if !errors.Is(err, state.ErrCorrupt) {
			return nil, fmt.Errorf("fleet: load: %w", err)
		}
		if err != nil || h.ID == "" {
			o.Log.Error("stored host is unreadable and left out", "key", e.Key, "err", err)
			continue
		}
		f.insert(h)
	}
	return f, nil
}

// insert adds a host. The caller holds f.mu, or is New.
func (f *Fleet) insert(h Host) *entry {
	e := &entry{Host: h}
	if !h.LastLog.IsZero() {
		e.stored = h.LastLog.UnixMicro()
		e.lastLog.Store(e.stored)
	}
	f.hosts[h.ID] = e
	if s := short(h.ID); f.aliases[s] == "" {
		f.aliases[s] = h.ID
	}
	if h.Instance != "" {
		f.aliases[h.Instance] = h.ID
	}
	return e
}

// remove forgets a host. The caller holds f.mu.
func (f *Fleet) remove(id string) {
	delete(f.hosts, id)
	f.changed.Add(1)
	maps.DeleteFunc(f.aliases, func(_, to string) bool { return to == id })
	f.dirty[id] = true
}

// find returns a host by ID, by name with or without domain, or by instance.
// The caller holds f.mu.
func (f *Fleet) find(name string) *entry {
	if e := f.hosts[name]; e != nil {
		return e
	}
	if e := f.hosts[f.aliases[name]]; e != nil {
		return e
	}
	return f.hosts[f.aliases[short(name)]]
}

// add makes a new host, or nil where no room can be made. The caller holds f.mu.
func (f *Fleet) add(h Host) *entry {
	if h.ID == "" || len(h.ID) > 255 || !f.room() {
		f.refused.Add(1)
		return nil
	}
	if h.Instance == "" {
		h.Instance = f.bound[short(h.ID)].instance
	}
	delete(f.bound, short(h.ID))
	h.ID, h.Group = strings.Clone(h.ID), strings.Clone(h.Group)
	h.Instance, h.Template = strings.Clone(h.Instance), strings.Clone(h.Template)
	f.dirty[h.ID] = true
	f.changed.Add(1)
	f.o.Log.Info("new host", "host", h.ID, "group", h.Group)
	return f.insert(h)
}

// room says whether one more host can be taken in. Where it is needed the host
// goes that only logs and was silent the longest: anybody can make up names in
// log messages, and they must not shut new machines out. The caller holds f.mu.
func (f *Fleet) room() bool {
	for len(f.hosts) >= f.o.MaxHosts && !f.crowded {
		var oldest *entry
		for _, e := range f.hosts {
			if e.LastSeen.IsZero() && e.Withdrawn.IsZero() && (oldest == nil || e.lastLog.Load() < oldest.lastLog.Load()) {
				oldest = e
			}
		}
		if oldest == nil {
			f.crowded = true
			return false
		}
		f.remove(oldest.ID)
		f.evicted.Add(1)
	}
	return len(f.hosts) < f.o.MaxHosts
}

// Hosts returns all hosts, sorted by ID.
func (f *Fleet) Hosts() []Host {
	f.mu.RLock()
	defer f.mu.RUnlock()
	out := make([]Host, 0, len(f.hosts))
	for _, e := range f.hosts {
		out = append(out, e.view())
	}
	slices.SortFunc(out, func(a, b Host) int { return strings.Compare(a.ID, b.ID) })
	return out
}

func (e *entry) view() Host {
	h := e.Host
	if us := e.lastLog.Load(); us != 0 {
		h.LastLog = time.UnixMicro(us).UTC()
	}
	return h
}

// Host returns one host by ID, name with or without domain, or instance.
func (f *Fleet) Host(name string) (Host, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if e := f.find(name); e != nil {
		return e.view(), true
	}
	return Host{}, false
}

// LastSeen returns when the newest sample of a host or instance came in; false
// where there was none.
func (f *Fleet) LastSeen(hostOrInstance string) (time.Time, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	e := f.find(hostOrInstance)
	if e == nil || e.LastSeen.IsZero() {
		return time.Time{}, false
	}
	return e.LastSeen, true
}

// Started is when this fleet began to listen: nobody can be blamed for a
// silence before.
func (f *Fleet) Started() time.Time { return f.started }

// Others counts the expected hosts that have sent samples, but for some, and those
// of them that were heard of within a time.
func (f *Fleet) Others(but []string, within time.Duration) (known, heard int) {
	now := time.Now()
	f.mu.RLock()
	defer f.mu.RUnlock()
	skip := make(map[*entry]bool, len(but))
	for _, name := range but {
		skip[f.find(name)] = true
	}
	for _, e := range f.hosts {
		if skip[e] || e.LastSeen.IsZero() || !e.Withdrawn.IsZero() {
			continue
		}
		known++
		if now.Sub(e.LastSeen) <= within {
			heard++
		}
	}
	return known, heard
}

// Changes counts what changes who is there: hosts that come, go, are withdrawn or
// expected again, or belong to another group. Who has seen a number knows that
// nothing changed while it stays.
func (f *Fleet) Changes() uint64 { return f.changed.Load() }

// Gone says whether labels (host, or instance) name a host that was withdrawn, or
// an instance whose name another one has by now.
func (f *Fleet) Gone(ls rrd.Labels) bool {
	name := cmp.Or(ls.Get("host"), ls.Get("instance"))
	if name == "" {
		return false
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	e := f.find(name)
	if e == nil {
		return false
	}
	former := strings.HasPrefix(ls.Get("instance"), "i-") && e.Instance != "" && e.Instance != ls.Get("instance")
	return !e.Withdrawn.IsZero() || former
}

// Withdraw says that a host goes on purpose. A host that was never heard of
// is remembered as withdrawn, so that its first sample, should it still come,
// is not the beginning of a silence.
func (f *Fleet) Withdraw(hostOrInstance, reason string) {
	f.mu.Lock()
	e := f.find(hostOrInstance)
	if e == nil {
		e = f.add(Host{ID: hostOrInstance})
	}
	if e != nil {
		f.withdraw(e, reason)
	}
	f.mu.Unlock()
	f.save(context.Background())
}

// withdraw makes a host one that went on purpose. The caller holds f.mu.
func (f *Fleet) withdraw(e *entry, reason string) {
	e.Withdrawn, e.Reason = time.Now(), reason
	f.changed.Add(1)
	f.dirty[e.ID] = true
	f.o.Log.Info("host withdrawn", "host", e.ID, "reason", reason)
}

// Over withdraws the host that an instance is, as far as that is known and the
// host is expected, and says whether it was: for who sees that the instance is
// over, whoever has ended it, and may say so again and again. A machine may take
// longer to shut down than Margin, and be heard of until then.
func (f *Fleet) Over(instance, reason string) bool {
	f.mu.RLock()
	e := f.ofInstance(instance)
	f.mu.RUnlock()
	if e == nil {
		return false
	}
	f.mu.Lock()
	if e = f.ofInstance(instance); e != nil {
		f.withdraw(e, reason)
	}
	f.mu.Unlock()
	f.save(context.Background())
	return e != nil
}

// ofInstance is the expected host that is the instance, or nil. The caller holds f.mu.
func (f *Fleet) ofInstance(instance string) *entry {
	e := f.hosts[f.aliases[instance]]
	if e == nil || e.Instance != instance || !e.Withdrawn.IsZero() {
		return nil
	}
	return e
}

// Expect says that a withdrawn host is to be heard of again.
func (f *Fleet) Expect(hostOrInstance string) {
	f.mu.Lock()
	if e := f.find(hostOrInstance); e != nil && !e.Withdrawn.IsZero() {
		f.expect(e)
	}
	f.mu.Unlock()
	f.save(context.Background())
}

// expect makes a host expected. The caller holds f.mu.
func (f *Fleet) expect(e *entry) {
	e.Withdrawn, e.Reason = time.Time{}, ""
	f.changed.Add(1)
	f.dirty[e.ID] = true
	f.o.Log.Info("host is expected again", "host", e.ID)
}

// Logged says that a message of a host was received. It is cheap for a host
// that is known. A new one is refused where there is no room: for a name that
// stands in a message no other host gives way.
func (f *Fleet) Logged(host string, at time.Time) {
	f.mu.RLock()
	e := f.find(host)
	full := len(f.hosts) >= f.o.MaxHosts
	f.mu.RUnlock()
	if e == nil && !full {
		f.mu.Lock()
		full = len(f.hosts) >= f.o.MaxHosts
		if e = f.find(host); e == nil && !full {
			e = f.add(Host{ID: host, FirstSeen: at})
		}
		f.mu.Unlock()
	}
	if e == nil {
		if full {
			f.refused.Add(1) // else add has counted
		}
		return
	}
	for us := at.UnixMicro(); ; {
		old := e.lastLog.Load()
		if us <= old || e.lastLog.CompareAndSwap(old, us) {
			return
		}
	}
}

// Snapshot returns the counters: hosts, refused (a new host without room,
// counted at each sample's poll and each message), evicted (hosts that only
// logged and gave way to others) and unbound (words of Bind that gave way to
// newer ones).
func (f *Fleet) Snapshot() map[string]uint64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return map[string]uint64{
		"hosts": uint64(len(f.hosts)), "refused": f.refused.Load(), "evicted": f.evicted.Load(), "unbound": f.unbound.Load(),
	}
}
