package store

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rondo/rrd"
	"rondo/rrd/rrdtest"
	"rondo/rrd/seglog"
)

// shortFS is the real file system with as much room as the test says.
type shortFS struct {
	seglog.OS
	free atomic.Int64
}

func (s *shortFS) Free(string) (int64, error) { return s.free.Load(), nil }

// TestFullThenRetry: a sample that was refused for a full disk and is then
// sent again is on disk when the second try was acknowledged.
func TestFullThenRetry(t *testing.T) {
	t.Parallel()
	dir, fs := t.TempDir(), &shortFS{}
	fs.free.Store(1 << 40)
	o := Options{Now: atT0, Every: time.Hour, FS: fs}
	st := openStore(t, dir, o)
	if err := st.Append(t.Context(), []rrd.Sample{gauge("a", 0, 1)}); err != nil {
		t.Fatal(err)
	}
	closeStore(t, st)
	st = openStore(t, dir, o)
	batch := []rrd.Sample{gauge("a", 10, 2)}
	fs.free.Store(0)
	for range 2 {
		if err := st.Append(t.Context(), batch); !errors.Is(err, seglog.ErrFull) || !errors.Is(st.Room(), seglog.ErrFull) {
			t.Fatalf("%v, want ErrFull", err)
		}
	}
	fs.free.Store(1 << 40)
	if err := st.Room(); err != nil {
		t.Error(err)
	}
	if err := st.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if err := st.kill(); err != nil {
		t.Fatal(err)
	}
	st = openStore(t, dir, o)
	defer closeStore(t, st)
	if n := rows(t, st, "a"); n != 2 {
		t.Errorf("%d rows of 2 acknowledged", n)
	}
}

// TestLateFullThenRetry is the same of a sample that is older than the window.
func TestLateFullThenRetry(t *testing.T) {
	t.Parallel()
	dir, fs := t.TempDir(), &shortFS{}
	fs.free.Store(1 << 40)
	o := Options{Now: late2033, Every: time.Hour, FS: fs}
	st := openStore(t, dir, o)
	for _, s := range []int{0, 3600} {
		if err := st.Append(t.Context(), []rrd.Sample{gauge("a", s, 1)}); err != nil {
			t.Fatal(err)
		}
	}
	send := func(s int) error { return st.Append(t.Context(), []rrd.Sample{gauge("a", s, 2)}) }
	fs.free.Store(0)
	for _, s := range []int{1800, 3700} {
		if err := send(s); !errors.Is(err, seglog.ErrFull) {
			t.Fatalf("%v, want ErrFull", err)
		}
	}
	fs.free.Store(1 << 40)
	// The second one was in time, and is settled when it comes again.
	if err := errors.Join(send(1800), send(7200), send(3700), st.kill()); err != nil {
		t.Fatal(err)
	}
	st = openStore(t, dir, o)
	defer closeStore(t, st)
	if n := rows(t, st, "a"); n != 5 {
		t.Errorf("%d rows of 5 acknowledged", n)
	}
}

// TestFullThenCheckpoint: once a checkpoint has what the log refused, repeated
// samples are no longer logged.
func TestFullThenCheckpoint(t *testing.T) {
	t.Parallel()
	fs := &shortFS{}
	fs.free.Store(1 << 40)
	st := openStore(t, t.TempDir(), Options{Now: atT0, Every: time.Hour, FS: fs})
	defer closeStore(t, st)
	batch := []rrd.Sample{gauge("a", 0, 1)}
	sh := &st.shards[0]
	if err := st.Append(t.Context(), batch); err != nil || sh.unlogged() {
		t.Fatal(err, sh.unlogged())
	}
	sh.failed++ // as logRecord does
	end := st.log.End()
	if err := st.Append(t.Context(), batch); err != nil || st.log.End() == end {
		t.Errorf("%v, logged %d bytes", err, st.log.End()-end)
	}
	if err := st.writeCheckpoint(); err != nil {
		t.Fatal(err)
	}
	end = st.log.End()
	if err := st.Append(t.Context(), batch); err != nil || st.log.End() != end {
		t.Errorf("after a checkpoint: %v, logged %d bytes", err, st.log.End()-end)
	}
}

