package rrdcached

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"rondo/rrd"
)

const (
	// maxLine is the longest line, with its newline (RRD_CMD_MAX). Longer ones
	// are refused and skipped up to their end.
	maxLine = 4096
	// maxGather bounds the bytes of the lines that wait for one commit, and of
	// their answers, which take answerBytes each.
	maxGather   = 512 << 10
	answerBytes = 64
	// maxBatch bounds the commands of a BATCH, and maxErrors the bytes of its
	// errors. A connection that goes beyond is closed.
	maxBatch  = 1 << 20
	maxErrors = 4 << 20
	// firstRead is how much a connection reads at first. Busy ones grow to
	// maxRead; idle ones, of which there are many, stay small.
	firstRead = maxLine
	maxRead   = 64 << 10
	// fullOut is when replies are sent before all of them are made.
	fullOut = 64 << 10
	// writeWait is how long a client may leave its replies unread, and closeWait
	// how long it may read on when the server is told to stop.
	writeWait = time.Minute
	closeWait = 5 * time.Second
)

// Why a connection is closed, besides the end of its stream.
var (
	errQuit  = errors.New("quit")
	errBatch = errors.New("batch is too long")
)

// A session is one connection. Its goroutine reads what has come, handles all
// whole lines, brings their updates to disk in one go, and then sends the
// replies in order:
//
//	read ──> lines ──> updates ──────> commit ──> replies
//	            └────> answers, in order ──────────┘
//
// Nothing more is read meanwhile: a disk that is slow holds the client back.
type session struct {
	*Collector
	ctx   context.Context // for the store: goes on when the server is told to stop
	conn  net.Conn
	local bool // over the unix socket: the client sees our files

	flushed flushed

	buf      []byte
	filled   int
	skipping bool // inside a line that is too long

	updates  []rrd.SetUpdate
	files    []string // of each of updates, as the client has named it
	texts    []string // what updates refer to
	answers  []answer
	gathered int // bytes of the lines that wait

	batch   int      // commands of the open BATCH, from 1; 0: none is open
	errors  []string // of the BATCH
	errText int      // bytes of errors

	out []byte
}

// An answer is what a line is replied with once all updates before it are on
// disk.
type answer struct {
	text        string // of the reply, or the error that an UPDATE has already
	failed      bool
	first, last int // updates of an UPDATE
	update      bool
	cmd         int // number in a BATCH; 0: outside
	end         bool
}

// serve owns conn.
func (s *Collector) serve(ctx context.Context, conn net.Conn) {
	done := make(chan struct{})
	defer close(done)
	stop := context.AfterFunc(ctx, func() {
		conn.SetReadDeadline(time.Unix(1, 0))
		select {
		case <-done:
		case <-time.After(closeWait):
			conn.Close()
		}
	})
	defer stop()
	defer conn.Close()
	_, local := conn.(*net.UnixConn)
	// What was read is brought home even where we are told to stop.
	c := &session{Collector: s, ctx: context.WithoutCancel(ctx), conn: conn, local: local, buf: make([]byte, firstRead)}
	err := c.run(ctx)
	if errors.Is(err, io.EOF) || errors.Is(err, errQuit) || ctx.Err() != nil {
		return
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.env.Stats.Add("timed_out", 1)
	case errors.Is(err, errBatch):
		s.env.Stats.Add("batch_too_long", 1)
	}
	s.env.Log.Debug("connection ended", "addr", conn.RemoteAddr().String(), "err", err)
}

// run serves until the stream ends, and says of what: io.EOF, where the client
// wanted it.
func (c *session) run(ctx context.Context) error {
	for {
		read := c.read(ctx)
		err := c.lines()
		// An open BATCH is replied to at its end, so it is committed there.
		if c.batch == 0 || c.gathered >= maxGather || read != nil || err != nil {
			err = errors.Join(err, c.settle())
		}
		if err = errors.Join(err, c.send()); err != nil {
			return err
		}
		if read != nil {
			return read
		}
	}
}

// read adds to buf what has come.
func (c *session) read(ctx context.Context) error {
	if err := c.conn.SetReadDeadline(time.Now().Add(c.conf.IdleTimeout)); err != nil {
		return err
	}
	// The end of ctx sets a deadline in the past, which the line above may have
	// just undone.
	if err := ctx.Err(); err != nil {
		return err
	}
	n, err := c.conn.Read(c.buf[c.filled:])
	c.filled += n
	return err
}

