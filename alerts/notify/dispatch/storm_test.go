package dispatch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rondo/alerts"
	"rondo/alerts/notify"
	"rondo/alerts/state"
)

// inZone is the n-th of many hosts: most of them are in one zone.
func inZone(n int) []string {
	if n%10 != 9 {
		return []string{"region", "eu-west-1", "zone", "eu-west-1a"}
	}
	return []string{"region", "eu-west-1", "zone", "eu-west-1b"}
}

// inA is how many of the first many hosts are in the first zone.
func inA(many int) int { return many - many/10 }

// storm begins or ends the problems of hosts in [from, to), spread over a time.
func storm(d *running, from, to, seq int, status alerts.Status, over time.Duration) {
	const at = 500
	for i := from; i < to; i += at {
		var ts []alerts.Transition
		for n := i; n < min(i+at, to); n++ {
			ts = append(ts, change("down", fmt.Sprint("h", n), seq, status, inZone(n)...))
		}
		d.act(ts...)
		pass(over * at / time.Duration(to-from))
	}
}

// TestStorm: 20,000 alerts in one second, each a group of its own, are one
// notice with the root cause; later there are digests of what became of them,
// and the last one closes what the first has opened.
func TestStorm(t *testing.T) {
	t.Run("at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { testStorm(t, 20_000, 0) })
	})
	t.Run("after group_wait", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { testStorm(t, 2_000, 30*time.Second) })
	})
}

// testStorm is a storm of so many alerts, of which nine in ten end soon.
func testStorm(t *testing.T, many int, wait time.Duration) {
	rec := &recorder{start: time.Now()}
	c := oneRoute("host")
	c.Route.GroupWait = &wait
	d := start(t, Options{Store: state.NewMemory(), MaxAlerts: many}, c, Receiver{Name: "pager", Sender: rec, SendResolved: true, Rate: Rate{10, time.Minute}})
	d.act(change("other", "before", 1, alerts.Critical))
	pass(time.Minute)
	storm(d, 0, many, 1, alerts.Critical, time.Second)
	pass(4 * time.Minute)
	got := rec.notices()
	if len(got) != 2 || got[1].Reason != string(ReasonDigest) || !got[1].Firing() {
		t.Fatalf("told %d times in the storm, want once", len(got)-1)
	}
	n := got[1]
	if len(n.Alerts) != 100 || n.Truncated != many-len(n.Alerts)-1 {
		t.Errorf("%d alerts are listed, %d counted", len(n.Alerts), n.Truncated)
	}
	told := thousands(many - 1) // other/before is there too, and so one is refused
	for _, part := range []string{"region=eu-west-1: " + told + " of " + told, "zone=eu-west-1a: " + thousands(inA(many)) + " of " + told, "first: down (host=h", told + " new"} {
		if !strings.Contains(n.RootCause, part) || !strings.Contains(n.CommonAnnotations["root_cause"], part) {
			t.Errorf("root cause %q: want %q in it", n.RootCause, part)
		}
	}
	if full := d.stats.Full.Load(); full != 1 {
		t.Errorf("%d alerts refused", full)
	}
	storm(d, many, many+many/4, 1, alerts.Critical, time.Second)
	if full := d.stats.Full.Load(); full != uint64(1+many/4) || d.held != many {
		t.Errorf("%d alerts refused, %d held", full, d.held)
	}
	if extra := d.receivers["pager"].stats.Digests.Load(); extra != 1 {
		t.Errorf("%d digests", extra)
	}

	storm(d, 0, many*9/10, 2, alerts.OK, time.Second)
	pass(20 * time.Minute)
	storm(d, many*9/10, many, 2, alerts.OK, time.Second)
	d.act(change("other", "before", 2, alerts.OK))
	pass(time.Hour)
	var digests []notify.Notice
	for _, n := range rec.notices()[1:] {
		switch {
		case n.Reason == string(ReasonDigest):
			digests = append(digests, n)
		case n.GroupLabels.Get("host") != "before" || n.Firing():
			t.Errorf("told beside the digests: %s %s", n.Reason, n.GroupKey)
		}
		if last := digests[len(digests)-1]; last.GroupKey != digests[0].GroupKey {
			t.Errorf("group key %s", last.GroupKey)
		}
	}
	if len(digests) > 6 || digests[len(digests)-1].Firing() || !digests[len(digests)-2].Firing() {
		t.Errorf("%d digests, the last fires: %v", len(digests), digests[len(digests)-1].Firing())
	}
	if d.held != 0 || len(d.groups) != 0 {
		t.Errorf("%d alerts in %d groups are left", d.held, len(d.groups))
	}
	d.act(change("down", "again", 1, alerts.Critical))
	pass(time.Minute)
	if all := rec.notices(); all[len(all)-1].Reason != string(ReasonNew) {
		t.Errorf("after the storm: %q", all[len(all)-1].Reason)
	}
	d.stop()
}

