package store

import (
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"rondo/rrd"
	"rondo/rrd/rrdtest"
)

// changeEdits are edits that come back to where they began, and lose nothing
// of minuteSet's sets.
func changeEdits() []rrd.SetEdit {
	return []rrd.SetEdit{
		{Resize: []string{"average:1=2000"}, AddArchive: []string{"RRA:LAST:0.5:7:100"}},
		{Rename: []string{"v=w"}, Add: []string{"DS:n:GAUGE:120:U:U"}},
		{Rename: []string{"w=v"}, RemoveSource: []string{"n"}},
		{Resize: []string{"average:1=1440"}, RemoveArchive: []string{"last:7"}},
	}
}

// TestChangeSetMeanwhile changes a set while readings come: none is lost or
// refused, also if the store is killed afterwards.
func TestChangeSetMeanwhile(t *testing.T) {
	t.Parallel()
	p := newSetPair(t, Options{Now: late2033, Every: time.Hour, StageBytes: 5000, CheckpointBytes: 10_000})
	defer func() { closeStore(t, p.st) }()
	p.create("a", minuteSet(), rrdtest.T0)
	p.create("b", minuteSet(), rrdtest.T0)
	edits := changeEdits()
	edits[1], edits[2] = rrd.SetEdit{Heartbeat: []string{"v:5m"}}, rrd.SetEdit{Heartbeat: []string{"v:2m"}}
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Go(func() {
		defer close(done)
		for k := range 150 {
			u := rrd.SetUpdate{Name: "a", Time: rrdtest.T0 + rrd.Time(60*(k+1))*rrd.Second, Texts: []string{strconv.Itoa(k)}}
			other := u
			other.Name = "b"
			for _, s := range []rrd.SetStore{p.want, p.st} {
				if err := s.UpdateSets(t.Context(), []rrd.SetUpdate{u, other}); err != nil {
					t.Error(k, err)
				}
			}
		}
	})
	wg.Go(func() {
		for !stopped(done) {
			if _, err := p.st.FetchSet(t.Context(), rrd.SetQuery{Name: "a", Start: rrdtest.T0, End: rrdtest.T0 + 100*rrd.Second}); err != nil {
				t.Error(err)
			}
		}
	})
	for i := 0; i%len(edits) > 0 || !stopped(done); i++ {
		c, err := p.st.ChangeSet(t.Context(), "a", &edits[i%len(edits)], false)
		if err != nil || !c.Changed || len(c.Lost) > 0 && len(edits[i%len(edits)].RemoveArchive) == 0 {
			t.Fatal(i, c, err)
		}
		if err := p.st.maintain(); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	p.same("a", "b")
	if err := p.st.kill(); err != nil {
		t.Fatal(err)
	}
	p.st = openStore(t, p.st.dir, p.st.o)
	p.same("a", "b")
}

func stopped(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// TestChangeSet: what a change says it loses, what it does not do, and that it
// survives a kill.
func TestChangeSet(t *testing.T) {
	t.Parallel()
	p := newSetPair(t, Options{Now: late2033, Every: time.Hour})
	defer func() { closeStore(t, p.st) }()
	p.create("a", minuteSet(), rrdtest.T0)
	p.stream("a", rrdtest.T0, 100)
	shrink := rrd.SetEdit{Resize: []string{"average:1=30"}, RemoveArchive: []string{"max:60"}}
	for _, dry := range []bool{true, false} {
		c, err := p.st.ChangeSet(t.Context(), "a", &shrink, dry)
		if err != nil || !c.Changed || len(c.Lost) != 2 || c.Lost[0].Rows < 69 || c.Lost[0].Archive != "RRA:AVERAGE:0.5:1:1440" || c.Values >= c.Before {
			t.Fatalf("dry %v: %+v, %v", dry, c, err)
		}
	}
	if c, err := p.st.ChangeSet(t.Context(), "a", &shrink, false); err != nil || c.Changed {
		t.Errorf("a second time: %+v, %v", c, err)
	}
	for range 2 {
		d, _, err := p.st.DescribeSet("a")
		if err != nil || len(d.Archives) != 3 || d.Archives[0].Rows != 30 {
			t.Errorf("%+v, %v", d, err)
		}
		if err := p.st.kill(); err != nil {
			t.Fatal(err)
		}
		p.st = openStore(t, p.st.dir, p.st.o)
	}
	if _, err := p.st.ChangeSet(t.Context(), "none", &shrink, false); !errors.Is(err, rrd.ErrNoSet) {
		t.Error(err)
	}
	s := p.st.table.set("a")
	if err := s.seal(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.st.ChangeSet(t.Context(), "a", &rrd.SetEdit{Max: []string{"v:9"}}, false); !errors.Is(err, ErrSetChanging) {
		t.Error(err)
	}
	if err := p.st.DropSet(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if err := p.st.takeOver(t.Context(), "a", fullImage(t, minuteSet(), 1), true, s); !errors.Is(err, rrd.ErrNoSet) {
		t.Error("a set that was dropped has come back:", err)
	}
	p.st.unseal(s)
}
