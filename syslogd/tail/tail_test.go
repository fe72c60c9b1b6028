package tail

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rondo/syslogd/syslog"
)

// receiver is a Sink that keeps marks with messages, as the log server does.
type receiver struct {
	lines []string
	marks map[string]uint64
	last  []syslog.Message
}

func newReceiver() *receiver { return &receiver{marks: map[string]uint64{}} }

func (r *receiver) Put(_ context.Context, b Batch) error {
	r.last = r.last[:0]
	for i := range b.Messages {
		r.last = append(r.last, b.Messages[i].Clone())
		r.lines = append(r.lines, r.last[i].Text)
	}
	for _, m := range b.Marks {
		r.marks[m.Source] = m.Pos
	}
	for _, id := range b.Forget {
		delete(r.marks, id)
	}
	return nil
}

func (r *receiver) list() []Mark {
	var all []Mark
	for source, pos := range r.marks {
		all = append(all, Mark{source, pos})
	}
	return all
}

func newTailer(t testing.TB, c Config, state string) *Tailer {
	t.Helper()
	tl, err := New(c, Options{State: state, Log: slog.New(slog.DiscardHandler), Host: "h"})
	if err != nil {
		t.Fatal(err)
	}
	return tl
}

// drain takes steps until there is nothing to do.
func drain(t *testing.T, tl *Tailer, now time.Time, s Sink) {
	t.Helper()
	tl.rescan = true
	for range 1000 {
		did, err := tl.step(t.Context(), now, s)
		if err != nil {
			t.Fatal(err)
		}
		if !did {
			return
		}
	}
	t.Fatal("there is no end of it")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, r *receiver, want ...string) {
	t.Helper()
	if !slices.Equal(r.lines, want) {
		t.Fatalf("got  %q\nwant %q", r.lines, want)
	}
	r.lines = nil
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "app.log")
	write(t, log, "one\ntwo\nthr")
	tl := newTailer(t, Config{Files: []Input{{Paths: []string{log}}}}, filepath.Join(dir, "state"))
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan string, 100)
	done := make(chan error, 1)
	go func() {
		done <- tl.Run(ctx, nil, SinkFunc(func(_ context.Context, b Batch) error {
			for _, m := range b.Messages {
				got <- fmt.Sprintf("%s %s %s", m.App, m.SD, m.Text)
			}
			return nil
		}))
	}()
	next := func(want string) {
		t.Helper()
		want = fmt.Sprintf("app [file@32473 path=%q] %s", log, want)
		if text := <-got; text != want {
			t.Fatalf("got %q, want %q", text, want)
		}
	}
	next("one")
	next("two")
	write(t, log, "ee\n")
	next("three")
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	write(t, log+".1", "four\n")
	next("four")
	write(t, log, "five\n")
	next("five")
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// A receiver that was put back to an earlier state gets what it has lost once
// more, whatever the state file says.
func TestReceiverPutBack(t *testing.T) {
	dir := t.TempDir()
	log, state := filepath.Join(dir, "app.log"), filepath.Join(dir, "state")
	c := Config{Files: []Input{{Paths: []string{log}}}}
	r := newReceiver()
	again := func() {
		tl := newTailer(t, c, state)
		saved, err := loadState(state)
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		tl.begin(saved, r.list(), now)
		defer tl.end()
		drain(t, tl, now, r)
		if err := tl.save(now); err != nil {
			t.Fatal(err)
		}
	}
	write(t, log, "one\ntwo\n")
	again()
	expect(t, r, "one", "two")
	backup := maps.Clone(r.marks)
	write(t, log, "three\n")
	again()
	expect(t, r, "three")
	r.marks = backup
	again()
	expect(t, r, "three")
	again()
	expect(t, r)
}