// blocked makes a store whose blocks cannot be written until unblock is
// called. Everything that it logs goes to messages.
func blocked(t *testing.T, o Options) (st *Store, messages *bytes.Buffer, unblock func()) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "blocks") // a file where a directory should be
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	messages = new(bytes.Buffer)
	o.Log, o.Every = slog.New(slog.NewTextHandler(messages, nil)), time.Hour
	o.Now = func() time.Time { return time.Unix(2e9, 0) }
	st = openStore(t, dir, o)
	return st, messages, func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBacklog: while blocks cannot be written memory does not grow without
// bound, and that is told once.
func TestBacklog(t *testing.T) {
	t.Parallel()
	const stage = 2000
	st, messages, unblock := blocked(t, Options{StageBytes: stage})
	var err error
	n := 0
	for ; err == nil && n < 10_000; n++ {
		err = st.Write(t.Context(), []rrd.Sample{gauge("a", 10*n, float64(n))})
	}
	if !errors.Is(err, ErrBacklog) {
		t.Errorf("%v after %d samples", err, n)
	}
	if got := st.staged.Load(); got > 5*stage {
		t.Errorf("%d bytes wait in memory", got)
	}
	unblock()
	if err := st.maintain(); err != nil {
		t.Fatal(err)
	}
	st.tell(nil)
	if err := st.Write(t.Context(), []rrd.Sample{gauge("a", 10*n, 1)}); err != nil {
		t.Errorf("when blocks can be written: %v", err)
	}
	closeStore(t, st)
	if got := strings.Count(messages.String(), "level=ERROR"); got != 1 {
		t.Errorf("%d errors logged, want 1:\n%s", got, messages)
	}
}

// TestCheckpointDespiteBlocks: blocks that cannot be written do not let the
// log grow.
func TestCheckpointDespiteBlocks(t *testing.T) {
	t.Parallel()
	st, _, unblock := blocked(t, Options{CheckpointBytes: 1000})
	for i := range 1000 {
		if err := st.Write(t.Context(), []rrd.Sample{gauge("a", 10*i, float64(i))}); err != nil {
			t.Fatal(err)
		}
	}
	if err := st.maintain(); err == nil {
		t.Error("no error")
	}
	if st.stats.Checkpoints.Load() == 0 {
		t.Error("no checkpoint")
	}
	unblock()
	closeStore(t, st)
}

