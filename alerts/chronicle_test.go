package alerts

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rondo/rrd"
)

// recorder is an Appender that remembers, or fails.
type recorder struct {
	mu   sync.Mutex
	got  []rrd.Sample
	fail error
}

func (r *recorder) Append(_ context.Context, batch []rrd.Sample) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, batch...)
	return r.fail
}

// values returns what came for a host, with the seconds since the start.
func (r *recorder) values(host string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, s := range r.got {
		if s.Key.Get("host") == host {
			out = append(out, fmt.Sprintf("%v:%v", int(s.Time.Std().Sub(start).Seconds()), s.Value))
		}
	}
	return strings.Join(out, " ")
}

// start is when a synctest bubble begins.
var start = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func TestChronicle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		series := &recorder{}
		g.opts.Series = series
		g.policy.MaxAttempts = 3
		g.policy.Warning = &Threshold{Raise: 6, Clear: 5}
		g.rule.set("a=1", "b=1")
		g.start()
		g.wait(70*time.Second, "")
		g.rule.set("a=11", "b=7")
		g.wait(20*time.Second, "ra ok>critical, rb ok>warning")
		g.rule.set("a=1", "b=7")
		g.wait(30*time.Second, "ra critical>ok")
		g.stop()
		// New, each minute, soft, hard, OK, each minute.
		if got := series.values("a"); got != "0:0 60:0 70:1.5 72:2 90:0 120:0" {
			t.Errorf("a: %s", got)
		}
		if got := series.values("b"); got != "0:0 60:0 70:0.5 72:1 120:1" {
			t.Errorf("b: %s", got)
		}
		k := series.got[0].Key
		if k.Name() != StatusSeries || k.Get(RuleLabel) != "r" || !IsStatus(k) || IsStatus("log_messages") {
			t.Errorf("key %s", k)
		}
	})
}

func TestChronicleFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		series := &recorder{fail: errors.New("disk is full")}
		g.opts.Series = series
		g.rule.set("a=11")
		g.start()
		g.wait(5*time.Second, "ra ok>critical")
		if n := g.e.Stats().SeriesLost.Load(); n != 1 {
			t.Errorf("%d lost, want 1", n)
		}
		series.mu.Lock()
		series.fail = &rrd.BatchError{Refused: []rrd.Refused{{}}}
		series.mu.Unlock()
		g.wait(time.Minute, "")
		if n := g.e.Stats().SeriesLost.Load(); n != 2 {
			t.Errorf("%d lost, want 2", n)
		}
		g.stop()
	})
}

func TestPreview(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.start()
		if p := g.e.Preview(matchers(t, "alertname=r")); p.States != 0 {
			t.Errorf("a rule without states: %+v", p)
		}
		g.rule.set("web-1=11", "web-2=1", "db-1=11")
		g.wait(5*time.Second, "rweb-1 ok>critical, rdb-1 ok>critical")
		p := g.e.Preview(matchers(t, "host=~web.*"))
		if p.States != 2 || p.Problems != 1 || len(p.List) != 2 || p.List[0].Labels.Get("host") != "web-1" {
			t.Errorf("%+v", p)
		}
		if len(g.e.Silences()) != 0 {
			t.Error("a preview is no silence")
		}
		g.stop()
	})
}

// TestSilenceEndsWhenClear: not before anything has matched, and not at once.
func TestSilenceEndsWhenClear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.rule.set("a=1")
		g.start()
		s, err := g.e.Silence(t.Context(), Silence{Matchers: matchers(t, "host=a"), Until: in(24 * time.Hour), EndWhenClear: true})
		if err != nil || s.Matched {
			t.Fatal(s, err)
		}
		g.wait(time.Hour, "")
		g.rule.set("a=11")
		g.wait(5*time.Minute, "")
		g.rule.set("a=1")
		g.stop()
		g.start()
		g.wait(3*time.Minute, "")
		g.rule.set("a=11")
		g.wait(3*time.Minute, "")
		g.rule.set("a=1")
		g.wait(5*time.Minute, "")
		if len(g.e.Silences()) != 1 {
			t.Error("it ended too early")
		}
		g.wait(3*time.Minute, "")
		if len(g.e.Silences()) != 0 {
			t.Error("it did not end")
		}
		g.rule.set("a=11")
		g.wait(5*time.Second, "ra ok>critical")
		g.stop()
	})
}
