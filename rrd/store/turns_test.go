package store

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"rondo/rrd"
)

// archives is a definition's ring set as a configuration has it.
func archives(tb testing.TB, texts ...string) func(rrd.Key, rrd.Type) rrd.Definition {
	tb.Helper()
	d := rrd.DefaultDefinition()
	var err error
	if d.Step, d.Archives, err = ParseArchives(texts, 0.99); err != nil {
		tb.Fatal(err)
	}
	return func(_ rrd.Key, t rrd.Type) rrd.Definition {
		d.Type = t
		return d
	}
}

// A turning is a store whose rings are turned at speed.
type turning struct {
	st    *Store
	crowd *crowd
	dir   string
	now   rrd.Time
}

func newTurning(tb testing.TB, series int, texts ...string) *turning {
	tb.Helper()
	t := &turning{crowd: newCrowd(series), dir: tb.TempDir(), now: benchStart}
	o := Options{Define: archives(tb, texts...), Every: time.Hour, PieceSeries: 1, Now: func() time.Time { return t.now.Std() }}
	t.st = openStore(tb, t.dir, o)
	tb.Cleanup(func() { closeStore(tb, t.st) })
	return t
}

// run lets all series send for a time.
func (t *turning) run(tb testing.TB, d, step time.Duration) {
	tb.Helper()
	end, maintained := t.now.Add(d), t.now
	for t.now < end {
		t.now = t.now.Add(step)
		t.crowd.round(tb, t.st, t.now)
		if t.now-maintained < rrd.Time((2 * time.Hour).Microseconds()) {
			continue
		}
		if err := t.st.maintain(); err != nil {
			tb.Fatal(err)
		}
		maintained = t.now
	}
}

// live is how many bytes of blocks the rings hold, a block that is partly
// outside in part, and disk what their directories take.
func (t *turning) live(tb testing.TB, r *ring) (live, disk float64) {
	tb.Helper()
	clock := rrd.Time(t.st.clock.Load())
	for _, pg := range t.st.table.pageList() {
		first, _ := r.place(pg.id, r.edge(clock))
		last, _ := r.place(pg.id, clock)
		for block := first; block <= last; block++ {
			b, _, err := t.st.openBlock(blockID{r, pg.id, block})
			if err != nil {
				tb.Fatal(err)
			}
			outside := float64(r.edge(clock)-r.rowEnd(pg.id, block, 0)) / float64(rrd.Time(r.blockRows)*r.row)
			live += float64(b.bytes) * (1 - max(0, outside))
		}
	}
	n, err := usage(r.dir)
	if err != nil {
		tb.Fatal(err)
	}
	return live, float64(n)
}

// TestDiskOverTurns: over the turns of a ring the disk that it takes stays
// within one and a half times what it holds. The whole curve is
// BenchmarkTurns.
func TestDiskOverTurns(t *testing.T) {
	t.Parallel()
	turn := newTurning(t, 640, "1m for 2d")
	for n := range 4 {
		turn.run(t, 48*time.Hour, time.Minute)
		live, disk := turn.live(t, turn.st.rings[0])
		t.Logf("turn %d: %.2f MB live, disk %.2f times that", n+1, live/1e6, disk/live)
		if n > 0 && disk > 1.5*live {
			t.Errorf("turn %d: disk is %.2f times what is live", n+1, disk/live)
		}
	}
}

// BenchmarkTurns prints the disk that two rings take over ten turns of the
// longer one, in multiples of what they hold.
func BenchmarkTurns(b *testing.B) {
	turn := newTurning(b, 640, "10s for 6h", "1m for 2d")
	for b.Loop() {
	}
	for n := range 10 {
		turn.run(b, 48*time.Hour, 10*time.Second)
		for _, r := range turn.st.ringList() {
			live, disk := turn.live(b, r)
			b.ReportMetric(disk/live, fmt.Sprintf("%s/turn-%d", filepath.Base(r.dir), n+1))
		}
	}
}

// BenchmarkFullRings reports what a series takes on disk when all its rings
// are full, by archive: of the classic .rrd (8,364 rows, there with three
// consolidation functions), and of the default archives. Blocks alone, without
// Badger's own, which does not depend on how many series share it.
func BenchmarkFullRings(b *testing.B) {
	full := func(name string, series int, span, step, last time.Duration, texts ...string) {
		b.Run(name, func(b *testing.B) {
			turn := newTurning(b, series, texts...)
			for b.Loop() {
			}
			turn.run(b, span, step)
			turn.run(b, 25*time.Hour, last)
			all := 0.0
			for _, r := range turn.st.ringList() {
				live, _ := turn.live(b, r)
				all += live
				b.ReportMetric(live/float64(series), filepath.Base(r.dir)+"-B/series")
				b.ReportMetric(live/float64(series)/float64(r.rows), filepath.Base(r.dir)+"-B/row")
			}
			b.ReportMetric(all/float64(series), "B/series")
		})
	}
	const year = 365 * 24 * time.Hour
	full("classic", 64, year, time.Minute, time.Minute, "1m for 1d", "5m for 7d", "1h for 22d", "2h for 1y")
	full("default", 64, 3*year, 2*time.Minute, 10*time.Second, "10s for 1d", "1m for 14d", "10m for 90d", "2h for 3y")
}
