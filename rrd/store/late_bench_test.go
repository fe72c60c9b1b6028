package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"rondo/rrd"
	"rondo/rrd/rrdtest"
)

const daySlots = 8640

// threeDays is the default definition with a finest archive of three days.
func threeDays(rrd.Key, rrd.Type) rrd.Definition {
	d := rrd.DefaultDefinition()
	d.Archives[0].Rows = 3 * daySlots
	return d
}

// day makes a day of samples for each of the series s0, s1, ...: all series of
// one time after the other, as an agent sends them that was cut off.
func day(series int, typ rrd.Type) (out []rrd.Sample) {
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range daySlots {
		for j := range series {
			s := gauge(fmt.Sprintf("s%d", j), 10*i, float64(rng.IntN(1e4))/100)
			if s.Type = typ; typ == rrd.Counter {
				s.Value = float64(1000*i + rng.IntN(1000))
			}
			out = append(out, s)
		}
	}
	return out
}

// around makes the samples before the day and after, so that the day is a gap
// of which all is settled.
func around(series int, typ rrd.Type) (out []rrd.Sample) {
	for i := range 200 {
		at := 10 * (i - 100) // before the day
		if i >= 100 {
			at += 10 * daySlots
		}
		for j := range series {
			s := gauge(fmt.Sprintf("s%d", j), at, 0)
			if s.Type = typ; typ == rrd.Counter {
				s.Value = float64(100*at + 500)
			}
			out = append(out, s)
		}
	}
	return out
}

// A backfill is what BenchmarkBackfill measures.
type backfill struct {
	name   string
	series int
	typ    rrd.Type
	random bool
	fresh  bool // the series are new, others are live

	log, blocks   int64
	samples       int
	refused       int
	longest, live time.Duration
	flush         time.Duration
}

// BenchmarkBackfill measures what a day of samples costs that fills a gap, and
// the history of a day for a series that is new while others are live. It
// reports how many are taken a second, what it costs to bring them into blocks
// later, the longest that a batch took, and the longest that a live sample of
// a series in the same shard did meanwhile.
func BenchmarkBackfill(b *testing.B) {
	for _, c := range []backfill{
		{name: "gap, in order", series: 1},
		{name: "gap, random order", series: 1, random: true},
		{name: "gap of 100 series", series: 100},
		{name: "gap of 10 series, random order", series: 10, random: true},
		{name: "gap of a counter", series: 1, typ: rrd.Counter},
		{name: "new, in order", series: 1, fresh: true},
		{name: "new, random order", series: 1, fresh: true, random: true},
	} {
		b.Run(c.name, func(b *testing.B) {
			samples := day(c.series, c.typ)
			if c.random {
				rand.New(rand.NewPCG(1, 2)).Shuffle(len(samples), func(i, j int) { samples[i], samples[j] = samples[j], samples[i] })
			}
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				st := c.open(b)
				b.StartTimer()
				c.run(b, st, samples)
				b.StopTimer()
				closeStore(b, st)
				b.StartTimer()
			}
			c.report(b)
		})
	}
}

func (c *backfill) report(b *testing.B) {
	b.ReportMetric(float64(c.samples)/b.Elapsed().Seconds(), "samples/s")
	b.ReportMetric(float64(c.log)/float64(c.samples), "log-B/sample")
	b.ReportMetric(float64(c.blocks)/float64(c.samples), "block-B/sample")
	b.ReportMetric(float64(c.flush.Nanoseconds())/float64(c.samples), "flush-ns/sample")
	b.ReportMetric(float64(c.longest.Microseconds())/1000, "longest-batch-ms")
	b.ReportMetric(float64(c.live.Microseconds())/1000, "longest-live-ms")
	if c.refused > 0 {
		b.Errorf("%d samples refused", c.refused)
	}
}

// open makes a store with all that is not late.
func (c *backfill) open(b *testing.B) *Store {
	b.Helper()
	now := func() time.Time { return (rrdtest.T0 + 1e6*rrd.Second).Std() }
	st := openStore(b, b.TempDir(), Options{Define: threeDays, Every: time.Hour, Now: now})
	samples := around(c.series, c.typ)
	if c.fresh {
		samples = around(50, c.typ)
		for i := range samples {
			samples[i].Key += "-other"
		}
	}
	if err := st.Write(b.Context(), samples); err != nil {
		b.Fatal(err)
	}
	if err := st.maintain(); err != nil {
		b.Fatal(err)
	}
	return st
}

// run sends samples in batches while others are live, and has them written to
// blocks in the end.
func (c *backfill) run(b *testing.B, st *Store, samples []rrd.Sample) {
	b.Helper()
	log, blocks := st.log.End(), st.stats.BlockBytes.Load()
	end := c.stream(b, st)
	for batch := range slices.Chunk(samples, 1000) {
		begin := time.Now()
		err := st.Write(b.Context(), batch)
		c.longest = max(c.longest, time.Since(begin))
		if err != nil && !isBatchError(err) {
			b.Fatal(err)
		}
		c.refused += len(rrdtest.Reasons(err))
	}
	end()
	b.StopTimer()
	defer b.StartTimer()
	begin := time.Now()
	for _, ring := range st.ringList() {
		ring.nextFlush = 0 // as if time had gone on
	}
	if err := st.maintain(); err != nil {
		b.Fatal(err)
	}
	c.flush += time.Since(begin)
	c.samples += len(samples)
	c.log, c.blocks = c.log+int64(st.log.End()-log), c.blocks+st.stats.BlockBytes.Load()-blocks
}

// stream sends a live sample each millisecond until end is called.
func (c *backfill) stream(b *testing.B, st *Store) (end func()) {
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for i := 10 * daySlots; ; i++ {
			begin := time.Now()
			if err := st.Write(b.Context(), []rrd.Sample{gauge("live", i, 1)}); err != nil {
				b.Error(err)
				return
			}
			c.live = max(c.live, time.Since(begin))
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	return func() { close(stop); <-done }
}
