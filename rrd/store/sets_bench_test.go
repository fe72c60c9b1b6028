package store

import (
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"rondo/rrd"
	"rondo/rrd/rrdtest"
)

// minuteSet has one data source and four archives.
func minuteSet() rrd.SetDefinition {
	return setOf(rrd.SetArchive{CF: rrd.Average, Steps: 1, Rows: 1440, XFF: 0.5}, rrd.SetArchive{CF: rrd.Average, Steps: 5, Rows: 2016, XFF: 0.5},
		rrd.SetArchive{CF: rrd.Min, Steps: 60, Rows: 1000, XFF: 0.5}, rrd.SetArchive{CF: rrd.Max, Steps: 60, Rows: 1000, XFF: 0.5})
}

// classicSet is what the reference's 203 KB file has: 25,092 values.
func classicSet() rrd.SetDefinition {
	var as []rrd.SetArchive
	for _, cf := range []rrd.CF{rrd.Average, rrd.Max} {
		for _, a := range [][2]int{{1, 2880}, {5, 2880}, {30, 4320}, {360, 1240}, {1440, 1226}} {
			as = append(as, rrd.SetArchive{CF: cf, Steps: a[0], Rows: a[1], XFF: 0.5})
		}
	}
	return setOf(as...)
}

func setOf(as ...rrd.SetArchive) rrd.SetDefinition {
	return rrd.SetDefinition{
		Step:     time.Minute,
		Sources:  []rrd.DataSource{{Name: "v", Type: rrd.Gauge, Heartbeat: 2 * time.Minute, Min: math.NaN(), Max: math.NaN()}},
		Archives: as,
	}
}

func makeSets(b testing.TB, st *Store, n int, d rrd.SetDefinition) []rrd.SetUpdate {
	b.Helper()
	batch := make([]rrd.SetUpdate, n)
	errs := make(chan error)
	for w := range 16 { // they share their waits for the device
		go func() {
			for i := w; i < n; i += 16 {
				batch[i].Name = fmt.Sprintf("fleet/host%05d/load", i)
				if err := st.CreateSet(b.Context(), batch[i].Name, d, rrdtest.T0, false); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range 16 {
		if err := <-errs; err != nil {
			b.Fatal(err)
		}
	}
	return batch
}

// BenchmarkUpdateSets is one reading a minute of 50,000 sets, in batches of a
// thousand, without waiting for the device; what is due is flushed meanwhile.
func BenchmarkUpdateSets(b *testing.B) {
	const sets = 50_000
	o := testOptions(b, rrdtest.Options{Now: func() time.Time { return time.Unix(2e9, 0) }})
	st := openStore(b, b.TempDir(), o)
	defer closeStore(b, st)
	batch := makeSets(b, st, sets, minuteSet())
	texts := make([]string, 1000)
	for i := range texts {
		texts[i] = strconv.FormatFloat(20+float64(i)/100, 'f', 2, 64)
	}
	t, at, scratch := rrdtest.T0, sets, new(setBatch)
	b.ReportAllocs()
	for b.Loop() {
		if at == sets {
			at = 0
			t += 60 * rrd.Second
			b.StopTimer()
			if err := st.maintain(); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
		for i := at; i < at+1000; i++ {
			batch[i].Time, batch[i].Texts = t, texts[(i+int(t))%1000:][:1]
		}
		if _, err := st.updateSets(b.Context(), batch[at:at+1000], scratch); err != nil || len(scratch.refused) > 0 {
			b.Fatal(err, scratch.refused)
		}
		at += 1000
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "updates/s")
}

// BenchmarkSetMemory reports what a set of the classic definition takes in the
// head after some hours.
func BenchmarkSetMemory(b *testing.B) {
	const sets = 20_000
	for b.Loop() {
		o := testOptions(b, rrdtest.Options{Now: func() time.Time { return time.Unix(2e9, 0) }})
		st := openStore(b, b.TempDir(), o)
		before := heap()
		batch := makeSets(b, st, sets, classicSet())
		b.ReportMetric(float64(heap()-before)/sets, "new-B/set")
		for m := range 300 {
			for i := range batch {
				batch[i].Time = rrdtest.T0 + rrd.Time(60*(m+1))*rrd.Second
				batch[i].Texts = []string{strconv.FormatFloat(float64(i%500)/10+rand.Float64(), 'f', 2, 64)}
			}
			scratch := new(setBatch)
			if _, err := st.updateSets(b.Context(), batch, scratch); err != nil || len(scratch.refused) > 0 {
				b.Fatal(err)
			}
			if err := st.maintain(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(heap()-before)/sets, "B/set")
		runtime.KeepAlive(batch)
		closeStore(b, st)
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkSetDisk imports full sets of the classic definition, and reports
// what one takes on disk and how long it takes.
func BenchmarkSetDisk(b *testing.B) {
	const sets = 64
	d := classicSet()
	images := make([]*rrd.SetImage, sets)
	for i := range images {
		images[i] = fullImage(b, d, uint64(i))
	}
	for b.Loop() {
		o := testOptions(b, rrdtest.Options{Now: func() time.Time { return images[0].State.Last.Std() }})
		dir := b.TempDir()
		st := openStore(b, dir, o)
		start := time.Now()
		for i, image := range images {
			if err := st.ImportSet(b.Context(), fmt.Sprint("set", i), image, false); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(time.Since(start).Milliseconds())/sets, "ms/import")
		st.o.StageBytes = 1
		if err := st.maintain(); err != nil {
			b.Fatal(err)
		}
		closeStore(b, st)
		n, err := usage(filepath.Join(dir, "blocks"))
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(n)/sets, "diskB/set")
		b.ReportMetric(float64(st.stats.BlockBytes.Load())/sets, "blockB/set")
	}
}

// fullImage is a set that has seen enough readings of a slow walk in
// hundredths to fill its longest ring.
func fullImage(b testing.TB, d rrd.SetDefinition, seed uint64) *rrd.SetImage {
	b.Helper()
	mem := rrdtest.NewMemSets(rrdtest.Options{})
	if err := mem.CreateSet(b.Context(), "x", d, rrdtest.T0, false); err != nil {
		b.Fatal(err)
	}
	set, err := rrd.NewSet(d, rrdtest.T0)
	if err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	rows := make([][]float64, len(d.Archives))
	v := 2000 + rng.IntN(1000)
	for m := range 1440 * 1300 {
		v = max(0, v+rng.IntN(41)-20)
		made, err := set.Update(rrdtest.T0+rrd.Time(60*m+60)*rrd.Second, strconv.FormatFloat(float64(v)/100, 'f', 2, 64))
		if err != nil {
			b.Fatal(err)
		}
		for _, r := range made {
			for range r.Count {
				rows[r.Archive] = append(rows[r.Archive], r.Values[0])
			}
		}
	}
	image := &rrd.SetImage{Definition: d, State: set.State()}
	for a := range rows {
		image.Rings = append(image.Rings, rows[a][len(rows[a])-d.Archives[a].Rows:])
	}
	return image
}
