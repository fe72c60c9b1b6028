package seglog

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

func open(t testing.TB, dir string, o Options) *Log {
	t.Helper()
	l, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func add(t testing.TB, l *Log, recs ...string) Pos {
	t.Helper()
	var bs [][]byte
	for _, r := range recs {
		bs = append(bs, []byte(r))
	}
	end, err := l.Append(bs...)
	if err != nil {
		t.Fatal(err)
	}
	return end
}

// read returns the records from a position, space-separated, with "!" for
// each reported damage.
func read(t testing.TB, l *Log, from Pos) string {
	t.Helper()
	var got []string
	for r, err := range l.Records(from) {
		switch {
		case isDamage(err):
			got = append(got, "!")
		case err != nil:
			t.Fatal(err)
		default:
			got = append(got, string(r.Data))
		}
	}
	return strings.Join(got, " ")
}

func TestAppendRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	l := open(t, dir, Options{SegmentBytes: 100})
	add(t, l, "one", "two")
	mid := add(t, l, "three")
	add(t, l, strings.Repeat("x", 90))
	end := add(t, l, "four")
	want := "one two three " + strings.Repeat("x", 90) + " four"
	if got := read(t, l, 0); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := read(t, l, mid); got != strings.TrimPrefix(want, "one two three ") {
		t.Errorf("from the middle: %q", got)
	}
	if got := read(t, l, end); got != "" || l.End() != end {
		t.Errorf("from the end: %q", got)
	}
	if err := l.Commit(t.Context(), end); err != nil || l.Synced() != end {
		t.Errorf("commit: %v, synced %d, end %d", err, l.Synced(), end)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir, Options{})
	if got := read(t, l, 0); got != want || l.End() != end {
		t.Errorf("reopened: %q", got)
	}
}

func TestRecordsFollowsAppends(t *testing.T) {
	l := open(t, t.TempDir(), Options{SegmentBytes: 64})
	add(t, l, "0")
	n := 0
	for r, err := range l.Records(0) {
		if err != nil || string(r.Data) != fmt.Sprint(n) {
			t.Fatalf("record %d: %q, %v", n, r.Data, err)
		}
		if n++; n < 20 {
			add(t, l, fmt.Sprint(n))
		}
	}
	if n != 20 {
		t.Errorf("read %d records, want 20", n)
	}
}

func TestCut(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, Options{SegmentBytes: 40})
	var third Pos
	for i := range 6 {
		if end := add(t, l, fmt.Sprintf("record %d....", i)); i == 2 {
			third = end
		}
	}
	if err := l.Cut(third); err != nil {
		t.Fatal(err)
	}
	if got := read(t, l, 0); got != "record 3.... record 4.... record 5...." {
		t.Errorf("left: %q", got)
	}
	if err := l.Cut(1 << 60); err != nil {
		t.Fatal(err)
	}
	if got := read(t, l, 0); got != "record 5...." {
		t.Errorf("left: %q, want the last segment", got)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.log"))
	if len(files) != 1 {
		t.Errorf("files left: %v", files)
	}
}

// hookFS is the real file system with a hook after each removal; removal
// itself fails while refuse is set.
type hookFS struct {
	OS
	removed func()
	refuse  error
}

func (h *hookFS) Remove(name string) error {
	if h.refuse != nil {
		return h.refuse
	}
	defer h.removed()
	return h.OS.Remove(name)
}

// TestReadWhileCut: a reader that comes between the removal of a file and the
// return of Cut finds what is left.
func TestReadWhileCut(t *testing.T) {
	fs := &hookFS{refuse: errors.New("not now")}
	l := open(t, t.TempDir(), Options{SegmentBytes: 40, FS: fs})
	for i := range 4 {
		add(t, l, fmt.Sprintf("record %d....", i))
	}
	reads := 0
	fs.removed = func() {
		reads++
		read(t, l, 0)
	}
	if err := l.Cut(1 << 60); !errors.Is(err, fs.refuse) {
		t.Errorf("cut: %v", err)
	}
	if got := read(t, l, 0); got != "record 0.... record 1.... record 2.... record 3...." {
		t.Errorf("after a cut that failed: %q", got)
	}
	fs.refuse = nil
	if err := l.Cut(1 << 60); err != nil || reads != 3 {
		t.Errorf("cut again: %v, %d files removed", err, reads)
	}
}

