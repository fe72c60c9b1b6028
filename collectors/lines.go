package collectors

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// MaxLine is the longest line that a LineServer takes. Longer ones are counted
// ("line_too_long") and skipped up to their end.
const MaxLine = 64 << 10

// firstRead is how much a connection reads at first. Busy ones grow to
// MaxLine; idle ones, of which there are many, stay small.
const firstRead = 4 << 10

// A LineServer takes newline-separated text over TCP.
type LineServer struct {
	Env      Env
	Feed     *Feed
	Listener net.Listener // Serve owns and closes it
	Bind     Bind
	MaxConns int           // more are closed at once, and counted ("too_many_connections")
	Idle     time.Duration // a silent connection is closed after that
	Parse    Parser
}

// Serve accepts connections until ctx ends, and returns when all of them are
// closed and what they brought is appended.
func (s *LineServer) Serve(ctx context.Context) error {
	conns := &ConnServer{Env: s.Env, Listener: s.Listener, Bind: s.Bind, MaxConns: s.MaxConns, Handle: s.serve}
	return conns.Serve(ctx)
}

// serve owns conn. Where the store failed, the connection is reset instead of
// closed, so that the client does not take its lines for stored.
func (s *LineServer) serve(ctx context.Context, conn net.Conn) {
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	// What was read is brought home even where we are told to stop.
	home := context.WithoutCancel(ctx)
	stored, err := s.read(ctx, home, conn)
	if tcp, ok := conn.(*net.TCPConn); ok && (!stored || s.Feed.Flush(home) != nil) {
		tcp.SetLinger(0)
	}
	conn.Close()
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil {
		s.Env.Log.Debug("connection ended", "addr", conn.RemoteAddr().String(), "err", err)
	}
}

// read writes all blocks of lines into the store. Its error is nil at the end
// of the stream; stored says whether the store took every block.
func (s *LineServer) read(ctx, home context.Context, conn net.Conn) (stored bool, err error) {
	r := lineReader{src: s.untilIdle(ctx, conn)}
	defer func() {
		s.Env.Stats.Add("line_too_long", r.tooLong)
		s.Env.Stats.Add("cut_short", r.cut)
	}()
	for {
		block, err := r.next()
		if block != "" {
			if err := s.Feed.Write(home, block, s.Parse); err != nil {
				return false, err
			}
		}
		if err == io.EOF {
			return true, nil
		}
		if err != nil {
			return true, err
		}
	}
}

// untilIdle reads from conn, and fails when it is silent for too long.
func (s *LineServer) untilIdle(ctx context.Context, conn net.Conn) readFunc {
	return func(p []byte) (int, error) {
		if err := conn.SetReadDeadline(time.Now().Add(s.Idle)); err != nil {
			return 0, err
		}
		// The end of ctx sets a deadline in the past, which the line above may
		// have just undone.
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return conn.Read(p)
	}
}

type readFunc func(p []byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// A lineReader cuts a stream into blocks of whole lines.
type lineReader struct {
	src      io.Reader
	buf      []byte
	n        int  // bytes of buf that are filled
	skipping bool // inside a line that is too long
	tooLong  int  // lines skipped
	cut      int  // 1 where an error cut the last line short
}

// next returns the next whole lines, with their newlines, as one string. The
// last line of a stream needs no newline. A block may come with io.EOF.
func (r *lineReader) next() (block string, err error) {
	if r.buf == nil {
		r.buf = make([]byte, firstRead)
	}
	for {
		if r.n == len(r.buf) {
			r.room()
		}
		m, err := r.src.Read(r.buf[r.n:])
		r.n += m
		busy := r.n == len(r.buf)
		block = r.take(r.n - m)
		if busy && len(r.buf) < MaxLine {
			r.grow()
		}
		if err != nil {
			return block + r.last(err), err
		}
		if block != "" {
			return block, nil
		}
	}
}

// room makes the buffer larger, or gives up its only line.
func (r *lineReader) room() {
	if len(r.buf) < MaxLine {
		r.grow()
		return
	}
	if !r.skipping {
		r.tooLong++
	}
	r.skipping, r.n = true, 0
}

func (r *lineReader) grow() { r.buf = append(r.buf, make([]byte, len(r.buf))...) }

// take cuts off the whole lines; there was no newline before from.
func (r *lineReader) take(from int) string {
	end := bytes.LastIndexByte(r.buf[from:r.n], '\n')
	if end < 0 {
		return ""
	}
	start := 0
	if r.skipping {
		start = from + bytes.IndexByte(r.buf[from:r.n], '\n') + 1
		r.skipping = false
	}
	end += from + 1
	block := string(r.buf[start:end])
	r.n = copy(r.buf, r.buf[end:r.n])
	return block
}

// last returns the line at the end of the stream. A stream that ended in an
// error may have ended inside a number: its last line is dropped.
func (r *lineReader) last(err error) string {
	n := r.n
	r.n = 0
	if n == 0 || r.skipping {
		return ""
	}
	if err != io.EOF {
		r.cut++
		return ""
	}
	return string(r.buf[:n])
}
