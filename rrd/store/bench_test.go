package store

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"
	"time"

	"rondo/rrd"
)

// fleet makes samples as a fleet's agents send them: of each host twenty
// series, gauges with few decimals and counters, every ten seconds.
type fleet struct {
	samples []rrd.Sample
	rng     *rand.Rand
	round   int
}

func newFleet(tb testing.TB, series int) *fleet {
	tb.Helper()
	f := &fleet{rng: rand.New(rand.NewPCG(1, 2))}
	for i := range series {
		k, err := rrd.NewKey(fmt.Sprintf("fleet.web.i-%08x.metric_%02d", i/20*2654435761, i%20))
		if err != nil {
			tb.Fatal(err)
		}
		s := rrd.Sample{Key: k, Time: benchStart, Type: rrd.Gauge, Value: math.Round(f.rng.Float64()*1e4) / 100}
		if i%5 == 0 {
			s.Type, s.Value = rrd.Counter, float64(f.rng.IntN(1e6))
		}
		f.samples = append(f.samples, s)
	}
	return f
}

const benchStart = 1_700_000_000 * rrd.Second

// step moves all series on by ten seconds.
func (f *fleet) step() {
	f.round++
	for i := range f.samples {
		s := &f.samples[i]
		s.Time += 10 * rrd.Second
		switch {
		case s.Type == rrd.Counter:
			s.Value += float64(f.rng.IntN(50_000))
		case i%5 == 1: // mostly constant
			if f.rng.IntN(20) == 0 {
				s.Value = float64(f.rng.IntN(10))
			}
		case i%5 == 2: // integers
			s.Value = math.Round(max(0, s.Value+f.rng.NormFloat64()*3))
		default: // two decimals, a slow walk
			s.Value = math.Round(100*max(0, s.Value+f.rng.NormFloat64()*0.4)) / 100
		}
	}
}

func cpuTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkIngest measures all that a sample costs in the store: series
// lookup, head, log, blocks, checkpoints. One iteration is ten seconds of the
// fleet, in batches of a thousand.
func BenchmarkIngest(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("series=%d", n), func(b *testing.B) {
			f := newFleet(b, n)
			st := openStore(b, b.TempDir(), Options{Every: time.Hour, Now: func() time.Time { return f.samples[0].Time.Std() }})
			defer closeStore(b, st)
			var cpu time.Duration
			b.ReportAllocs()
			rounds := 0
			for b.Loop() {
				b.StopTimer()
				f.step()
				b.StartTimer()
				before := cpuTime()
				ingest(b, st, f, 1000)
				if rounds++; rounds%6 == 0 {
					if err := st.maintain(); err != nil {
						b.Fatal(err)
					}
				}
				cpu += cpuTime() - before
			}
			samples := float64(rounds * n)
			b.ReportMetric(float64(cpu.Nanoseconds())/samples, "cpu-ns/sample")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/samples, "ns/sample")
			b.ReportMetric(float64(st.log.Stats().Bytes)/samples, "log-B/sample")
			b.ReportMetric(float64(st.stats.BlockBytes.Load())/samples, "block-B/sample")
		})
	}
}

func ingest(tb testing.TB, st *Store, f *fleet, batch int) {
	tb.Helper()
	for at := 0; at < len(f.samples); at += batch {
		if err := st.Write(tb.Context(), f.samples[at:min(at+batch, len(f.samples))]); err != nil {
			tb.Fatal(err)
		}
	}
}

// filled makes a store with some hours of the fleet.
func filled(tb testing.TB, series, rounds int) (*Store, string, *fleet) {
	tb.Helper()
	dir := tb.TempDir()
	f := newFleet(tb, series)
	st := openStore(tb, dir, Options{Every: time.Hour, Now: func() time.Time { return f.samples[0].Time.Std() }})
	for r := range rounds {
		f.step()
		ingest(tb, st, f, 1000)
		if r%6 == 0 {
			if err := st.maintain(); err != nil {
				tb.Fatal(err)
			}
		}
	}
	return st, dir, f
}

// BenchmarkBytes reports what a sample and a series take, on disk by archive
// and in memory, after a day.
func BenchmarkBytes(b *testing.B) {
	const series, rounds = 2000, 8640
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	st, _, _ := filled(b, series, rounds)
	defer closeStore(b, st)
	runtime.GC()
	runtime.ReadMemStats(&after)
	disk, err := st.Disk()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
	}
	for _, d := range disk {
		b.ReportMetric(float64(d.Bytes)/series, d.Name+"-B/series")
	}
	b.ReportMetric(float64(disk[4].Bytes)/series/rounds, "raw-B/sample")
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/series, "heap-B/series")
	b.ReportMetric(float64(st.staged.Load())/series, "staged-B/series")
}