// segment writes a log of one segment with the given records and returns its
// file and where each record ends.
func segment(t *testing.T, recs ...string) (dir, file string, ends []int64) {
	t.Helper()
	dir = t.TempDir()
	l := open(t, dir, Options{})
	for _, r := range recs {
		ends = append(ends, int64(add(t, l, r)))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, filepath.Join(dir, segmentName(0)), ends
}

func flip(t *testing.T, file string, off int64) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b[off] ^= 0x10
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTornTail(t *testing.T) {
	_, _, ends := segment(t, "alpha", "beta", "gamma")
	for size := int64(0); size <= ends[2]; size++ {
		dir, file, _ := segment(t, "alpha", "beta", "gamma")
		if err := os.Truncate(file, size); err != nil {
			t.Fatal(err)
		}
		want := []string{}
		for i, r := range []string{"alpha", "beta", "gamma"} {
			if ends[i] <= size {
				want = append(want, r)
			}
		}
		l := open(t, dir, Options{})
		add(t, l, "delta")
		if got := read(t, l, 0); got != strings.Join(append(want, "delta"), " ") {
			t.Errorf("cut at %d: %q", size, got)
		}
		l.Close()
	}
}

func TestDamageInTheMiddle(t *testing.T) {
	dir, file, ends := segment(t, "alpha", "beta", "gamma")
	flip(t, file, ends[1]-1)
	l := open(t, dir, Options{})
	if got := read(t, l, 0); got != "alpha ! gamma" {
		t.Errorf("a flipped bit in data: %q", got)
	}
	add(t, l, "delta")
	if got := read(t, l, 0); got != "alpha ! gamma delta" {
		t.Errorf("after another append: %q", got)
	}
}

func TestDamagedLength(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, Options{SegmentBytes: 40})
	for i := range 3 {
		add(t, l, fmt.Sprintf("segment %d, first", i), "second")
	}
	l.Close()
	flip(t, filepath.Join(dir, segmentName(0)), headerSize+7) // the highest byte of a length
	l = open(t, dir, Options{})
	if got := read(t, l, 0); got != "! second segment 1, first second segment 2, first second" {
		t.Errorf("got %q", got)
	}
}

func TestForeignVersion(t *testing.T) {
	dir, file, _ := segment(t, "alpha")
	flip(t, file, 8) // damage is not a version
	l := open(t, dir, Options{})
	if got := read(t, l, 0); got != "alpha" {
		t.Errorf("damaged header: %q", got)
	}
	l.Close()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	binary.LittleEndian.PutUint32(b[8:], 7)
	binary.LittleEndian.PutUint32(b[12:], crc32.Checksum(b[:12], castagnoli()))
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), "version") {
		t.Errorf("error %v, want one about the version", err)
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, Options{})
	_, err := Open(dir, Options{})
	if le, ok := errors.AsType[*LockedError](err); !ok || le.PID != os.Getpid() {
		t.Errorf("second open: %v", err)
	}
	l.Close()
	open(t, dir, Options{})
}

func TestSizes(t *testing.T) {
	l := open(t, t.TempDir(), Options{MaxRecord: 10})
	for _, b := range [][]byte{nil, {}, make([]byte, 11)} {
		if _, err := l.Append([]byte("good"), b); !errors.Is(err, ErrSize) {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	}
	if got := read(t, l, 0); got != "" {
		t.Errorf("a refused batch left %q", got)
	}
}

func TestDiskFull(t *testing.T) {
	fs := newCrashFS()
	l := open(t, "d", Options{FS: fs, ReserveBytes: 1000})
	add(t, l, "before")
	fs.free = 900
	if _, err := l.Append([]byte("refused")); !errors.Is(err, ErrFull) || !errors.Is(l.Room(), ErrFull) {
		t.Errorf("below the reserve: %v", err)
	}
	fs.free = 1 << 40
	add(t, l, "between")
	fs.failOn = func(string) error { return unix.ENOSPC }
	if _, err := l.Append([]byte("lost")); !errors.Is(err, ErrFull) {
		t.Errorf("ENOSPC: %v", err)
	}
	fs.failOn = nil
	add(t, l, "after")
	if got := read(t, l, 0); got != "before between after" {
		t.Errorf("got %q", got)
	}
}

func TestFailedSyncPoisons(t *testing.T) {
	fs := newCrashFS()
	l := open(t, "d", Options{FS: fs})
	broken := errors.New("input/output error")
	fs.failOn = func(op string) error {
		if op == "sync" {
			return broken
		}
		return nil
	}
	end := add(t, l, "one")
	if err := l.Commit(t.Context(), end); !errors.Is(err, broken) {
		t.Errorf("commit: %v", err)
	}
	fs.failOn = nil
	if err := l.Commit(t.Context(), end); !errors.Is(err, broken) {
		t.Errorf("second commit: %v", err)
	}
	if _, err := l.Append([]byte("two")); !errors.Is(err, broken) {
		t.Errorf("append: %v", err)
	}
	if err := l.Close(); !errors.Is(err, broken) {
		t.Errorf("close: %v", err)
	}
}

func TestClosed(t *testing.T) {
	l := open(t, t.TempDir(), Options{})
	end := add(t, l, "one")
	if err := errors.Join(l.Close(), l.Commit(t.Context(), end)); err != nil {
		t.Error(err)
	}
	if _, err := l.Append([]byte("two")); !errors.Is(err, ErrClosed) {
		t.Errorf("append: %v", err)
	}
	if err := l.Close(); !errors.Is(err, ErrClosed) {
		t.Errorf("second close: %v", err)
	}
}

func TestCommitEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, "d", Options{FS: newCrashFS(), Linger: time.Hour, Idle: 2 * time.Hour})
		end := add(t, l, "one")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.Commit(ctx, end); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("commit: %v", err)
		}
	})
}

func TestGroupCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, "d", Options{FS: newCrashFS(), Linger: 5 * time.Millisecond})
		start := time.Now()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				end, err := l.Append([]byte("record"))
				if err := errors.Join(err, l.Commit(t.Context(), end)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if took, n := time.Since(start), l.Stats().Syncs; took != 5*time.Millisecond || n != 1 {
			t.Errorf("50 commits took %v and %d syncs, want 5ms and 1", took, n)
		}
	})
}

func TestIdleSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, "d", Options{FS: newCrashFS()})
		for range 3 {
			time.Sleep(10 * time.Second) // fake
			end := add(t, l, "nobody waits for it")
			time.Sleep(999 * time.Millisecond)
			if l.Synced() == end {
				t.Error("synced before a second has passed")
			}
			time.Sleep(2 * time.Millisecond)
			if l.Synced() != end {
				t.Error("not synced after a second")
			}
		}
		if n := l.Stats().Syncs; n != 3 {
			t.Errorf("%d syncs, want 3", n)
		}
	})
}

// TestConcurrent has writers, committers, readers and cuts at once; run it
// with -race.
func TestConcurrent(t *testing.T) {
	l := open(t, t.TempDir(), Options{SegmentBytes: 2000})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 200 {
				end, err := l.Append(fmt.Appendf(nil, "writer %d record %d", w, i))
				if err != nil {
					t.Error(err)
					return
				}
				if i%20 == 0 {
					if err := l.Commit(t.Context(), end); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Go(func() {
		for range 50 {
			for r, err := range l.Records(l.First()) {
				if err != nil || !bytes.HasPrefix(r.Data, []byte("writer ")) {
					t.Errorf("%q, %v", r.Data, err)
					return
				}
			}
			if err := l.Cut(l.Synced() / 2); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
}

// TestKill kills a process that appends and prints what it appended; all that
// it printed must be there.
func TestKill(t *testing.T) {
	if dir := os.Getenv("SEGLOG_KILL_DIR"); dir != "" {
		l := open(t, dir, Options{SegmentBytes: 5000})
		for i := 0; ; i++ {
			add(t, l, fmt.Sprint(i))
			fmt.Println(i)
		}
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
	cmd.Env = append(os.Environ(), "SEGLOG_KILL_DIR="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 40000)
	for n := 0; n < len(buf)/2; {
		k, err := out.Read(buf[n:])
		if err != nil {
			t.Fatal(err)
		}
		n += k
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	printed := strings.Fields(string(bytes.TrimRight(buf, "\x00")))
	cmd.Wait()
	l := open(t, dir, Options{})
	got := strings.Fields(read(t, l, 0))
	if len(got) < len(printed)-1 {
		t.Fatalf("%d records, but %d were acknowledged", len(got), len(printed)-1)
	}
	for i, r := range got {
		if r != fmt.Sprint(i) {
			t.Fatalf("record %d is %q", i, r)
		}
	}
}

func TestDropEmpty(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.mem": "", "b.mem": "x", "c.vlog": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := DropEmpty(dir, "*.mem"); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) != 2 {
		t.Errorf("left are %v, %v", left, err)
	}
}

func TestReplace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	if err := os.WriteFile(path+".new", []byte("what a crash has left"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"the first", "2nd"} {
		if err := Replace(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("%q, %v", got, err)
		}
	}
	if err := Replace(filepath.Join(path, "y"), nil); err == nil {
		t.Error("a file was written below another")
	}
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Replace(filepath.Join(dir, "d"), nil); err == nil {
		t.Error("a directory was replaced")
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*.new")); err != nil || len(left) > 0 {
		t.Error("left over:", left, err)
	}
}
