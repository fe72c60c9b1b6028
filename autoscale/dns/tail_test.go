package dns

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// drain lets an instance drain whose clients come until busy after its address
// left, and returns how long it waited.
func (b *bench) drain(n int, busy time.Duration) time.Duration {
	b.t.Helper()
	stays, goes := "1:in-service@10.0.0.1", fmt.Sprintf("%d:draining@10.0.1.%d", n, n)
	host := fmt.Sprintf("web-%d", n)
	b.traffic.set(host, 5)
	b.become(stays + fmt.Sprintf(" %d:in-service@10.0.1.%d", n, n))
	b.become(stays + " " + goes)
	began := time.Now()
	for b.keeper.Waits("web", member(goes), began) != "" {
		if time.Since(began) > busy {
			b.traffic.set(host, 0)
		}
		if time.Since(began) > 10*time.Minute {
			b.t.Fatal("it never ends")
		}
		b.pass(time.Second)
	}
	waited := time.Since(began)
	b.pass(2 * time.Second)
	b.become(stays)
	return waited
}

func TestTailIsLearnt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(it *Item) { it.Traffic, it.LongestTail = "requests", 2*time.Minute })
		about := func(what string, got, want time.Duration) {
			t.Helper()
			if (got - want).Abs() > 5*time.Second {
				t.Errorf("%s: waited %v, want about %v", what, got, want)
			}
		}
		for n := range enoughTail {
			about("nothing is known yet", b.drain(2+n, 40*time.Second), 150*time.Second)
		}
		// Clients came for 10 s beyond the TTL of 30 s; the last of them is not long
		// enough ago before a TTL later.
		about("learnt", b.drain(10, 5*time.Second), 42*time.Second)
		about("clients still come", b.drain(11, 60*time.Second), 90*time.Second)
		about("learnt of that", b.drain(12, 5*time.Second), 60*time.Second)
		b.stop()
		b.start()
		b.pass(time.Second)
		about("after a restart", b.drain(13, 5*time.Second), 60*time.Second)
		about("without end", b.drain(14, time.Hour), 150*time.Second)
	})
}

// TestNothingIsKnownOfTraffic: silence that nobody measured is none, and teaches
// nothing.
func TestNothingIsKnownOfTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(it *Item) { it.Traffic, it.LongestTail = "requests", 2*time.Minute })
		for n := range enoughTail {
			b.drain(2+n, 0)
		}
		b.become("1:in-service@10.0.0.1 9:in-service@10.0.0.9")
		b.become("1:in-service@10.0.0.1 9:draining@10.0.0.9")
		b.pass(40 * time.Second)
		b.waits("9:draining@10.0.0.9", "nothing is known of its clients: 30 s + 2m0s")
		b.pass(2 * time.Minute)
		b.waits("9:draining@10.0.0.9", "")
		if n := len(b.keeper.items[0].kept.Tails); n != enoughTail {
			t.Errorf("%d tails are known, want %d", n, enoughTail)
		}
	})
}

// TestDrainCutShort: one that ends before its clients do teaches what it saw.
func TestDrainCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(it *Item) { it.Traffic = "requests" })
		b.traffic.set("web-2", 1)
		b.become("1:in-service@10.0.0.1 2:in-service@10.0.0.2")
		b.become("1:in-service@10.0.0.1 2:draining@10.0.0.2")
		b.pass(50 * time.Second)
		b.become("1:in-service@10.0.0.1 2:terminating@10.0.0.2")
		tails := b.keeper.items[0].kept.Tails
		if len(tails) != 1 || tails[0] < 19*time.Second || tails[0] > 22*time.Second {
			t.Errorf("learnt %v, want about 20s", tails)
		}
	})
}

func TestExpect(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		longest := time.Duration(rapid.IntRange(1, 1000).Draw(t, "longest")) * time.Second
		var ts tails
		for _, s := range rapid.SliceOfN(rapid.IntRange(-10, 2000), 0, 300).Draw(t, "tails") {
			ts = ts.add(time.Duration(s)*time.Second, longest)
		}
		got, above := ts.expect(longest), 0
		for _, d := range ts {
			if d > got {
				above++
			}
		}
		switch {
		case len(ts) > keepTails:
			t.Fatalf("%d are kept", len(ts))
		case got < 0 || got > longest:
			t.Fatalf("%v is not within 0 and %v", got, longest)
		case len(ts) < enoughTail && got != longest:
			t.Fatalf("%v from %d", got, len(ts))
		case float64(above) > (1-tailShare)*float64(len(ts))+1e-9:
			t.Fatalf("%d of %d are longer than %v", above, len(ts), got)
		}
	})
}

func FuzzKept(f *testing.F) {
	f.Add([]byte(`{"gone":{"i-1":{"at":"2026-01-01T00:00:00Z","ttl":30000000000}},"tails":[1,2]}`))
	f.Add([]byte(`{"gone":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := decodeKept(b)
		if k.Gone == nil {
			t.Fatal("no departures can be added")
		}
		if err != nil && len(k.Tails) > 0 {
			t.Fatal("half of it was read")
		}
	})
}
