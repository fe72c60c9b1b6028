package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rondo/rrd"
	"rondo/rrd/rrdtest"
	"rondo/rrd/seglog"
)

func atT0() time.Time { return rrdtest.T0.Std() }

func gauge(name string, seconds int, v float64) rrd.Sample {
	return rrd.Sample{Key: rrd.Key(name), Time: rrdtest.T0 + rrd.Time(seconds)*rrd.Second, Value: v}
}

func TestLocked(t *testing.T) {
	dir := t.TempDir()
	st := openStore(t, dir, Options{})
	defer closeStore(t, st)
	_, err := Open(dir, Options{})
	if le, ok := errors.AsType[*seglog.LockedError](err); !ok || le.PID != os.Getpid() {
		t.Errorf("second open: %v", err)
	}
}

func TestMaxSeries(t *testing.T) {
	dir := t.TempDir()
	st := openStore(t, dir, Options{MaxSeries: 2, Now: atT0})
	batch := []rrd.Sample{gauge("a", 0, 1), gauge("b", 0, 1), gauge("c", 0, 1), gauge("a", 1, 1)}
	want := map[int]string{2: string(rrd.RefusedSeriesMax)}
	if d := cmp.Diff(want, rrdtest.Reasons(st.Append(t.Context(), batch))); d != "" {
		t.Errorf("refused (-want +got):\n%s", d)
	}
	closeStore(t, st)
	st = openStore(t, dir, Options{MaxSeries: 3, Now: atT0})
	defer closeStore(t, st)
	if err := st.Append(t.Context(), batch[2:]); err != nil || st.Series() != 3 {
		t.Errorf("%d series, %v", st.Series(), err)
	}
}

// TestDiskFull: below the reserve nothing is taken, and what was taken before
// stays.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	st := openStore(t, dir, Options{Now: atT0})
	if err := st.Append(t.Context(), []rrd.Sample{gauge("a", 0, 1)}); err != nil {
		t.Fatal(err)
	}
	closeStore(t, st)
	st = openStore(t, dir, Options{Now: atT0, ReserveBytes: math.MaxInt64 / 4})
	for _, name := range []string{"a", "new"} {
		if err := st.Append(t.Context(), []rrd.Sample{gauge(name, 10, 1)}); !errors.Is(err, seglog.ErrFull) {
			t.Errorf("%s: %v, want ErrFull", name, err)
		}
	}
	if err := st.Close(); !errors.Is(err, seglog.ErrFull) {
		t.Errorf("close: %v, want ErrFull for the checkpoint", err)
	}
	st = openStore(t, dir, Options{Now: atT0})
	defer closeStore(t, st)
	if err := st.Append(t.Context(), []rrd.Sample{gauge("a", 20, 1), gauge("new", 20, 1)}); err != nil {
		t.Errorf("with room again: %v", err)
	}
	keys, err := st.Find(t.Context(), nil, 0)
	if d := cmp.Diff([]rrd.Key{"a", "new"}, keys); d != "" || err != nil {
		t.Errorf("series (-want +got): %v\n%s", err, d)
	}
}

func TestEarlySettling(t *testing.T) {
	t.Parallel()
	st := openStore(t, t.TempDir(), Options{Now: atT0})
	defer closeStore(t, st)
	const n = 20_000 // twenty a second
	var batch []rrd.Sample
	for i := range n {
		batch = append(batch, rrd.Sample{Key: "fast", Time: rrdtest.T0 + rrd.Time(i*50_000-1e6), Value: math.Sqrt(float64(i))})
	}
	for at := 0; at < n; at += 5000 {
		now := batch[at].Time
		st.o.Now = now.Std
		if err := st.Append(t.Context(), batch[at:at+5000]); err != nil {
			t.Fatal(err)
		}
	}
	if st.stats.SettledEarly.Load() == 0 {
		t.Error("not settled early")
	}
	got, err := rrdtest.Collect(t.Context(), st, rrd.Query{Start: 0, End: math.MaxInt64 / 2, Columns: []rrd.Column{rrd.ColCount}, Row: time.Second})
	if err != nil || len(got) != 1 {
		t.Fatalf("%v, %v", got, err)
	}
	total := 0.0
	for _, c := range got[0].Values[rrd.ColCount] {
		total += c
	}
	if total != n {
		t.Errorf("%v samples in all rows, want %d", total, n)
	}
}

