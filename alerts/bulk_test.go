package alerts

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rondo/alerts/state"
)

// A bulkReceiver remembers how many transitions it was given at once.
type bulkReceiver struct {
	receiver
	mu    sync.Mutex
	calls []int
}

// ActAll implements BulkAction.
func (r *bulkReceiver) ActAll(ctx context.Context, ts []Transition) error {
	r.mu.Lock()
	r.calls = append(r.calls, len(ts))
	r.mu.Unlock()
	for _, t := range ts {
		if err := r.Act(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// TestBulk: a BulkAction gets many at once, in order; what it did not take
// comes again, and what it took does not.
func TestBulk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, bulk := newRig(t), &bulkReceiver{}
		g.interval = time.Minute
		start := func() {
			g.start()
			if err := g.e.Reload(g.rules(), []Target{{"hook", bulk}}); err != nil {
				t.Fatal(err)
			}
		}
		bulk.failWith(errors.New("the store is full"))
		var bad, good []string
		for i := range 1200 {
			bad, good = append(bad, fmt.Sprintf("%04d=11", i)), append(good, fmt.Sprintf("%04d=1", i))
		}
		g.rule.set(bad...)
		start()
		time.Sleep(2 * time.Minute)
		g.rule.set(good...)
		time.Sleep(2 * time.Minute)
		bulk.failWith(nil)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		g.stop()
		start()
		time.Sleep(time.Minute)
		synctest.Wait()
		g.stop()
		last := map[string]Status{}
		for _, tr := range bulk.got {
			host := tr.Labels.Get("host")
			if tr.From != last[host] {
				t.Fatalf("%s: %v>%v after %v", host, tr.From, tr.To, last[host])
			}
			last[host] = tr.To
		}
		if len(bulk.got) != 2400 || len(last) != 1200 {
			t.Errorf("%d changes of %d label sets, want 2400 of 1200", len(bulk.got), len(last))
		}
		most := 0
		for _, n := range bulk.calls {
			most = max(most, n)
		}
		if most != maxBulk {
			t.Errorf("at most %d at once, want %d", most, maxBulk)
		}
		for e := range g.store.Scan(state.Range{Prefix: outPrefix}) {
			t.Errorf("%s is left in the outbox", e.Key)
		}
	})
}
