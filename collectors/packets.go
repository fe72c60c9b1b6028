package collectors

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// ReceiveBuffer is what a PacketServer asks the kernel for.
const ReceiveBuffer = 8 << 20

// A PacketServer takes UDP packets.
type PacketServer struct {
	Env    Env
	Conn   *net.UDPConn // Serve owns and closes it
	Bind   Bind
	Handle func(packet string)

	denied Notice
}

// Serve reads packets until ctx ends.
func (s *PacketServer) Serve(ctx context.Context) error {
	var drops sync.WaitGroup
	defer drops.Wait()
	defer s.Conn.Close()
	stop := context.AfterFunc(ctx, func() { s.Conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	s.askForBuffer()
	watching, done := context.WithCancel(ctx)
	defer done()
	drops.Go(func() { s.watchDrops(watching) })
	return s.read(ctx)
}

func (s *PacketServer) read(ctx context.Context) error {
	buf := make([]byte, 64<<10)
	for {
		n, peer, err := s.Conn.ReadFromUDPAddrPort(buf)
		switch {
		case ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil: // a late ICMP answer, for one
			s.Env.Log.Debug("reading a packet failed", "err", err)
			continue
		case !s.Bind.Allows(peer.Addr()):
			s.Env.Stats.Add("denied", 1)
			s.denied.Warn(s.Env.Log, "packet refused: not in allow", "addr", peer.String())
			continue
		}
		s.Handle(string(buf[:n]))
	}
}

// askForBuffer wants room for the packets that come while we are busy, and
// says what we have got.
func (s *PacketServer) askForBuffer() {
	err := s.Conn.SetReadBuffer(ReceiveBuffer)
	granted := receiveBuffer(s.Conn)
	addr := s.Conn.LocalAddr().String()
	if err != nil || granted < ReceiveBuffer {
		s.Env.Log.Warn("small UDP receive buffer: bursts may be dropped; raise it with sysctl net.core.rmem_max",
			"addr", addr, "asked", ReceiveBuffer, "granted", granted)
		return
	}
	s.Env.Log.Info("listening", "proto", "udp", "addr", addr, "receive_buffer", granted)
}

// watchDrops counts the packets that the kernel dropped for want of room.
func (s *PacketServer) watchDrops(ctx context.Context) {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	seen := uint64(0)
	for {
		now := s.kernelDrops()
		if now > seen {
			s.Env.Stats.Add("kernel_drops", int(now-seen))
			s.Env.Log.Warn("the kernel dropped UDP packets: the receive buffer was full",
				"addr", s.Conn.LocalAddr().String(), "packets", now-seen)
			seen = now
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
