package syslogd

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"time"

	"rondo/syslogd/relp"
	"rondo/syslogd/syslog"
)

// A relpSession is one connection's conversation; see package relp. A reply
// of 200 means that the message is on disk: all frames that one read finds,
// up to the client's window, are one batch of the sink and share its sync.
type relpSession struct {
	l      *listener
	conn   net.Conn
	sender netip.Addr
	judge  *strict
	opened bool
	ended  bool // after this batch: at the client's wish or for its mistake

	batch   []syslog.Message
	answers []relpAnswer
	buf     []byte
}

// relpAnswer is what is due for a frame. One that waits for the sink has no
// text yet.
type relpAnswer struct {
	txnr   int
	text   string
	stores bool
}

const (
	relpOK       = "200 OK"
	relpSoftware = "rondo"
	// What cannot be answered within this time is not read by the client.
	relpWriteTimeout = time.Minute
)

// serveRELP serves one connection, which it closes, until the client closes
// it, breaks the protocol, is idle for too long, or ctx ends. What was not
// answered by then the client sends again, elsewhere or later.
func (l *listener) serveRELP(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	work, cancel := lasting(ctx)
	defer cancel()
	r, stop := newConnReader(ctx, conn, l.IdleTimeout)
	defer stop()
	s := &relpSession{l: l, conn: conn, sender: peer(conn), judge: l.judge()}
	frames, reader := []relp.Frame(nil), relp.NewReader(r, l.MaxMessage)
	for {
		var err error
		frames, err = reader.Append(frames[:0])
		if !s.handle(work, frames) || err != nil {
			s.end(err)
			return
		}
		l.rates.pace(ctx, s.sender, len(frames))
		clear(frames)
	}
}

// handle stores the messages of a batch and then answers all its frames. It
// reports whether the session goes on.
func (s *relpSession) handle(ctx context.Context, frames []relp.Frame) bool {
	s.batch, s.answers = s.batch[:0], s.answers[:0]
	now := time.Now().In(s.l.zone)
	for i := range frames {
		if s.ended {
			break // nothing may follow; what does is not answered
		}
		s.take(&frames[i], now)
	}
	stored := s.store(ctx)
	return s.reply(stored) && stored && !s.ended
}

// store makes the batch durable. A strict listener leaves out what is not to
// the letter, and answers it all the same: the client could but send it again.
func (s *relpSession) store(ctx context.Context) bool {
	s.l.srv.stats.Add(s.l.received, len(s.batch))
	batch := s.l.admit(s.judge, s.batch)
	defer clear(s.batch)
	if len(batch) == 0 {
		return true
	}
	return s.l.srv.taken(s.l.srv.sink.Put(ctx, batch))
}

// reply writes the answers. If the batch was not stored, that is the answer
// to each of its messages: the client ends the session and sends them again.
func (s *relpSession) reply(stored bool) bool {
	s.buf = s.buf[:0]
	for _, a := range s.answers {
		if a.stores {
			a.text = relpOK
			if !stored {
				a.text = "500 not stored"
			}
		}
		s.buf = relp.AppendFrame(s.buf, a.txnr, relp.Response, a.text)
	}
	if len(s.buf) == 0 {
		return true
	}
	return s.write(s.buf) == nil
}

func (s *relpSession) write(b []byte) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(relpWriteTimeout)); err != nil {
		return err
	}
	_, err := s.conn.Write(b)
	return err
}

// end takes leave. The client knows by its unanswered frames what is missing.
func (s *relpSession) end(cause error) {
	if errors.Is(cause, relp.ErrSyntax) || errors.Is(cause, relp.ErrTooLong) {
		s.l.srv.stats.Add("bad_relp", 1)
	}
	if cause != nil && !errors.Is(cause, io.EOF) {
		s.l.log.Debug("connection ended", "addr", s.conn.RemoteAddr().String(), "err", cause)
	}
	if !errors.Is(cause, io.EOF) {
		_ = s.write(relp.AppendFrame(nil, 0, relp.ServerClose, "")) // a hint, no more
	}
}

// take looks at one frame.
func (s *relpSession) take(f *relp.Frame, now time.Time) {
	answer := relpAnswer{txnr: f.Txnr}
	switch {
	case f.Command == relp.Open:
		answer.text = s.open(relp.ParseOffers(f.Data))
	case f.Command == relp.Close:
		s.ended = true
	case !s.opened:
		answer.text, s.ended = "500 the first command is open", true
	case f.Command == relp.Syslog:
		answer.stores = true
		s.takeMessage(f, now)
	default:
		answer.text = "500 unknown command"
	}
	s.answers = append(s.answers, answer)
}

func (s *relpSession) takeMessage(f *relp.Frame, now time.Time) {
	line := syslog.TrimTrailer(f.Data)
	if line == "" {
		return
	}
	if f.Truncated {
		s.l.srv.stats.Add("truncated", 1)
	}
	s.batch = append(s.batch, s.l.parse(syslog.Frame{Line: line, Truncated: f.Truncated}, now, s.sender))
}

// open answers a client's offers with ours.
func (s *relpSession) open(o relp.Offers) string {
	switch {
	case o.Version != relp.Version:
		s.ended = true
		return "500 relp_version must be " + relp.Version
	case !o.Has(relp.Syslog):
		s.ended = true
		return "500 the command syslog is not offered"
	}
	s.opened = true
	ours := relp.Offers{Version: relp.Version, Software: relpSoftware, Commands: []string{relp.Syslog}}
	return relpOK + "\n" + ours.String()
}
