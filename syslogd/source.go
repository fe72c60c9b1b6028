package syslogd

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"time"

	"rondo/syslogd/syslog"
	"rondo/syslogd/syslog/gelf"
	"rondo/syslogd/syslog/journal"
)

// A source reads messages of one format from a stream.
type source interface {
	// next puts at least one message into the batch, unless the stream ends.
	next(b *streamBatch) error
}

// A streamBatch is what was read from a connection and is not stored yet. It
// is stored before each further read: nothing waits in it for a sender.
type streamBatch struct {
	l      *listener
	ctx    context.Context // of the connection
	work   context.Context // of the store; it lasts longer
	r      io.Reader
	sender netip.Addr
	cred   credentials
	judge  *strict

	messages []syslog.Message
	lost     bool // something was not stored
}

func (l *listener) newStreamBatch(ctx, work context.Context, conn net.Conn, r io.Reader) *streamBatch {
	return &streamBatch{
		l: l, ctx: ctx, work: work, r: r,
		sender: peer(conn), cred: peerOf(conn), judge: l.judge(),
	}
}

// source returns what reads the listener's format from the batch's stream.
func (b *streamBatch) source() source {
	switch b.l.Format {
	case FormatGELF:
		return &gelfSource{stream: gelf.NewStream(b, b.l.MaxMessage), decoder: gelf.Decoder{MaxBytes: b.l.MaxMessage}}
	case FormatJournal:
		return &journalSource{r: journal.NewReader(b, b.sender, journal.Limits{Message: b.l.MaxMessage})}
	}
	return &syslogSource{framer: b.framer()}
}

// Read stores what there is and reads on.
func (b *streamBatch) Read(p []byte) (int, error) {
	b.store()
	return b.r.Read(p)
}

func (b *streamBatch) add(m syslog.Message) {
	b.l.sign(&m, b.cred)
	b.messages = append(b.messages, m)
}

// store empties the batch, and has a sender wait that has sent too much.
func (b *streamBatch) store() {
	n := len(b.messages)
	if n == 0 {
		return
	}
	b.l.srv.stats.Add(b.l.received, n)
	if !b.l.srv.store(b.work, b.l.admit(b.judge, b.messages)) {
		b.lost = true
	}
	clear(b.messages) // the strings are not needed any more
	b.messages = b.messages[:0]
	b.l.rates.pace(b.ctx, b.sender, n)
}

// now is the reception of a message, in the zone of its sender.
func (b *streamBatch) now() time.Time { return time.Now().In(b.l.zone) }

// A framer cuts a stream into frames; see syslog.Framer.
type framer interface {
	Append([]syslog.Frame) ([]syslog.Frame, error)
	Stats() syslog.FramerStats
}

func (b *streamBatch) framer() framer {
	switch b.l.Framing {
	case FramingOctets:
		return syslog.NewOctetFramer(b, b.l.MaxMessage)
	case FramingNewline:
		return syslog.NewDelimitedFramer(b, b.l.MaxMessage, '\n')
	case FramingNUL:
		return syslog.NewDelimitedFramer(b, b.l.MaxMessage, 0)
	}
	return syslog.NewFramer(b, b.l.MaxMessage)
}

// syslogSource reads RFC 5424, RFC 3164 and their relatives.
type syslogSource struct {
	framer framer
	frames []syslog.Frame
	seen   syslog.FramerStats
}

func (s *syslogSource) next(b *streamBatch) error {
	var err error
	s.frames, err = s.framer.Append(s.frames[:0])
	now := b.now()
	for _, f := range s.frames {
		b.add(b.l.parse(f, now, b.sender))
	}
	clear(s.frames)
	stats, count := b.l.srv.stats, s.framer.Stats()
	stats.Add("truncated", int(count.Truncated-s.seen.Truncated))
	stats.Add("bad_counts", int(count.BadCounts-s.seen.BadCounts))
	s.seen = count
	return err
}

// gelfSource reads GELF objects that end with a NUL.
type gelfSource struct {
	stream   *gelf.Stream
	decoder  gelf.Decoder
	payloads []gelf.Payload
}

func (s *gelfSource) next(b *streamBatch) error {
	var err error
	s.payloads, err = s.stream.Append(s.payloads[:0])
	now := b.now()
	for _, p := range s.payloads {
		p.From, p.Received = b.sender, now
		b.add(b.l.decodeGELF(&s.decoder, p))
	}
	return err
}

// decodeGELF makes a message of a payload, whatever it is.
func (l *listener) decodeGELF(d *gelf.Decoder, p gelf.Payload) syslog.Message {
	m, err := d.Decode(p)
	if reason, ok := errors.AsType[gelf.Reason](err); ok {
		l.srv.stats.Add("gelf_"+string(reason), 1)
	}
	return m
}

// journalSource reads systemd's export format.
type journalSource struct {
	r    *journal.Reader
	seen journal.Stats
}

func (s *journalSource) next(b *streamBatch) error {
	m, err := s.r.Next(b.now())
	if err == nil || m.Raw != "" {
		b.add(m)
	}
	stats, count := b.l.srv.stats, s.r.Stats()
	stats.Add("truncated", int(count.Truncated-s.seen.Truncated))
	stats.Add("journal_skipped_fields", int(count.Skipped-s.seen.Skipped))
	s.seen = count
	if errors.Is(err, journal.ErrName) || errors.Is(err, journal.ErrLine) {
		stats.Add("bad_journal", 1)
	}
	return err
}
