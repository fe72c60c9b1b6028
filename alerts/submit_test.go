package alerts

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rondo/alerts/state"
	"rondo/rrd"
)

func host(name string) rrd.Labels { return rrd.Labels{{Name: "host", Value: name}} }

// started runs an engine with these rules and one receiver; the function that
// it returns stops it.
func started(t *testing.T, o Options, rcv *receiver, rules ...Supervised) (*Engine, func()) {
	t.Helper()
	e, err := NewEngine(o, rules, []Target{{"hook", rcv}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- e.Run(ctx) }()
	return e, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// A result that is submitted is counted as one attempt, told without waiting
// for a check, and stays while checks do not mention its labels.
func TestSubmit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, rcv, rule := state.NewMemory(), &receiver{}, &fakeRule{id: "r"}
		passive := Supervised{
			Rule: rule, Interval: time.Second, Policy: Policy{Direct: true, MaxAttempts: 2},
			Keeps: func(ls rrd.Labels) bool { return ls.Get("host") != "other" },
		}
		e, stop := started(t, Options{Store: store}, rcv, passive)
		send := func(name string, s Status) {
			t.Helper()
			if err := e.Submit(t.Context(), "r", Reading{Labels: host(name), Status: s, Text: "x", At: time.Now()}); err != nil {
				t.Fatal(err)
			}
		}
		send("a", Critical)
		time.Sleep(10 * time.Second)
		if got := rcv.take(); got != "" {
			t.Errorf("told %q after one result, many checks later", got)
		}
		send("a", Critical)
		synctest.Wait()
		if got := rcv.take(); got != "ra ok>critical" {
			t.Errorf("told %q", got)
		}
		send("other", Warning)
		time.Sleep(48 * time.Hour)
		if vs := e.Views(); len(vs) != 1 || vs[0].Status != Critical || vs[0].Text != "x" {
			t.Errorf("after two days: %+v", vs)
		}
		if got := rcv.take(); got != "rother ok>unknown, rother unknown>ok" {
			t.Errorf("of what is not kept told %q", got)
		}
		stop()

		e, stop = started(t, Options{Store: store}, rcv, passive)
		if err := e.Submit(t.Context(), "r", Reading{Labels: host("a"), Status: OK}, Reading{Labels: host("b"), Status: Warning}, Reading{Labels: host("b"), Status: Warning}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := rcv.take(); got != "ra critical>ok, rb ok>warning" {
			t.Errorf("after a restart told %q", got)
		}
		if err := e.Submit(t.Context(), "none"); !errors.Is(err, ErrNoRule) {
			t.Error(err)
		}
		stop()
	})
}

// TestLongAnnotations: annotations that the store could not take do not keep
// a problem, and others with it, from being told.
func TestLongAnnotations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rcv := &receiver{}
		e, stop := started(t, Options{Store: state.NewMemory()}, rcv, Supervised{Rule: &fakeRule{id: "r"}, Policy: Policy{Direct: true}, Keeps: func(rrd.Labels) bool { return true }})
		long := Reading{Labels: host("a"), Status: Critical, Annotations: map[string]string{"summary": "short", "page": strings.Repeat("<br>", 16<<10)}}
		if err := e.Submit(t.Context(), "r", long, Reading{Labels: host("b"), Status: Critical}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := rcv.take(); got != "ra ok>critical, rb ok>critical" {
			t.Errorf("told %q", got)
		}
		if got := e.Transitions(time.Time{})[1].Annotations; fmt.Sprint(got) != "map[left_out:1 annotations are too long summary:short]" {
			t.Errorf("annotations %.200v", got)
		}
		stop()
	})
}

// Rules that wait do not keep others from being checked.
func TestWaitingRulesTakeNoWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow, quick := &fakeRule{id: "slow", hang: true}, &fakeRule{id: "quick"}
		_, stop := started(t, Options{Store: state.NewMemory(), Workers: 1}, &receiver{},
			Supervised{Rule: slow, Waits: true, Interval: time.Second, Timeout: time.Hour, Policy: Policy{Direct: true}},
			Supervised{Rule: quick, Interval: time.Second, Policy: Policy{Direct: true}})
		time.Sleep(time.Minute)
		quick.mu.Lock()
		if quick.checks < 59 {
			t.Errorf("%d checks in a minute beside one that waits", quick.checks)
		}
		quick.mu.Unlock()
		stop()
	})
}

// BenchmarkSubmit is one result that changes nothing but the time of the last
// one, of a rule that has a thousand hosts.
func BenchmarkSubmit(b *testing.B) {
	keep := func(rrd.Labels) bool { return true }
	e, err := NewEngine(Options{Store: state.NewMemory()}, []Supervised{{Rule: &fakeRule{id: "r"}, Policy: Policy{Direct: true}, Keeps: keep}}, nil)
	if err != nil {
		b.Fatal(err)
	}
	hosts := make([]rrd.Labels, 1000)
	for i := range hosts {
		hosts[i] = host(fmt.Sprint("host-", i))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := e.Submit(b.Context(), "r", Reading{Labels: hosts[i%len(hosts)], Text: "fine"}); err != nil {
			b.Fatal(err)
		}
	}
}
