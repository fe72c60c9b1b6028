package program

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"rondo/syslogd/macro"
	"rondo/syslogd/out"
	"rondo/syslogd/out/pipe"
)

const (
	leaveTimeout = 5 * time.Second // for a command to end when its input has
	termTimeout  = 2 * time.Second // and then to end when it is terminated
)

// A Destination is a command.
type Destination struct {
	cfg    Config
	lines  *macro.Template
	log    *slog.Logger
	starts atomic.Uint64
}

// New returns a destination. It does not look for the command.
func New(cfg Config, log *slog.Logger) (*Destination, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("program: %w", err)
	}
	lines, err := cfg.Parse()
	if err != nil {
		return nil, fmt.Errorf("program: %w", err)
	}
	if cfg.Dir == "" {
		cfg.Dir = "/"
	}
	return &Destination{cfg: cfg, lines: lines, log: log}, nil
}

// Counters implements out.Counter:
//
//	starts  of the command
func (d *Destination) Counters() map[string]uint64 {
	return map[string]uint64{"starts": d.starts.Load()}
}

// Open starts the command.
func (d *Destination) Open(context.Context) (out.Session, error) {
	stdin, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("program: %w", err)
	}
	defer stdin.Close() // the command has its own
	s := &session{Writer: pipe.NewWriter(w, d.lines), stdin: w, log: d.log, ended: make(chan struct{})}
	s.cmd = exec.Command(d.cfg.Command[0], d.cfg.Command[1:]...)
	s.cmd.Dir, s.cmd.Env = d.cfg.Dir, d.cfg.environment()
	s.cmd.Stdin, s.cmd.Stderr = stdin, newTeller(d.log, "stderr", nil)
	if d.cfg.Confirm {
		s.confirmed = new(atomic.Uint64)
		s.cmd.Stdout = newTeller(d.log, "stdout", s.confirm)
	}
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.cmd.WaitDelay = time.Second // for what still holds its outputs
	if d.cfg.Confirm {
		endWithUs(s.cmd.SysProcAttr)
	}
	started := make(chan error, 1)
	go s.run(started) // ends with the command, for which Close waits
	if err := <-started; err != nil {
		w.Close()
		return nil, fmt.Errorf("program: %w", err)
	}
	d.starts.Add(1)
	return s, nil
}

type session struct {
	*pipe.Writer
	cmd       *exec.Cmd
	stdin     *os.File
	log       *slog.Logger
	confirmed *atomic.Uint64 // lines; nil: it does not confirm
	settled   uint64

	ended  chan struct{} // closed when the command has exited
	result error         // how; set before that

	mu   sync.Mutex
	told uint64 // lines that it was given, or may have been
}

// run starts the command and sees it exit, and its group with it. It keeps its
// thread: to the kernel that is the command's parent, with which it ends.
func (s *session) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := s.cmd.Start()
	if started <- err; err != nil {
		return
	}
	s.result = waitGroup(s.cmd)
	close(s.ended)
}

// confirm takes a line of the command's output, if it is an answer.
func (s *session) confirm(line string) bool {
	n, ok := parseAnswer(line)
	if !ok {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n > s.told {
		s.log.Warn("the command confirms more than it was given", "confirmed", n, "given", s.told)
		n = s.told
	}
	if n > s.confirmed.Load() {
		s.confirmed.Store(n)
	}
	return true
}

func (s *session) Send(ctx context.Context, batch out.Batch) error {
	// Before it is: the answer may come at once.
	s.mu.Lock()
	s.told += uint64(len(batch.Messages))
	s.mu.Unlock()
	return s.failed(s.Writer.Send(ctx, batch))
}

func (s *session) Flush(ctx context.Context) error { return s.failed(s.Writer.Flush(ctx)) }

// failed says how the command ended, where that is the cause.
func (s *session) failed(err error) error {
	if err == nil {
		return nil
	}
	select {
	case <-s.ended:
		return fmt.Errorf("program: the command has exited (%w)", errors.Join(err, s.result))
	default:
		return fmt.Errorf("program: %w", err)
	}
}

// Settled implements out.Session. A command refuses nothing.
func (s *session) Settled() (n, refused uint64) {
	n = s.Read()
	if s.confirmed != nil {
		n = min(s.confirmed.Load(), s.Sent())
	}
	s.settled = max(s.settled, n)
	return s.settled, 0
}

func (s *session) Broken() <-chan struct{} { return s.ended }

// Close gives the command what is left, closes its input, and ends its group
// if it does not end by itself.
func (s *session) Close(ctx context.Context) error {
	patient, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	err := s.Drain(patient, s.ended)
	s.Read() // the last time that the pipe can be asked
	err = errors.Join(err, s.stdin.Close())
	group := -s.cmd.Process.Pid
	if !s.endsWithin(patient) {
		_ = syscall.Kill(group, syscall.SIGTERM)
		brief, cancel := context.WithTimeout(ctx, termTimeout)
		defer cancel()
		if !s.endsWithin(brief) {
			_ = syscall.Kill(group, syscall.SIGKILL)
			<-s.ended
		}
	}
	if err != nil {
		return s.failed(err)
	}
	return nil
}

func (s *session) endsWithin(ctx context.Context) bool {
	select {
	case <-s.ended:
		return true
	case <-ctx.Done():
		return false
	}
}
