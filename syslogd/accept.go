package syslogd

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// acceptPause is how long to wait after an Accept that failed, as when there
// are no more file descriptors.
const acceptPause = 100 * time.Millisecond

// bindTCP binds the socket of all protocols over TCP.
func (l *listener) bindTCP(s *socket) error {
	streams, err := net.Listen("tcp", l.Listen)
	if err != nil {
		return err
	}
	s.streams = streams.(*net.TCPListener)
	return nil
}

// serveStreams accepts connections until ctx ends, and waits for them.
func (l *listener) serveStreams(ctx context.Context) error {
	streams := l.socket.streams
	// The socket may be taken over: its deadline is what ends Accept, and not
	// its end.
	if err := streams.SetDeadline(time.Time{}); err != nil {
		return err
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		streams.SetDeadline(time.Now())
	})
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		conn, err := streams.Accept()
		switch {
		case err != nil && ctx.Err() != nil:
			<-interrupted
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil:
			l.log.Warn("accept failed", "err", err)
			sleep(ctx, acceptPause)
			continue
		}
		from := peer(conn)
		if reason := l.enter(from); reason != "" {
			l.srv.refused.add("refused_connections_"+reason, from, 1)
			l.log.Debug("connection refused", "addr", conn.RemoteAddr().String(), "reason", reason)
			conn.Close()
			continue
		}
		wg.Go(func() {
			defer l.open.leave(from)
			l.serve(ctx, conn)
		})
	}
}

// enter admits a connection, or returns the reason why not.
func (l *listener) enter(from netip.Addr) (reason string) {
	if !l.allowed(from) {
		return "allow"
	}
	return l.open.enter(from, l.MaxConnections, l.MaxPerPeer)
}

// serve serves one connection, which it closes, by its protocol.
func (l *listener) serve(ctx context.Context, conn net.Conn) {
	if l.certs != nil {
		secured, ok := l.handshake(ctx, conn)
		if !ok {
			conn.Close()
			return
		}
		conn = secured
	}
	if l.Proto.isRELP() {
		l.serveRELP(ctx, conn)
		return
	}
	l.serveConn(ctx, conn)
}

// connections counts those that are open.
type connections struct {
	mu     sync.Mutex
	all    int
	byPeer map[netip.Addr]int
}

// enter counts one more, or returns the limit that is against it. The peers
// of unix sockets have no address and are not told apart.
func (c *connections) enter(from netip.Addr, most, mostOfPeer int) (reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.all >= most:
		return "max"
	case from.IsValid() && c.byPeer[from] >= mostOfPeer:
		return "peer"
	}
	if c.byPeer == nil {
		c.byPeer = map[netip.Addr]int{}
	}
	c.all++
	c.byPeer[from]++
	return ""
}

func (c *connections) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all
}

func (c *connections) leave(from netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
	if c.byPeer[from]--; c.byPeer[from] == 0 {
		delete(c.byPeer, from)
	}
}
