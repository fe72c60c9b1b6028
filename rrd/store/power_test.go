package store

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rondo/rrd"
	"rondo/rrd/rrdtest"
	"rondo/rrd/seglog"
)

// lossyFS is the real file system, which knows how much of each file of a log
// a power failure would leave.
type lossyFS struct {
	seglog.OS
	mu     sync.Mutex
	synced map[string]int64
}

type lossyFile struct {
	seglog.File
	fs   *lossyFS
	name string
}

func (l *lossyFS) Open(name string, create bool) (seglog.File, error) {
	f, err := l.OS.Open(name, create)
	return &lossyFile{f, l, name}, err
}

// Sync only takes note: the device is part of what is played here.
func (f *lossyFile) Sync() error {
	size, err := f.Size()
	if err != nil {
		return err
	}
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.fs.synced[f.name] = size
	return nil
}

func (l *lossyFS) snapshot() map[string]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.synced)
}

// A powerModel appends to a store that loses power now and then.
type powerModel struct {
	st    *Store
	fs    *lossyFS
	dir   string
	o     Options
	next  int               // sample's number
	acked map[rrd.Time]bool // on disk, as we were told
	open  []rrd.Sample      // written, not yet acknowledged
}

func (m *powerModel) reopen(t *rapid.T) {
	var err error
	if m.st, err = Open(m.dir, m.o); err != nil {
		t.Fatal(err)
	}
}

// samples makes new ones, each in a slot of its own.
func (m *powerModel) samples(t *rapid.T) []rrd.Sample {
	out := make([]rrd.Sample, rapid.IntRange(1, 40).Draw(t, "samples"))
	for i := range out {
		m.next++
		out[i] = gauge("a", 10*m.next, float64(m.next))
	}
	return out
}

func (m *powerModel) ack(batch []rrd.Sample) {
	for _, s := range batch {
		m.acked[s.Time] = true
	}
}

func (m *powerModel) append(t *rapid.T, batch []rrd.Sample) {
	err := m.st.Append(t.Context(), batch)
	refused, _ := errors.AsType[*rrd.BatchError](err)
	if err != nil && refused == nil {
		t.Fatal(err)
	}
	for i, s := range batch {
		if refused == nil || !slices.ContainsFunc(refused.Refused, func(r rrd.Refused) bool { return r.Index == i }) {
			m.acked[s.Time] = true
		}
	}
}

func (m *powerModel) kill(t *rapid.T) {
	if err := m.st.kill(); err != nil {
		t.Fatal(err)
	}
}

// power fails: of what was not synced a part is left. The client sends again
// what was not acknowledged.
func (m *powerModel) power(t *rapid.T) {
	close(m.st.stop) // no checkpoint may come after the failure
	m.st.wg.Wait()
	left := m.fs.snapshot()
	if err := m.st.closeFiles(); err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		st, err := os.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		size := left[name] + int64(rapid.IntRange(0, int(st.Size()-left[name])).Draw(t, "left"))
		if err := os.Truncate(name, size); err != nil {
			t.Fatal(err)
		}
	}
	m.reopen(t)
	m.append(t, m.open)
	m.open = nil
}

func (m *powerModel) check(t *rapid.T) {
	if n := m.st.stats.Damaged.Load(); n > 0 {
		t.Fatalf("%d damages", n)
	}
	found := map[rrd.Time]float64{}
	for s, err := range m.st.Select(t.Context(), rrd.Query{End: rrdtest.T0 << 1, Row: time.Second, Columns: []rrd.Column{rrd.ColLast}}) {
		if err != nil {
			t.Fatal(err)
		}
		for i, at := range s.Times {
			found[at] = s.Values[rrd.ColLast][i]
		}
	}
	for at := range m.acked {
		if want := float64((at - rrdtest.T0) / (10 * rrd.Second)); found[at] != want {
			t.Fatalf("acknowledged sample %v is %v", want, found[at])
		}
	}
}

// TestPowerLoss: what was acknowledged is there after any number of power
// failures and kills, whatever checkpoints and blocks were written between.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		m := &powerModel{dir: dir, fs: &lossyFS{synced: map[string]int64{}}, acked: map[rrd.Time]bool{}}
		m.o = Options{
			FS: m.fs, Every: time.Hour, Now: func() time.Time { return time.Unix(2e9, 0) }, StageBytes: 1000, CheckpointBytes: 1500,
		}
		m.reopen(rt)
		defer func() { m.kill(rt) }()
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) { m.append(t, m.samples(t)) },
			"write": func(t *rapid.T) {
				batch := m.samples(t)
				if err := m.st.Write(t.Context(), batch); err != nil {
					t.Fatal(err)
				}
				m.open = append(m.open, batch...)
			},
			"flush": func(t *rapid.T) {
				if err := m.st.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				m.ack(m.open)
				m.open = nil
			},
			"maintain": func(t *rapid.T) {
				if err := m.st.maintain(); err != nil {
					t.Fatal(err)
				}
			},
			"kill": func(t *rapid.T) {
				m.kill(t)
				m.ack(m.open) // it has closed its log
				m.open = nil
				m.reopen(t)
			},
			"power": m.power,
			"":      m.check,
		})
	})
}

// TestLogBehindCheckpoint: a log that has lost more than the checkpoint, as
// only damage can do, loses nothing that is acknowledged from then on.
func TestLogBehindCheckpoint(t *testing.T) {
	t.Parallel()
	dir, o := t.TempDir(), Options{Now: atT0, Every: time.Hour}
	st := openStore(t, dir, o)
	for i := range 20 {
		if err := st.Write(t.Context(), []rrd.Sample{gauge("a", i, 1)}); err != nil {
			t.Fatal(err)
		}
	}
	closeStore(t, st)
	if err := os.Truncate(filepath.Join(dir, "log", "0000000000000000.log"), 16); err != nil {
		t.Fatal(err)
	}
	st = openStore(t, dir, o)
	if st.stats.Damaged.Load() == 0 {
		t.Error("no damage reported")
	}
	for i := range 20 {
		if err := st.Append(t.Context(), []rrd.Sample{gauge("b", 10*i, float64(i))}); err != nil {
			t.Fatal(err)
		}
	}
	if err := st.kill(); err != nil {
		t.Fatal(err)
	}
	st = openStore(t, dir, o)
	defer closeStore(t, st)
	if got := rows(t, st, "b"); got != 20 {
		t.Errorf("%d of 20 acknowledged samples", got)
	}
}

// rows counts the rows of a series' finest archive.
func rows(t *testing.T, st *Store, name string) (n int) {
	t.Helper()
	q := rrd.Query{
		Matchers: []rrd.Matcher{{Label: rrd.NameLabel, Value: name}},
		End:      rrdtest.T0 << 1, Row: time.Second, Columns: []rrd.Column{rrd.ColLast},
	}
	got, err := rrdtest.Collect(t.Context(), st, q)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range got {
		n += len(s.Times)
	}
	return n
}
