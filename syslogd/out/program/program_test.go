package program

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rondo/syslogd/out"
	"rondo/syslogd/out/outtest"
	"rondo/syslogd/out/pipe"
	"rondo/syslogd/syslog"
)

// The command of these tests is the test itself.
func TestMain(m *testing.M) {
	if file := os.Getenv("PROGRAM_FILE"); file != "" {
		if err := command(file, os.Getenv("PROGRAM_CONFIRM") != ""); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if mark := os.Getenv("PROGRAM_PARENT"); mark != "" {
		parent(mark)
	}
	os.Exit(m.Run())
}

// command appends what it reads to a file, a line at a time. SIGTERM ends it
// when it has written what it has read.
func command(file string, confirm bool) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	var reading sync.Mutex // what is read is written before anything else
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go func() {
		<-term
		reading.Lock()
		os.Exit(0)
	}()
	if err := os.WriteFile(file+".pid", []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		return err
	}
	var rest []byte
	for n := 0; ; {
		if _, err := unix.Poll([]unix.PollFd{{Fd: 0, Events: unix.POLLIN}}, -1); err != nil {
			continue
		}
		reading.Lock()
		var block [4096]byte
		size, err := os.Stdin.Read(block[:])
		rest = append(rest, block[:size]...)
		if end := bytes.LastIndexByte(rest, '\n') + 1; end > 0 {
			if _, err := f.Write(rest[:end]); err != nil {
				return err
			}
			n += bytes.Count(rest[:end], []byte("\n"))
			rest = append(rest[:0], rest[end:]...)
			if confirm {
				fmt.Println("ok", n)
			}
		}
		if reading.Unlock(); err != nil {
			return nil // the end
		}
	}
}

// A subject is a command whose file is looked at.
type subject struct {
	t    *testing.T
	file string
	down atomic.Bool
	d    out.Destination
}

func (s *subject) Open(ctx context.Context) (out.Session, error) {
	if s.down.Load() {
		return nil, os.ErrNotExist
	}
	return s.d.Open(ctx)
}

func (s *subject) signal(sig syscall.Signal) {
	text, err := os.ReadFile(s.file + ".pid")
	pid, _ := strconv.Atoi(string(text))
	if err == nil && pid > 0 {
		_ = syscall.Kill(pid, sig)
	}
}

