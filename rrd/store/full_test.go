package store

import (
	"errors"
	"math"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rondo/rrd"
	"rondo/rrd/rrdtest"
	"rondo/rrd/seglog"
)

// fullFS is the real file system, on a disk that becomes full: of the write
// that fails the half is there.
type fullFS struct {
	seglog.OS
	writes atomic.Int64 // that still succeed
	// told: it says that it has no room. Else nobody knows before a write
	// fails, as with a quota.
	told atomic.Bool
}

const roomy = math.MaxInt64 / 2

func (f *fullFS) room() error {
	if f.writes.Add(-1) < 0 {
		return syscall.ENOSPC
	}
	return nil
}

func (f *fullFS) Free(string) (int64, error) {
	if f.told.Load() && f.writes.Load() <= 0 {
		return 0, nil
	}
	return 1 << 40, nil
}

func (f *fullFS) Open(name string, create bool) (seglog.File, error) {
	if create {
		if err := f.room(); err != nil {
			return nil, err
		}
	}
	file, err := f.OS.Open(name, create)
	return &fullFile{file, f}, err
}

type fullFile struct {
	seglog.File
	fs *fullFS
}

func (f *fullFile) WriteAt(b []byte, at int64) (int, error) {
	if full := f.fs.room(); full != nil {
		n, err := f.File.WriteAt(b[:len(b)/2], at)
		return n, errors.Join(err, full)
	}
	return f.File.WriteAt(b, at)
}

func (f *fullFile) Sync() error { return nil } // what dies here is the process

// A fullModel is a store on such a disk.
type fullModel struct {
	st      *Store
	fs      *fullFS
	dir     string
	o       Options
	next    int
	samples map[rrd.Time]bool // of series a: acknowledged
	updates int               // of set s: the last that was acknowledged
	refused *int              // batches, in all runs
}

func (m *fullModel) open(t *rapid.T) {
	st, err := Open(m.dir, m.o)
	if err != nil {
		t.Fatal(err)
	}
	m.st = st
}

func (m *fullModel) append(t *rapid.T) {
	var batch []rrd.Sample
	for range rapid.IntRange(1, 30).Draw(t, "samples") {
		m.next++
		batch = append(batch, gauge("a", 10*m.next, float64(m.next)))
	}
	for range rapid.IntRange(1, 2).Draw(t, "tries") {
		if m.st.Append(t.Context(), batch) == nil {
			for _, s := range batch {
				m.samples[s.Time] = true
			}
			return
		}
		*m.refused++
	}
}

func (m *fullModel) update(t *rapid.T) {
	m.next++
	err := m.st.UpdateSets(t.Context(), []rrd.SetUpdate{
		{Name: "s", Time: rrdtest.T0 + rrd.Time(10*m.next)*rrd.Second, Texts: []string{strconv.Itoa(m.next)}},
	})
	if err == nil {
		m.updates = m.next
	}
}

// kill and start again, perhaps while the disk is full.
func (m *fullModel) kill(t *rapid.T) {
	_ = m.st.kill() // what a close cannot write is lost, as in a kill
	m.open(t)
}

func (m *fullModel) check(t *rapid.T) {
	if n := m.st.stats.Damaged.Load(); n > 0 {
		t.Fatalf("%d damages", n)
	}
	found := map[rrd.Time]bool{}
	q := rrd.Query{Matchers: []rrd.Matcher{{Label: rrd.NameLabel, Value: "a"}}, End: rrdtest.T0 << 1, Row: time.Second, Columns: []rrd.Column{rrd.ColLast}}
	got, err := rrdtest.Collect(t.Context(), m.st, q)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range got {
		for i, at := range s.Times {
			found[at] = true
			if want := float64((at - rrdtest.T0) / (10 * rrd.Second)); s.Values[rrd.ColLast][i] != want {
				t.Fatalf("sample %v is %v", want, s.Values[rrd.ColLast][i])
			}
		}
	}
	for at := range m.samples {
		if !found[at] {
			t.Fatalf("acknowledged sample %d is lost", (at-rrdtest.T0)/(10*rrd.Second))
		}
	}
	_, state, err := m.st.DescribeSet("s")
	last, _ := strconv.Atoi(state.Sources[0].Text)
	if err != nil || last < m.updates {
		t.Fatalf("update %d was acknowledged, the last is %d: %v", m.updates, last, err)
	}
}

// TestFullDisk: whenever the disk becomes full, and is full or not when the
// store starts again, nothing that was acknowledged is lost, and nothing wrong
// is answered.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	runs, refused := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		m := &fullModel{dir: filepath.Join(base, strconv.Itoa(runs)), fs: &fullFS{}, samples: map[rrd.Time]bool{}, refused: &refused}
		m.fs.writes.Store(roomy)
		m.o = Options{FS: m.fs, Every: time.Hour, Now: late2033, StageBytes: 1000, CheckpointBytes: 1500}
		m.open(rt)
		d, err := rrd.ParseSetDefinition(10*time.Second, []string{"DS:v:GAUGE:600:U:U", "RRA:AVERAGE:0.5:1:1000"})
		if err == nil {
			err = m.st.CreateSet(rt.Context(), "s", d, rrdtest.T0, false)
		}
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = m.st.kill() }()
		rt.Repeat(map[string]func(*rapid.T){
			"append": m.append,
			"update": m.update,
			"maintain": func(t *rapid.T) {
				if err := m.st.maintain(); err != nil && m.fs.writes.Load() > 0 {
					t.Fatal(err)
				}
			},
			"fill": func(t *rapid.T) {
				m.fs.told.Store(rapid.Bool().Draw(t, "told"))
				m.fs.writes.Store(int64(rapid.IntRange(0, 12).Draw(t, "writes")))
			},
			"free": func(*rapid.T) { m.fs.writes.Store(roomy) },
			"kill": m.kill,
			"":     m.check,
		})
	})
	if refused == 0 {
		t.Error("the disk was never full when it mattered")
	}
}
