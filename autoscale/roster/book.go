package roster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"rondo/alerts/state"
	"rondo/autoscale"
)

const (
	memberPrefix = "roster/member/"
	versionKey   = "roster/version"
	maxBatch     = 500 // members written together: each has some 500 bytes

	settle = 50 * time.Millisecond // changes that come together make one version
	look   = 10 * time.Second      // without being told of a change
)

// A View is the members at one version.
type View struct {
	Version uint64    `json:"version"`
	At      time.Time `json:"at,omitzero"` // when this version came to be
	Members []Member  `json:"members"`
	tag     string
}

// Tag names the version and what it holds: "42-1f0c9a53".
func (v View) Tag() string { return v.tag }

// Of is the view of one group; "" for all.
func (v View) Of(group string) View {
	if group != "" {
		v.Members = ofGroup(v.Members, group)
	}
	if v.Members == nil {
		v.Members = []Member{} // which is no null in JSON
	}
	return v
}

// tagged is the view with its tag.
func (v View) tagged() View {
	digest := crc32.NewIEEE()
	_ = json.NewEncoder(digest).Encode(v.Members) // names, numbers and times: it cannot fail
	v.tag = strconv.FormatUint(v.Version, 10) + "-" + fmt.Sprintf("%08x", digest.Sum32())
	return v
}

// A Roster is who is in the groups. It is kept in a state store.
type Roster struct {
	store state.Store
	log   *slog.Logger
	feed  feed

	changes, writeErrors atomic.Uint64

	turn  sync.Mutex     // of who changes something: held over writes, which nobody who reads waits for
	unset []state.Change // what the store has not taken yet

	mu    sync.Mutex
	view  View
	known map[string]bool // groups that were heard of since the start
}

// Open reads what is known of the members from the store.
func Open(store state.Store, log *slog.Logger) (*Roster, error) {
	r := &Roster{store: store, log: log, known: make(map[string]bool)}
	text, err := store.Get(versionKey)
	switch {
	case err == nil:
		if json.Unmarshal(text, &r.view) != nil {
			r.view = View{}
		}
	case !errors.Is(err, state.ErrNotFound) && !errors.Is(err, state.ErrCorrupt):
		return nil, fmt.Errorf("roster: %w", err)
	}
	for e, err := range store.Scan(state.Range{Prefix: memberPrefix}) {
		var m Member
		switch {
		case errors.Is(err, state.ErrCorrupt) || err == nil && json.Unmarshal(e.Value, &m) != nil:
			log.Warn("a member's record is damaged; its rank is given anew", "key", e.Key)
			continue
		case err != nil:
			return nil, fmt.Errorf("roster: %w", err)
		}
		r.view.Members = append(r.view.Members, m)
	}
	slices.SortStableFunc(r.view.Members, inOrder)
	r.view = r.view.tagged()
	return r, nil
}

// View is who is in the groups now.
func (r *Roster) View() View {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.view
}

// Knows says whether it is known who is in all these groups: each was heard of
// since the start, or has members of before.
func (r *Roster) Knows(groups []string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !slices.ContainsFunc(groups, func(g string) bool { return !r.known[g] && len(ofGroup(r.view.Members, g)) == 0 })
}

// Subscribe returns a channel that is given a value after the view has changed,
// and what ends that. Who is slow misses values, and finds all in [Roster.View].
func (r *Roster) Subscribe() (changed <-chan struct{}, end func()) { return r.feed.subscribe() }

// Snapshot returns the counters.
func (r *Roster) Snapshot() map[string]uint64 {
	m := map[string]uint64{"changes": r.changes.Load(), "write_errors": r.writeErrors.Load()}
	r.feed.snapshot(m)
	return m
}

// A Source is the groups of one configuration, that a roster follows.
type Source struct {
	Roster *Roster
	Groups []string // all that are configured, in their order

	// Left is told, if it is not nil, who is in its group no more, while the group is
	// configured: before it is forgotten, so over kill -9 perhaps twice.
	Left func(Member)
}

// Run follows the groups until ctx ends.
func (s Source) Run(ctx context.Context, groups autoscale.Groups) error {
	changed, end := groups.Subscribe()
	defer end()
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		s.Roster.update(ctx, s, groups.Members())
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-changed:
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(settle):
			}
		}
	}
}

// Clear says that there are no groups any more, as after a reload that has taken
// the last one away.
func (r *Roster) Clear(ctx context.Context) { r.update(ctx, Source{}, nil) }

// update makes a new version where somebody or something is different. It is
// written before anybody sees it.
func (r *Roster) update(ctx context.Context, s Source, now []autoscale.Membership) {
	groups := s.Groups
	r.turn.Lock()
	defer r.turn.Unlock()
	view := r.View()
	members := Of(view.Members, groups, now)
	events := differences(view.Members, members)
	if len(events) > 0 {
		r.changes.Add(1)
		view = View{Version: view.Version + 1, At: plain(time.Now()), Members: members}.tagged()
		for i := range events {
			events[i].Version = view.Version
			if e := events[i]; e.Kind == Left && s.Left != nil && slices.Contains(groups, e.Member.Group) {
				s.Left(e.Member)
			}
		}
		r.owe(events)
	}
	r.keep(ctx, view)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.view = view
	fresh := r.hears(groups, now)
	switch {
	case len(events) > 0:
		r.feed.tell(view.tag, events)
	case fresh:
		r.feed.wake()
	}
}

// hears notes which of the groups were heard of, and says whether one was for the
// first time. Those that are configured no more are forgotten: should one come
// back, nothing is known of it. Callers hold r.mu.
func (r *Roster) hears(groups []string, now []autoscale.Membership) (fresh bool) {
	for _, m := range now {
		fresh = fresh || !r.known[m.Group]
		r.known[m.Group] = true
	}
	maps.DeleteFunc(r.known, func(g string, _ bool) bool { return !slices.Contains(groups, g) })
	return fresh
}

// owe notes what the store has to be told. Callers have the turn.
func (r *Roster) owe(events []Event) {
	for _, e := range events {
		key := memberPrefix + e.Member.Group + "/" + e.Member.ID
		if e.Kind == Left {
			r.unset = append(r.unset, state.Delete(key))
			continue
		}
		if text, err := json.Marshal(e.Member); err == nil {
			r.unset = append(r.unset, state.Put(key, text))
		}
	}
}

// keep writes what has changed, the version first, so that no number stands for
// two lists. A store that is full keeps nobody from knowing who is there: what
// it did not take it is given again. Callers have the turn.
func (r *Roster) keep(ctx context.Context, v View) {
	if len(r.unset) == 0 {
		return
	}
	r.unset = latest(r.unset)
	text, err := json.Marshal(View{Version: v.Version, At: v.At})
	if err == nil {
		err = r.store.Write(context.WithoutCancel(ctx), state.Put(versionKey, text))
	}
	for len(r.unset) > 0 && err == nil {
		n := min(len(r.unset), maxBatch)
		if err = r.store.Write(context.WithoutCancel(ctx), r.unset[:n]...); err == nil {
			r.unset = r.unset[n:]
		}
	}
	if err != nil && r.writeErrors.Add(1) == 1 {
		r.log.Error("ranks are not kept over a restart as long as the state cannot be written", "err", err)
	}
}

// latest leaves out what a later change of the same key replaces.
func latest(all []state.Change) []state.Change {
	seen := make(map[string]bool)
	var out []state.Change
	for _, c := range slices.Backward(all) {
		if !seen[c.Key] {
			seen[c.Key] = true
			out = append(out, c)
		}
	}
	slices.Reverse(out)
	return out
}
