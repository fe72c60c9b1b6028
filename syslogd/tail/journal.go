package tail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"rondo/syslogd/filter"
	"rondo/syslogd/syslog"
	"rondo/syslogd/syslog/journal"
)

// JournalInput is systemd's journal, as journalctl prints it.
type JournalInput struct {
	Units     []string       `yaml:"units"`     // none: all
	Directory string         `yaml:"directory"` // that of the machine, if empty
	From      From           `yaml:"from"`      // beginning
	MaxLine   int            `yaml:"max_line"`  // bytes of a message; what is longer is cut. 64 KiB
	Filter    *filter.Filter `yaml:"filter"`    // which messages; none: all
	command   string         // a test's journalctl
}

// Validate says what is wrong, each with its key.
func (c *JournalInput) Validate() error {
	var errs []error
	switch c.From {
	case "", FromBeginning, FromEnd:
	default:
		errs = append(errs, fmt.Errorf("from: %q is neither %s nor %s", c.From, FromBeginning, FromEnd))
	}
	for _, u := range c.Units {
		if u == "" || strings.HasPrefix(u, "-") {
			errs = append(errs, fmt.Errorf("units: %q is not the name of a unit", u))
		}
	}
	if c.MaxLine != 0 && (c.MaxLine < minMaxLine || c.MaxLine > maxMaxLine) {
		errs = append(errs, fmt.Errorf("max_line: %d is not from %d to %d", c.MaxLine, minMaxLine, maxMaxLine))
	}
	return errors.Join(errs...)
}

// A journalPos is where an entry stands in the journal. Entries are numbered;
// when the numbers begin anew, journald makes up a new name for them.
//
//	cursor  s=NAME;i=NUMBER;...        (hexadecimal, and more that is not needed)
//	mark    journal-ORDER-NAME NUMBER  ORDER counts the names
type journalPos struct {
	order  int
	name   string
	number uint64
}

const journalMark = "journal-"

func (p journalPos) mark() Mark {
	return Mark{journalMark + strconv.Itoa(p.order) + "-" + p.name, p.number}
}

// lastJournal is the newest position among marks.
func lastJournal(marks []Mark) (last journalPos) {
	for _, m := range marks {
		rest, ok := strings.CutPrefix(m.Source, journalMark)
		order, name, ok2 := strings.Cut(rest, "-")
		n, err := strconv.Atoi(order)
		if ok && ok2 && err == nil && n > last.order {
			last = journalPos{n, name, m.Pos}
		}
	}
	return last
}

// after is the position of the entry that a cursor names, which follows p.
func (p journalPos) after(cursor string) (journalPos, bool) {
	q := journalPos{order: p.order}
	for part := range strings.SplitSeq(cursor, ";") {
		switch key, value, _ := strings.Cut(part, "="); key {
		case "s":
			q.name = value
		case "i":
			n, err := strconv.ParseUint(value, 16, 64)
			if err != nil {
				return p, false
			}
			q.number = n
		}
	}
	if q.name == "" || q.number == 0 {
		return p, false
	}
	if q.name != p.name {
		q.order++
	}
	return q, true
}

func (p journalPos) cursor() string { return fmt.Sprintf("s=%s;i=%x", p.name, p.number) }

// journalPause is how long to wait before journalctl is started again.
const journalPause = 5 * time.Second

// maxJournalBatch bounds the entries of a batch.
const maxJournalBatch = 512

// Run reads the journal behind the newest of the marks until ctx ends, which is
// no error, or the sink fails. A journalctl that ends is started again.
func (c JournalInput) Run(ctx context.Context, log *slog.Logger, stats *Stats, marks []Mark, sink Sink) error {
	if err := c.Validate(); err != nil {
		return fmt.Errorf("tail: journal: %w", err)
	}
	at := lastJournal(marks)
	for ctx.Err() == nil {
		err := c.follow(ctx, &at, stats, sink)
		if sinkErr, ok := errors.AsType[*sinkError](err); ok {
			return fmt.Errorf("tail: journal: %w", sinkErr.err)
		}
		if ctx.Err() == nil {
			stats.add("journal_restarts", 1)
			log.Warn("tail: journalctl ended", "err", err)
			sleep(ctx, journalPause)
		}
	}
	return nil
}

