package collectors

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// A ConnServer accepts connections and hands each to a goroutine of its own.
type ConnServer struct {
	Env      Env
	Listener net.Listener // Serve owns and closes it
	Bind     Bind         // who may connect; over a unix socket everybody who can open it
	MaxConns int          // more are closed at once, and counted ("too_many_connections")
	// Handle owns conn and closes it, at the end of ctx soon.
	Handle func(ctx context.Context, conn net.Conn)

	tooMany Notice
	denied  Notice
}

// Serve accepts connections until ctx ends, and returns when all of them are
// handled.
func (s *ConnServer) Serve(ctx context.Context) error {
	var conns sync.WaitGroup
	defer conns.Wait()
	defer s.Listener.Close()
	stop := context.AfterFunc(ctx, func() { s.Listener.Close() })
	defer stop()
	slots := make(chan struct{}, s.MaxConns)
	for {
		conn, err := s.Listener.Accept()
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return nil
		}
		if err != nil {
			if !s.waitForAccept(ctx, err) {
				return err
			}
			continue
		}
		if !s.admit(conn, slots) {
			conn.Close()
			continue
		}
		conns.Go(func() {
			defer func() { <-slots }()
			s.Handle(ctx, conn)
		})
	}
}

// waitForAccept says whether accepting may work again, after a pause: when
// file descriptors run out, others must close theirs first.
func (s *ConnServer) waitForAccept(ctx context.Context, err error) bool {
	if errors.Is(err, net.ErrClosed) {
		return false
	}
	s.Env.Log.Warn("accepting a connection failed", "addr", s.Listener.Addr().String(), "err", err)
	select {
	case <-ctx.Done():
	case <-time.After(time.Second):
	}
	return true
}

// admit takes a slot for the connection, if it may have one.
func (s *ConnServer) admit(conn net.Conn, slots chan struct{}) bool {
	peer, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err == nil && !s.Bind.Allows(peer.Addr()) {
		s.Env.Stats.Add("denied", 1)
		s.denied.Warn(s.Env.Log, "connection refused: not in allow", "addr", peer.String())
		return false
	}
	select {
	case slots <- struct{}{}:
		s.Env.Stats.Add("connections", 1)
		return true
	default:
		s.Env.Stats.Add("too_many_connections", 1)
		s.tooMany.Warn(s.Env.Log, "connection refused: too many", "addr", conn.RemoteAddr().String(), "max", s.MaxConns)
		return false
	}
}
