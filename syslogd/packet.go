package syslogd

import (
	"context"
	"errors"
	"iter"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"rondo/syslogd/syslog"
)

const (
	maxDatagram = 64 << 10
	// What may wait between the reader and the store. While a batch is being
	// stored the next one grows, so batches are as large as the load.
	maxWaitingBytes   = 32 << 20
	maxWaitingPackets = 128 << 10

	restTime  = 2 * time.Second       // for reading what waits in a socket at the end
	restPause = 20 * time.Millisecond // without a datagram means that none is left
)

// servePackets reads datagrams until ctx ends. One goroutine only reads, so
// that the kernel's buffer is empty when a burst comes; this one stores.
func (l *listener) servePackets(ctx context.Context) error {
	q := newPackets()
	var wg sync.WaitGroup
	defer wg.Wait()
	var readErr error
	wg.Go(func() {
		defer q.close()
		readErr = l.readPackets(ctx, l.packets, q)
	})
	work, cancel := lasting(ctx)
	defer cancel()
	judge := l.judge()
	var batch []syslog.Message
	for b := range q.batches() {
		l.srv.stats.add(l.received, len(b.packets))
		batch = l.parsePackets(batch[:0], b)
		l.srv.store(work, l.admit(judge, batch))
		clear(batch)
	}
	wg.Wait()
	return readErr
}

// readPackets puts datagrams into the queue until ctx ends, and then those
// that wait in the socket.
func (l *listener) readPackets(ctx context.Context, conn net.PacketConn, q *packets) error {
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		conn.SetReadDeadline(time.Now())
		close(interrupted)
	})
	defer stop()
	buf := make([]byte, maxDatagram)
	for ctx.Err() == nil {
		n, from, err := readFrom(conn, buf)
		switch {
		case err == nil:
			l.takePacket(q, buf[:n], from)
		case errors.Is(err, net.ErrClosed):
			return err
		case ctx.Err() == nil: // such as an ICMP error: the socket is still good
			l.log.Debug("read failed", "err", err)
			sleep(ctx, acceptPause)
		}
	}
	<-interrupted // else it would end the next read too
	return l.readRest(conn, q, buf)
}

// readRest takes what the kernel holds for us when the server stops; nobody
// else will. It ends when nothing is left, or after restTime: a sender that
// goes on must not keep the server from stopping.
func (l *listener) readRest(conn net.PacketConn, q *packets, buf []byte) error {
	for end := time.Now().Add(restTime); time.Now().Before(end); {
		if err := conn.SetReadDeadline(time.Now().Add(restPause)); err != nil {
			return err
		}
		n, from, err := readFrom(conn, buf)
		switch {
		case err == nil:
			l.takePacket(q, buf[:n], from)
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		}
	}
	l.log.Warn("stopped while datagrams still come: what the kernel holds of them is lost", "addr", conn.LocalAddr().String())
	return nil
}

func (l *listener) takePacket(q *packets, data []byte, from netip.Addr) {
	if !l.allowed(from) {
		l.srv.stats.add("refused_network", 1)
		return
	}
	q.add(data, from, time.Now())
}

// readFrom avoids the allocation that net.PacketConn makes for the address.
func readFrom(conn net.PacketConn, buf []byte) (int, netip.Addr, error) {
	if udp, ok := conn.(*net.UDPConn); ok {
		n, from, err := udp.ReadFromUDPAddrPort(buf)
		return n, from.Addr().Unmap(), err
	}
	n, _, err := conn.ReadFrom(buf)
	return n, netip.Addr{}, err
}

// parsePackets makes one string of the batch, of which all messages are parts.
func (l *listener) parsePackets(dst []syslog.Message, b packetBatch) []syslog.Message {
	block := string(b.bytes)
	start, truncated := 0, 0
	for _, p := range b.packets {
		line := syslog.TrimTrailer(block[start:p.end])
		start = p.end
		if line == "" {
			continue
		}
		long := len(line) > l.MaxMessage
		if long {
			line = line[:l.MaxMessage]
			truncated++
		}
		dst = append(dst, l.parse(syslog.Frame{Line: line, Truncated: long}, p.at.In(l.zone), p.from))
	}
	l.srv.stats.add("truncated", truncated)
	return dst
}

// packets is a bounded queue of datagrams between one reader and one writer.
// It has two buffers: one grows while the other is stored.
type packets struct {
	mu     sync.Mutex
	turned sync.Cond // something was added, taken or closed
	filled packetBatch
	closed bool
}

// packetBatch is many datagrams in one buffer.
type packetBatch struct {
	bytes   []byte
	packets []packet
}

type packet struct {
	end  int // offset in the buffer
	from netip.Addr
	at   time.Time
}

func newPackets() *packets {
	q := &packets{}
	q.turned.L = &q.mu
	return q
}

// add copies a datagram into the queue. It waits while the queue is full:
// then the kernel's buffer fills up, and the kernel counts what it drops.
func (q *packets) add(data []byte, from netip.Addr, at time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := &q.filled
	for len(b.bytes)+len(data) > maxWaitingBytes || len(b.packets) >= maxWaitingPackets {
		q.turned.Wait()
	}
	if len(b.packets) == 0 {
		q.turned.Signal()
	}
	b.bytes = append(b.bytes, data...)
	b.packets = append(b.packets, packet{len(b.bytes), from, at})
}

// close lets batches end once the queue is empty.
func (q *packets) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.turned.Signal()
}

// batches yields all that waits, again and again, until the queue is closed
// and empty. A batch is valid until the next one.
func (q *packets) batches() iter.Seq[packetBatch] {
	return func(yield func(packetBatch) bool) {
		var spare packetBatch
		for {
			b, ok := q.take(spare)
			if !ok || !yield(b) {
				return
			}
			spare = packetBatch{b.bytes[:0], b.packets[:0]}
			if cap(spare.bytes) > 1<<20 && len(b.bytes) < 64<<10 {
				spare = packetBatch{} // the burst is over
			}
		}
	}
}

// take waits for datagrams and leaves the spare buffer in their place.
func (q *packets) take(spare packetBatch) (packetBatch, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.filled.packets) == 0 && !q.closed {
		q.turned.Wait()
	}
	b := q.filled
	q.filled = spare
	q.turned.Signal()
	return b, len(b.packets) > 0
}
