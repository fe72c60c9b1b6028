package autoscale

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rondo/alerts"
	"rondo/alerts/state"
	"rondo/rrd"
)

// renewed is the group of these tests as it asks for another image, with quick
// steps.
func renewed(image string) Config {
	c := web()
	c.Groups[0].Launch.Image = image
	c.Groups[0].MaxLaunches = 1000
	c.Groups[0].Refresh = &RefreshPolicy{
		When: WhenChange, Canary: 1, Batch: Portion{N: 3}, Healthy: 10 * time.Second, Pause: 10 * time.Second, Timeout: 10 * time.Minute,
	}
	return c
}

// images counts what runs by its image's template.
func (w *world) images(c Config) (fresh, stale int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range w.alive() {
		if w.instances[id].foreign {
			continue
		}
		if w.instances[id].Tags[TagTemplate] == c.Groups[0].Launch.Digest() {
			fresh++
		} else {
			stale++
		}
	}
	return fresh, stale
}

// until waits until something holds, for a time of the bubble.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 3600 {
		if holds() {
			return
		}
		time.Sleep(time.Second)
	}
	t.Fatalf("%s: not within an hour", what)
}

func (l *life) refresh() RefreshView {
	v, _ := l.View("web")
	if v.Refresh == nil {
		return RefreshView{}
	}
	return *v.Refresh
}

// history is a refresh's events, in one line.
func (v RefreshView) history() string {
	var words []string
	for _, e := range slices.Backward(v.History) {
		n, _, _ := strings.Cut(e.Text, ":")
		words = append(words, strings.TrimSpace(e.What+" "+n))
	}
	return strings.Join(words, ", ")
}

// TestRefresh replaces six instances: one at first, then three at a time, with
// never fewer than the load needs.
func TestRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 5000)
		w.floor, w.limit = 6, 9
		w.setDemand(24)
		first, next := renewed("ami-1"), renewed("ami-2")
		first.Groups[0].Launch.UserData, next.Groups[0].Launch.UserData = "password: tiger", "password: lion"
		l := w.live(first)
		time.Sleep(time.Minute)
		if v := l.refresh(); v.State != "" || v.Outdated != 0 {
			t.Fatalf("%+v", v)
		}
		l.stop()
		l = w.live(next)
		until(t, "refreshed", func() bool { return l.refresh().State == RefreshDone })
		time.Sleep(time.Minute)
		fresh, stale := w.images(next)
		if v := l.refresh(); fresh != 6 || stale != 0 || v.Outdated != 0 || v.Done != 6 || v.Total != 6 {
			t.Errorf("%d new, %d old: %+v", fresh, stale, v)
		}
		want := "started the configuration, launched 1, retired 1, launched 3, retired 3, launched 2, retired 2, done 6 launched, 6 retired"
		if got := l.refresh().history(); got != want {
			t.Errorf("history %s\nwant    %s", got, want)
		}
		lines, err := l.Lines("web", MaxRecords)
		seen, _ := json.Marshal(l.refresh())
		told, _ := json.Marshal(lines)
		if err != nil || strings.Contains(string(told)+string(seen), "password") {
			t.Errorf("user data is shown: %v", err)
		}
		l.stop()
	})
}

// TestRefreshAtMax: where there is no room beyond, the old go first.
func TestRefreshAtMax(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 5000)
		w.floor, w.limit = 2, 4
		w.setDemand(5)
		c := renewed("ami-1")
		c.Groups[0].Min, c.Groups[0].Max, c.Groups[0].In.Below = 2, 4, 0.1
		w.setDemand(16)
		l := w.live(c)
		time.Sleep(time.Minute)
		w.setDemand(6)
		l.stop()
		c.Groups[0].Launch.Image = "ami-2"
		l = w.live(c)
		until(t, "refreshed", func() bool { return l.refresh().State == RefreshDone })
		if fresh, stale := w.images(c); fresh != 4 || stale != 0 {
			t.Errorf("%d new, %d old", fresh, stale)
		}
		want := "started the configuration, retired 1, launched 1, retired 2, launched 2, retired 1, launched 1, done 4 launched, 4 retired"
		if got := l.refresh().history(); got != want {
			t.Errorf("history %s\nwant    %s", got, want)
		}
		l.stop()
	})
}

