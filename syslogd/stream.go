package syslogd

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"rondo/syslogd/syslog"
)

// acceptPause is how long to wait after an Accept that failed, as when there
// are no more file descriptors.
const acceptPause = 100 * time.Millisecond

// serveTCP accepts connections until ctx ends, and waits for them.
func (s *Server) serveTCP(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { s.tcp.Close() })
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, s.cfg.MaxConnections)
	for {
		conn, err := s.tcp.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil:
			s.log.Warn("accept failed", "err", err)
			sleep(ctx, acceptPause)
			continue
		}
		if !s.allowed(peer(conn)) {
			s.stats.add("refused_connections", 1)
			s.log.Debug("connection refused: not in allow", "addr", conn.RemoteAddr().String())
			conn.Close()
			continue
		}
		select {
		case slots <- struct{}{}:
			wg.Go(func() {
				defer func() { <-slots }()
				s.serveConn(ctx, conn)
			})
		default:
			s.stats.add("refused_connections", 1)
			s.log.Debug("connection refused: max_connections", "addr", conn.RemoteAddr().String())
			conn.Close()
		}
	}
}

func peer(conn net.Conn) netip.Addr {
	if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// serveConn reads messages until the peer closes, is idle for too long, or
// ctx ends. All that was read is on the device when it closes conn, which it
// owns: a peer that closes its side first can wait for ours. If it is not, the
// connection is reset, so that the peer does not take its messages for stored.
func (s *Server) serveConn(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Now()) })
	defer stop()
	work, cancel := lasting(ctx)
	defer cancel()

	sender, judge := peer(conn), s.judge()
	framer := syslog.NewFramer(&idleReader{ctx, conn, s.cfg.IdleTimeout}, s.cfg.MaxMessage)
	var frames []syslog.Frame
	var batch []syslog.Message
	var seen syslog.FramerStats
	for stored := true; ; {
		var err error
		frames, err = framer.Append(frames[:0])
		now := time.Now().In(s.zone)
		batch = batch[:0]
		for _, f := range frames {
			m := syslog.Parse(f.Line, now, sender)
			m.Truncated = f.Truncated
			batch = append(batch, m)
		}
		s.countFrames(len(frames), framer.Stats(), &seen)
		stored = s.store(work, s.admit(judge, batch)) && stored
		clear(frames)
		clear(batch) // the strings are not needed any more
		if err != nil {
			s.endConn(work, conn, stored, err)
			return
		}
	}
}

// countFrames adds what is new since seen.
func (s *Server) countFrames(n int, now syslog.FramerStats, seen *syslog.FramerStats) {
	s.stats.add("received_tcp", n)
	s.stats.add("truncated", int(now.Truncated-seen.Truncated))
	s.stats.add("bad_counts", int(now.BadCounts-seen.BadCounts))
	*seen = now
}

// endConn makes what the connection sent durable, and has it reset if that or
// storing it failed.
func (s *Server) endConn(ctx context.Context, conn net.Conn, stored bool, cause error) {
	if !errors.Is(cause, io.EOF) {
		s.log.Debug("connection ended", "addr", conn.RemoteAddr().String(), "err", cause)
	}
	if err := s.sink.Put(ctx, nil); err != nil {
		s.log.Error("messages may not be on disk", "addr", conn.RemoteAddr().String(), "err", err)
		stored = false
	}
	if tcp, ok := conn.(*net.TCPConn); ok && !stored {
		// It fails only if the connection is broken, which tells the peer too.
		_ = tcp.SetLinger(0)
	}
}

// idleReader gives every read the same time, and none once ctx has ended.
type idleReader struct {
	ctx  context.Context
	conn net.Conn
	idle time.Duration
}

func (r *idleReader) Read(p []byte) (int, error) {
	if err := r.conn.SetReadDeadline(time.Now().Add(r.idle)); err != nil {
		return 0, err
	}
	// Whoever ends ctx sets a deadline too: looking after ours is set leaves
	// no gap between the two.
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.conn.Read(p)
}
