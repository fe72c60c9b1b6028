package dispatch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"rondo/alerts"
	"rondo/alerts/notify"
	"rondo/alerts/state"
)

// A history is what a test does to a dispatcher.
type history struct {
	seed   uint64
	hosts  int
	rounds int
	kills  int // in percent of the rounds
	fails  int // in percent of the sends
	rate   int // notices in a minute; 0: no limit
}

// A keyed is a receiver that deduplicates by key. It fails now and then, without
// having taken anything.
type keyed struct {
	mu    sync.Mutex
	rnd   *rand.Rand
	fails int
	seen  map[string]bool
	twice int                 // keys that came again
	told  map[string][]string // transitions, by host
}

// Send implements notify.Sender.
func (k *keyed) Send(_ context.Context, n notify.Notice) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.rnd.IntN(100) < k.fails {
		return errors.New("not now")
	}
	if k.seen[n.Key] {
		k.twice++
		return nil
	}
	k.seen[n.Key] = true
	for _, a := range n.Alerts {
		host := a.Labels.Get("host")
		if told := k.told[host]; n.Reason != string(ReasonDigest) || len(told) == 0 || told[len(told)-1] != a.Transition {
			k.told[host] = append(told, a.Transition) // a digest lists again what still fires
		}
	}
	return nil
}

// A mortal is a sender of a process that ends with its store.
type mortal struct {
	notify.Sender
	store *failing
}

// Send implements notify.Sender.
func (m mortal) Send(ctx context.Context, n notify.Notice) error {
	if m.store.dead() {
		<-ctx.Done()
		return ctx.Err()
	}
	return m.Sender.Send(ctx, n)
}

// play plays a history and returns what is wrong, and how many changes there
// were.
func (h history) play(t *testing.T) (wrong string, changes int) {
	rnd := rand.New(rand.NewPCG(h.seed, 1))
	disk := state.NewMemory()
	receivers := map[string]*keyed{}
	var rs []Receiver
	c := Config{Route: &RouteConfig{Receiver: "first", GroupBy: []string{"host"}, GroupWait: ptr(time.Duration(0)), GroupInterval: ptr(5 * time.Second)}}
	for _, name := range []string{"first", "second"} {
		k := &keyed{rnd: rand.New(rand.NewPCG(h.seed, 2)), fails: h.fails, seen: map[string]bool{}, told: map[string][]string{}}
		receivers[name] = k
		rs = append(rs, Receiver{Name: name, Sender: k, SendResolved: true, MaxAlerts: 1000, Rate: Rate{h.rate, time.Minute}})
		c.Route.Routes = append(c.Route.Routes, RouteConfig{Receiver: name, Continue: true})
	}
	var repeated uint64
	var store *failing
	begin := func() *running {
		store = &failing{Store: disk, left: 1 << 30}
		alive := make([]Receiver, len(rs))
		for i, r := range rs {
			r.Sender = mortal{r.Sender, store}
			alive[i] = r
		}
		return start(t, Options{Store: store}, c, alive...)
	}
	d := begin()
	restart := func() {
		d.stop()
		d = begin()
		for _, r := range d.receivers {
			repeated += r.stats.Repeated.Load()
		}
	}
	want := map[string][]string{}
	for round := range h.rounds {
		var ts []alerts.Transition
		for host := range h.hosts {
			if rnd.IntN(3) == 0 {
				continue
			}
			name := fmt.Sprint("h", host)
			to := [...]alerts.Status{alerts.Critical, alerts.OK}[len(want[name])%2]
			tr := change("down", name, round, to)
			want[name] = append(want[name], tr.ID)
			ts = append(ts, tr)
		}
		changes += len(ts)
		kill := rnd.IntN(100) < h.kills
		if kill {
			store.mu.Lock()
			store.left = rnd.IntN(20)
			store.mu.Unlock()
		}
		err := d.ActAll(t.Context(), ts)
		pass(time.Duration(rnd.IntN(2000)) * time.Millisecond)
		if kill {
			restart()
		}
		if err != nil || kill && rnd.IntN(2) == 0 { // the engine hands over again what it could not note as done
			d.act(ts...)
		}
		pass(12 * time.Second) // a digest waits for so long at most, but for the time between two
		if h.rate > 0 {
			pass(digestEvery)
		}
	}
	for _, k := range receivers {
		k.mu.Lock()
		k.fails = 0
		k.mu.Unlock()
	}
	pass(8 * time.Minute) // the longest backoff, and more
	d.stop()
	twice := 0
	for name, k := range receivers {
		twice += k.twice
		for host, ids := range want {
			if fmt.Sprint(k.told[host]) != fmt.Sprint(ids) {
				return fmt.Sprintf("%s was told of %s:\n%q, want\n%q", name, host, k.told[host], ids), changes
			}
		}
	}
	if uint64(twice) > repeated {
		return fmt.Sprintf("%d notices came twice, of which %d were counted", twice, repeated), changes
	}
	return "", changes
}

// TestHistories: over random histories with failing receivers and kills at any
// write, each hard change is told, once by its key, in order; what comes twice
// was counted.
func TestHistories(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := history{
			seed: rapid.Uint64().Draw(rt, "seed"), hosts: rapid.IntRange(1, 12).Draw(rt, "hosts"),
			rounds: rapid.IntRange(1, 20).Draw(rt, "rounds"), kills: rapid.IntRange(0, 60).Draw(rt, "kills"),
			fails: rapid.IntRange(0, 50).Draw(rt, "fails"), rate: rapid.SampledFrom([]int{0, 0, 5}).Draw(rt, "rate"),
		}
		var wrong string
		synctest.Test(t, func(t *testing.T) {
			wrong, _ = h.play(t)
		})
		if wrong != "" {
			rt.Fatal(wrong)
		}
	})
}

// TestTenThousand is one long history: 10,000 hard changes, a stop without
// flush in every third round.
func TestTenThousand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrong, n := history{seed: 6, hosts: 100, rounds: 152, kills: 33, fails: 20}.play(t)
		if wrong != "" || n < 10_000 {
			t.Errorf("%d hard changes: %s", n, wrong)
		}
	})
}