// TestRefreshBacksOut: of a template whose instances are never heard of one is
// launched, and no more; nor again until somebody asks.
func TestRefreshBacksOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 5000)
		w.floor = 6
		w.setDemand(24)
		old := renewed("ami-1")
		l := w.live(old)
		time.Sleep(time.Minute)
		l.stop()
		w.mu.Lock()
		w.made0 = w.made
		w.bad = renewed("ami-2").Groups[0].Launch.Digest()
		w.mu.Unlock()
		l = w.live(renewed("ami-2"))
		until(t, "backed out", func() bool { return l.refresh().State == BackedOut })
		time.Sleep(10 * time.Minute)
		fresh, stale := w.images(old)
		v := l.refresh()
		if fresh != 6 || stale != 0 || v.Outdated != 6 || !strings.Contains(v.Why, "was never heard of") {
			t.Errorf("%d old, %d new; %+v", fresh, stale, v)
		}
		if n := w.made - w.made0; n != 1 {
			t.Errorf("%d were launched, want 1", n)
		}
		w.setDemand(32) // what the load launches now is the old template
		time.Sleep(time.Minute)
		if fresh, stale := w.images(old); fresh != 8 || stale != 0 {
			t.Errorf("%d old, %d new, want 8 old", fresh, stale)
		}
		l.stop()
	})
}

// TestRefreshBacksOutOfAll: where the configuration has changed in the middle, what
// the first change has launched goes too.
func TestRefreshBacksOutOfAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 5000)
		w.floor = 6
		w.setDemand(24)
		old := renewed("ami-1")
		l := w.live(old)
		time.Sleep(time.Minute)
		l.stop()
		l = w.live(renewed("ami-2"))
		until(t, "half way", func() bool { return l.refresh().Retired >= 1 })
		l.stop()
		w.mu.Lock()
		w.bad = renewed("ami-3").Groups[0].Launch.Digest()
		w.mu.Unlock()
		l = w.live(renewed("ami-3"))
		until(t, "backed out", func() bool { return l.refresh().State == BackedOut })
		time.Sleep(time.Minute)
		if fresh, stale := w.images(old); fresh != 6 || stale != 0 {
			t.Errorf("%d old, %d new: %s", fresh, stale, l.refresh().history())
		}
		l.stop()
	})
}

// TestKnownTemplates: the newest few are remembered, once each, and of those with
// much user data fewer.
func TestKnownTemplates(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		images string
		size   int
		want   string
	}{
		{"abc", 0, "abc"},
		{"abcab", 0, "cab"},
		{"abcdefgh", 0, "cdefgh"},
		{"abcd", 16 << 10, "bcd"},
		{"abcbb", 16 << 10, "acb"},
	} {
		m, got := newMemory(), ""
		for _, image := range tc.images {
			m.knowTemplate(Template{Image: string(image), UserData: strings.Repeat("set -x > log\n...", tc.size/16)})
		}
		for _, known := range m.Templates {
			got += known.Image
		}
		m.Refresh = &Refresh{Old: m.Templates[0], New: m.Templates[1]}
		b, err := json.Marshal(Entry{State: m})
		if got != tc.want || err != nil || len(b) > state.MaxValue/2 {
			t.Errorf("%s of %d bytes: %s, want %s; a snapshot has %d bytes, %v", tc.images, tc.size, got, tc.want, len(b), err)
		}
	}
}