func BenchmarkSelect(b *testing.B) {
	st, _, f := filled(b, 2000, 8640)
	defer closeStore(b, st)
	end := f.samples[0].Time
	one := []rrd.Matcher{{Label: rrd.NameLabel, Value: string(f.samples[777].Key)}}
	all := []rrd.Matcher{{Label: rrd.NameLabel, Op: rrd.Regexp, Value: `fleet\.web\..*\.metric_0.`}}
	for _, q := range []struct {
		name string
		rrd.Query
	}{
		{"one series, day at 10s", rrd.Query{Matchers: one, Start: end - 86400*rrd.Second, End: end}},
		{"one series, day at 1m", rrd.Query{Matchers: one, Start: end - 86400*rrd.Second, End: end, Row: time.Minute}},
		{"one series, hour", rrd.Query{Matchers: one, Start: end - 3600*rrd.Second, End: end}},
		{"1000 series, day at 1m", rrd.Query{Matchers: all, Start: end - 86400*rrd.Second, End: end, Row: time.Minute}},
		{"1000 series, day at 10m", rrd.Query{Matchers: all, Start: end - 86400*rrd.Second, End: end, Row: 10 * time.Minute}},
		{"1000 series, last 5 minutes", rrd.Query{Matchers: all, Start: end - 300*rrd.Second, End: end}},
	} {
		q.Columns = []rrd.Column{rrd.ColAverage}
		b.Run(q.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				for s, err := range st.Select(b.Context(), q.Query) {
					if err != nil || len(s.Times) == 0 {
						b.Fatal(err)
					}
					n++
				}
				if n == 0 {
					b.Fatal("nothing found")
				}
			}
		})
	}
}

// BenchmarkFind measures the index where the names are many.
func BenchmarkFind(b *testing.B) {
	f := newFleet(b, 100_000)
	st := openStore(b, b.TempDir(), Options{Every: time.Hour, Now: func() time.Time { return f.samples[0].Time.Std() }})
	defer closeStore(b, st)
	ingest(b, st, f, 1000)
	host := []rrd.Matcher{{Label: rrd.NameLabel, Op: rrd.Regexp, Value: `fleet\.web\.i-00000000\..*`}}
	b.Run("names of a host", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if keys, err := st.Find(b.Context(), host, 0); err != nil || len(keys) != 20 {
				b.Fatal(len(keys), err)
			}
		}
	})
	b.Run("all names", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if names, err := st.LabelValues(b.Context(), rrd.NameLabel, nil); err != nil || len(names) != 100_000 {
				b.Fatal(len(names), err)
			}
		}
	})
}

// BenchmarkOpen measures a start after a clean end and after kill -9.
func BenchmarkOpen(b *testing.B) {
	for _, clean := range []bool{true, false} {
		b.Run(fmt.Sprintf("clean=%v", clean), func(b *testing.B) {
			st, dir, _ := filled(b, 50_000, 40)
			end := func() error {
				if clean {
					return st.Close()
				}
				return st.kill()
			}
			if err := end(); err != nil {
				b.Fatal(err)
			}
			o := st.o
			for b.Loop() {
				st = openStore(b, dir, o)
				b.StopTimer()
				if err := st.kill(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/50_000, "us/series")
		})
	}
}

// BenchmarkMemory reports what a series takes in memory when the head is as
// full as it gets: all rings have turned over a few blocks.
func BenchmarkMemory(b *testing.B) {
	const series, rounds = 20_000, 700
	var before, after runtime.MemStats
	f := newFleet(b, series)
	runtime.GC()
	runtime.ReadMemStats(&before)
	st := openStore(b, b.TempDir(), Options{Every: time.Hour, Now: func() time.Time { return f.samples[0].Time.Std() }})
	defer closeStore(b, st)
	for r := range rounds {
		f.step()
		ingest(b, st, f, 1000)
		if r%6 == 0 {
			if err := st.maintain(); err != nil {
				b.Fatal(err)
			}
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	for b.Loop() {
	}
	var window, windowCap, state, stateCap int
	for _, pg := range st.table.pageList() {
		all := pg.all()
		for i := range all {
			window, windowCap = window+len(all[i].win.buf), windowCap+cap(all[i].win.buf)
			state, stateCap = state+len(all[i].packed), stateCap+cap(all[i].packed)
		}
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/series, "heap-B/series")
	b.ReportMetric(float64(window)/series, "window-B")
	b.ReportMetric(float64(windowCap)/series, "window-cap-B")
	b.ReportMetric(float64(state)/series, "state-B")
	b.ReportMetric(float64(stateCap)/series, "state-cap-B")
}
