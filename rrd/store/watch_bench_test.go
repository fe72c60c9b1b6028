package store

import (
	"fmt"
	"testing"
	"time"

	"rondo/rrd"
)

// BenchmarkWatch measures what it costs a sample that its series are watched:
// the same fleet is ingested in turn into a store without watches, one whose
// series each have two watches with cuts, and one where a rule wants every
// sample.
func BenchmarkWatch(b *testing.B) {
	const series = 100_000
	far := []float64{1e12, 2e12}
	var some, every []rrd.Watch
	for i := range 20 {
		metric := selector("__name__", "=~", fmt.Sprintf(`fleet\.web\..*\.metric_%02d`, i))
		for g := range 16 {
			one := selector("__name__", "=~", fmt.Sprintf(`fleet\.web\.i-%x.*\.metric_%02d`, g, i))
			some = append(some, rrd.Watch{Selectors: [][]rrd.Matcher{one}, Cuts: far})
		}
		some = append(some, rrd.Watch{Selectors: [][]rrd.Matcher{metric}, Cuts: far})
		every = append(every, rrd.Watch{Selectors: [][]rrd.Matcher{metric}})
	}
	kinds := []struct {
		name    string
		watches []rrd.Watch
		cpu     time.Duration
		st      *Store
	}{{name: "none"}, {name: "cuts", watches: some}, {name: "every", watches: every}}
	f := newFleet(b, series)
	for i := range kinds {
		k := &kinds[i]
		k.st = openStore(b, b.TempDir(), Options{Every: time.Hour, Now: func() time.Time { return f.samples[0].Time.Std() }})
		defer closeStore(b, k.st)
		if err := k.st.Watch(k.watches, func(int, rrd.Time) {}); err != nil {
			b.Fatal(err)
		}
		ingest(b, k.st, f, 1000)
	}
	rounds := 0
	for b.Loop() {
		f.step()
		rounds++
		for i := range kinds {
			k := &kinds[(i+rounds)%len(kinds)]
			before := cpuTime()
			ingest(b, k.st, f, 1000)
			k.cpu += cpuTime() - before
			if rounds%6 == 0 {
				if err := k.st.maintain(); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	for _, k := range kinds {
		b.ReportMetric(float64(k.cpu.Nanoseconds())/float64(rounds*series), k.name+"-cpu-ns/sample")
	}
}
