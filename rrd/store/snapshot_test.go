package store

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/rrd"
	"rondo/rrd/rrdtest"
)

// TestSnapshotUnderIngest: snapshots are taken while others write, flush and
// read. Each holds, of every series, all that was acknowledged before it
// began and nothing that was never sent, each sample with its own value.
func TestSnapshotUnderIngest(t *testing.T) {
	t.Parallel()
	const writers, snapshots = 3, 4
	o := testOptions(t, rrdtest.Options{Define: rrdtest.SmallByName, Now: func() time.Time { return time.Unix(2e9, 0) }})
	o.StageBytes, o.CheckpointBytes = 3000, 10_000
	st := openStore(t, t.TempDir(), o)
	defer closeStore(t, st)
	var acked, sent [writers]atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	forever := func(f func() error) {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := f(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for w := range writers {
		forever(func() error {
			n := sent[w].Add(1)
			err := st.Append(t.Context(), []rrd.Sample{gauge(fmt.Sprintf("w%d", w), 10*int(n), float64(n))})
			acked[w].Store(n)
			return err
		})
	}
	forever(st.maintain)
	forever(func() error {
		_, err := rrdtest.Collect(t.Context(), st, rrd.Query{Start: rrdtest.T0, End: math.MaxInt64 / 2, Columns: []rrd.Column{rrd.ColLast}})
		return err
	})
	base := t.TempDir()
	for i := range snapshots {
		var before, after [writers]int64
		for enough := acked[0].Load() + 20; acked[0].Load() < enough && !t.Failed(); {
			runtime.Gosched()
		}
		for w := range writers {
			before[w] = acked[w].Load()
		}
		dir := filepath.Join(base, fmt.Sprint(i))
		if err := st.Snapshot(dir); err != nil {
			t.Error(err)
			break
		}
		for w := range writers {
			after[w] = sent[w].Load()
		}
		checkIngested(t, dir, o, before[:], after[:])
	}
	close(stop)
	wg.Wait()
}

// checkIngested opens a snapshot and looks for samples 1 to n of each writer,
// n between before and after: in the finest archive where that still reaches,
// each in a row of its own.
func checkIngested(t *testing.T, dir string, o Options, before, after []int64) {
	t.Helper()
	st := openStore(t, dir, o)
	defer closeStore(t, st)
	if n := st.stats.Damaged.Load(); n > 0 {
		t.Errorf("snapshot has %d damages", n)
	}
	for w := range before {
		found := rowsOf(t, st, fmt.Sprintf("w%d", w))
		newest := int64(0)
		for at, v := range found {
			n := int64(at.Sub(rrdtest.T0) / (10 * time.Second))
			if float64(n) != v {
				t.Errorf("writer %d: row %d has value %v", w, n, v)
			}
			newest = max(newest, n)
		}
		if newest < before[w] || newest > after[w] {
			t.Errorf("writer %d: newest sample is %d; %d were acknowledged before, %d sent", w, newest, before[w], after[w])
		}
		edge := st.rings[0].edge(rrd.Time(st.clock.Load()))
		for n := newest; n > 0; n-- {
			at := rrdtest.T0.Add(time.Duration(n) * 10 * time.Second)
			if _, ok := found[at]; !ok && at > edge {
				t.Errorf("writer %d: sample %d of %d is missing", w, n, newest)
			}
		}
	}
}

func rowsOf(t *testing.T, st *Store, name string) map[rrd.Time]float64 {
	t.Helper()
	q := rrd.Query{
		Matchers: []rrd.Matcher{{Label: rrd.NameLabel, Value: name}},
		Start:    rrdtest.T0, End: math.MaxInt64 / 2, Row: time.Second, Columns: []rrd.Column{rrd.ColLast},
	}
	found := map[rrd.Time]float64{}
	for s, err := range st.Select(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		for i, at := range s.Times {
			found[at] = s.Values[rrd.ColLast][i]
		}
	}
	return found
}

// TestSnapshotOfSets: snapshots are taken while a set is replaced by import
// again and again. Each has the set of one import, whole: the last that was
// acknowledged before, or a later one.
func TestSnapshotOfSets(t *testing.T) {
	t.Parallel()
	o := testOptions(t, rrdtest.Options{Now: func() time.Time { return time.Unix(2e9, 0) }})
	st := openStore(t, t.TempDir(), o)
	defer closeStore(t, st)
	var images []*rrd.SetImage
	d := rrd.SetDefinition{
		Step:     10 * time.Second,
		Sources:  []rrd.DataSource{{Name: "v", Type: rrd.Gauge, Heartbeat: 20 * time.Second, Min: math.NaN(), Max: math.NaN()}},
		Archives: []rrd.SetArchive{{CF: rrd.Average, Rows: 200, Steps: 1, XFF: 0.5}},
	}
	for k := range 40 {
		name := fmt.Sprint("source", k)
		if err := st.CreateSet(t.Context(), name, d, rrdtest.T0, false); err != nil {
			t.Fatal(err)
		}
		var batch []rrd.SetUpdate
		for i := range 100 {
			batch = append(batch, rrd.SetUpdate{Name: name, Time: rrdtest.T0.Add(time.Duration(i+1) * 10 * time.Second), Texts: []string{fmt.Sprint(k)}})
		}
		if err := st.UpdateSets(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		image, err := st.ExportSet(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, image)
	}
	var acked atomic.Int64
	acked.Store(-1)
	var wg sync.WaitGroup
	wg.Go(func() {
		for k, image := range images {
			if err := st.ImportSet(t.Context(), "x", image, true); err != nil {
				t.Error(err)
			}
			acked.Store(int64(k))
		}
	})
	base := t.TempDir()
	for n := 0; ; n++ {
		before := acked.Load()
		dir := filepath.Join(base, fmt.Sprint(n))
		if err := st.Snapshot(dir); err != nil {
			t.Fatal(err)
		}
		c := openStore(t, dir, o)
		if image, err := c.ExportSet(t.Context(), "x"); before >= 0 || err == nil {
			checkImported(t, image, err, before)
		}
		if n := c.stats.Damaged.Load(); n > 0 {
			t.Errorf("snapshot has %d damages", n)
		}
		closeStore(t, c)
		if before == int64(len(images))-1 {
			break
		}
	}
	wg.Wait()
}

func checkImported(t *testing.T, image *rrd.SetImage, err error, atLeast int64) {
	t.Helper()
	if err != nil {
		t.Errorf("import %d was acknowledged: %v", atLeast, err)
		return
	}
	known := 0
	ring := image.Rings[0]
	last := ring[len(ring)-1]
	for _, v := range ring {
		if v == last {
			known++
		}
	}
	if known != 100 || last < float64(atLeast) {
		t.Errorf("%d rows of import %v; import %d was acknowledged", known, last, atLeast)
	}
}

// TestSnapshotIsWhole: whatever comes to lie in a store's directory is in its
// snapshot, or is named here. Of the log only what the checkpoint needs is.
func TestSnapshotIsWhole(t *testing.T) {
	t.Parallel()
	leftOut := map[string]bool{"checkpoint.old": true, "lock": true, "LOCK": true, "DISCARD": true}
	src, o, _ := history(t)
	st := openStore(t, src, o)
	addSets(t, st)
	dst := filepath.Join(t.TempDir(), "copy")
	if err := errors.Join(st.audit(&Audit{By: "somebody"}), st.saveChange(&savedChange{Change: Change{Schema: true}}), st.Snapshot(dst)); err != nil {
		t.Fatal(err)
	}
	names := func(root string) (names []string) {
		err := filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
			if err == nil && !e.IsDir() && !leftOut[e.Name()] {
				rel, err := filepath.Rel(root, path)
				names = append(names, regexp.MustCompile(`^log/.*`).ReplaceAllString(rel, "log/..."))
				return err
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return slices.Compact(names)
	}
	if diff := cmp.Diff(names(src), names(dst)); diff != "" {
		t.Errorf("store and snapshot differ (-store +snapshot):\n%s", diff)
	}
	closeStore(t, st)
}

// addSets makes sets of all kinds, with blocks on disk.
func addSets(t *testing.T, st *Store) {
	t.Helper()
	d, err := rrd.ParseSetDefinition(10*time.Second, []string{
		"DS:v:GAUGE:60:U:U", "RRA:AVERAGE:0.5:1:500", "RRA:MAX:0.5:6:100", "RRA:HWPREDICT:100:0.1:0.0035:20",
	})
	for _, name := range []string{"a", "b"} {
		err = errors.Join(err, st.CreateSet(t.Context(), name, d, rrdtest.T0, false))
	}
	var batch []rrd.SetUpdate
	for i := range 1000 {
		at := rrdtest.T0.Add(time.Duration(i+1) * 10 * time.Second)
		batch = append(batch, rrd.SetUpdate{Name: "a", Time: at, Texts: []string{fmt.Sprint(i)}}, rrd.SetUpdate{Name: "b", Time: at, Texts: []string{fmt.Sprint(i % 7)}})
	}
	if err := errors.Join(err, st.UpdateSets(t.Context(), batch), st.DropSet(t.Context(), "b"), st.maintain()); err != nil {
		t.Fatal(err)
	}
	if blocks, err := filepath.Glob(filepath.Join(st.dir, "blocks", "average-*", "*")); err != nil || len(blocks) == 0 {
		t.Fatalf("no set has blocks: %v", err)
	}
}

// TestSnapshotOnFullDisk: a store that can no longer write a checkpoint can
// still be copied.
func TestSnapshotOnFullDisk(t *testing.T) {
	t.Parallel()
	short := &shortFS{}
	short.free.Store(1 << 40)
	st := openStore(t, t.TempDir(), Options{Now: atT0, Every: time.Hour, FS: short})
	if err := st.Append(t.Context(), []rrd.Sample{gauge("a", 0, 1), gauge("a", 10, 2)}); err != nil {
		t.Fatal(err)
	}
	short.free.Store(0)
	dir := filepath.Join(t.TempDir(), "copy")
	if err := st.Snapshot(dir); err != nil {
		t.Fatal(err)
	}
	short.free.Store(1 << 40)
	closeStore(t, st)
	st = openStore(t, dir, Options{Now: atT0})
	defer closeStore(t, st)
	if n := rows(t, st, "a"); n != 2 {
		t.Errorf("%d rows of 2", n)
	}
}

// BenchmarkSnapshot is how long a snapshot of 100,000 series takes, and how
// long the slowest acknowledged batch of 1,000 samples waits meanwhile, beside
// how long it waits without one.
func BenchmarkSnapshot(b *testing.B) {
	st, _, f := filled(b, 100_000, 180)
	defer closeStore(b, st)
	slowest := func(during func()) (worst time.Duration) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			during()
		}()
		for {
			f.step()
			for at := 0; at < len(f.samples); at += 1000 {
				began := time.Now()
				if err := st.Append(b.Context(), f.samples[at:at+1000]); err != nil {
					b.Fatal(err)
				}
				worst = max(worst, time.Since(began))
				select {
				case <-done:
					return worst
				default:
				}
			}
		}
	}
	base, n := b.TempDir(), 0
	var with, without, took time.Duration
	for b.Loop() {
		n++
		with = max(with, slowest(func() {
			began := time.Now()
			if err := st.Snapshot(filepath.Join(base, fmt.Sprint(n))); err != nil {
				b.Error(err)
			}
			took = time.Since(began)
		}))
		without = max(without, slowest(func() { time.Sleep(took) }))
	}
	b.ReportMetric(float64(with.Milliseconds()), "slowest-append-ms")
	b.ReportMetric(float64(without.Milliseconds()), "slowest-append-without-ms")
}
