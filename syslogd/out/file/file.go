package file

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"rondo/syslogd/out"
	"rondo/syslogd/syslog"
)

// A Destination is files.
type Destination struct {
	conf *compiled
	log  *slog.Logger
	made quota
	put  func(f *os.File, b []byte) (int, error) // writes; tests fail it
}

// New makes a destination; it touches no file.
func New(c Config, log *slog.Logger) (*Destination, error) {
	conf, err := compile(c)
	if err != nil {
		return nil, fmt.Errorf("file: %w", err)
	}
	return &Destination{conf: conf, log: log, made: quota{most: conf.NewFiles}, put: (*os.File).Write}, nil
}

// A quota allows so many per hour.
type quota struct {
	most, used int
	since      time.Time
}

// left reports whether there is something left in this hour.
func (q *quota) left(now time.Time) bool {
	if now.Sub(q.since).Abs() >= time.Hour {
		q.since, q.used = now, 0
	}
	return q.used < q.most
}

// Open implements out.Destination.
func (d *Destination) Open(ctx context.Context) (out.Session, error) {
	if err := os.MkdirAll(d.conf.dir, os.FileMode(d.conf.DirMode)); err != nil {
		return nil, fmt.Errorf("file: %w", err)
	}
	root, err := os.OpenRoot(d.conf.dir)
	if err != nil {
		return nil, fmt.Errorf("file: %w", err)
	}
	return newSession(ctx, d, root), nil
}

const (
	// maxUnsynced and maxWait bound what shares a sync.
	maxUnsynced = 8 << 20
	maxWait     = time.Second
	maxBuffer   = 256 << 10 // of lines for a file
)

// session implements out.Session.
type session struct {
	conf *compiled
	made *quota
	put  func(f *os.File, b []byte) (int, error)
	log  *slog.Logger
	root *os.Root
	open openFiles
	tidy *tidier

	name       []byte
	round      int // of Send
	overflowed int // messages since that was told
	told       time.Time

	changed  []*file         // since the last commit
	dirs     map[string]bool // in which something was created since then
	sent     uint64
	settled  uint64
	unsynced int
	since    time.Time // of the oldest message that is not settled
	failed   bool
}

func newSession(ctx context.Context, d *Destination, root *os.Root) *session {
	s := &session{
		conf: d.conf, made: &d.made, put: d.put, log: d.log, root: root,
		open: openFiles{byName: map[string]*file{}}, dirs: map[string]bool{},
	}
	s.tidy = startTidier(context.WithoutCancel(ctx), d.conf, root, d.log)
	return s
}

// Send implements out.Session.
func (s *session) Send(ctx context.Context, batch out.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.send(batch); err != nil {
		return s.fail(err)
	}
	return nil
}

func (s *session) send(batch out.Batch) error {
	if err := s.sameDir(); err != nil {
		return err
	}
	s.round++
	now := time.Now()
	if s.sent == s.settled {
		s.since = now
	}
	for i := range batch.Messages {
		if err := s.add(&batch.Messages[i], now); err != nil {
			return err
		}
	}
	if s.conf.Sync == Written || s.unsynced >= maxUnsynced || now.Sub(s.since) >= maxWait {
		return s.commit()
	}
	return s.write()
}

// sameDir finds out whether the directory was replaced, by a mount for one:
// then what is open lies in the old one.
func (s *session) sameDir() error {
	held, err := s.root.Stat(".")
	if err != nil {
		return err
	}
	found, err := os.Stat(s.conf.dir)
	if err == nil && !os.SameFile(held, found) {
		err = fmt.Errorf("%s is another directory now", s.conf.dir)
	}
	return err
}

// add puts a message into its file's buffer.
func (s *session) add(m *syslog.Message, now time.Time) error {
	s.name = s.conf.name.Append(s.name[:0], m)
	f, err := s.file(now)
	if err != nil {
		return err
	}
	before := len(f.buf)
	f.buf = s.conf.line.Append(f.buf, m)
	if n := len(f.buf); n == before || f.buf[n-1] != '\n' {
		f.buf = append(f.buf, '\n')
	}
	s.unsynced += len(f.buf) - before
	s.sent++
	if !f.changed {
		f.changed = true
		s.changed = append(s.changed, f)
	}
	if len(f.buf) >= maxBuffer {
		return s.writeFile(f)
	}
	return nil
}

// write gives all buffers to the kernel.
func (s *session) write() error {
	for _, f := range s.changed {
		if err := s.writeFile(f); err != nil {
			return err
		}
	}
	return nil
}

// commit settles all that was sent.
func (s *session) commit() error {
	if err := s.write(); err != nil {
		return err
	}
	if s.conf.Sync == Settled {
		if err := s.sync(); err != nil {
			return err
		}
	}
	for _, f := range s.changed {
		f.settled, f.changed = f.size, false
	}
	clear(s.changed)
	s.changed = s.changed[:0]
	clear(s.dirs)
	s.settled, s.unsynced = s.sent, 0
	return nil
}

// fail takes back what is not settled, so that it is not there twice when it
// is sent again.
func (s *session) fail(err error) error {
	s.failed = true
	for _, f := range s.changed {
		if e := f.rollBack(); e != nil {
			s.log.Warn("lines that are sent again could not be taken back", "file", f.name, "err", e)
		}
	}
	return fmt.Errorf("file: %w", err)
}

// Flush implements out.Session.
func (s *session) Flush(context.Context) error {
	if err := s.commit(); err != nil {
		return s.fail(err)
	}
	return nil
}

// Settled implements out.Session.
func (s *session) Settled() (n, refused uint64) { return s.settled, 0 }

// Broken implements out.Session.
func (s *session) Broken() <-chan struct{} { return nil }

// Close implements out.Session.
func (s *session) Close(context.Context) error {
	var err error
	if !s.failed {
		if err = s.commit(); err != nil {
			err = s.fail(err)
		}
	}
	s.open.closeAll()
	s.tidy.stop()
	s.root.Close()
	return err
}