// TestRateHolds: what is within the rate is told alone.
func TestRateHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{start: time.Now()}
		c := oneRoute("host")
		d := start(t, Options{Store: state.NewMemory()}, c, Receiver{Name: "pager", Sender: rec, Rate: Rate{10, time.Minute}})
		for i := range 60 {
			d.act(change("load", fmt.Sprint("h", i), 1, alerts.Critical))
			pass(10 * time.Second)
		}
		for _, n := range rec.notices() {
			if n.Reason != string(ReasonNew) {
				t.Errorf("%s %s", n.Reason, n.GroupKey)
			}
		}
		d.stop()
	})
}

// failing is a store that fails now and then, before or after it has written:
// as a kill would have it, if everything is loaded again from what it holds.
type failing struct {
	state.Store

	mu   sync.Mutex
	left int // writes until the next failure
	torn bool
}

func (f *failing) dead() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.torn
}

var errKilled = errors.New("killed")

// Write implements state.Store.
func (f *failing) Write(ctx context.Context, cs ...state.Change) error {
	f.mu.Lock()
	f.left--
	f.torn = f.torn || f.left < 0
	f.mu.Unlock()
	if f.dead() {
		return errKilled
	}
	return f.Store.Write(ctx, cs...)
}

// TestDigestAcrossKill: wherever in a digest's writes the process ends, each
// problem is told by one notice.
func TestDigestAcrossKill(t *testing.T) {
	for kill := range 40 {
		synctest.Test(t, func(t *testing.T) {
			store := &failing{Store: state.NewMemory(), left: kill}
			pager := func(r *recorder) Receiver {
				return Receiver{Name: "pager", Sender: r, SendResolved: true, Rate: Rate{5, time.Minute}, MaxAlerts: 1000}
			}
			rec := &recorder{start: time.Now()}
			c := oneRoute("host")
			c.Route.GroupWait = ptr(time.Duration(0))
			first := pager(rec)
			first.Sender = mortal{rec, store}
			d := start(t, Options{Store: store}, c, first)
			var ts []alerts.Transition
			for i := range 50 {
				ts = append(ts, change("down", fmt.Sprint("h", i), 1, alerts.Critical))
			}
			err := d.ActAll(t.Context(), ts)
			pass(time.Minute)
			d.stop()
			d = start(t, Options{Store: store.Store}, c, pager(rec))
			if err != nil { // the engine hands over again
				d.act(ts...)
			}
			pass(time.Minute)
			d.stop()
			keys := make(map[string]bool)
			told := make(map[string]int)
			for _, n := range rec.notices() {
				if keys[n.Key] {
					continue // the receiver looks at keys
				}
				keys[n.Key] = true
				for _, a := range n.Alerts {
					told[a.Labels.Get("host")]++
				}
			}
			for _, tr := range ts {
				if host := tr.Labels.Get("host"); told[host] != 1 {
					t.Fatalf("killed at write %d: %s is told %d times", kill, host, told[host])
				}
			}
		})
	}
}

// BenchmarkStorm is 20,000 groups from the changes to the one notice.
func BenchmarkStorm(b *testing.B) {
	b.ReportAllocs()
	c := oneRoute("host")
	c.Route.GroupWait = ptr(time.Duration(0))
	var ts []alerts.Transition
	for i := range 20_000 {
		ts = append(ts, change("down", fmt.Sprint("h", rand.Uint64()), 1, alerts.Critical, inZone(i)...))
	}
	for b.Loop() {
		store, err := state.Open(b.TempDir(), state.Options{Reserve: 1})
		if err != nil {
			b.Fatal(err)
		}
		rec := &recorder{start: time.Now()}
		d, err := New(Options{Store: store}, c, []Receiver{{Name: "pager", Sender: rec, Rate: DefaultRate()}}, "")
		if err != nil {
			b.Fatal(err)
		}
		for part := range len(ts) / 500 {
			if err := d.ActAll(b.Context(), ts[part*500:(part+1)*500]); err != nil {
				b.Fatal(err)
			}
			d.look(b.Context())
		}
		d.mu.Lock()
		err = d.digests(b.Context(), time.Now().Add(digestWait))
		d.mu.Unlock()
		if err != nil || len(d.receivers["pager"].items) != 1 {
			b.Fatalf("%d notices, %v", len(d.receivers["pager"].items), err)
		}
		if err := store.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
