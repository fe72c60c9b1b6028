package store

import (
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rondo/rrd"
	"rondo/rrd/rrdtest"
)

// history makes a store in which every kind of file has something, twice
// killed, and the Mem that holds the same.
func history(t *testing.T) (dir string, o Options, want *rrdtest.Mem) {
	t.Helper()
	now := rrdtest.T0
	ro := rrdtest.Options{Define: rrdtest.SmallByName, Now: func() time.Time { return now.Std() }}
	dir, want, o = t.TempDir(), rrdtest.NewMem(ro), testOptions(t, ro)
	o.StageBytes, o.CheckpointBytes, o.Log = 5000, 6000, nil
	st := openStore(t, dir, o)
	var batch []rrd.Sample
	for i := range 1000 {
		now += 10 * rrd.Second
		for j, name := range []string{"g1", "g2", "c1", "c2"} {
			s := rrd.Sample{Key: rrd.Key(name), Time: now, Value: float64(i*j%50) / 4}
			if name[0] == 'c' {
				s.Type, s.Value = rrd.Counter, float64(i*(j+1))
			}
			batch = append(batch, s)
		}
		if i%20 == 19 {
			for _, to := range []rrd.Appender{unsynced{st}, want} {
				if err := to.Append(t.Context(), batch); err != nil {
					t.Fatal(err)
				}
			}
			if err := st.maintain(); err != nil {
				t.Fatal(err)
			}
			batch = batch[:0]
		}
	}
	if err := st.kill(); err != nil {
		t.Fatal(err)
	}
	return dir, o, want
}

const historyEnd = rrdtest.T0 + 10_000*rrd.Second

// files lists the files below dir that hold data.
func files(t *testing.T, dir string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && e.Name() != "lock" {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// subset fails if a store answers what is not in the truth. Totals may begin
// anew. Where the damaged store has lost the newest samples, its open row may
// be older and its rings reach further back. Samples in a damaged record of
// the log are as if they had never come, so then rows may have fewer.
func subset(t *testing.T, got *Store, want *rrdtest.Mem, fewer bool) (rows int) {
	t.Helper()
	for _, q := range rrdtest.Queries(historyEnd + 1) {
		truth, archive := map[rrd.Key]map[rrd.Time]rrd.Row{}, map[rrd.Key]int{}
		wants, err := rrdtest.Collect(t.Context(), want, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range wants {
			truth[s.Key], archive[s.Key] = map[rrd.Time]rrd.Row{}, s.Archive
			for i, at := range s.Times {
				truth[s.Key][at] = rowOf(s, i)
			}
		}
		gots, err := rrdtest.Collect(t.Context(), got, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range gots {
			if s.Archive != archive[s.Key] {
				continue // chosen by how far the rings reach back
			}
			for i, at := range s.Times {
				w, ok := truth[s.Key][at]
				switch {
				case s.Open && i == len(s.Times)-1, at <= historyEnd.SlotEnd(s.Row()).Add(-s.Definition.Span(s.Archive)), fewer && rowOf(s, i).Count < w.Count:
				case !ok || w != rowOf(s, i):
					t.Errorf("%s at %d, row %s: %+v, want %+v", s.Key, at, s.Row(), rowOf(s, i), w)
					return rows
				}
				rows++
			}
		}
	}
	return rows
}

func rowOf(s rrd.Series, i int) rrd.Row {
	v := &s.Values
	return rrd.Row{Count: int64(v[rrd.ColCount][i]), Sum: v[rrd.ColSum][i], Min: v[rrd.ColMin][i], Max: v[rrd.ColMax][i], Last: v[rrd.ColLast][i]}
}

// TestDamage flips bits in each file in turn: the store must start, report
// it, and never answer with a wrong number.
func TestDamage(t *testing.T) {
	t.Parallel()
	dir, o, want := history(t)
	rng := rand.New(rand.NewPCG(7, 7))
	whole := math.MaxInt
	for _, path := range append([]string{""}, files(t, dir)...) {
		name := strings.TrimPrefix(path, dir)
		if ext := filepath.Ext(path); ext == ".mem" || ext == ".sst" || filepath.Base(path) == "MANIFEST" || filepath.Base(path) == "KEYREGISTRY" {
			continue // Badger's own, see TestDamagedEpoch
		}
		t.Run("file"+name, func(t *testing.T) {
			copied := t.TempDir()
			if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			if path != "" {
				flipBits(t, rng, filepath.Join(copied, name))
			}
			st := openStore(t, copied, o)
			defer func() {
				if err := st.kill(); err != nil {
					t.Error(err)
				}
			}()
			rows := subset(t, st, want, strings.HasPrefix(name, "/log/"))
			if path == "" {
				whole = rows
			}
			if rows < whole && st.stats.Damaged.Load() == 0 && st.log.Stats().Dropped == 0 && st.table.log.Stats().Dropped == 0 {
				t.Errorf("%d rows of %d, but no damage reported", rows, whole)
			}
		})
	}
}

func flipBits(t *testing.T, rng *rand.Rand, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	used := len(strings.TrimRight(string(b), "\x00")) // Badger's files end in zeros
	for range 1 + used/200 {
		if used > 0 {
			b[rng.IntN(used)] ^= 1 << rng.IntN(8)
		}
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedEpoch: an epoch that Badger cannot open is set aside.
func TestDamagedEpoch(t *testing.T) {
	t.Parallel()
	dir, o, want := history(t)
	manifests, err := filepath.Glob(filepath.Join(dir, "blocks", "*", "*", "MANIFEST"))
	if err != nil || len(manifests) < 2 {
		t.Fatalf("no epochs: %v", err)
	}
	// What the newest epoch has is still in memory too.
	if err := os.WriteFile(manifests[len(manifests)-2], []byte("nonsense, and more of it"), 0o600); err != nil {
		t.Fatal(err)
	}
	st := openStore(t, dir, o)
	subset(t, st, want, false)
	if st.stats.Damaged.Load() == 0 {
		t.Error("no damage reported")
	}
	if bad, _ := filepath.Glob(filepath.Join(dir, "blocks", "*", "*"+badSuffix)); len(bad) != 1 {
		t.Errorf("set aside: %v", bad)
	}
	closeStore(t, st)
}

// TestLostCheckpoints: without any checkpoint the log's rest is used, and no
// row that may lack samples is shown.
func TestLostCheckpoints(t *testing.T) {
	t.Parallel()
	for _, names := range [][]string{{"checkpoint"}, {"checkpoint", "checkpoint.old"}} {
		dir, o, want := history(t)
		for _, name := range names {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		st := openStore(t, dir, o)
		if rows := subset(t, st, want, false); rows == 0 {
			t.Error("nothing is left")
		}
		if len(names) == 1 && st.stats.Damaged.Load() > 0 {
			t.Error("the older checkpoint and the log hold everything, yet damage was reported")
		}
		closeStore(t, st)
	}
}
