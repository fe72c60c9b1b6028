package logstore

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"rondo/rrd/seglog"
	"rondo/syslogd"
	"rondo/syslogd/logstore/chunk"
	"rondo/syslogd/logstore/logtest"
	"rondo/syslogd/syslog"
)

// TestKilled copies the files of a running store, which is what kill -9
// leaves behind, at random moments, and opens the copy: all that was stored
// is there, once.
func TestKilled(t *testing.T) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 7))
		dir := t.TempDir()
		o := Options{ChunkBytes: 3000, SegmentBytes: 16 << 10}
		s := open(t, dir, o)
		m := &model{}
		now := start
		for range 4 {
			for range r.IntN(20) {
				now = now.Add(time.Duration(r.Int64N(int64(2 * time.Hour))))
				batch := []syslog.Message{syslog.Parse(logtest.Line(r), now, netip.Addr{}), syslog.Parse(logtest.Line(r), now, netip.Addr{})}
				if err := s.Write(t.Context(), batch); err != nil {
					t.Fatal(err)
				}
				m.add(batch)
			}
			left := filepath.Join(t.TempDir(), "left")
			// A copy takes the files one after the other, which a kill does
			// not, so nothing may be written meanwhile.
			for s.backlogLen() > 0 {
				runtime.Gosched()
			}
			if err := os.CopyFS(left, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			got := open(t, left, o)
			var want []string
			for _, x := range m.matches(syslogd.Query{}) {
				want = append(want, plain(&x))
			}
			if diff := gocmp.Diff(want, search(t, got, syslogd.Query{})); diff != "" {
				t.Fatalf("seed %d: %s", seed, diff)
			}
			got.Close()
		}
		s.Close()
	}
}

// TestSealedButNotCut is the crash between the two: nothing is doubled.
func TestSealedButNotCut(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	put(t, s, line("one", start), line("two", start))
	if err := s.Seal(); err != nil {
		t.Fatal(err)
	}
	put(t, s, line("three", start))
	s.Close() // the log has one segment, so all three are still in it
	s = open(t, dir, Options{})
	if got := search(t, s, syslogd.Query{}); len(got) != 3 {
		t.Fatalf("%d messages: %q", len(got), got)
	}
}

func TestCorruptChunkIsLeftOut(t *testing.T) {
	for _, part := range []byte{partHeader, partTypes, partData} {
		dir := t.TempDir()
		s := open(t, dir, Options{})
		for _, text := range []string{"first 1", "second 2"} {
			put(t, s, line(text, start))
			if err := s.Seal(); err != nil {
				t.Fatal(err)
			}
		}
		err := s.dirs.use(new(Config).keyOf(&syslog.Message{Received: start}), true, func(db *badger.DB) error {
			b, err := readPart(db, part, 0, nil)
			if err != nil {
				return err
			}
			b[len(b)/2] ^= 1
			return db.Update(func(txn *badger.Txn) error { return txn.Set(partKey(part, 0), b) })
		})
		if err != nil {
			t.Fatal(err)
		}
		put(t, s, line("third 3", start))
		s.Close()
		if err := os.RemoveAll(filepath.Join(dir, "log")); err != nil { // else it would be replayed
			t.Fatal(err)
		}
		s = open(t, dir, Options{})
		got := search(t, s, syslogd.Query{})
		if len(got) != 1 || !strings.Contains(got[0], "second") || s.Stats().Quarantined != 1 {
			t.Errorf("part %c: %q, %d quarantined", part, got, s.Stats().Quarantined)
		}
		if bins, err := syslogd.Histogram(t.Context(), s, syslogd.Query{}, time.Minute); err != nil || len(bins) != 1 {
			t.Errorf("part %c: histogram %v, %v", part, bins, err)
		}
	}
}

func TestCorruptDayIsSetAside(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	put(t, s, line("old", start), line("new", start.AddDate(0, 0, 1)))
	if err := s.Seal(); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := errors.Join(os.RemoveAll(filepath.Join(dir, "log")), os.WriteFile(filepath.Join(dir, "chunks/20261119-default/MANIFEST"), []byte("no manifest at all"), 0o600)); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Options{})
	if got := search(t, s, syslogd.Query{}); len(got) != 1 || s.Stats().Quarantined != 1 {
		t.Fatalf("%q, stats %+v", got, s.Stats())
	}
	put(t, s, line("again", start))
	if err := s.Seal(); err != nil {
		t.Fatal(err)
	}
	if got := search(t, s, syslogd.Query{}); len(got) != 2 {
		t.Fatalf("%q", got)
	}
}

// TestEmptyFiles: a kill between the making of a file of Badger's and its first
// byte makes no day unreadable.
func TestEmptyFiles(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	put(t, s, line("old", start))
	if err := s.Seal(); err != nil {
		t.Fatal(err)
	}
	s.Close()
	err := os.RemoveAll(filepath.Join(dir, "log"))
	for _, name := range []string{"00099.mem", "000099.vlog"} {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, "chunks/20261119-default", name), nil, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Options{})
	if got := search(t, s, syslogd.Query{}); len(got) != 1 || s.Stats().Quarantined != 0 {
		t.Fatalf("%q, stats %+v", got, s.Stats())
	}
}

