package alerts

import (
	"context"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rondo/alerts/state"
	"rondo/rrd"
)

// TestPercent has the ends of the scale, and what is in between by hand.
func TestPercent(t *testing.T) {
	var alternating, newest, oldest Flapping
	for i := range flapStates {
		alternating.Ring |= uint64(2*(i%2)) << (2 * i)
	}
	newest.Ring, oldest.Ring = 2, 2<<40
	for _, c := range []struct {
		f    Flapping
		want float64
	}{{Flapping{}, 0}, {alternating, 100}, {newest, 1.25 / 20 * 100}, {oldest, 0.75 / 20 * 100}} {
		if got := c.f.Percent(); got != c.want {
			t.Errorf("%021o: %v, want %v", c.f.Ring, got, c.want)
		}
	}
}

func TestFlapValidate(t *testing.T) {
	for f, ok := range map[Flap]bool{
		{}: true, {5, 20}: true, {0, 100}: true, {20, 20}: false, {-1, 20}: false, {5, 101}: false, {5, 0}: false,
	} {
		if got := f.validate(); (got == nil) != ok {
			t.Errorf("%v: %v", f, got)
		}
	}
}

// A desk is an engine that does not run: readings are put before it one by
// one, and what it would tell is read from its outbox.
type desk struct {
	t     rapid.TB
	store state.Store
	rule  Supervised
	e     *Engine
	now   time.Time
	read  int
	told  Status
	flaps bool
	ids   map[string]bool
}

func newDesk(t rapid.TB, p Policy) *desk {
	d := &desk{t: t, store: state.NewMemory(), now: epoch, ids: make(map[string]bool)}
	d.rule = Supervised{Rule: &fakeRule{id: "r"}, Policy: p, Interval: time.Minute}
	d.restart()
	return d
}

func (d *desk) restart() {
	e, err := NewEngine(Options{Store: d.store}, []Supervised{d.rule}, []Target{{"hook", &receiver{}}})
	if err != nil {
		d.t.Fatal(err)
	}
	d.e = e
}

// see puts a reading before the engine and hears what it tells.
func (d *desk) see(found Status) {
	r := d.e.rules["r"]
	rd := Reading{Labels: rrd.Labels{{Name: "host", Value: "a"}}, Status: found, At: d.now}
	if err := d.e.apply(context.Background(), r, false, []Reading{rd}, nil, d.now); err != nil {
		d.t.Fatal(err)
	}
	d.now = d.now.Add(time.Minute)
	d.hear()
}

// hear checks what is told: each change from what was told before, nothing
// while a state flaps, no recovery without a problem, nothing twice.
func (d *desk) hear() {
	items := d.e.queues["hook"].items
	for ; d.read < len(items); d.read++ {
		switch tr := items[d.read].t; {
		case tr.From != d.told || tr.From == tr.To && tr.Flap == "":
			d.t.Fatalf("told %v, and now from %v to %v", d.told, tr.From, tr.To)
		case d.flaps != (tr.Flap == FlapEnd) || tr.Flap == FlapStart && tr.To == OK:
			d.t.Fatalf("flaps %v, and now %q from %v to %v", d.flaps, tr.Flap, tr.From, tr.To)
		case d.ids[tr.ID]:
			d.t.Fatalf("ID %s twice", tr.ID)
		default:
			d.told, d.flaps, d.ids[tr.ID] = tr.To, tr.Flap == FlapStart, true
		}
	}
}

func (d *desk) silence(on bool) {
	delete(d.e.silences, "s")
	if on {
		m, err := ParseMatcher("host=a")
		if err != nil {
			d.t.Fatal(err)
		}
		d.e.silences["s"] = Silence{ID: "s", Matchers: []Matcher{m}, Until: epoch.Add(1000 * time.Hour)}
	}
}

// TestToldPairsUp: whatever a state does, and whenever it is silenced, what is
// told pairs up; and when it is quiet at last, the last word is right.
func TestToldPairsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Policy{Direct: true, MaxAttempts: rapid.IntRange(1, 3).Draw(t, "attempts")}
		if rapid.IntRange(0, 3).Draw(t, "flap") > 0 {
			p.Flap = Flap{Low: 5, High: 20}
		}
		d := newDesk(t, p)
		calm := rapid.IntRange(1, 10).Draw(t, "calm")
		found := OK
		for range rapid.IntRange(1, 80).Draw(t, "readings") {
			if rapid.IntRange(0, 9).Draw(t, "change") >= calm {
				found = Status(rapid.IntRange(0, 3).Draw(t, "found"))
			}
			if rapid.IntRange(0, 19).Draw(t, "silence") == 0 {
				d.silence(len(d.e.silences) == 0)
			}
			d.see(found)
		}
		d.silence(false)
		last := Status(rapid.IntRange(0, 3).Draw(t, "last"))
		for range 30 {
			d.see(last)
		}
		if d.told != last || d.flaps {
			t.Fatalf("it is %v for half an hour, and the last word was %v, flaps %v", last, d.told, d.flaps)
		}
	})
}

// TestFlapIsTold: the start as a problem, even where the state is OK; nothing
// in between, nor by a restart; and the end as what the state is then.
func TestFlapIsTold(t *testing.T) {
	d := newDesk(t, Policy{Direct: true, Flap: Flap{Low: 15, High: 20}})
	for _, found := range []Status{OK, Critical, OK, Critical, OK} {
		d.see(found)
	}
	if d.told != Critical || !d.flaps {
		t.Fatalf("told %v, flaps %v", d.told, d.flaps)
	}
	d.restart()
	d.see(Critical)
	if v := d.e.Views()[0]; !v.Flapping || v.Change < 20 || v.Change > 30 || v.Launch != Firing || v.Terminate != Unsure {
		t.Errorf("view: %+v", v)
	}
	if ts := d.e.Transitions(time.Time{}); len(ts) != 5 || ts[0].Mute.Reason != Flaps {
		t.Errorf("history: %+v", ts)
	}
	for range 30 {
		d.see(Critical)
	}
	if d.told != Critical || d.flaps {
		t.Fatalf("told %v, flaps %v", d.told, d.flaps)
	}
	if d.see(OK); d.told != OK {
		t.Fatalf("told %v", d.told)
	}
}

// TestFlapEndsWithItsRule: a receiver is not left with a problem.
func TestFlapEndsWithItsRule(t *testing.T) {
	d := newDesk(t, Policy{Direct: true, Flap: Flap{Low: 15, High: 20}})
	for _, found := range []Status{OK, Critical, OK, Critical, OK} {
		d.see(found)
	}
	if err := d.e.Reload(nil, []Target{{"hook", &receiver{}}}); err != nil {
		t.Fatal(err)
	}
	if d.hear(); d.told != OK || d.flaps {
		t.Fatalf("told %v, flaps %v", d.told, d.flaps)
	}
}
