package fifo

import (
	"bytes"
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"rondo/syslogd/out"
	"rondo/syslogd/out/outtest"
	"rondo/syslogd/syslog"
)

// A reader reads a pipe, and leaves when it is told to. It comes back when the
// session has ended: see the package comment for why not before.
type reader struct {
	t    *testing.T
	path string
	d    *Destination

	mu      sync.Mutex
	pipe    *os.File
	lines   []string
	down    bool
	stalled bool
	readers sync.WaitGroup
}

func newReader(t *testing.T) *reader {
	t.Helper()
	r := &reader{t: t, path: filepath.Join(t.TempDir(), "pipe")}
	if err := syscall.Mkfifo(r.path, 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if r.d, err = New(Config{Path: r.path}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.leave(); r.readers.Wait() })
	return r
}

// Open has somebody read before it opens the pipe.
func (r *reader) Open(ctx context.Context) (out.Session, error) {
	r.leave()
	r.readers.Wait()
	r.mu.Lock()
	if !r.down {
		pipe, err := os.OpenFile(r.path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			r.t.Error(err)
		}
		r.pipe = pipe
		r.readers.Go(func() { r.read(pipe) })
	}
	r.mu.Unlock()
	return r.d.Open(ctx)
}

func (r *reader) read(pipe *os.File) {
	defer pipe.Close()
	raw, err := pipe.SyscallConn()
	if err != nil {
		r.t.Error(err)
		return
	}
	var rest []byte
	block := make([]byte, 4096)
	_ = raw.Read(func(fd uintptr) (done bool) {
		for {
			n, left := r.take(int(fd), pipe, block, &rest)
			if left || n == 0 { // the writer has gone, or has not come yet
				return left
			}
			if n < 0 {
				return false
			}
		}
	})
}

// take reads once, unless it has been told to leave: what was read is recorded.
func (r *reader) take(fd int, pipe *os.File, block []byte, rest *[]byte) (n int, left bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pipe != pipe {
		return 0, true
	}
	if r.stalled {
		return -1, false
	}
	n, err := syscall.Read(fd, block)
	if err != nil {
		return -1, false
	}
	*rest = append(*rest, block[:n]...)
	for {
		line, after, ended := bytes.Cut(*rest, []byte("\n"))
		if !ended {
			return n, false
		}
		r.lines = append(r.lines, string(line))
		*rest = append((*rest)[:0], after...)
	}
}

// leave closes the reading end.
func (r *reader) leave() {
	r.mu.Lock()
	pipe := r.pipe
	r.pipe = nil
	r.mu.Unlock()
	if pipe != nil {
		pipe.Close() // waits for take
	}
}

func (r *reader) setDown(down bool) {
	r.mu.Lock()
	r.down = down
	r.mu.Unlock()
	if down {
		r.leave()
	}
}

func (r *reader) stall() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stalled = true
}

func (r *reader) received() (all []outtest.Arrival) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, line := range r.lines {
		all = append(all, outtest.Arrival{Text: syslog.Parse(line, time.Now(), netip.Addr{}).Text})
	}
	return all
}

func TestConformance(t *testing.T) {
	outtest.Run(t, func(t *testing.T) *outtest.Subject {
		r := newReader(t)
		return &outtest.Subject{
			Destination: r, Received: r.received, Cut: r.leave, Stall: r.stall,
			Down: func() { r.setDown(true) }, Up: func() { r.setDown(false) },
		}
	})
}

func TestOpenFails(t *testing.T) {
	dir := t.TempDir()
	check := func(path, want string) {
		t.Helper()
		d, err := New(Config{Path: path})
		if err == nil {
			_, err = d.Open(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	file, fifo := filepath.Join(dir, "file"), filepath.Join(dir, "fifo")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	check("relative", "is not absolute")
	check(filepath.Join(dir, "missing"), "mkfifo makes it")
	check(file, "is no named pipe")
	check(fifo, "nobody reads")
	if text, _ := os.ReadFile(file); string(text) != "mine" {
		t.Errorf("%q", text)
	}
}