// TestLostOnce: what was lost is not counted again by each start that follows.
func TestLostOnce(t *testing.T) {
	dir := t.TempDir()
	log, state := filepath.Join(dir, "app.log"), filepath.Join(dir, "state")
	r := newReceiver()
	lost := func(now time.Time) uint64 {
		tl := newTailer(t, Config{Files: []Input{{Paths: []string{log}}}}, state)
		saved, err := loadState(state)
		if err != nil {
			t.Fatal(err)
		}
		tl.begin(saved, r.list(), now)
		defer tl.end()
		drain(t, tl, now, r)
		drain(t, tl, now.Add(2*searchTime), r)
		if err := tl.save(now.Add(2 * searchTime)); err != nil {
			t.Fatal(err)
		}
		return tl.Stats().Snapshot()["lost_files_deleted"]
	}
	now := time.Now()
	write(t, log, "one\ntw")
	if n := lost(now); n != 0 {
		t.Fatalf("%d files lost while they are there", n)
	}
	if err := os.Remove(log); err != nil {
		t.Fatal(err)
	}
	for i, want := range []uint64{1, 0, 0} {
		if n := lost(now.Add(time.Duration(i+1) * time.Hour)); n != want {
			t.Errorf("start %d: %d files lost, want %d", i+1, n, want)
		}
	}
}

func TestSinkFails(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "app.log")
	write(t, log, "one\n")
	tl := newTailer(t, Config{Files: []Input{{Paths: []string{log}}}}, "")
	failure := errors.New("no")
	err := tl.Run(t.Context(), nil, SinkFunc(func(context.Context, Batch) error { return failure }))
	if !errors.Is(err, failure) {
		t.Fatalf("got %v", err)
	}
}

// TestUnread: what the sink does not have yet is known while it is away.
func TestUnread(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a.log")
	if err := os.WriteFile(name, []byte(strings.Repeat("0123456789abcde\n", 64)), 0o600); err != nil {
		t.Fatal(err)
	}
	tailer, err := New(Config{Files: []Input{{Paths: []string{name}}}, Limits: Limits{BatchBytes: 4 << 10}}, Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var away uint64
	err = tailer.Run(ctx, nil, SinkFunc(func(_ context.Context, b Batch) error {
		if len(b.Messages) > 0 {
			away = tailer.Stats().Snapshot()["unread_bytes"]
			cancel()
		}
		return nil
	}))
	if left := tailer.Stats().Snapshot()["unread_bytes"]; err != nil || away != 1024 || left != 0 {
		t.Errorf("%v: %d bytes unread while the sink had the batch, %d after it", err, away, left)
	}
}

// TestCopyInTheMaking: the first bytes of a copy that is being written may look
// like a short copy of content that is gone; what follows must not be taken for
// what was added to it, or its lines begin in their middle.
func TestCopyInTheMaking(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "a.log")
	tl := newTailer(t, Config{Files: []Input{{Paths: []string{log + "*"}}}}, "")
	now := time.Now()
	tl.begin(savedState{}, nil, now)
	defer tl.end()
	r := newReceiver()
	write(t, log, "# header\nline one\nline two\n")
	drain(t, tl, now, r)
	expect(t, r, "# header", "line one", "line two")
	if err := os.Truncate(log, 0); err != nil {
		t.Fatal(err)
	}
	drain(t, tl, now, r)
	write(t, log+".1", "# header\nlin") // of another file, which nobody has seen
	drain(t, tl, now, r)
	write(t, log+".1", "e three\nline four\n")
	drain(t, tl, now.Add(time.Second), r)
	drain(t, tl, now.Add(time.Minute), r)
	expect(t, r, "# header", "line three", "line four")
}