// TestRefreshless: a group that is an Auto Scaling Group by now takes no step of a
// refresh that had begun before.
func TestRefreshless(t *testing.T) {
	t.Parallel()
	s := newRefreshScript(t, "base=4 max=8")
	in := s.there(t, "old=4")
	if d := Want(s.group, in); d.Code != codeRefresh {
		t.Fatalf("%+v", d)
	}
	s.group.ASG = "web-asg"
	if d := Want(s.group, in); d.Refresh != "" || d.Direction != Stay {
		t.Errorf("%+v", d)
	}
}

// TestRefreshAlarm: an alarm in the middle brings the old template back.
func TestRefreshAlarm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &sky{says: map[string]alerts.Answer{}, fires: []string{`disk{group="web"}`}}
		w := newWorld(t, 5000)
		w.floor, w.alerts = 6, s
		w.setDemand(24)
		old := renewed("ami-1")
		l := w.live(old)
		time.Sleep(time.Minute)
		l.stop()
		l = w.live(renewed("ami-2"))
		until(t, "half way", func() bool { return l.refresh().Retired >= 4 })
		s.set(func() { s.fires = append(s.fires, `errors{group="web"}`) })
		until(t, "backed out", func() bool { return l.refresh().State == BackedOut })
		until(t, "old ones", func() bool { fresh, stale := w.images(old); return fresh == 6 && stale == 0 })
		if v := l.refresh(); v.Why != `alarm: errors{group="web"}` {
			t.Errorf("%+v", v)
		}
		l.stop()
	})
}

// TestRefreshByCommand: who pauses, resumes and aborts is in the books.
func TestRefreshByCommand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 5000)
		w.floor = 6
		w.setDemand(24)
		c := renewed("ami-1")
		c.Groups[0].Refresh.When = WhenAsked
		l := w.live(c)
		time.Sleep(time.Minute)
		if err := l.RefreshGroup(t.Context(), "web", "ann"); err == nil || !strings.Contains(err.Error(), "no instance is outdated") {
			t.Error(err)
		}
		l.stop()
		c.Groups[0].Launch.Image = "ami-2"
		l = w.live(c)
		time.Sleep(time.Minute)
		if v := l.refresh(); v.State != "" || v.Outdated != 6 || fmt.Sprint(v.Changes) != "[image ami-1 -> ami-2]" {
			t.Errorf("%+v", v)
		}
		do := func(err error) {
			t.Helper()
			if err != nil {
				t.Error(err)
			}
		}
		do(l.RefreshGroup(t.Context(), "web", "ann: new kernel"))
		time.Sleep(5 * time.Second)
		do(l.PauseRefresh(t.Context(), "web", "bob: lunch"))
		time.Sleep(10 * time.Minute)
		if v := l.refresh(); v.State != RefreshPaused || v.Retired != 0 || v.By != "ann: new kernel" {
			t.Errorf("%+v", v)
		}
		do(l.ResumeRefresh(t.Context(), "web", "bob"))
		until(t, "on its way", func() bool { return l.refresh().Retired > 0 })
		do(l.BackOutRefresh(t.Context(), "web", "ann: no good"))
		until(t, "backed out", func() bool { return l.refresh().State == BackedOut })
		do(l.RefreshGroup(t.Context(), "web", "ann: now"))
		do(l.AbortRefresh(t.Context(), "web", "ann: later"))
		audit, _ := l.Audit("web")
		var whats []string
		for _, a := range slices.Backward(audit) {
			if a.What == KindRefresh {
				whats = append(whats, a.By+" "+a.Text)
			}
		}
		want := "ann: new kernel refreshing: image ami-1 -> ami-2|bob: lunch paused|bob refreshing|ann: no good backing-out|" +
			"ann: now refreshing: image ami-1 -> ami-2|ann: later aborted"
		if got := strings.Join(whats, "|"); got != want {
			t.Errorf("audit %s\nwant  %s", got, want)
		}
		l.stop()
	})
}

// Firing implements [Alarmer].
func (s *sky) Firing(func(rrd.Labels) bool) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.fires)
}

var _ Alarmer = (*alerts.Engine)(nil)
