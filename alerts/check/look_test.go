package check

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rondo/alerts"
	"rondo/alerts/state"
	"rondo/rrd"
	"rondo/rrd/promql"
	"rondo/rrd/store"
)

// everySample has an engine told of all samples, as if there were no cuts.
type everySample struct{ rrd.Watcher }

func (w everySample) Watch(ws []rrd.Watch, moved func(int, rrd.Time)) error {
	ws = slices.Clone(ws)
	for i := range ws {
		ws[i].Cuts = nil
	}
	return w.Watcher.Watch(ws, moved)
}

// A twin is one of two servers that live through the same.
type twin struct {
	store  *store.Store
	engine *alerts.Engine
	teller
	done chan error
}

// Act notes the second too.
func (tw *twin) Act(_ context.Context, t alerts.Transition) error {
	tw.mu.Lock()
	defer tw.mu.Unlock()
	tw.told = append(tw.told, fmt.Sprintf("%s %s %s %v", t.At.Format("04:05"), t.Rule, t.Labels.Get("host"), t.To))
	return nil
}

// TestCutsChangeNothing lets two servers live through the same random samples.
// One looks at its rules whenever a threshold is crossed, the other at every
// sample: they come to the same transitions in the same seconds.
func TestCutsChangeNothing(t *testing.T) {
	var mu sync.Mutex // guards now
	now := time.Unix(946684800, 0)
	o := store.Options{Every: time.Hour, Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}}
	twins := [2]*twin{{}, {}}
	for _, tw := range twins {
		var err error
		if tw.store, err = store.Open(t.TempDir(), o); err != nil {
			t.Fatal(err)
		}
		defer tw.store.Close()
	}
	run, looks := 0, [2]uint64{}
	rapid.Check(t, func(rt *rapid.T) {
		run++
		name := fmt.Sprintf("run_%d", run)
		script := drawSamples(rt, name)
		rule := rapid.IntRange(0, 3).Draw(rt, "rule")
		late := false // a store has waited for its disk, and the bubble's time went on meanwhile
		synctest.Test(t, func(t *testing.T) {
			mu.Lock()
			began := time.Now()
			time.Sleep(now.Sub(began) + time.Minute) // samples of the last run are long gone
			mu.Unlock()
			ctx, cancel := context.WithCancel(t.Context())
			for i, tw := range twins {
				tw.start(t, ctx, name, rule, i == 0)
			}
			for _, s := range script {
				time.Sleep(s.pause)
				mu.Lock()
				now = time.Now()
				mu.Unlock()
				s.sample.Time = rrd.At(now)
				for _, tw := range twins {
					if err := tw.store.Write(ctx, []rrd.Sample{s.sample}); err != nil {
						t.Error(err)
					}
				}
				late = late || time.Now().After(now)
			}
			time.Sleep(5 * time.Minute)
			mu.Lock()
			now = time.Now()
			mu.Unlock()
			cancel()
			for _, tw := range twins {
				if err := <-tw.done; err != nil {
					t.Error(err)
				}
			}
		})
		for i, tw := range twins {
			looks[i] += tw.engine.Stats().Looks.Load()
		}
		a, b := twins[0].take(), twins[1].take()
		if d := cmp.Diff(strings.Split(b, ", "), strings.Split(a, ", ")); d != "" && !late {
			rt.Fatalf("-every sample +cuts\n%s", d)
		}
	})
	if looks[0] >= looks[1] {
		t.Errorf("%d looks with cuts, %d without", looks[0], looks[1])
	}
}

// A sending is a sample after a pause.
type sending struct {
	pause  time.Duration
	sample rrd.Sample
}

func drawSamples(rt *rapid.T, name string) (script []sending) {
	var keys []rrd.Key
	for i := range 3 {
		k, err := rrd.NewKey(name, rrd.Label{Name: "host", Value: fmt.Sprintf("h%d", i)})
		if err != nil {
			rt.Fatal(err)
		}
		keys = append(keys, k)
	}
	for range rapid.IntRange(1, 20).Draw(rt, "rounds") {
		pause := time.Duration(rapid.SampledFrom([]int{1, 2, 5, 10, 10, 30}).Draw(rt, "pause")) * time.Second
		for _, k := range keys { // none becomes missing, which is found at a turn, or sooner by a look
			value := rapid.SampledFrom([]float64{0, 3, 4, 5, 6, 7, 8, 9, 10, 11, 40}).Draw(rt, "value")
			script = append(script, sending{pause, rrd.Sample{Key: k, Value: value}})
			pause = 0
		}
	}
	return script
}

// start runs an engine with a rule.
func (tw *twin) start(t *testing.T, ctx context.Context, name string, rule int, cuts bool) {
	metrics := []Metric{
		{Common: Common{Name: "plain"}, Expr: name, Raise: ptr(10), Clear: ptr(5), Missing: alerts.MissingKeep},
		{Common: Common{Name: "low", MaxAttempts: 2}, Expr: name + " / 2", Op: "below", Raise: ptr(1.5), Missing: alerts.MissingOK},
		{Common: Common{Name: "held", ClearFor: 7 * time.Second}, Expr: name, Warning: &Threshold{Raise: 4}, Critical: &Threshold{Raise: 9}, For: 12 * time.Second},
		{Common: Common{Name: "compared"}, Expr: name + " > 7", Raise: ptr(0), Missing: alerts.MissingOK},
	}
	c := Config{Metrics: metrics[rule : rule+1]}
	eval := promql.New(tw.store, tw.store, promql.Options{})
	rules, err := c.Build(Sources{Metrics: eval})
	if err != nil {
		t.Fatal(err)
	}
	var series rrd.Watcher = tw.store
	if !cuts {
		series = everySample{series}
	}
	tw.engine, err = alerts.NewEngine(alerts.Options{Store: state.NewMemory(), Moves: series}, rules, []alerts.Target{{Name: "x", Action: tw}})
	if err != nil {
		t.Fatal(err)
	}
	tw.done = make(chan error, 1)
	go func() { tw.done <- tw.engine.Run(ctx) }()
}
