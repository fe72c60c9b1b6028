package logstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"rondo/rrd/seglog"
	"rondo/syslogd"
	"rondo/syslogd/logstore/logtest"
	"rondo/syslogd/syslog"
)

var _ syslogd.Marker = (*Store)(nil)

func putMarked(t testing.TB, s *Store, marks []syslogd.Mark, batch ...syslog.Message) {
	t.Helper()
	if err := s.PutMarked(context.Background(), batch, marks); err != nil {
		t.Fatal(err)
	}
}

func checkMarks(t testing.TB, s *Store, prefix string, want ...syslogd.Mark) {
	t.Helper()
	if diff := gocmp.Diff(want, s.Marks(prefix)); diff != "" {
		t.Errorf("marks of %q: %s", prefix, diff)
	}
}

// TestMarks follows marks through a restart, a seal, many cuts of the log and a
// snapshot.
func TestMarks(t *testing.T) {
	dir := t.TempDir()
	o := Options{ChunkBytes: 2000, SegmentBytes: 4 << 10}
	s := open(t, dir, o)
	putMarked(t, s, []syslogd.Mark{{Source: "a/1", Pos: 10}, {Source: "a/2", Pos: 20}}, line("one", start), line("two", start.AddDate(0, 0, 1)))
	putMarked(t, s, []syslogd.Mark{{Source: "b/1", Pos: 1 << 63}})
	putMarked(t, s, []syslogd.Mark{{Source: "a/1", Pos: 5}}, line("three", start)) // it may go back
	want := []syslogd.Mark{{Source: "a/1", Pos: 5}, {Source: "a/2", Pos: 20}}
	checkMarks(t, s, "a/", want...)
	s.Close()
	s = open(t, dir, o)
	checkMarks(t, s, "a/", want...)
	first := s.log.First()
	for i := range 100 {
		put(t, s, line(strings.Repeat(fmt.Sprint("filler ", i), 20), start))
	}
	if err := s.Seal(); err != nil {
		t.Fatal(err)
	}
	if s.log.First() == first {
		t.Error("the log was not cut")
	}
	snapshot := filepath.Join(t.TempDir(), "snapshot")
	if err := s.Snapshot(snapshot); err != nil {
		t.Fatal(err)
	}
	s.Close()
	for _, dir := range []string{dir, snapshot} {
		s := open(t, dir, o)
		checkMarks(t, s, "a/", want...)
		checkMarks(t, s, "b/", syslogd.Mark{Source: "b/1", Pos: 1 << 63})
		if got := search(t, s, syslogd.Query{}); len(got) != 103 {
			t.Errorf("%d messages", len(got))
		}
		s.Close()
	}
}

// TestMarkBounds holds the policy: the oldest of too many is forgotten, and
// what nobody renewed for long.
func TestMarkBounds(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{MaxMarks: 3})
	for _, source := range []string{"a", "b", "c", "a", "d"} {
		putMarked(t, s, []syslogd.Mark{{Source: source, Pos: 1}})
	}
	one := func(source string) syslogd.Mark { return syslogd.Mark{Source: source, Pos: 1} }
	checkMarks(t, s, "", one("a"), one("c"), one("d"))
	putMarked(t, s, []syslogd.Mark{{Source: "e", Pos: 0}}) // none
	s.Close()
	s = open(t, dir, Options{MaxMarks: 3})
	checkMarks(t, s, "", one("a"), one("c"), one("d"))
	putMarked(t, s, []syslogd.Mark{{Source: "c"}})
	checkMarks(t, s, "", one("a"), one("d"))
	s.Close()
	s = open(t, dir, Options{MaxMarks: 3})
	checkMarks(t, s, "", one("a"), one("d"))
	s.marks.expire(time.Now().Add(399 * 24 * time.Hour))
	if n := len(s.Marks("")); n != 2 {
		t.Errorf("%d marks after 399 days", n)
	}
	s.marks.expire(time.Now().Add(401 * 24 * time.Hour))
	if st := s.Stats(); st.Marks != 0 || st.MarksGone != 3 {
		t.Errorf("after 401 days: %d kept, %d gone", st.Marks, st.MarksGone)
	}
	for _, err := range []error{
		s.PutMarked(t.Context(), nil, []syslogd.Mark{{Source: ""}}),
		s.PutMarked(t.Context(), nil, []syslogd.Mark{{Source: strings.Repeat("x", maxSource+1)}}),
		s.PutMarked(t.Context(), []syslog.Message{line(strings.Repeat("x", maxMarked), start)}, []syslogd.Mark{one("a")}),
	} {
		if !errors.Is(err, syslogd.ErrMarked) {
			t.Errorf("error %v", err)
		}
	}
}

// TestImportMarksGoFirst: however many files are imported, and however late.
func TestImportMarksGoFirst(t *testing.T) {
	s := open(t, t.TempDir(), Options{MaxMarks: 3})
	defer s.Close()
	for _, source := range []string{"agent/a", "agent/b", "import/1", "import/2", "import/3"} {
		putMarked(t, s, []syslogd.Mark{{Source: source, Pos: 1}})
	}
	checkMarks(t, s, "", syslogd.Mark{Source: "agent/a", Pos: 1}, syslogd.Mark{Source: "agent/b", Pos: 1}, syslogd.Mark{Source: "import/3", Pos: 1})
}

