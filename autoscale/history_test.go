package autoscale

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rondo/alerts/state"
)

// A launch, its failure, the repetition, a drain and the end are each told by
// the record of the decision that they belong to.
func TestRecordsTellTheirCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 5000)
		w.setDemand(2)
		w.faults = []fault{lostAfter}
		l := w.live(web())
		time.Sleep(3 * time.Minute)
		w.setDemand(90)
		time.Sleep(time.Minute)
		w.setDemand(1)
		time.Sleep(5 * time.Minute)
		rs, err := l.Records("web", Page{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		first := rs[len(rs)-1]
		for _, r := range rs { // the first that acted, not the first of all
			if r.Direction == Out {
				first = r
			}
		}
		if len(first.Calls) != 2 || first.Calls[0].Outcome == "done" || first.Calls[1].Outcome != "done" || !first.Calls[1].Again {
			t.Errorf("calls of the first launch: %+v", first.Calls)
		}
		for _, r := range rs {
			if r.Direction == In && (len(r.Calls) != 1 || r.Calls[0].Kind != KindTerminate || r.Calls[0].RequestID != "req-t" || r.Outcome != "done") {
				t.Errorf("scale-in %+v", r)
			}
			again, err := l.Record("web", r.Ref)
			if err != nil || again.Entry != r.Entry {
				t.Errorf("%s: %d, %v; want entry %d", r.Ref, again.Entry, err, r.Entry)
			}
		}
		if half, err := l.Records("web", Page{Limit: 2, Before: rs[3].Entry}); err != nil || len(half) != 2 || half[0].Entry != rs[4].Entry {
			t.Errorf("before entry %d: %+v, %v", rs[3].Entry, half, err)
		}
		if _, err := l.Record("web", "n123456"); !errors.Is(err, ErrNoDecision) {
			t.Error(err)
		}
		l.stop()
	})
}

func TestWhyNowAndThen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 5000)
		w.setDemand(4)
		l := w.live(web())
		time.Sleep(5 * time.Minute)
		y, err := l.Why("web", time.Time{})
		if err != nil || y.Decision.Ref != "now" || !strings.HasPrefix(y.More.Text, "run queue would have to be above 4 for 2s, it is 2") {
			t.Errorf("now: %+v, %v", y, err)
		}
		calm := time.Now()
		time.Sleep(time.Minute)
		w.setDemand(90)
		time.Sleep(5 * time.Minute)
		then, err := l.Why("web", calm)
		if err != nil || then.More.Text != y.More.Text || then.Decision.From != 2 || !strings.HasPrefix(then.Decision.Ref, "n") {
			t.Errorf("then: %+v, %v", then, err)
		}
		if y, err = l.Why("web", time.Time{}); err != nil || y.More.Text != "max 14 is reached: run queue 6.43 is above 4" {
			t.Errorf("at max: %+v, %v", y, err)
		}
		if _, err := l.Why("web", time.Now().Add(-time.Hour)); !errors.Is(err, ErrNoDecision) {
			t.Error(err)
		}
		l.stop()
	})
}

func TestCheckNamesEachBreak(t *testing.T) {
	t.Parallel()
	store := state.NewMemory()
	j, _, err := openTestJournal(t, store)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		if _, err := j.Append(t.Context(), Entry{Kind: KindStop, Group: "web", Text: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	c, err := j.Check()
	if err != nil || len(c.Broken) != 0 || c.Entries != 6 || c.Last != 6 || c.Hash != j.Hash() {
		t.Errorf("whole: %+v, %v", c, err)
	}
	raw, err := state.OpenJournal(store, "autoscale", 1000)
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Replace(t.Context(), 3, []byte("no entry")); err != nil {
		t.Fatal(err)
	}
	c, err = j.Check()
	if err != nil || len(c.Broken) != 2 || !strings.Contains(c.Broken[0], "record 3") || !strings.Contains(c.Broken[1], "entry 4") {
		t.Errorf("broken: %+v, %v", c, err)
	}
}
