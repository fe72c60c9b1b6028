package collectors

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// ReceiveBuffer is what a PacketServer asks the kernel for.
const ReceiveBuffer = 8 << 20

// How long a stopped PacketServer reads on.
const (
	drainTime  = time.Second           // in all
	drainQuiet = 10 * time.Millisecond // without a packet
)

// A PacketServer takes UDP packets.
type PacketServer struct {
	Env    Env
	Conn   *net.UDPConn // Serve owns and closes it
	Bind   Bind
	Handle func(packet string)

	denied Notice
}

// Serve reads packets until ctx ends, and then those that have come already.
func (s *PacketServer) Serve(ctx context.Context) error {
	defer s.Conn.Close()
	stop := context.AfterFunc(ctx, func() { s.Conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	s.askForBuffer()
	// The count of drops is read once more when all packets have been.
	watching, done := context.WithCancel(context.WithoutCancel(ctx))
	var drops sync.WaitGroup
	defer drops.Wait()
	defer done()
	drops.Go(func() { s.watchDrops(watching) })
	return s.read()
}

// read takes packets until the socket has a deadline, which it gets at the end.
func (s *PacketServer) read() error {
	buf := make([]byte, 64<<10)
	for {
		n, peer, err := s.Conn.ReadFromUDPAddrPort(buf)
		switch {
		case err == nil:
			s.take(buf[:n], peer)
		case errors.Is(err, os.ErrDeadlineExceeded):
			s.drain(buf)
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		default: // a late ICMP answer, for one
			s.Env.Log.Debug("reading a packet failed", "err", err)
		}
	}
}

func (s *PacketServer) take(packet []byte, peer netip.AddrPort) {
	if !s.Bind.Allows(peer.Addr()) {
		s.Env.Stats.Add("denied", 1)
		s.denied.Warn(s.Env.Log, "packet refused: not in allow", "addr", peer.String())
		return
	}
	s.Handle(string(packet))
}

// drain takes the packets that wait in the kernel's buffer. It ends when none
// came for a moment. Where senders go on, it ends after drainTime, and says so.
func (s *PacketServer) drain(buf []byte) {
	for end := time.Now().Add(drainTime); time.Now().Before(end); {
		s.Conn.SetReadDeadline(time.Now().Add(drainQuiet))
		n, peer, err := s.Conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			s.take(buf[:n], peer)
		}
	}
	s.Env.Stats.Add("stopped_while_receiving", 1)
	s.Env.Log.Warn("stopped while packets were still coming: those not read are lost", "addr", s.Conn.LocalAddr().String())
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

// watchDrops counts the packets that the kernel dropped for want of room, at
// last when ctx has ended.
func (s *PacketServer) watchDrops(ctx context.Context) {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for seen := uint64(0); ; {
		now := s.kernelDrops()
		if now > seen {
			s.Env.Stats.Add("kernel_drops", int(now-seen))
			s.Env.Log.Warn("the kernel dropped UDP packets: the receive buffer was full",
				"addr", s.Conn.LocalAddr().String(), "packets", now-seen)
			seen = now
		}
		if ctx.Err() != nil {
			return
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}