// A sinkError is one that journalctl is not to blame for.
type sinkError struct{ err error }

func (e *sinkError) Error() string { return e.err.Error() }

func (c JournalInput) args(at journalPos) []string {
	args := []string{"--output=export", "--follow", "--no-pager", "--quiet"}
	switch {
	case at.name != "":
		args = append(args, "--after-cursor="+at.cursor(), "--no-tail")
	case c.From == FromEnd:
		args = append(args, "--lines=0")
	default:
		args = append(args, "--no-tail")
	}
	if c.Directory != "" {
		args = append(args, "--directory="+c.Directory)
	}
	for _, u := range c.Units {
		args = append(args, "--unit="+u)
	}
	return args
}

// An entry is a message and where it stands.
type entry struct {
	m      syslog.Message
	cursor string
}

// follow runs journalctl until it ends, ctx does, or the sink fails.
func (c JournalInput) follow(ctx context.Context, at *journalPos, stats *Stats, sink Sink) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	command := c.command
	if command == "" {
		command = "journalctl"
	}
	cmd := exec.CommandContext(ctx, command, c.args(*at)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	var complaint tailBuffer
	cmd.Stderr = &complaint
	if err := cmd.Start(); err != nil {
		return err
	}
	entries := make(chan entry, maxJournalBatch)
	read := make(chan error, 1)
	go func() { read <- c.read(ctx, out, entries) }()
	err = c.hand(ctx, entries, at, stats, sink)
	cancel()
	for range entries { // until the reader has ended
	}
	return errors.Join(err, <-read, cmd.Wait(), complaint.error())
}

// read reads entries until the stream ends.
func (c JournalInput) read(ctx context.Context, out io.Reader, entries chan<- entry) error {
	defer close(entries)
	r := journal.NewReader(out, netip.Addr{}, journal.Limits{Message: c.MaxLine})
	for {
		m, err := r.Next(time.Now())
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case entries <- entry{m, r.Cursor()}:
		case <-ctx.Done():
			return nil
		}
	}
}

// hand gives the entries to the sink: those that are there, at once.
func (c JournalInput) hand(ctx context.Context, entries <-chan entry, at *journalPos, stats *Stats, sink Sink) error {
	for first := range entries {
		next, b := *at, Batch{}
		for e, more := first, true; more; {
			if p, ok := next.after(e.cursor); ok {
				if p.name != next.name && next.name != "" {
					b.Marks = append(b.Marks, next.mark())
				}
				next = p
			}
			if c.Filter.Match(&e.m) {
				b.Messages = append(b.Messages, e.m)
			} else {
				stats.add("filtered", 1)
			}
			more = false
			if len(b.Messages) < maxJournalBatch {
				select {
				case e, more = <-entries:
				default:
				}
			}
		}
		if next.name != "" {
			b.Marks = append(b.Marks, next.mark())
		}
		if err := sink.Put(ctx, b); err != nil {
			return &sinkError{err}
		}
		*at = next
		stats.add("lines", len(b.Messages))
	}
	return nil
}

// A tailBuffer keeps the last words of a program.
type tailBuffer struct{ last []byte }

func (b *tailBuffer) Write(p []byte) (int, error) {
	b.last = append(b.last, p...)
	if n := len(b.last) - 512; n > 0 {
		b.last = b.last[:copy(b.last, b.last[n:])]
	}
	return len(p), nil
}

func (b *tailBuffer) error() error {
	if text := strings.TrimSpace(string(b.last)); text != "" {
		return errors.New(text)
	}
	return nil
}
