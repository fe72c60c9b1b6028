package syslogd

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"time"
)

// serveConn reads messages until the peer closes, is idle for too long, or
// ctx ends. All that was read is on the device when it closes conn, which it
// owns: a peer that closes its side first can wait for ours. If it is not, the
// connection is reset, so that the peer does not take its messages for stored.
func (l *listener) serveConn(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	work, cancel := lasting(ctx)
	defer cancel()
	r, stop := newConnReader(ctx, conn, l.IdleTimeout)
	defer stop()

	b := l.newStreamBatch(ctx, work, conn, r)
	source := b.source()
	for {
		if err := source.next(b); err != nil {
			b.store()
			l.endConn(work, conn, !b.lost, err)
			return
		}
	}
}

// endConn makes what the connection sent durable, and has it reset if that or
// storing it failed.
func (l *listener) endConn(ctx context.Context, conn net.Conn, stored bool, cause error) {
	if !errors.Is(cause, io.EOF) {
		l.log.Debug("connection ended", "addr", conn.RemoteAddr().String(), "err", cause)
	}
	if err := l.srv.sink.Put(ctx, nil); err != nil {
		l.log.Error("messages may not be on disk", "addr", conn.RemoteAddr().String(), "err", err)
		stored = false
	}
	if !stored {
		reset(conn)
	}
}

// reset closes a connection so that the peer cannot take it for an orderly
// end: with TLS, without the close_notify that Close sends.
func reset(conn net.Conn) {
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		// It fails only if the connection is broken, which tells the peer too.
		_ = tcp.SetLinger(0)
	}
	conn.Close()
}

// peerOf is who is at the other end of a unix socket.
func peerOf(conn net.Conn) credentials {
	if local, ok := conn.(*net.UnixConn); ok {
		return peerCredentials(local)
	}
	return credentials{}
}

func peer(conn net.Conn) netip.Addr {
	if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// A connReader gives every read the same time. Once ctx has ended it still
// reads what the kernel holds: that is acknowledged to the peer's kernel, and
// nobody else will read it.
type connReader struct {
	ctx         context.Context
	conn        net.Conn
	idle        time.Duration
	interrupted chan struct{} // the end of ctx has cut a waiting read short
	restEnd     time.Time     // of reading the rest
}

// newConnReader returns a reader, and what ends its watch over ctx.
func newConnReader(ctx context.Context, conn net.Conn, idle time.Duration) (r *connReader, stop func() bool) {
	r = &connReader{ctx: ctx, conn: conn, idle: idle, interrupted: make(chan struct{})}
	stop = context.AfterFunc(ctx, func() {
		conn.SetReadDeadline(time.Now())
		close(r.interrupted)
	})
	return r, stop
}

func (r *connReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return r.readRest(p)
	}
	if err := r.conn.SetReadDeadline(time.Now().Add(r.idle)); err != nil {
		return 0, err
	}
	// Whoever ends ctx sets a deadline too: looking after ours is set leaves
	// no gap between the two.
	if r.ctx.Err() != nil {
		return r.readRest(p)
	}
	n, err := r.conn.Read(p)
	if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && r.ctx.Err() != nil {
		return r.readRest(p)
	}
	return n, err
}

// readRest reads what is there, for restTime at most: a sender that goes on
// must not keep the server from stopping.
func (r *connReader) readRest(p []byte) (int, error) {
	<-r.interrupted // else it would end this read too
	now := time.Now()
	if r.restEnd.IsZero() {
		r.restEnd = now.Add(restTime)
	}
	if now.After(r.restEnd) {
		return 0, r.ctx.Err()
	}
	if err := r.conn.SetReadDeadline(now.Add(restPause)); err != nil {
		return 0, err
	}
	return r.conn.Read(p)
}
