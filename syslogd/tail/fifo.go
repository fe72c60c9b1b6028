package tail

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"syscall"
	"time"

	"rondo/syslogd/filter"
	"rondo/syslogd/syslog"
)

// FIFO is a named pipe that programs write lines to. It cannot be read again:
// what was read and not yet taken by the sink ends with the process. While the
// sink is busy nothing is read, and writers wait as soon as the pipe is full.
type FIFO struct {
	Path     string         `yaml:"path"` // it must be there
	App      string         `yaml:"app"`
	Facility string         `yaml:"facility"`
	Severity string         `yaml:"severity"`
	Host     string         `yaml:"host"`
	Encoding Encoding       `yaml:"encoding"`
	Parse    Format         `yaml:"parse"`
	MaxLine  int            `yaml:"max_line"`
	Filter   *filter.Filter `yaml:"filter"`
}

func (c *FIFO) input(host string) (*input, error) {
	in := Input{
		Paths: []string{c.Path}, App: c.App, Facility: c.Facility, Severity: c.Severity, Host: c.Host,
		Encoding: c.Encoding, Parse: c.Parse, MaxLine: c.MaxLine, Filter: c.Filter,
	}
	return in.compile(host)
}

// fifoPause is how long to wait before a FIFO that failed is opened again.
const fifoPause = 5 * time.Second

// Run reads lines until ctx ends, which is no error, or the sink fails. A FIFO
// that is not there, or none, is tried again and again.
func (c FIFO) Run(ctx context.Context, log *slog.Logger, stats *Stats, sink Sink) error {
	host, _ := os.Hostname() // without a name, messages have the sender's address
	in, err := c.input(host)
	if err != nil {
		return fmt.Errorf("tail: fifo: %w", err)
	}
	for failing := false; ctx.Err() == nil; {
		f, err := openFIFO(c.Path)
		if err != nil {
			if !failing {
				log.Warn("tail: a FIFO cannot be opened", "path", c.Path, "err", err)
			}
			failing = true
			sleep(ctx, fifoPause)
			continue
		}
		failing = false
		if err := readFIFO(ctx, f, newForm(in, c.Path, nil), stats, sink); err != nil {
			return fmt.Errorf("tail: fifo %s: %w", c.Path, err)
		}
	}
	return nil
}

// openFIFO opens it for writing too, so that it does not end when the last
// writer leaves.
func openFIFO(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if st, err := f.Stat(); err != nil || st.Mode()&fs.ModeNamedPipe == 0 {
		f.Close()
		return nil, fmt.Errorf("%s is no FIFO", path)
	}
	return f, nil
}

// readFIFO reads until ctx ends. A line that has no end yet waits for it.
func readFIFO(ctx context.Context, f *os.File, fm *form, stats *Stats, sink Sink) error {
	defer f.Close()
	defer context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Now()) })()
	buf := make([]byte, max(turnBytes, fm.split.room()))
	var messages []syslog.Message
	var s scratch
	for n := 0; ; {
		got, err := f.Read(buf[n:])
		n += got
		stats.add("bytes", got)
		end := open
		if err != nil {
			end = closing
		}
		for taken := 1; taken > 0; {
			messages, taken = fm.cut(messages[:0], buf[:n], end, time.Now(), &s, stats)
			n = copy(buf, buf[taken:n])
			if len(messages) == 0 {
				continue
			}
			if err := sink.Put(context.WithoutCancel(ctx), Batch{Messages: messages}); err != nil {
				return err
			}
			stats.add("lines", len(messages))
			clear(messages)
		}
		if err != nil {
			return nil
		}
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