// epochs makes a store with blocks on disk and returns its epochs'
// directories.
func epochs(t *testing.T, dir string, o Options) (*Store, []string) {
	t.Helper()
	st := openStore(t, dir, o)
	for i := range 400 {
		if err := st.Write(t.Context(), []rrd.Sample{gauge("a", 10*i, float64(i))}); err != nil {
			t.Fatal(err)
		}
	}
	if err := st.maintain(); err != nil {
		t.Fatal(err)
	}
	closeStore(t, st)
	found, err := filepath.Glob(filepath.Join(dir, "blocks", "10s-8640", "*"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no epochs: %v", err)
	}
	return openStore(t, dir, o), found
}

// TestPassingTrouble: an epoch that the system cannot open is there again when
// it can.
func TestPassingTrouble(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := Options{Now: func() time.Time { return time.Unix(2e9, 0) }, Every: time.Hour, StageBytes: 1}
	st, dirs := epochs(t, dir, o)
	want := rows(t, st, "a")
	all := func() error {
		_, err := rrdtest.Collect(t.Context(), st, rrd.Query{End: rrdtest.T0 << 1, Row: time.Second})
		return err
	}
	for _, name := range []string{"read", "start"} {
		if err := st.vault.closeIdle(time.Now()); err != nil {
			t.Fatal(err)
		}
		trouble := filepath.Join(dirs[0], "099999.vlog") // a directory where a file should be
		if name == "start" {
			trouble = filepath.Join(dirs[0], "99999.mem")
		}
		if err := os.Mkdir(trouble, 0o700); err != nil {
			t.Fatal(err)
		}
		if name == "start" {
			closeStore(t, st)
			st = openStore(t, dir, o)
		}
		if err := all(); err == nil {
			t.Errorf("%s: no error", name)
		}
		if err := os.Remove(trouble); err != nil {
			t.Error(err)
		}
		if got := rows(t, st, "a"); got != want {
			t.Errorf("%s: %d rows when the trouble has passed, want %d", name, got, want)
		}
	}
	closeStore(t, st)
}

// TestEmptyFiles: what a kill leaves of a file that was just made is no damage.
func TestEmptyFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := Options{Now: func() time.Time { return time.Unix(2e9, 0) }, Every: time.Hour, StageBytes: 1}
	st, dirs := epochs(t, dir, o)
	want := rows(t, st, "a")
	for _, name := range []string{"00099.mem", "000099.vlog"} {
		closeStore(t, st)
		if err := os.WriteFile(filepath.Join(dirs[0], name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		st = openStore(t, dir, o)
		if got := rows(t, st, "a"); got != want || st.stats.Damaged.Load() > 0 {
			t.Errorf("%s: %d rows, want %d; %d damages", name, got, want, st.stats.Damaged.Load())
		}
	}
	closeStore(t, st)
}

func TestDamaged(t *testing.T) {
	f := func(text string, want bool) {
		t.Helper()
		if got := seglog.InFiles(errors.New(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	f("manifest has bad magic", true)
	f("manifest has checksum mismatch", true)
	f("file does not exist for table 3", true)
	f("During db.vlog.open err: Open existing file: \"1.vlog\" err: while mmapping 1.vlog with size: 0: invalid argument", true)
	f("Opening file: \"1.sst\" err: unable to open: 1.sst: open 1.sst: too many open files", false)
	f("Opening file: \"1.sst\" err: while mmapping 1.sst with size: 9: cannot allocate memory", false)
	f("read 1.vlog: input/output error", false)
	f("Cannot acquire directory lock on \"7\": resource temporarily unavailable", false)
}

// TestVanishedEpoch: an epoch whose directory is gone does not keep the others
// from being removed.
func TestVanishedEpoch(t *testing.T) {
	t.Parallel()
	o := Options{Now: func() time.Time { return time.Unix(2e9, 0) }, Every: time.Hour, StageBytes: 1}
	st, dirs := epochs(t, t.TempDir(), o)
	defer closeStore(t, st)
	if err := os.RemoveAll(dirs[0]); err != nil {
		t.Fatal(err)
	}
	if err := st.Write(t.Context(), []rrd.Sample{gauge("a", 100*86400, 1)}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := st.maintain(); err != nil {
			t.Error(err)
		}
	}
	for _, dir := range dirs {
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", dir, err)
		}
	}
}

// TestRegexpsKeepAll: a matcher that was compiled costs nothing more.
func TestRegexpsKeepAll(t *testing.T) {
	var c regexps
	ms := []rrd.Matcher{{Label: "host", Op: rrd.Regexp, Value: "web-[0-9]+.*"}}
	run := func() {
		got, err := c.conditions(ms)
		if err != nil || got[0].prefix != "web-" || !got[0].matches("web-12x") || got[0].matches("db-1") {
			t.Fatal(fmt.Sprint(got), err)
		}
	}
	run()
	if n := testing.AllocsPerRun(100, run); n > 1 {
		t.Errorf("%v allocations, want the slice of conditions", n)
	}
}

func TestLateWindow(t *testing.T) {
	c := DefaultConfig()
	for d, ok := range map[time.Duration]bool{0: false, time.Millisecond: false, time.Second: true, 2 * time.Hour: false} {
		c.LateWindow = d
		if err := c.Validate(); (err == nil) != ok {
			t.Errorf("%s: %v", d, err)
		}
	}
}