func (s *subject) received() (all []outtest.Arrival) {
	f, err := os.Open(s.file)
	if err != nil {
		return nil
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		all = append(all, outtest.Arrival{Text: syslog.Parse(lines.Text(), time.Now(), netip.Addr{}).Text})
	}
	return all
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func own(t *testing.T, confirm bool, log *slog.Logger) *subject {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &subject{t: t, file: filepath.Join(t.TempDir(), "lines")}
	cfg := Config{Command: []string{exe}, Env: map[string]string{"PROGRAM_FILE": s.file, "GORACE": "atexit_sleep_ms=0"}, Confirm: confirm}
	if confirm {
		cfg.Env["PROGRAM_CONFIRM"] = "yes"
	}
	if s.d, err = New(cfg, log); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	for _, confirm := range []bool{false, true} {
		t.Run(fmt.Sprintf("confirm=%v", confirm), func(t *testing.T) {
			outtest.Run(t, func(t *testing.T) *outtest.Subject {
				s := own(t, confirm, quiet())
				// One that confirms may be killed at any point. One that does
				// not has what it has read.
				cut := func() { s.signal(syscall.SIGTERM) }
				subject := &outtest.Subject{Destination: s, Received: s.received, Cut: cut}
				if confirm {
					subject.Cut = func() { s.signal(syscall.SIGKILL) }
					subject.Stall = func() { s.signal(syscall.SIGSTOP) }
				}
				subject.Down = func() { s.down.Store(true); subject.Cut() }
				subject.Up = func() { s.down.Store(false) }
				return subject
			})
		})
	}
}

// parent runs two commands that do not heed their input, and waits to be killed.
func parent(mark string) {
	for name, confirm := range map[string]bool{"told": true, "quiet": false} {
		d, err := New(Config{Command: []string{"/bin/sh", "-c", "echo $$ > " + mark + name + "; while :; do sleep 0.1; done"}, Confirm: confirm}, quiet())
		if err == nil {
			_, err = d.Open(context.Background())
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	select {}
}

// A command that confirms does not outlive us, however we die; another may yet
// finish what it has read.
func TestDiesWithUs(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux does this")
	}
	mark := filepath.Join(t.TempDir(), "pid-")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PROGRAM_PARENT="+mark)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := func(name string) (n int) {
		outtest.Eventually(t, func() bool {
			text, _ := os.ReadFile(mark + name)
			n, _ = strconv.Atoi(strings.TrimSpace(string(text)))
			return n > 0
		})
		return n
	}
	told, other := pid("told"), pid("quiet")
	defer func() { _ = syscall.Kill(-other, syscall.SIGKILL) }()
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	outtest.Eventually(t, func() bool { return ended(told) })
	if ended(other) {
		t.Error("the command that does not confirm has ended too")
	}
}

// ended says whether a process has, be it that its new parent has not reaped it.
func ended(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

// Whatever a command leaves running ends with it.
func TestGroupIsKilled(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "pid")
	d, err := New(Config{Command: []string{"/bin/sh", "-c", `trap "" TERM; sh -c 'trap "" TERM; while :; do sleep 1; done' & echo $! > ` + mark + `; exec sleep 1000`}}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	outtest.Eventually(t, func() bool {
		text, _ := os.ReadFile(mark)
		pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		return pid > 0
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
	outtest.Eventually(t, func() bool { return ended(pid) })
}

// The log says why a command does not work, and no more than it can bear.
func TestStderr(t *testing.T) {
	var log bytes.Buffer
	d, err := New(Config{Command: []string{"/bin/sh", "-c", `i=0; while [ $i -lt 1000 ]; do echo "line $i" >&2; i=$((i+1)); done; exit 3`}},
		slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	<-s.Broken()
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "the command says"); n < toldOnce || n > 2*toldOnce {
		t.Errorf("%d lines in the log", n)
	}
	if d.Counters()["starts"] != 1 {
		t.Error(d.Counters())
	}
}

// A command gets no secret of ours.
func TestEnvironment(t *testing.T) {
	t.Setenv("RONDO_TOKEN", "secret")
	t.Setenv("TZ", "UTC")
	c := Config{Env: map[string]string{"B": "2", "A": "1"}}
	all := strings.Join(c.environment(), " ")
	if strings.Contains(all, "secret") || !strings.Contains(all, "TZ=UTC") || !strings.HasSuffix(all, " A=1 B=2") {
		t.Error(all)
	}
}

func TestAnswers(t *testing.T) {
	s := &session{confirmed: new(atomic.Uint64), log: quiet(), told: 10}
	for _, c := range []struct {
		line string
		ok   bool
		now  uint64
	}{{"ok 3", true, 3}, {"ok 2", true, 3}, {"hello", false, 3}, {"ok x", false, 3}, {"ok -1", false, 3}, {"ok 99", true, 10}} {
		if ok := s.confirm(c.line); ok != c.ok || s.confirmed.Load() != c.now {
			t.Errorf("%q: %v, %d are confirmed", c.line, ok, s.confirmed.Load())
		}
	}
}

func TestValidate(t *testing.T) {
	check := func(c Config, want string) {
		t.Helper()
		err := c.Validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	check(Config{Command: []string{"/bin/cat"}}, "")
	check(Config{Command: []string{"/bin/cat"}, Lines: pipe.Lines{Template: "${HOST} ${TEXT}", TimeZone: "UTC"}}, "")
	check(Config{}, "command: want an absolute path")
	check(Config{Command: []string{"cat"}}, "command: want an absolute path")
	check(Config{Command: []string{"/bin/cat"}, Dir: "x"}, "dir")
	check(Config{Command: []string{"/bin/cat"}, Env: map[string]string{"A=B": "c"}}, "env")
	check(Config{Command: []string{"/bin/cat"}, Lines: pipe.Lines{Format: "xml"}}, "format")
	check(Config{Command: []string{"/bin/cat"}, Lines: pipe.Lines{Format: "raw", Template: "x"}}, "one of them")
	check(Config{Command: []string{"/bin/cat"}, Lines: pipe.Lines{Template: "${HOTS}"}}, "template")
	check(Config{Command: []string{"/bin/cat"}, Lines: pipe.Lines{TimeZone: "Mars"}}, "time_zone")
}
