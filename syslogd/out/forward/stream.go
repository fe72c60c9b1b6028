package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// A stream is syslog over TCP, or over TLS. There is no answer in it: what the
// peer's kernel has acknowledged counts as delivered.
type stream struct {
	conn    net.Conn // what is written to
	below   *counted // the TCP connection; conn itself, or that under TLS
	enc     encoder
	framing Framing

	buf    []byte
	held   uint64 // messages in buf
	sent   uint64 // messages that were written
	acked  uint64 // messages that the peer's kernel has
	marks  []mark // chunks that it may not have yet, oldest first
	closed bool   // our side of the TCP connection

	left    chan struct{} // closed when the peer has closed its side, or worse
	leftErr error         // why; nil for an orderly end
}

// A mark says how many messages the peer has once it has so many bytes.
type mark struct {
	bytes    int64
	messages uint64
}

func newStream(conn net.Conn, below *counted, enc encoder, framing Framing) *stream {
	s := &stream{conn: conn, below: below, enc: enc, framing: framing, left: make(chan struct{})}
	go func() { // ends with the connection, for which close waits
		defer close(s.left)
		// Syslog servers say nothing: reading sees them leave.
		_, s.leftErr = io.Copy(io.Discard, conn)
	}()
	return s
}

func (s *stream) broken() <-chan struct{} { return s.left }

func (s *stream) send(ctx context.Context, m keyed) error {
	s.buf = s.enc.appendFramed(s.buf, m, s.framing)
	s.held++
	if len(s.buf) < chunkBytes {
		return nil
	}
	return s.flush(ctx)
}

func (s *stream) flush(ctx context.Context) error {
	if s.held == 0 {
		return nil
	}
	stop, err := until(ctx, s.conn)
	if err != nil {
		return err
	}
	defer stop()
	n, err := s.conn.Write(s.buf)
	if err != nil {
		return fmt.Errorf("wrote %d of %d bytes: %w", n, len(s.buf), err)
	}
	s.sent += s.held
	s.marks = append(s.marks, mark{s.below.written.Load(), s.sent})
	s.buf, s.held = s.buf[:0], 0
	return nil
}

func (s *stream) settled() uint64 {
	if len(s.marks) == 0 {
		return s.acked
	}
	waiting, known := s.unacknowledged()
	if !known {
		return s.acked
	}
	has, n := s.below.written.Load()-int64(waiting), 0
	for n < len(s.marks) && s.marks[n].bytes <= has {
		s.acked = s.marks[n].messages
		n++
	}
	s.marks = append(s.marks[:0], s.marks[n:]...)
	return s.acked
}

// unacknowledged is how many bytes the peer's kernel does not have.
func (s *stream) unacknowledged() (n int, known bool) {
	orderly := false // both sides have closed, none of them by force
	select {
	case <-s.left:
		orderly = s.closed && s.leftErr == nil
	default:
	}
	return unacknowledged(s.below.TCPConn, orderly)
}

// close writes what is left, closes our side and waits for the server to close
// its own: servers do that once they have read everything.
func (s *stream) close(ctx context.Context) error {
	err := s.leave(ctx)
	s.settled()
	closeErr := s.below.TCPConn.Close() // wakes the reader; TLS has said goodbye
	<-s.left
	return errors.Join(err, closeErr)
}

func (s *stream) leave(ctx context.Context) error {
	select {
	case <-s.left: // nobody there to leave
		return nil
	default:
	}
	if err := s.flush(ctx); err != nil {
		return err
	}
	if err := s.closeWrite(ctx); err != nil {
		return err
	}
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	patience := time.NewTimer(leaveTimeout)
	defer patience.Stop()
	left := s.left
	for {
		select {
		case <-left:
			left = nil // what it has acknowledged may still be on its way
		case <-ticker.C:
			if left == nil && (s.settled() == s.sent || !s.connected()) {
				return nil
			}
		case <-patience.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// connected reports whether more can become known.
func (s *stream) connected() bool {
	_, known := s.unacknowledged()
	return known
}

// closeWrite says that nothing more comes.
func (s *stream) closeWrite(ctx context.Context) error {
	stop, err := until(ctx, s.conn)
	if err != nil {
		return err
	}
	defer stop()
	if secured, ok := s.conn.(interface{ CloseWrite() error }); ok && s.conn != net.Conn(s.below) {
		return secured.CloseWrite()
	}
	s.closed = true
	return s.below.CloseWrite()
}