// lines handles the whole lines of buf, and keeps the rest of it.
func (c *session) lines() error {
	full := c.filled == len(c.buf)
	end := bytes.LastIndexByte(c.buf[:c.filled], '\n') + 1
	block := string(c.buf[:end])
	c.filled = copy(c.buf, c.buf[end:c.filled])
	for block != "" {
		var line string
		line, block, _ = strings.Cut(block, "\n")
		if err := c.line(line); err != nil {
			return err
		}
	}
	if c.filled >= maxLine {
		c.skipping, c.filled = true, 0
	}
	if full && len(c.buf) < maxRead {
		c.buf = append(c.buf, make([]byte, min(3*len(c.buf), maxRead-len(c.buf)))...)
	}
	return nil
}

// line handles a line without its newline.
func (c *session) line(line string) error {
	if c.gathered += len(line) + answerBytes; c.gathered >= maxGather {
		if err := c.settle(); err != nil {
			return err
		}
	}
	if c.batch > 0 {
		if c.batch > maxBatch {
			return errBatch
		}
		defer func() {
			if c.batch > 0 {
				c.batch++
			}
		}()
	}
	if c.skipping || len(line) >= maxLine {
		c.skipping = false
		c.env.Stats.Add("line_too_long", 1)
		return c.fail("Line is longer than %d bytes", maxLine)
	}
	return c.command(strings.TrimSuffix(line, "\r"))
}

// reply answers in a BATCH nothing, else "<n> text"; n is how many lines of
// text follow the first.
func (c *session) reply(n int, text string) error {
	if c.batch > 0 {
		return nil
	}
	return c.say(answer{text: fmt.Sprintf("%d %s\n", n, text)})
}

// fail answers with an error.
func (c *session) fail(format string, args ...any) error {
	return c.say(answer{text: fmt.Sprintf(format, args...), failed: true, cmd: c.batch})
}

// say gives an answer after those that wait for a commit.
func (c *session) say(a answer) error {
	if len(c.answers) > 0 {
		c.answers = append(c.answers, a)
		return nil
	}
	return c.write(a)
}

// settle brings the gathered updates to disk and writes the answers that wait
// for it.
func (c *session) settle() error {
	var verdicts map[int]string
	if len(c.updates) > 0 {
		verdicts = c.commit()
	}
	var err error
	for _, a := range c.answers {
		if a.update {
			c.judge(&a, verdicts)
		}
		err = errors.Join(err, c.write(a))
	}
	c.updates, c.texts, c.files, c.answers = emptied(c.updates), emptied(c.texts), emptied(c.files), emptied(c.answers)
	c.gathered = 0
	return err
}

// keep is how many elements an idle connection has room for.
const keep = 2048

// emptied lets go of the text that s refers to, and of s where it is large.
func emptied[T any](s []T) []T {
	if cap(s) > keep {
		return nil
	}
	clear(s)
	return s[:0]
}

// judge completes the answer to an UPDATE.
func (c *session) judge(a *answer, verdicts map[int]string) {
	for i := a.first; i < a.last && !a.failed && len(verdicts) > 0; i++ {
		if text, bad := verdicts[i]; bad {
			a.text, a.failed = text, true
		}
	}
	if !a.failed && a.cmd == 0 {
		a.text = fmt.Sprintf("0 errors, enqueued %d value(s).\n", a.last-a.first)
	}
}

// write puts an answer into out.
func (c *session) write(a answer) error {
	switch {
	case a.end:
		c.out = fmt.Appendf(c.out, "%d errors\n", len(c.errors))
		for _, e := range c.errors {
			c.out = append(append(c.out, e...), '\n')
		}
		c.errors, c.errText = nil, 0
	case a.failed && a.cmd > 0:
		text := fmt.Sprintf("%d %s", a.cmd, oneLine(a.text))
		if c.errText += len(text); c.errText > maxErrors {
			return errBatch
		}
		c.errors = append(c.errors, text)
	case a.failed:
		c.out = append(append(append(c.out, "-1 "...), oneLine(a.text)...), '\n')
	case a.cmd == 0:
		c.out = append(c.out, a.text...)
	}
	return c.sendFull()
}

// oneLine keeps an error from being taken for several lines.
func oneLine(text string) string { return strings.ReplaceAll(text, "\n", "; ") }

// sendFull sends replies where there are many.
func (c *session) sendFull() error {
	if len(c.out) < fullOut {
		return nil
	}
	return c.send()
}

func (c *session) send() error {
	if len(c.out) == 0 {
		return nil
	}
	if err := c.conn.SetWriteDeadline(time.Now().Add(writeWait)); err != nil {
		return err
	}
	_, err := c.conn.Write(c.out)
	c.out = c.out[:0]
	if cap(c.out) > 4*fullOut {
		c.out = nil
	}
	return err
}