// TestEarlySettlingReplays: whether a window is settled early must not depend
// on when it was settled before, else a replay would refuse what was taken.
func TestEarlySettlingReplays(t *testing.T) {
	t.Parallel()
	now := rrdtest.T0
	o := Options{Now: func() time.Time { return now.Std() }, StageBytes: 1}
	dir := t.TempDir()
	st := openStore(t, dir, o)
	const every = 150_000 // in ten minutes about 12,000 bytes, in fifteen more than a window may have
	var batch []rrd.Sample
	for i := range 15 * 60 * int(rrd.Second) / every {
		batch = append(batch, rrd.Sample{Key: "fast", Time: rrdtest.T0 + rrd.Time(i*every), Value: float64(i * 7919 % 10007)})
	}
	late := rrd.Sample{Key: "fast", Time: batch[len(batch)-1].Time - 9*60*rrd.Second + 1000, Value: 1}
	for i := 0; i < len(batch); i += 500 {
		part := batch[i:min(i+500, len(batch))]
		now = part[len(part)-1].Time
		if err := errors.Join(st.Append(t.Context(), part), st.maintain()); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(st.Append(t.Context(), []rrd.Sample{late}), st.kill()); err != nil {
		t.Fatal(err)
	}
	st = openStore(t, dir, o)
	defer closeStore(t, st)
	if got := st.stats.Replayed.Load(); got != int64(len(batch)+1) || st.stats.SettledEarly.Load() != 0 {
		t.Errorf("%d of %d samples replayed, settled early %d times", got, len(batch)+1, st.stats.SettledEarly.Load())
	}
}

// TestFlushBetweenSeries: a query that has read a block for one series, which
// is then written anew, sees the new rows of the next series in it.
func TestFlushBetweenSeries(t *testing.T) {
	t.Parallel()
	now := rrdtest.T0
	o := Options{Now: func() time.Time { return now.Std() }, StageBytes: 1}
	st := openStore(t, t.TempDir(), o)
	defer closeStore(t, st)
	fill := func(from, to int) {
		var batch []rrd.Sample
		for i := from; i < to; i += 10 {
			batch = append(batch, gauge("a", i, 1), gauge("b", i, 2))
		}
		now = batch[len(batch)-1].Time
		if err := st.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	fill(0, 1200)
	if err := st.maintain(); err != nil {
		t.Fatal(err)
	}
	fill(1200, 2400)
	var rows []int
	q := rrd.Query{Start: rrdtest.T0 - rrd.Second, End: now, Columns: []rrd.Column{rrd.ColLast}}
	for s, err := range st.Select(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, len(s.Times))
		if err := st.maintain(); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff([]int{240, 240}, rows); d != "" {
		t.Errorf("rows of a and b (-want +got):\n%s", d)
	}
}

// TestConcurrent writes, reads and maintains at once; run it with -race.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	o := testOptions(t, rrdtest.Options{Define: rrdtest.SmallByName, Now: func() time.Time { return time.Unix(2e9, 0) }})
	o.StageBytes, o.CheckpointBytes = 3000, 10_000
	st := openStore(t, t.TempDir(), o)
	var writers, others sync.WaitGroup
	done := make(chan struct{})
	const each = 300
	for w := range 4 {
		writers.Go(func() {
			for i := range each {
				name := fmt.Sprintf("w%d.s%d", w, i%100)
				if err := st.Write(t.Context(), []rrd.Sample{gauge(name, 10*i, float64(i)), gauge("shared", 10*i, 1)}); err != nil && !isBatchError(err) {
					t.Error(err)
				}
			}
		})
	}
	until := func(f func() error) {
		others.Go(func() {
			for {
				select {
				case <-done:
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
	until(func() error {
		_, err := rrdtest.Collect(t.Context(), st, rrd.Query{Start: rrdtest.T0, End: math.MaxInt64 / 2, Columns: []rrd.Column{rrd.ColTotal}})
		return err
	})
	until(st.maintain)
	late := 0
	until(func() error {
		late++
		if err := st.Write(t.Context(), []rrd.Sample{gauge("shared", late%3000-50_000, 1)}); err != nil && !isBatchError(err) {
			return err
		}
		return nil
	})
	until(func() error { _, err := st.LabelValues(t.Context(), rrd.NameLabel, nil); return err })
	writers.Wait()
	close(done)
	others.Wait()
	if n := st.Series(); n != 401 {
		t.Errorf("%d series, want 401", n)
	}
	closeStore(t, st)
}

// TestKill kills a process that appends, and looks for all that it was told
// is stored.
func TestKill(t *testing.T) {
	o := Options{Now: func() time.Time { return time.Unix(2e9, 0) }, CheckpointBytes: 20_000, StageBytes: 10_000, Every: 20 * time.Millisecond}
	if dir := os.Getenv("STORE_KILL_DIR"); dir != "" {
		st := openStore(t, dir, o)
		for i := st.stats.Replayed.Load(); ; i++ {
			var batch []rrd.Sample
			for s := range 50 {
				batch = append(batch, gauge(fmt.Sprintf("s%d", s), int(i)*10, float64(i)))
			}
			if err := st.Append(t.Context(), batch); err != nil && !isBatchError(err) {
				t.Fatal(err)
			}
			fmt.Println(i)
		}
	}
	dir := t.TempDir()
	last := -1
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestKill$")
		cmd.Env = append(os.Environ(), "STORE_KILL_DIR="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		buf, n := make([]byte, 1500), 0
		for n < 1000 {
			k, err := out.Read(buf[n:])
			if err != nil {
				t.Fatalf("%v: %s", err, buf[:n])
			}
			n += k
		}
		cancel() // SIGKILL
		if err := cmd.Wait(); err == nil {
			t.Fatal("the process ended by itself")
		}
		lines := strings.Split(string(bytes.TrimRight(buf[:n], "\x00")), "\n")
		fmt.Sscan(lines[len(lines)-2], &last) // the last whole line
	}
	st := openStore(t, dir, o)
	defer closeStore(t, st)
	got, err := rrdtest.Collect(t.Context(), st, rrd.Query{Start: 0, End: math.MaxInt64 / 2, Row: time.Second, Columns: []rrd.Column{rrd.ColLast}})
	if err != nil || len(got) != 50 {
		t.Fatalf("%d series, %v", len(got), err)
	}
	for _, s := range got {
		for i, at := range s.Times {
			if want := rrdtest.T0 + rrd.Time(s.Values[rrd.ColLast][i])*10*rrd.Second; at != want {
				t.Fatalf("%s: row at %d has value %v", s.Key, at, s.Values[rrd.ColLast][i])
			}
		}
		if n := len(s.Times); s.Values[rrd.ColLast][n-1] < float64(last) {
			t.Errorf("%s ends at %v, but %d was acknowledged", s.Key, s.Values[rrd.ColLast][n-1], last)
		}
	}
}

// TestRingTurns: the disk that a ring takes does not grow with its turns.
func TestRingTurns(t *testing.T) {
	t.Parallel()
	now := rrdtest.T0
	o := testOptions(t, rrdtest.Options{Define: rrdtest.SmallByName, Now: func() time.Time { return now.Std() }})
	dir := t.TempDir()
	st := openStore(t, dir, o)
	defer closeStore(t, st)
	var most, after int
	for turn := range 12 {
		for range 18 {
			var batch []rrd.Sample
			for range 10 {
				now += 10 * rrd.Second
				for s := range 20 {
					batch = append(batch, rrd.Sample{Key: rrd.Key(fmt.Sprint("s", s)), Time: now, Value: float64(int(now) % 997)})
				}
			}
			if err := st.Write(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
			if err := st.maintain(); err != nil {
				t.Fatal(err)
			}
		}
		epochs, err := filepath.Glob(filepath.Join(dir, "blocks", "10s-180", "*"))
		if err != nil {
			t.Fatal(err)
		}
		if turn == 3 {
			most = len(epochs)
		}
		after = len(epochs)
	}
	if most == 0 || after > most+1 || st.stats.Expired.Load() == 0 {
		t.Errorf("%d epochs after 4 turns, %d after 12, %d dropped", most, after, st.stats.Expired.Load())
	}
}

func TestNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 0.1, 12.34, 0.0001, 1e15, 1 << 53, -1 << 60, 5e-324}),
			rapid.Map(rapid.IntRange(-1e9, 1e9), func(i int) float64 { return float64(i) / 100 })).Draw(t, "value")
		near := rapid.OneOf(rapid.Just(v), rapid.Float64(), rapid.Just(math.Inf(1)), rapid.Just(math.NaN())).Draw(t, "near")
		bits := rapid.UintRange(0, 2).Draw(t, "bits")
		want := uint64(1)<<bits - 1
		r := reader{b: append(numberOf(v).append(nil, near, want, bits), 1, 2)}
		if got, flags := r.number(near, bits); math.Float64bits(got) != math.Float64bits(v) || flags != want || r.failed || len(r.b) != 2 {
			t.Fatalf("%v became %v, flags %d, %d bytes left", v, got, flags, len(r.b))
		}
	})
}

// FuzzReaders feeds everything that is read from disk with nonsense.
func FuzzReaders(f *testing.F) {
	var rec sampleRecord
	rec.reset()
	rec.add(7, 1234, numberOf(1.5))
	f.Add(rec.buf)
	d := rrd.DefaultDefinition()
	f.Add(append([]byte{'D', 0}, appendDefinition(nil, &d)...))
	f.Add(append([]byte{'S', 0, 0}, "name"...))
	w := newWindow()
	w.push(owner{}, rrd.Point{Time: 5, Value: 5}, numberOf(5))
	f.Add(w.appendBinary(nil))
	var q rowQueue
	q.push(10, false, &rrd.Row{End: 20, Count: 2, Sum: 3, Min: 1, Max: 2, Last: 2, Total: 1})
	f.Add(q.appendBinary(nil, 10, false))
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := eachSample(b, func(uint32, rrd.Point) {}); err != nil && !errors.Is(err, errRecord) {
			t.Error(err)
		}
		win := readWindow(&reader{b: b})
		win.points(nil)
		queue := readRowQueue(&reader{b: b}, 10, true)
		queue.valid(10, true)
		queue.each(noTime, 10, true, func(*rrd.Row) bool { return true })
		queue.buf = bytes.Clone(queue.buf)
		queue.drop(1000, 10, true)
		def := &definition{Definition: d, gauge: true}
		for a := range d.Archives {
			def.rings = append(def.rings, newRing("", d.Row(a), d.Archives[a].Rows))
		}
		var x state
		if x.unpack(def, b) && x.valid() {
			x.pack(new([]byte))
		}
		if _, err := readDefinition(&reader{b: b}); err != nil {
			return
		}
	})
}
