package autoscale

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestRaids makes scale-ins of random fleets while everything about them is
// wrong: lists are old, shuffled, incomplete or name instances twice; tags
// change between choice and kill; hosts of another group have the same names,
// and IDs of instances that ended are given away again.
//
// No instance may be terminated that is another group's, protected, or not
// chosen in the journal; none may be chosen that the newest list does not show
// as free to go; and neither choice nor kill may leave fewer than min, nor fewer
// than min_per_zone in a zone.
//
// RONDO_RAIDS is the number of scale-ins, RONDO_RAID_SEED repeats one run.
func TestRaids(t *testing.T) {
	t.Parallel()
	want, seed, last := 200, rand.Uint64(), uint64(1<<64-1)
	if s := os.Getenv("RONDO_RAIDS"); s != "" {
		want, _ = strconv.Atoi(s)
	}
	if s := os.Getenv("RONDO_RAID_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
		last = seed
	}
	first := seed
	ins, kills := 0, 0
	for ; ins < want && seed <= last; seed++ {
		synctest.Test(t, func(t *testing.T) {
			r := newRaid(t, seed)
			r.run()
			ins, kills = ins+r.ins, kills+r.kills
			if t.Failed() {
				t.Logf("again with RONDO_RAID_SEED=%d", seed)
			}
		})
		if t.Failed() {
			t.FailNow()
		}
	}
	t.Logf("%d fleets from seed %d: %d scale-ins, %d terminations", seed-first, first, ins, kills)
}

// A raid is one fleet, and a cloud that lies about it.
type raid struct {
	*session
	rng        *rand.Rand
	conf       Group
	now        []Instance   // the newest list that was given
	past       [][]Instance // true lists, the newest last
	ins, kills int
}

func newRaid(t *testing.T, seed uint64) *raid {
	w := newWorld(t, 1000)
	r := &raid{session: &session{world: w, book: w.store, kill: func() {}}, rng: rand.New(rand.NewPCG(seed, 1)), conf: web().Groups[0]}
	w.chaos = &chaos{rng: rand.New(rand.NewPCG(seed, 2))}
	g := &r.conf
	g.Min, g.Max, g.MaxLaunches = r.rng.IntN(6), 40, 1000
	g.MinPerZone = r.rng.IntN(2) * r.rng.IntN(3)
	g.In.For, g.In.Remove = time.Duration(r.rng.IntN(3))*time.Second, []Amount{Enough, 1, 3, 50}[r.rng.IntN(4)]
	g.Cooldown, g.Boot, g.Stale = time.Second, 5*time.Second, 2*time.Second
	g.Drain = time.Duration(r.rng.IntN(2)*r.rng.IntN(4)) * time.Second
	w.floor, w.perZone = g.Min, g.MinPerZone
	for n := max(g.Min, 1) + r.rng.IntN(25); n > 0; n-- {
		r.station(w)
	}
	w.demand = r.rng.Float64() * float64(len(w.instances)) / 2
	return r
}

// station adds an instance that has been there for a while.
func (r *raid) station(w *world) {
	tags := map[string]string{TagGroup: "web"}
	if r.rng.IntN(8) == 0 {
		tags[TagProtect] = "yes"
	}
	m := w.instances[w.add(1, "web", tags, 0)[0]]
	m.Launched = time.Now().Add(-time.Minute - time.Duration(r.rng.IntN(100))*time.Hour)
	m.Zone = string(rune('a' + r.rng.IntN(4)))
	if r.rng.IntN(10) == 0 && !m.deaf { // another group's host has its name
		w.made++
		w.instances[fmt.Sprintf("i-%04d", w.made)] = &machine{
			Instance: Instance{ID: fmt.Sprintf("i-%04d", w.made), PrivateDNS: m.PrivateDNS, Launched: m.Launched, Tags: map[string]string{TagGroup: elsewhere}},
			group:    elsewhere, foreign: true,
		}
	}
}

// run looks a few times, and meddles in between.
func (r *raid) run() {
	c := web()
	c.Groups[0] = r.conf
	ctl, err := New(r.t.Context(), Options{Config: c, Cloud: r, Metrics: r.world, Fleet: r.world, Journal: r, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		r.t.Fatal(err)
	}
	g := ctl.groups[0]
	g.watched = time.Now()
	for range 14 {
		g.look(r.t.Context(), time.Now(), c.Tick)
		synctest.Wait()
		if r.rng.IntN(3) == 0 {
			r.meddle()
		}
		time.Sleep(c.Tick)
	}
	g.calls.Wait()
}

// meddle is the world's, and gives IDs away again.
func (r *raid) meddle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.chaos.meddle(r.world, "web")
	for id, m := range r.instances {
		if _, twice := r.instances["former "+id]; !m.ended.IsZero() && !strings.HasPrefix(id, "former") && !twice && r.rng.IntN(4) == 0 {
			r.instances["former "+id] = m
			r.instances[id] = &machine{
				Instance: Instance{ID: id, PrivateDNS: m.PrivateDNS, Launched: time.Now(), Tags: map[string]string{TagGroup: elsewhere}},
				group:    elsewhere, foreign: true,
			}
		}
	}
}

// Instances lies.
func (r *raid) Instances(ctx context.Context, group string) ([]Instance, error) {
	list, err := r.session.Instances(ctx, group)
	if err != nil {
		return nil, err
	}
	r.past = append(r.past, list)
	shown := slices.Clone(list)
	switch r.rng.IntN(6) {
	case 0: // old
		shown = slices.Clone(r.past[max(0, len(r.past)-1-r.rng.IntN(10))])
	case 1: // some twice, perhaps as they were
		for range 1 + r.rng.IntN(10) {
			if from := r.past[max(0, len(r.past)-1-r.rng.IntN(10))]; len(from) > 0 {
				shown = append(shown, from[r.rng.IntN(len(from))])
			}
		}
	case 2: // not all
		shown = slices.DeleteFunc(shown, func(Instance) bool { return r.rng.IntN(5) == 0 })
	case 3:
		return nil, errors.New("no list")
	}
	r.rng.Shuffle(len(shown), func(i, j int) { shown[i], shown[j] = shown[j], shown[i] })
	for i := range shown {
		shown[i].Tags = maps.Clone(shown[i].Tags)
	}
	r.now = shown
	return shown, nil
}

// Append checks each choice as it is written.
func (r *raid) Append(ctx context.Context, record []byte) (uint64, error) {
	seq, err := r.session.Append(ctx, record)
	e, bad := decodeEntry(record)
	if bad != nil || e.Kind != KindDrain {
		return seq, errors.Join(err, bad)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ins++
	for _, id := range e.Instances {
		if !slices.ContainsFunc(r.now, func(i Instance) bool { return i.ID == id && i.Tags[TagGroup] == "web" && !i.Protected() }) {
			r.t.Errorf("%s was chosen, and is not listed as free to go", id)
		}
	}
	if n := len(slices.Compact(slices.Sorted(slices.Values(e.Instances)))); n != len(e.Instances) {
		r.t.Errorf("chosen twice: %v", e.Instances)
	}
	r.checkFloor("the choice", "web", slices.Collect(maps.Keys(r.books.chosen)))
	return seq, err
}

// Terminate counts.
func (r *raid) Terminate(ctx context.Context, group string, ids []string) (string, error) {
	request, err := r.session.Terminate(ctx, group, ids)
	if err == nil {
		r.kills += len(ids)
	}
	return request, err
}
