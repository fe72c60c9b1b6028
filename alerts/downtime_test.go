package alerts

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rondo/rrd"
)

// in returns a moment so far from now.
func in(d time.Duration) time.Time { return time.Now().Add(d) }

func (g *rig) downtime(d Downtime) Downtime {
	g.t.Helper()
	if d.Matchers == nil {
		d.Matchers = matchers(g.t, "host=a")
	}
	d, err := g.e.AddDowntime(g.t.Context(), d)
	if err != nil {
		g.t.Fatal(err)
	}
	return d
}

// TestDowntimeFixed: what is told before, in and after a downtime, over a
// restart in it.
func TestDowntimeFixed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.rule.set("a=1", "b=1")
		g.start()
		g.downtime(Downtime{Start: in(time.Minute), End: in(time.Hour), Comment: "deploy", PausesScaling: true})
		g.rule.set("a=11", "b=1")
		g.wait(30*time.Second, "ra ok>critical")
		g.wait(time.Minute, "")
		if why, paused := g.e.Paused(rrd.Labels{{Name: "host", Value: "a"}}); !paused || !strings.Contains(why, ": deploy") {
			t.Errorf("paused: %v, %q", paused, why)
		}
		g.rule.set("a=1", "b=11")
		g.wait(10*time.Second, "ra critical>ok, rb ok>critical") // told before: its end is told
		g.rule.set("a=11", "b=11")
		g.stop()
		g.start()
		g.wait(10*time.Second, "")
		if v := g.view("a"); v.Mute.Reason != InDowntime || !strings.HasSuffix(v.Mute.Cause, "until 2000-01-01T01:00:00Z: deploy") {
			t.Errorf("view: %+v", v)
		}
		if ts := g.e.Transitions(time.Time{}); ts[0].Mute.Reason != InDowntime {
			t.Errorf("transition: %+v", ts[0])
		}
		g.wait(55*time.Minute, "")
		g.wait(5*time.Minute, "ra ok>critical") // still bad at the end
		if ds := g.e.Downtimes(); len(ds) != 0 {
			t.Errorf("it is over: %+v", ds)
		}
		if _, paused := g.e.Paused(rrd.Labels{{Name: "host", Value: "a"}}); paused {
			t.Error("paused for ever")
		}
		g.stop()
	})
}

// TestDowntimeFlexible: it begins at the first reading in its window that is
// not OK, be it soft, lasts beyond the window, and what it triggers with it.
func TestDowntimeFlexible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.policy.MaxAttempts = 3
		g.rule.set("a=1", "b=1")
		g.start()
		d := g.downtime(Downtime{Name: "reboot", Start: in(time.Minute), End: in(10 * time.Minute), Duration: 5 * time.Minute})
		g.downtime(Downtime{Matchers: matchers(t, "host=b"), TriggeredBy: "reboot"})
		g.wait(8*time.Minute, "")
		if v := g.e.Downtimes(); len(v) != 2 || v[0].InForce || v[1].InForce {
			t.Errorf("in force before it begins: %+v", v)
		}
		g.rule.set("a=11", "b=1")
		g.wait(1500*time.Millisecond, "")
		if v := g.e.Downtimes(); !v[0].InForce || !v[1].InForce || v[0].Until.IsZero() {
			t.Errorf("it has begun: %+v", v)
		}
		g.stop()
		g.start()
		g.rule.set("a=11", "b=11")
		g.wait(4*time.Minute, "") // beyond the window
		if v := g.view("b"); v.Mute.Reason != InDowntime {
			t.Errorf("view of b: %+v", v)
		}
		g.wait(2*time.Minute, "ra ok>critical, rb ok>critical")
		g.rule.set("a=1", "b=1")
		g.wait(2*time.Minute, "ra critical>ok, rb critical>ok")
		if err := g.e.RemoveDowntime(t.Context(), d.ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("it is forgotten: %v", err)
		}
		g.stop()
	})
}

// TestDowntimeTriggeredOutlives: what is triggered lasts for its own duration,
// though what triggered it is over.
func TestDowntimeTriggeredOutlives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.rule.set("a=1")
		g.start()
		d := g.downtime(Downtime{Matchers: matchers(t, "host=b"), End: in(10 * time.Minute)})
		g.downtime(Downtime{TriggeredBy: d.ID, Duration: time.Hour})
		g.rule.set("a=11")
		g.wait(55*time.Minute, "")
		g.wait(10*time.Minute, "ra ok>critical")
		if n := len(g.e.Downtimes()); n != 0 {
			t.Errorf("%d downtimes are left", n)
		}
		g.stop()
	})
}

// TestDowntimeRecurring: each night; a triggered one goes on for its own
// duration; the flexible one begins anew in every window.
func TestDowntimeRecurring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.opts.Muting = Muting{Downtimes: []Downtime{
			{Name: "backup", Matchers: matchers(t, "host=a"), Recurring: &Recurrence{From: 60, To: 120}},
			{Name: "after", Matchers: matchers(t, "host=b"), TriggeredBy: "backup", Duration: 90 * time.Minute},
			{Name: "flexible", Matchers: matchers(t, "host=c"), Recurring: &Recurrence{From: 60, To: 120}, Duration: 30 * time.Minute},
		}}
		g.interval = 10 * time.Second
		g.rule.set("a=1", "b=1", "c=1")
		g.start()
		for range 2 { // nights
			g.wait(30*time.Minute, "") // 0:30
			g.rule.set("a=11", "b=11", "c=1")
			g.wait(10*time.Second, "ra ok>critical, rb ok>critical")
			g.rule.set("a=1", "b=1", "c=1")
			g.wait(45*time.Minute, "ra critical>ok, rb critical>ok") // 1:15
			g.rule.set("a=11", "b=11", "c=11")
			g.wait(29*time.Minute, "") // 1:44
			g.stop()
			g.start()
			g.wait(2*time.Minute, "rc ok>critical") // 1:46; not muted again in this window
			g.wait(10*time.Minute, "")
			g.wait(14*time.Minute, "ra ok>critical")
			g.wait(40*time.Minute, "rb ok>critical") // 2:50
			g.rule.set("a=1", "b=1", "c=1")
			g.wait(21*time.Hour+9*time.Minute+50*time.Second, "ra critical>ok, rb critical>ok, rc critical>ok")
		}
		if err := g.e.RemoveDowntime(t.Context(), "config/backup"); err == nil || errors.Is(err, ErrNotFound) {
			t.Errorf("a configured downtime was removed: %v", err)
		}
		if err := g.e.SetMuting(Muting{}); err != nil || len(g.e.Downtimes()) != 0 {
			t.Errorf("%v, %v", err, g.e.Downtimes())
		}
		g.stop()
	})
}

func TestDowntimeMistakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.start()
		defer g.stop()
		host := matchers(t, "host=a")
		g.downtime(Downtime{Name: "taken", End: in(time.Hour)})
		for want, d := range map[string]Downtime{
			"needs a matcher":   {End: in(time.Hour)},
			"say when":          {Matchers: host, Duration: time.Hour},
			"exclude each":      {Matchers: host, End: in(time.Hour), Recurring: &Recurrence{To: 60}},
			"must be after":     {Matchers: host, Start: in(time.Hour), End: in(time.Minute)},
			"must end in":       {Matchers: host, Start: in(-time.Hour), End: in(-time.Minute)},
			"want at most":      {Matchers: host, End: in(time.Hour), Duration: 1000 * time.Hour},
			"are the same":      {Matchers: host, Recurring: &Recurrence{}},
			"there is a":        {Matchers: host, End: in(time.Hour), Name: "taken"},
			`no downtime "x"`:   {Matchers: host, TriggeredBy: "x"},
			"triggered_by excl": {Matchers: host, TriggeredBy: "taken", End: in(time.Hour)},
		} {
			if _, err := g.e.AddDowntime(t.Context(), d); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
		}
		for want, m := range map[string]Muting{
			"name of its own": {Downtimes: []Downtime{{Matchers: host, End: in(time.Hour)}}},
			"triggered_by":    {Downtimes: []Downtime{{Name: "x", Matchers: host, TriggeredBy: "y"}}},
			`downtime "z"`:    {Downtimes: []Downtime{{Name: "z"}}},
		} {
			if err := g.e.SetMuting(m); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
		}
	})
}

func TestDowntimeHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.start()
		defer g.stop()
		post := func(query, body string, code int) (d Downtime) {
			t.Helper()
			r := httptest.NewRequest("POST", "/api/alerts/downtime?"+query, strings.NewReader(body))
			if body != "" {
				r.Header.Set("Content-Type", "application/json")
			}
			w := httptest.NewRecorder()
			g.e.Commands().ServeHTTP(w, r)
			if w.Code != code {
				t.Fatalf("%s%s: %d, want %d: %s", query, body, w.Code, code, w.Body)
			}
			if err := json.Unmarshal(w.Body.Bytes(), &d); code == 200 && err != nil {
				t.Fatal(err)
			}
			return d
		}
		d := post("", `{"matchers": ["host=a"], "start": "2000-01-01T10:00:00Z", "end": "2000-01-01T12:00:00Z", "duration": "30m", "pauses_scaling": true, "id": "mine", "configured": true}`, 200)
		if d.ID == "mine" || d.Configured || d.Duration != 30*time.Minute || !d.PausesScaling {
			t.Errorf("%+v", d)
		}
		d = post("matcher=host%3Da&for=2h&name=x&comment=c&by=ana", "", 200)
		if d.End.Sub(d.Start) != 2*time.Hour || d.Name != "x" || d.By != "ana" {
			t.Errorf("%+v", d)
		}
		d = post("matcher=host%3Da&weekday=saturday&weekday=sunday&day_of_month=1:7&from=22:00&to=02:00&location=Europe/Berlin", "", 200)
		if got := d.Recurring.String(); got != "saturday, sunday, day 1:7 22:00-02:00 Europe/Berlin" {
			t.Errorf("%+v", got)
		}
		post("", `{"matchers": ["host=a"], "typo": 1}`, 400)
		post("", `{"matchers": ["host=a"], "for": "x"}`, 400)
		post("matcher=host%3Da&from=22:00", "", 400)
		post("matcher=host%3Da&start=noon", "", 400)
		post("matcher=host%3Da&for=1h&pauses_scaling=maybe", "", 400)
		post("matcher=host%3Da&for=1h&duration=long", "", 400)
		get := func() string {
			w := httptest.NewRecorder()
			g.e.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/api/alerts/downtimes", nil))
			return w.Body.String()
		}
		if got := get(); strings.Count(got, `"in_force":true`) != 1 || !strings.Contains(got, `"next":"2000-01-01T22:00:00+01:00"`) || !strings.Contains(got, `"duration":"30m0s"`) {
			t.Error(got)
		}
		for _, v := range g.e.Downtimes() {
			w := httptest.NewRecorder()
			g.e.Commands().ServeHTTP(w, httptest.NewRequest("DELETE", "/api/alerts/downtime?id="+v.ID, nil))
			if w.Code != 204 {
				t.Errorf("delete: %d %s", w.Code, w.Body)
			}
		}
		if got := get(); got != "[]\n" {
			t.Error(got)
		}
	})
}
