package store

import (
	"slices"
	"testing"
	"time"
)

const benchChange = 100_000

// BenchmarkChange gives 100,000 series with half an hour behind them other
// archives, one of them of a new length, while samples come in batches of a
// thousand, all series' once a second; it shows how long these wait, beside how
// long they do otherwise.
func BenchmarkChange(b *testing.B) {
	st, _, f := filled(b, benchChange, 180)
	defer closeStore(b, st)
	write := func() (waits []time.Duration) {
		f.step()
		for at := 0; at < len(f.samples); at += 1000 {
			begun := time.Now()
			if err := st.Write(b.Context(), f.samples[at:at+1000]); err != nil {
				b.Fatal(err)
			}
			waits = append(waits, time.Since(begun))
		}
		return waits
	}
	p99 := func(waits []time.Duration) float64 {
		slices.Sort(waits)
		return float64(waits[len(waits)*99/100].Microseconds())
	}
	var idle, busy []time.Duration
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for range 10 {
		<-second.C
		idle = append(idle, write()...)
	}
	changed, took, round := 0, time.Duration(0), 0
	edits := [][]string{{"10s for 2d", "1m for 14d", "5m for 90d"}, {"10s for 1d", "1m for 14d", "10m for 90d"}}
	for b.Loop() {
		p, err := st.Change(Change{Edit: Edit{Archives: edits[round%2]}})
		if err != nil {
			b.Fatal(err)
		}
		for round++; p.Ended.IsZero(); p, _ = st.Changing() {
			<-second.C
			busy = append(busy, write()...)
		}
		changed, took = changed+p.Done, took+p.Ended.Sub(p.Started)
	}
	b.ReportMetric(float64(changed)/took.Seconds(), "series/s")
	b.ReportMetric(p99(idle), "us-p99-before")
	b.ReportMetric(p99(busy), "us-p99-meanwhile")
}