// powerFS is a disk that knows how much of each segment is synced.
type powerFS struct {
	seglog.OS
	mu     sync.Mutex
	synced map[string]int64
}

type powerFile struct {
	seglog.File
	fs   *powerFS
	name string
}

// Open implements seglog.FS.
func (p *powerFS) Open(name string, create bool) (seglog.File, error) {
	f, err := p.OS.Open(name, create)
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.synced[filepath.Base(name)]; !known {
		p.synced[filepath.Base(name)] = size // what is there survived the last cut
	}
	return powerFile{f, p, name}, err
}

// Sync implements seglog.File.
func (f powerFile) Sync() error {
	size, err := f.Size()
	if err == nil {
		err = f.File.Sync()
	}
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.fs.synced[filepath.Base(f.name)] = size
	return err
}

// cut leaves of each segment in dir what was synced, and a random part of the
// rest.
func (p *powerFS) cut(t *testing.T, r *rand.Rand, dir string) {
	t.Helper()
	segments, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range segments {
		st, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		synced, opened := p.synced[filepath.Base(name)]
		if !opened {
			continue // from before
		}
		synced = min(synced, st.Size())
		if err := os.Truncate(name, synced+r.Int64N(st.Size()-synced+1)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPowerCut cuts the power while writers send lines with marks: of each
// source there are exactly the lines before its mark, and no fewer than what was
// acknowledged.
func TestPowerCut(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 3))
	dir := t.TempDir()
	next, acked := map[string]uint64{}, map[string]uint64{}
	for life := range 8 {
		disk := &powerFS{synced: map[string]int64{}}
		o := Options{ChunkBytes: 2000, SegmentBytes: 4 << 10, FS: disk}
		s := open(t, dir, o)
		now := start.AddDate(0, 0, r.IntN(3))
		for range r.IntN(30) {
			source := fmt.Sprint("source", r.IntN(3))
			var batch []syslog.Message
			for range r.IntN(4) {
				batch = append(batch, line(fmt.Sprintf("<13>1 - %s app - - - number %d %s", source, next[source], logtest.Line(r)), now.AddDate(0, 0, r.IntN(2))))
				next[source]++
			}
			marks := []syslogd.Mark{{Source: source, Pos: next[source]}}
			if r.IntN(2) == 0 { // the power goes before the answer
				if _, err := s.writeMarked(t.Context(), batch, marks); err != nil {
					t.Fatal(err)
				}
				continue
			}
			putMarked(t, s, marks, batch...)
			acked = maps.Clone(next)
		}
		for s.backlogLen() > 0 {
			time.Sleep(time.Millisecond)
		}
		s.diskMu.Lock()
		s.mu.Lock()
		disk.mu.Lock()
		left := filepath.Join(t.TempDir(), fmt.Sprint(life))
		if err := os.CopyFS(left, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		disk.cut(t, r, filepath.Join(left, "log"))
		disk.mu.Unlock()
		s.mu.Unlock()
		s.diskMu.Unlock()
		s.Close()
		dir = left
		next = checkPowerCut(t, dir, acked)
		if t.Failed() {
			t.Fatalf("seed %d, life %d", seed, life)
		}
	}
}

// checkPowerCut returns the marks that are left.
func checkPowerCut(t *testing.T, dir string, acked map[string]uint64) map[string]uint64 {
	t.Helper()
	s := open(t, dir, Options{ChunkBytes: 2000, SegmentBytes: 4 << 10})
	defer s.Close()
	found, left := map[string][]uint64{}, map[string]uint64{}
	for m, err := range s.Search(t.Context(), syslogd.Query{}) {
		var n uint64
		if err == nil {
			_, err = fmt.Sscanf(m.Text, "number %d", &n)
		}
		if err != nil {
			t.Fatal(err)
		}
		found[m.Host] = append(found[m.Host], n)
	}
	for _, m := range s.Marks("") {
		left[m.Source] = m.Pos
	}
	for source, least := range acked {
		slices.Sort(found[source])
		if left[source] < least {
			t.Errorf("%s: mark %d, acknowledged %d", source, left[source], least)
		}
		if uint64(len(found[source])) != left[source] {
			t.Errorf("%s: mark %d with %d lines", source, left[source], len(found[source]))
		}
		for i, n := range found[source] {
			if uint64(i) != n {
				t.Errorf("%s: line %d at place %d", source, n, i)
				break
			}
		}
	}
	return left
}

func FuzzMarked(f *testing.F) {
	batch := []syslog.Message{line("fuzz", start)}
	record := appendRecord(nil, new(Config).keyOf(&batch[0]), batch)
	marks := []markedAt{{syslogd.Mark{Source: "a", Pos: 7}, start.UnixMilli()}, {syslogd.Mark{Source: "b", Pos: 1 << 60}, 0}}
	f.Add(string(appendMarked(nil, start.UnixMilli(), marks, [][]byte{record, record})))
	f.Add(string(appendMarked(nil, 0, nil, nil)))
	f.Fuzz(func(t *testing.T, b string) {
		marks, records, err := readMarked(b)
		if err != nil {
			return
		}
		var parts [][]byte
		for _, r := range records {
			parts = append(parts, []byte(r))
		}
		again, rest, err := readMarked(string(appendMarked(nil, 99, marks, parts)))
		if err != nil || !slices.Equal(again, marks) || !slices.Equal(rest, records) {
			t.Fatal(again, marks, err)
		}
	})
}
