package tail

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program finds a program that the tests talk to: installed, or unpacked below
// .cache/peers by .ci/deps.
func program(t testing.TB, name string) string {
	t.Helper()
	for _, dir := range []string{"usr/sbin", "usr/lib/systemd", "lib/systemd"} {
		path, err := filepath.Abs(filepath.Join("../../.cache/peers", dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("SKIPPED: %s is missing: run .ci/deps", name)
	}
	return path
}

// libraries is the environment for unpacked programs.
func libraries(t testing.TB) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"usr/lib/*-linux-gnu", "lib/*-linux-gnu"} {
		found, err := filepath.Glob(filepath.Join("../../.cache/peers", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, dir := range found {
			abs, err := filepath.Abs(dir)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, abs)
		}
	}
	return append(os.Environ(), "LD_LIBRARY_PATH="+strings.Join(all, ":"))
}

// What logrotate does, as often as it does it: each line arrives once, though
// the tailer is down for every third rotation.
func TestLogrotate(t *testing.T) {
	logrotate := program(t, "logrotate")
	for _, options := range []string{
		"create", "copytruncate", "create\ncompress", "create\ncompress\ndelaycompress", "copytruncate\ncompress",
		"create\ndateext\ndateformat -%Y%m%d-ROUND", "nocreate", "copytruncate\ndateext\ndateformat -%Y%m%d-ROUND\nextension .log",
	} {
		for _, glob := range []string{"app.log", "*.log*"} {
			t.Run(strings.ReplaceAll(options, "\n", ",")+" "+glob, func(t *testing.T) {
				dir := t.TempDir()
				log := filepath.Join(dir, "app.log")
				conf := filepath.Join(t.TempDir(), "logrotate.conf")
				rotate := func(round int) {
					options := strings.ReplaceAll(options, "ROUND", fmt.Sprintf("%02d", round))
					text := fmt.Sprintf("%s {\nrotate 9\nmissingok\nifempty\n%s\n}\n", log, options)
					if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
					cmd := exec.Command(logrotate, "-f", "-s", filepath.Join(filepath.Dir(conf), "state"), conf)
					cmd.Env = libraries(t)
					if out, err := cmd.CombinedOutput(); err != nil {
						t.Fatalf("%v: %s", err, out)
					}
				}
				c := Config{Files: []Input{{Paths: []string{filepath.Join(dir, glob)}}}}
				state := filepath.Join(filepath.Dir(conf), "positions")
				r, n := newReceiver(), 0
				tl := newTailer(t, c, state)
				tl.begin(savedState{}, nil, time.Now())
				drain(t, tl, time.Now(), r)
				for round := range 8 {
					for range 3 + round%4 {
						write(t, log, fmt.Sprintf("line %06d %s\n", n, strings.Repeat("x", n*37%500)))
						n++
					}
					if round%3 != 1 {
						drain(t, tl, time.Now(), r)
						rotate(round)
						continue
					}
					if err := tl.save(time.Now()); err != nil {
						t.Fatal(err)
					}
					tl.end()
					rotate(round)
					write(t, log, fmt.Sprintf("line %06d\n", n))
					n++
					saved, err := loadState(state)
					if err != nil {
						t.Fatal(err)
					}
					tl = newTailer(t, c, state)
					tl.begin(saved, r.list(), time.Now())
				}
				drain(t, tl, time.Now(), r)
				tl.end()
				var got []string
				for _, l := range r.lines {
					got = append(got, l[:11])
				}
				var want []string
				for i := range n {
					want = append(want, fmt.Sprintf("line %06d", i))
				}
				if strings.Join(got, "\n") != strings.Join(want, "\n") {
					t.Errorf("got  %q\nwant %q", got, want)
				}
			})
		}
	}
}

// journalDir makes a journal of entries in the export format.
func journalDir(t *testing.T, entries string) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command(program(t, "systemd-journal-remote"), "-o", filepath.Join(dir, "system.journal"), "-")
	cmd.Stdin = strings.NewReader(entries)
	cmd.Env = libraries(t)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}

// runJournal reads until n messages have come, and returns them.
func runJournal(t *testing.T, c JournalInput, r *receiver, n int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := c.Run(ctx, slog.New(slog.DiscardHandler), NewStats(), r.list(), SinkFunc(func(ctx context.Context, b Batch) error {
		err := r.Put(ctx, b)
		if len(r.lines) >= n {
			cancel()
		}
		return err
	}))
	if err != nil {
		t.Fatal(err)
	}
}

func TestJournal(t *testing.T) {
	program(t, "journalctl")
	const boot = "6c7c6013a26343b29e964691ff25d04c"
	var b strings.Builder
	for i := range 5 {
		fmt.Fprintf(&b, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%s\n", 1700000000000000+i*1000, 1000+i*1000, boot)
		fmt.Fprintf(&b, "PRIORITY=4\nSYSLOG_IDENTIFIER=app\n_PID=%d\n_HOSTNAME=h\nMESSAGE=message %d\n\n", 100+i, i)
	}
	dir := journalDir(t, b.String())
	r := newReceiver()
	runJournal(t, JournalInput{Directory: dir}, r, 5)
	expect(t, r, "message 0", "message 1", "message 2", "message 3", "message 4")
	if m := r.last[len(r.last)-1]; m.App != "app" || m.PID != "104" || m.Severity.String() != "warning" {
		t.Errorf("%+v", m)
	}
	// A receiver that has got as far as the third is given the rest.
	for source := range r.marks {
		r.marks[source] -= 2
	}
	runJournal(t, JournalInput{Directory: dir}, r, 2)
	expect(t, r, "message 3", "message 4")
}

func TestFIFO(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan string, 10)
	done := make(chan error, 1)
	go func() {
		done <- FIFO{Path: path, App: "a"}.Run(ctx, slog.New(slog.DiscardHandler), NewStats(), SinkFunc(func(_ context.Context, b Batch) error {
			for _, m := range b.Messages {
				got <- m.App + " " + m.Text
			}
			return nil
		}))
	}()
	for _, text := range []string{"one\ntw", "o\nthree\n"} { // two writers, one after the other
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	for _, want := range []string{"a one", "a two", "a three"} {
		if text := <-got; text != want {
			t.Errorf("got %q, want %q", text, want)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