// TestLogMovedAway begins a new log at position 0, behind chunks that name
// far positions.
func TestLogMovedAway(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	for range 50 {
		put(t, s, line(strings.Repeat("old ", 50), start))
	}
	if err := s.Seal(); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := os.RemoveAll(filepath.Join(dir, "log")); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Options{})
	put(t, s, line("new", start))
	s.Close()
	s = open(t, dir, Options{})
	if got := search(t, s, syslogd.Query{}); len(got) != 51 {
		t.Fatalf("%d messages", len(got))
	}
	for range 100 { // beyond the position that the chunk named
		put(t, s, line(strings.Repeat("new ", 50), start))
	}
	s.Close()
	s = open(t, dir, Options{})
	if got := search(t, s, syslogd.Query{}); len(got) != 151 {
		t.Fatalf("%d messages after the log has grown", len(got))
	}
}

// TestLogBeforeChunk holds the order in which a power cut must find the two.
func TestLogBeforeChunk(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	for range 100 {
		if err := s.Write(t.Context(), []syslog.Message{line("not synced", start)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Seal(); err != nil {
		t.Fatal(err)
	}
	if end := seglog.Pos(s.chunks[0].header.End); end > s.log.Synced() {
		t.Errorf("the chunk ends at %d, the log is synced up to %d", end, s.log.Synced())
	}
}

// TestShortOfDescriptors opens the store with ever more file descriptors: it
// fails or serves all, and never takes a shortage for damage.
func TestShortOfDescriptors(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	put(t, s, line("good history", start))
	if err := s.Seal(); err != nil {
		t.Fatal(err)
	}
	s.Close()
	failed := 0
	for spare := range 24 {
		err := withDescriptors(t, spare, func() error {
			s, err := Open(dir, Options{ReserveBytes: -1})
			if err != nil {
				return err
			}
			return s.Close()
		})
		if err != nil {
			failed++
		}
	}
	if failed == 0 {
		t.Fatal("there was no shortage")
	}
	if aside, err := filepath.Glob(filepath.Join(dir, "chunks", "*"+corruptSuffix)); err != nil || len(aside) > 0 {
		t.Errorf("set aside: %q, %v", aside, err)
	}
	s = open(t, dir, Options{})
	if got := search(t, s, syslogd.Query{}); len(got) != 1 || s.Stats().Chunks != 1 {
		t.Fatalf("%q, stats %+v", got, s.Stats())
	}
}

// withDescriptors runs f with so many file descriptors that can be opened.
func withDescriptors(t *testing.T, spare int, f func() error) error {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	var probe []*os.File // fills the gaps below the highest descriptor
	next := uint64(0)
	for range 3 {
		p, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		probe = append(probe, p)
		next = uint64(p.Fd())
	}
	for _, p := range probe {
		p.Close()
	}
	low := limit
	low.Cur = next + uint64(spare)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
	}()
	return f()
}

func TestLocked(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, Options{})
	_, err := Open(dir, Options{})
	if _, ok := errors.AsType[*seglog.LockedError](err); !ok {
		t.Fatal(err)
	}
}

func TestDiskFull(t *testing.T) {
	s, err := Open(t.TempDir(), Options{ReserveBytes: 1 << 60})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Put(t.Context(), []syslog.Message{line("x", start)}); !errors.Is(err, seglog.ErrFull) {
		t.Fatal(err)
	}
	if err := s.Room(); !errors.Is(err, seglog.ErrFull) {
		t.Fatal(err)
	}
	if got := search(t, s, syslogd.Query{}); len(got) != 0 {
		t.Fatalf("refused, but there: %q", got)
	}
}

func TestRetention(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{Config: Config{Retention: 48 * time.Hour, MaxBytes: 1 << 30}})
	for day := range 5 {
		put(t, s, line("message 42", start.AddDate(0, 0, day)))
	}
	if err := s.Seal(); err != nil {
		t.Fatal(err)
	}
	days := func(now time.Time) int {
		s.retain(now)
		entries, err := os.ReadDir(filepath.Join(dir, "chunks"))
		if err != nil {
			t.Fatal(err)
		}
		if got := len(search(t, s, syslogd.Query{})); got != len(entries) {
			t.Fatalf("%d messages in %d days", got, len(entries))
		}
		return len(entries)
	}
	if got := days(start.AddDate(0, 0, 4)); got != 3 {
		t.Errorf("by time: %d days", got)
	}
	if st := s.Stats(); st.Dropped != 2 || !st.Oldest.Equal(start.AddDate(0, 0, 2)) {
		t.Errorf("stats %+v", st)
	}
	s.o.Config.MaxBytes = s.Stats().DiskBytes - 1
	if got := days(start.AddDate(0, 0, 4)); got != 2 {
		t.Errorf("by size: %d days", got)
	}
	s.o.Config.MaxBytes = 1
	if got := days(start.AddDate(0, 0, 4)); got != 1 {
		t.Errorf("the newest day stays: %d days", got)
	}
}

func FuzzRecord(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 8))
	for range 20 {
		batch := []syslog.Message{line(logtest.Line(r), start), line(logtest.Line(r), start.Add(time.Second)), {Raw: "a", Text: "b", Received: start}}
		f.Add(appendRecord(nil, new(Config).keyOf(&batch[0]), batch))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		k, r, err := readRecordKey(string(b))
		if err != nil {
			return
		}
		batch, err := readMessages(r)
		if err != nil {
			return
		}
		for i := range batch {
			if m := &batch[i]; m.Received.Before(chunk.MinTime) || m.Received.After(chunk.MaxTime) {
				return
			}
		}
		_, r, err = readRecordKey(string(appendRecord(nil, k, batch)))
		if err != nil {
			t.Fatal(err)
		}
		again, err := readMessages(r)
		if err != nil || len(again) != len(batch) {
			t.Fatal(err)
		}
		for i := range again {
			if plain(&again[i]) != plain(&batch[i]) {
				t.Fatalf("got %s, want %s", plain(&again[i]), plain(&batch[i]))
			}
		}
	})
}
