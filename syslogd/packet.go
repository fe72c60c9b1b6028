package syslogd

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"rondo/syslogd/syslog"
	"rondo/syslogd/syslog/gelf"
)

const (
	maxDatagram = 64 << 10

	restTime  = 2 * time.Second       // for reading what waits in a socket at the end
	restPause = 20 * time.Millisecond // without anything means that nothing is left

	gelfPatience = time.Second // how often incomplete messages are looked at
)

// packetConn is a socket of datagrams.
type packetConn interface {
	net.PacketConn
	syscall.Conn
}

// A packet is one datagram.
type packet struct {
	data []byte
	cut  bool // it was longer than maxDatagram
	from netip.Addr
	cred credentials
}

// credentials are what the kernel says of a local sender.
type credentials struct {
	known bool
	pid   int32
	uid   uint32
}

// servePackets reads datagrams until ctx ends. One goroutine for each socket
// only reads, so that the kernel's buffer is empty when a burst comes; this
// one stores.
func (l *listener) servePackets(ctx context.Context) error {
	// Local senders wait for room; those of the network cannot.
	q := newPackets(l.Proto == Unix)
	readers := make([]*packetReader, len(l.socket.packets))
	for i, conn := range l.socket.packets {
		var err error
		if readers[i], err = newPacketReader(conn, maxDatagram); err != nil {
			return err
		}
	}
	done := make(chan error, 1)
	go func() {
		defer q.close()
		g, ctx := errgroup.WithContext(ctx)
		for i, conn := range l.socket.packets {
			g.Go(func() error { return l.readPackets(ctx, conn, readers[i], q) })
		}
		if l.Format == FormatGELF {
			g.Go(func() error { return q.wakeEvery(ctx, gelfPatience) })
		}
		done <- g.Wait()
	}()
	work, cancel := lasting(ctx)
	defer cancel()
	judge, decode := l.judge(), l.parsePackets
	var gelfs gelfPackets
	if l.Format == FormatGELF {
		gelfs.l, gelfs.decoder.MaxBytes = l, l.MaxMessage
		decode = gelfs.decode
	}
	var batch []syslog.Message
	for b := range q.batches() {
		l.srv.stats.Add(l.received, len(b.waiting))
		for part := range b.portions() {
			batch = decode(batch[:0], part)
			l.srv.store(work, l.admit(judge, batch))
			clear(batch)
		}
	}
	l.srv.store(work, gelfs.rest())
	return <-done
}

// readPackets puts datagrams into the queue until ctx ends, and then those
// that wait in the socket.
func (l *listener) readPackets(ctx context.Context, conn packetConn, r *packetReader, q *packets) error {
	// A server before us may have left a deadline.
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		conn.SetReadDeadline(time.Now())
		close(interrupted)
	})
	defer stop()
	for ctx.Err() == nil {
		n, err := r.next()
		switch {
		case err == nil:
			l.takePackets(q, r, n)
		case errors.Is(err, net.ErrClosed):
			return err
		case ctx.Err() == nil: // such as an ICMP error: the socket is still good
			l.log.Debug("read failed", "err", err)
			sleep(ctx, acceptPause)
		}
	}
	<-interrupted // else it would end the next read too
	return l.readRest(conn, r, q)
}

// readRest takes what the kernel holds for us when the server stops; nobody
// else will. It ends when nothing is left, or after restTime: a sender that
// goes on must not keep the server from stopping.
func (l *listener) readRest(conn packetConn, r *packetReader, q *packets) error {
	for end := time.Now().Add(restTime); time.Now().Before(end); {
		if err := conn.SetReadDeadline(time.Now().Add(restPause)); err != nil {
			return err
		}
		n, err := r.next()
		switch {
		case err == nil:
			l.takePackets(q, r, n)
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		}
	}
	l.log.Warn("stopped while datagrams still come: they wait for the next server, if there is one, or are lost", "addr", conn.LocalAddr().String())
	return nil
}

// takePackets queues the n datagrams of the last read that are admitted.
func (l *listener) takePackets(q *packets, r *packetReader, n int) {
	now := time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range n {
		p := r.packet(i)
		switch {
		case !l.allowed(p.from):
			l.srv.refused.add("refused_network", p.from, 1)
		case !l.rates.take(p.from, now):
			l.srv.refused.add("refused_rate", p.from, 1)
		case !q.add(p, now):
			l.srv.refused.add("refused_crowded", p.from, 1)
		}
	}
}

// parsePackets makes one string of the batch, of which all messages are parts.
func (l *listener) parsePackets(dst []syslog.Message, b packetBatch) []syslog.Message {
	block := string(b.bytes)
	start, truncated := 0, 0
	for _, p := range b.waiting {
		line := syslog.TrimTrailer(block[start:p.end])
		start = p.end
		if line == "" {
			continue
		}
		long := p.cut || len(line) > l.MaxMessage
		if long {
			line = line[:min(len(line), l.MaxMessage)]
			truncated++
		}
		m := l.parse(syslog.Frame{Line: line, Truncated: long}, time.Unix(0, p.at).In(l.zone), p.from)
		l.sign(&m, p.cred)
		dst = append(dst, m)
	}
	l.srv.stats.Add("truncated", truncated)
	return dst
}

// gelfPackets puts the parts of GELF messages together. What does not become
// complete in time comes as it is.
type gelfPackets struct {
	l       *listener
	chunks  gelf.Chunks
	decoder gelf.Decoder
}

func (g *gelfPackets) decode(dst []syslog.Message, b packetBatch) []syslog.Message {
	for _, payload := range g.chunks.Expire(time.Now().In(g.l.zone)) {
		dst = append(dst, g.l.decodeGELF(&g.decoder, payload))
	}
	start := 0
	for _, p := range b.waiting {
		data := b.bytes[start:p.end]
		start = p.end
		if len(data) == 0 {
			continue
		}
		payloads := g.chunks.Add(data, p.from, time.Unix(0, p.at).In(g.l.zone))
		for _, payload := range payloads {
			m := g.l.decodeGELF(&g.decoder, payload)
			g.l.sign(&m, p.cred)
			dst = append(dst, m)
		}
	}
	return dst
}

// rest is what will not become complete.
func (g *gelfPackets) rest() (all []syslog.Message) {
	for _, payload := range g.chunks.Close() {
		all = append(all, g.l.decodeGELF(&g.decoder, payload))
	}
	return all
}
