package autoscale

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Owned makes the world's cloud a Sweeper.
func (s *session) Owned(context.Context) (out []Instance, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.instances {
		i := m.Instance
		i.Tags = maps.Clone(i.Tags)
		if !m.ended.IsZero() {
			i.Phase = Terminated
		} else if s.running(m) {
			i.Phase = Booting
		}
		out = append(out, i)
	}
	return out, nil
}

// TestGuardOrphans: what carries our tags and is in no group's books is found by
// a sweep, and ended by command alone: ours only, and nothing protected.
func TestGuardOrphans(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		w.setDemand(8)
		l := w.live(web())
		defer l.stop()
		time.Sleep(30 * time.Second)
		tags := func(group string, more ...string) map[string]string {
			out := map[string]string{TagGroup: group}
			for n := 0; n < len(more); n += 2 {
				out[more[n]] = more[n+1]
			}
			return out
		}
		w.mu.Lock()
		w.add(1, "old", tags("old", TagOwner, l.owner, TagEpoch, "1", TagDecision, "d1"), 0)
		w.add(1, "old", tags("old", TagOwner, l.owner, TagEpoch, "1", TagProtect, "yes"), 0)
		w.add(1, "old", tags("old"), 0)
		w.add(1, "far", tags("far", TagOwner, "another", TagEpoch, "1"), 0)
		w.add(1, "web", tags("web", TagDecision, "0123456789"), 0)
		for _, m := range w.instances {
			w.withdrawn[m.PrivateDNS] = true // no fleet knows the orphans
		}
		w.mu.Unlock()
		time.Sleep(time.Minute)
		if s := l.Swept(); s.Seen != 7 || len(s.Orphans()) != 2 {
			t.Errorf("the controller's own sweep: %+v", s)
		}
		s, err := l.Sweep(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, i := range s.Found {
			got = append(got, fmt.Sprintf("%s %s %v: %s", i.Group, i.ID, i.Orphan, i.Why))
		}
		want := `far i-0006 false: controller another (epoch 1, claimed 9999-01-01T00:00:00Z) launched it
old i-0003 true: group old is not configured
old i-0004 true: group old is not configured
old i-0005 false: group old is not configured, and it carries no tag rondo:owner: by hand, or from before there was one
web i-0007 false: adopted: the journal does not know its launch 01234567`
		if strings.Join(got, "\n") != want {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
		}
		if w.count() > 7 || w.count() < 6 {
			t.Errorf("%d alive: a sweep that only looks has ended something", w.count())
		}
		if _, err := l.Clear(t.Context(), "ops"); err != nil {
			t.Fatal(err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		for id, wantAlive := range map[string]bool{"i-0003": false, "i-0004": true, "i-0005": true, "i-0006": true} {
			if alive := w.instances[id].ended.IsZero(); alive != wantAlive {
				t.Errorf("%s alive: %v, want %v", id, alive, wantAlive)
			}
		}
	})
}

func TestSweepWithoutSweeper(t *testing.T) {
	t.Parallel()
	if _, err := (&Controller{}).Sweep(t.Context()); !errors.Is(err, ErrNoSweeper) {
		t.Error(err)
	}
}

// TestGuardStopAll: one switch for all groups, beside those of each; both
// outlive a restart, and a snapshot.
func TestGuardStopAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		c := web()
		db := c.Groups[0]
		db.Name = "db"
		c.Groups = append(c.Groups, db)
		l := w.live(c)
		if err := l.Stop(t.Context(), "db", "dba"); err != nil {
			t.Fatal(err)
		}
		if err := l.Stop(t.Context(), Everything, "ops"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		before := w.count()
		w.setDemand(40)
		l.stop()
		fresh := db
		fresh.Name = "new"
		c.Groups = append(c.Groups, fresh)
		l = w.live(c)
		time.Sleep(time.Minute)
		for _, v := range l.Views() {
			if !v.Stopped || v.StoppedBy != "ops (all groups)" || !strings.Contains(v.Last.Code, "stopped") {
				t.Errorf("%s: stopped %v by %q, %s", v.Name, v.Stopped, v.StoppedBy, v.Last.Code)
			}
		}
		if w.count() != before {
			t.Errorf("%d instances, %d before", w.count(), before)
		}
		if err := l.Start(t.Context(), Everything, "ops"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		for _, v := range l.Views() {
			if v.Stopped != (v.Name == "db") {
				t.Errorf("%s: stopped %v by %q", v.Name, v.Stopped, v.StoppedBy)
			}
		}
		l.stop()
		c.Stopped = true
		l = w.live(c)
		defer l.stop()
		time.Sleep(time.Second)
		if v, _ := l.View("web"); v.StoppedBy != "autoscale.stopped in the configuration" {
			t.Errorf("stopped by %q", v.StoppedBy)
		}
	})
}