// TestAllowed: a name that is allowed does not lead to a file that is not, be
// the link its own or that of a folder; what rotation makes of it is allowed.
func TestAllowed(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	logs, pods := filepath.Join(dir, "logs"), filepath.Join(dir, "pods")
	secret := filepath.Join(dir, "secret")
	for _, d := range []string{logs, pods, secret} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(logs, "own.log"), "own\n")
	write(t, filepath.Join(pods, "0.log"), "pod\n")
	write(t, filepath.Join(secret, "key.log"), "secret\n")
	for name, target := range map[string]string{
		"pod.log": filepath.Join(pods, "0.log"), "key.log": filepath.Join(secret, "key.log"), "folder": secret,
	} {
		if err := os.Symlink(target, filepath.Join(logs, name)); err != nil {
			t.Fatal(err)
		}
	}
	refused := map[string]bool{}
	allowed := func(path string) error {
		for _, glob := range []string{logs + "/*.log", pods + "/*"} {
			if ok, _ := filepath.Match(glob, path); ok {
				return nil
			}
		}
		refused[path] = true
		return errors.New("no")
	}
	tl := newTailer(t, Config{Files: []Input{{Paths: []string{logs + "/*.log", logs + "/folder/*"}, Allowed: allowed}}}, "")
	now := time.Now().Add(time.Hour)
	tl.begin(savedState{known: map[string]int64{}}, nil, now)
	defer tl.end()
	r := newReceiver()
	drain(t, tl, now, r)
	slices.Sort(r.lines)
	expect(t, r, "own", "pod")
	if err := os.Rename(filepath.Join(logs, "own.log"), filepath.Join(logs, "own.log.1")); err != nil {
		t.Fatal(err)
	}
	tl.closeFile(tl.those(func(f *file) bool { return filepath.Base(f.path) == "own.log" })[0])
	write(t, filepath.Join(logs, "own.log.1"), "after rotation\n")
	drain(t, tl, now, r)
	expect(t, r, "after rotation")
	if !refused[filepath.Join(secret, "key.log")] || tl.Stats().Snapshot()["refused"] == 0 {
		t.Errorf("refused: %v, %v", refused, tl.Stats().Snapshot())
	}
}

// TestDeletedBeyondMaxOpen: a deleted file that has to be closed before it is
// read is read on in its packed copy.
func TestDeletedBeyondMaxOpen(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "a.log")
	tl := newTailer(t, Config{Files: []Input{{Paths: []string{filepath.Join(dir, "*.log")}}}, Limits: Limits{MaxOpen: 1}}, "")
	now := time.Now()
	tl.begin(savedState{}, nil, now)
	defer tl.end()
	r := newReceiver()
	write(t, log, "one\n")
	drain(t, tl, now, r)
	expect(t, r, "one")
	write(t, log, "two\n")
	packed, err := os.Create(log + ".1.gz")
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(packed)
	_, err = z.Write([]byte("one\ntwo\n"))
	then := now.Add(-time.Hour) // gzip keeps the time of what it packs
	if err := errors.Join(err, z.Close(), packed.Close(), os.Chtimes(packed.Name(), then, then), os.Remove(log)); err != nil {
		t.Fatal(err)
	}
	write(t, log, "three\n")
	for range 3 {
		now = now.Add(time.Second)
		drain(t, tl, now, r)
	}
	slices.Sort(r.lines)
	expect(t, r, "three", "two")
}

// TestHeaderOfPackedFile: a new file that begins as one does that is packed, and
// of which little was read, is no copy of it.
func TestHeaderOfPackedFile(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "a.log")
	tl := newTailer(t, Config{Files: []Input{{Paths: []string{log + "*"}}}}, "")
	now := time.Now()
	tl.begin(savedState{}, nil, now)
	defer tl.end()
	r := newReceiver()
	packed, err := os.Create(log + ".1.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	z := gzip.NewWriter(packed)
	pack := func(text string) {
		t.Helper()
		if _, err := z.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := z.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	pack("# header\n")
	drain(t, tl, now, r)
	expect(t, r, "# header")
	pack("old\n")
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, log, "# header\nnew\n")
	drain(t, tl, now.Add(time.Second), r)
	slices.Sort(r.lines)
	expect(t, r, "new", "old")
}
