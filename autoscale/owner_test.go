package autoscale

import (
	"context"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rondo/alerts/state"
)

// Tag makes the world's cloud a Tagger.
func (s *session) Tag(ctx context.Context, group string, ids []string, tags map[string]string) (request string, err error) {
	err = s.change(ctx, func() bool { return false }, func() error {
		for _, id := range ids {
			m := s.instances[id]
			if m == nil || m.group != group {
				s.t.Errorf("Tag of %s, which is not of group %s", id, group)
				continue
			}
			m.Tags = maps.Clone(m.Tags)
			maps.Copy(m.Tags, tags)
		}
		return nil
	})
	return "req-tag", err
}

// other starts a second controller in the same world, with a data directory of
// its own.
func (w *world) other(c Config) *life {
	w.t.Helper()
	store, err := state.OpenJournal(state.NewMemory(), "autoscale", c.Keep)
	if err != nil {
		w.t.Fatal(err)
	}
	mine := w.store
	w.store = store
	l := w.live(c)
	w.store = mine
	return l
}

func held(t *testing.T, l *life) bool {
	t.Helper()
	v, err := l.View("web")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(v.Last.Code, codeRival)
}

// TestGuardTwoControllers: the second controller of a group refuses to act; the
// first goes on; a take-over turns that round, on both sides.
func TestGuardTwoControllers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		w.setDemand(8)
		first := w.live(web())
		defer first.stop()
		time.Sleep(time.Minute)
		second := w.other(web())
		defer second.stop()
		time.Sleep(time.Minute)
		w.mu.Lock()
		w.demand, w.limit = 40, 10 // two who act would launch more
		w.mu.Unlock()
		time.Sleep(time.Minute)
		if held(t, first) || !held(t, second) || w.count() != 10 {
			t.Errorf("first refuses: %v, second refuses: %v, %d instances; want false, true and 10", held(t, first), held(t, second), w.count())
		}
		if n := second.Stats()["two_controllers"]; n != 1 {
			t.Errorf("the second has told of it %d times, want once", n)
		}
		if err := second.TakeOver(t.Context(), "web", "ops"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		w.setDemand(4)
		time.Sleep(2 * time.Minute)
		if held(t, second) || w.count() != 4 {
			t.Errorf("after the take-over: second refuses: %v, %d instances; want false and 4", held(t, second), w.count())
		}
		w.setDemand(8)
		time.Sleep(time.Minute)
		if v, _ := first.View("web"); !strings.Contains(v.Last.Held, "(epoch 2, claimed ") {
			t.Errorf("the first does not refuse: %s, %s", v.Last.Code, v.Last.Held)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		for id, m := range w.instances {
			if m.ended.IsZero() && (m.Tags[TagEpoch] != "2" || m.Tags[TagOwner] != second.owner) {
				t.Errorf("%s carries %v", id, m.Tags)
			}
		}
	})
}

// TestGuardTwoControllersAtOnce: both see an empty group and launch its minimum.
// Then one of them goes on, and the other one knows.
func TestGuardTwoControllersAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		w.hide = 20 * time.Second
		w.setDemand(8)
		a, b := w.live(web()), w.other(web())
		time.Sleep(2 * time.Minute)
		w.mu.Lock()
		w.demand, w.limit = 40, 10
		w.mu.Unlock()
		time.Sleep(2 * time.Minute)
		if w.count() != 10 {
			t.Errorf("%d instances, want 10", w.count())
		}
		if held(t, a) && held(t, b) {
			t.Error("both refuse")
		}
		w.setDemand(2)
		time.Sleep(2 * time.Minute)
		if w.count() != 2 {
			t.Errorf("%d instances, want 2", w.count())
		}
		a.stop()
		b.stop()
	})
}

// TestGuardLostDataDirectory: a controller that remembers nothing refuses to
// touch what another launched, until a human says so.
func TestGuardLostDataDirectory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		w.setDemand(24)
		l := w.live(web())
		time.Sleep(time.Minute)
		l.stop()
		l = w.other(web())
		defer l.stop()
		w.setDemand(8)
		time.Sleep(10 * time.Minute)
		if !held(t, l) || w.count() != 6 {
			t.Errorf("refuses: %v, %d instances; want true, and 6", held(t, l), w.count())
		}
		if err := l.TakeOver(t.Context(), "web", "ops"); err != nil {
			t.Fatal(err)
		}
		w.setDemand(3)
		time.Sleep(5 * time.Minute)
		if w.count() != 3 {
			t.Errorf("%d instances after the take-over, want 3", w.count())
		}
	})
}

// What was launched by hand, or before there were claims, is adopted.
func TestGuardOwnerAdoptsWhatHasNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		w.setDemand(8)
		w.mu.Lock()
		w.add(2, "web", map[string]string{TagGroup: "web"}, 0)
		w.mu.Unlock()
		l := w.live(web())
		defer l.stop()
		time.Sleep(time.Minute)
		if held(t, l) || w.count() != 2 {
			t.Errorf("refuses: %v, %d instances; want the 2 adopted", held(t, l), w.count())
		}
	})
}

func TestClaimOrder(t *testing.T) {
	t.Parallel()
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	f := func(what string, a, b Claim) {
		t.Helper()
		if !a.before(b) || b.before(a) {
			t.Errorf("%s: %v and %v: want the former first, from both sides", what, a, b)
		}
	}
	f("the higher epoch", Claim{"b", 2, at(9), ""}, Claim{"a", 1, at(1), ""})
	f("the earlier claim", Claim{"b", 1, at(1), ""}, Claim{"a", 1, at(2), ""})
	f("the smaller ID", Claim{"a", 1, at(1), ""}, Claim{"b", 1, at(1), ""})
	c := Claim{"a", 3, time.Unix(1, 500).UTC(), ""}
	if got, ok := claimOf(Instance{Tags: c.tags()}); !ok || got != c {
		t.Errorf("read back %+v, %v; want %+v", got, ok, c)
	}
	if got, ok := claimOf(Instance{Tags: map[string]string{TagOwner: "x", TagEpoch: "many", TagClaimed: "soon"}}); !ok || c.before(got) != true {
		t.Errorf("%+v, %v: tags that nobody understands go last", got, ok)
	}
	if _, ok := claimOf(Instance{}); ok {
		t.Error("no tags are no claim")
	}
}
