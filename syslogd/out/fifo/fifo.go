// Package fifo delivers messages as lines to whoever reads a named pipe.
//
// The pipe must be there (mkfifo), and so must its reader: without one there
// is no session, and messages wait in the queue. A message is settled when the
// reader has read its line; see package pipe. A reader that leaves ends the
// session. One that takes another's place within the same moment may find the
// rest of a line that the other has begun.
package fifo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"rondo/syslogd/macro"
	"rondo/syslogd/out"
	"rondo/syslogd/out/pipe"
)

// Config names a pipe.
type Config struct {
	Path       string `yaml:"path"` // absolute, of a named pipe that exists
	pipe.Lines `yaml:",inline"`
}

// Validate says what is wrong, each with its key. It looks at no file.
func (c *Config) Validate() error {
	_, err := c.Parse()
	if !filepath.IsAbs(c.Path) {
		err = errors.Join(fmt.Errorf("path: %q is not absolute", c.Path), err)
	}
	return err
}

// A Destination is a named pipe.
type Destination struct {
	path  string
	lines *macro.Template
}

// New returns a destination. It does not look for the pipe.
func New(cfg Config) (*Destination, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("fifo: %w", err)
	}
	lines, err := cfg.Parse()
	if err != nil {
		return nil, fmt.Errorf("fifo: %w", err)
	}
	return &Destination{cfg.Path, lines}, nil
}

// Open opens the pipe. It does not wait for a reader.
func (d *Destination) Open(context.Context) (out.Session, error) {
	f, err := os.OpenFile(d.path, os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ENXIO) {
		return nil, fmt.Errorf("fifo: nobody reads %s", d.path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("fifo: there is no %s yet; mkfifo makes it", d.path)
	}
	if err != nil {
		return nil, fmt.Errorf("fifo: %w", err)
	}
	info, err := f.Stat()
	if err == nil && info.Mode()&fs.ModeNamedPipe == 0 {
		err = fmt.Errorf("%s is no named pipe", d.path)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("fifo: %w", err)
	}
	s := &session{Writer: pipe.NewWriter(f, d.lines), pipe: f, gone: make(chan struct{})}
	go func() { // ends with the pipe, for which Close waits
		defer close(s.gone)
		pipe.Watch(f)
	}()
	return s, nil
}

type session struct {
	*pipe.Writer
	pipe *os.File
	gone chan struct{} // closed when there is no reader
}

// leaveTimeout is how long a reader that is slow may take for what is left.
const leaveTimeout = 5 * time.Second

// Settled implements out.Session. No reader refuses a line.
func (s *session) Settled() (n, refused uint64) { return s.Read(), 0 }

func (s *session) Broken() <-chan struct{} { return s.gone }

func (s *session) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	err := s.Drain(ctx, s.gone)
	s.Read()
	err = errors.Join(err, s.pipe.Close())
	<-s.gone
	if err != nil {
		return fmt.Errorf("fifo: %w", err)
	}
	return nil
}
