package syslogd

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"rondo/syslogd/syslog"
)

// drainTime is how long a server that stops still waits for the store.
const drainTime = 10 * time.Second

// A Server receives syslog and gives it to a Sink:
//
//	UDP, unix    read -> packets (bounded) -> parse -> sink
//	TCP          accept -> one goroutine each: read -> frame -> parse -> sink
type Server struct {
	cfg   Config
	sink  Sink
	stats *Stats
	log   *slog.Logger
	zone  *time.Location

	udp  *net.UDPConn
	unix *net.UnixConn
	tcp  net.Listener

	failing state // the sink did not take the last batch
}

// NewServer binds the sockets, so that a port in use is found at start. Run
// owns and closes them.
func NewServer(cfg Config, sink Sink, stats *Stats, log *slog.Logger) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("syslogd: %w", err)
	}
	zone, err := time.LoadLocation(cfg.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("syslogd: time_zone: %w", err)
	}
	s := &Server{cfg: cfg, sink: sink, stats: stats, log: log, zone: zone}
	if err := s.bind(); err != nil {
		s.close()
		return nil, fmt.Errorf("syslogd: %w", err)
	}
	return s, nil
}

func (s *Server) bind() error {
	if s.cfg.UDP != "" {
		addr, err := net.ResolveUDPAddr("udp", s.cfg.UDP)
		if err != nil {
			return err
		}
		if s.udp, err = net.ListenUDP("udp", addr); err != nil {
			return err
		}
		granted, err := setReceiveBuffer(s.udp, s.cfg.ReceiveBuffer)
		switch {
		case err != nil:
			s.log.Warn("UDP receive buffer: the kernel's default remains", "err", err)
		case granted < s.cfg.ReceiveBuffer:
			s.log.Warn("UDP receive buffer is smaller than asked for; raise net.core.rmem_max",
				"asked_bytes", s.cfg.ReceiveBuffer, "granted_bytes", granted)
		}
	}
	if s.cfg.TCP != "" {
		var err error
		if s.tcp, err = net.Listen("tcp", s.cfg.TCP); err != nil {
			return err
		}
	}
	if s.cfg.Unix != "" {
		return s.bindUnix()
	}
	return nil
}

// bindUnix replaces a socket that a dead process left behind, and lets every
// local program write to it, as /dev/log does.
func (s *Server) bindUnix() error {
	addr := &net.UnixAddr{Name: s.cfg.Unix, Net: "unixgram"}
	if conn, err := net.DialUnix("unixgram", nil, addr); err == nil {
		conn.Close()
		return fmt.Errorf("listen unixgram %s: another process serves it", s.cfg.Unix)
	}
	if info, err := os.Lstat(s.cfg.Unix); err == nil && info.Mode()&os.ModeSocket != 0 {
		if err := os.Remove(s.cfg.Unix); err != nil {
			return err
		}
	}
	conn, err := net.ListenUnixgram("unixgram", addr)
	if err != nil {
		return err
	}
	s.unix = conn
	return os.Chmod(s.cfg.Unix, 0o666)
}

// close closes the sockets that Run has not.
func (s *Server) close() {
	if s.udp != nil {
		s.udp.Close()
	}
	if s.tcp != nil {
		s.tcp.Close()
	}
	if s.unix != nil {
		s.unix.Close()
		os.Remove(s.cfg.Unix)
	}
}

// UDPAddr is the address that is listened on, or nil.
func (s *Server) UDPAddr() net.Addr {
	if s.udp == nil {
		return nil
	}
	return s.udp.LocalAddr()
}

// TCPAddr is the address that is listened on, or nil.
func (s *Server) TCPAddr() net.Addr {
	if s.tcp == nil {
		return nil
	}
	return s.tcp.Addr()
}

// Snapshot returns the counts of Stats, and kernel_drops: how many datagrams
// the kernel threw away because the server did not read them in time. Where
// the kernel does not say, it is missing.
func (s *Server) Snapshot() map[string]uint64 {
	counts := s.stats.Snapshot()
	if s.udp == nil {
		return counts
	}
	if n, err := kernelDrops(s.udp); err == nil {
		counts["kernel_drops"] = n
	}
	return counts
}

// Run receives until ctx ends. It then closes its sockets, and returns when
// everything that was read is stored.
func (s *Server) Run(ctx context.Context) error {
	defer s.close()
	g, ctx := errgroup.WithContext(ctx)
	if s.udp != nil {
		g.Go(func() error { return s.servePackets(ctx, s.udp, "received_udp") })
	}
	if s.unix != nil {
		g.Go(func() error { return s.servePackets(ctx, s.unix, "received_unix") })
	}
	if s.tcp != nil {
		g.Go(func() error { return s.serveTCP(ctx) })
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("syslogd: %w", err)
	}
	return nil
}

// allowed reports whether a peer may send.
func (s *Server) allowed(a netip.Addr) bool {
	a = a.Unmap()
	if len(s.cfg.Allow) == 0 || !a.IsValid() || a.IsLoopback() {
		return true
	}
	for _, p := range s.cfg.Allow {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// admit drops what a strict server refuses.
func (s *Server) admit(judge *strict, batch []syslog.Message) []syslog.Message {
	if judge == nil {
		return batch
	}
	kept := batch[:0]
	for i := range batch {
		if judge.accepts(&batch[i]) {
			kept = append(kept, batch[i])
		}
	}
	s.stats.add("refused_strict", len(batch)-len(kept))
	return kept
}

// judge returns what holds messages to the letter, if that is wanted.
func (s *Server) judge() *strict {
	if s.cfg.Strict {
		return newStrict()
	}
	return nil
}

// store gives a batch to the sink, and reports whether it was taken.
func (s *Server) store(ctx context.Context, batch []syslog.Message) bool {
	if len(batch) == 0 {
		return true
	}
	err := write(ctx, s.sink, batch)
	if err != nil && s.failing.begins() {
		s.log.Error("the store fails, messages are lost until it works again", "err", err)
	}
	if err == nil && s.failing.ends() {
		s.log.Info("the store takes messages again")
	}
	return err == nil
}

// lasting returns a context that ends drainTime after ctx: what was read when
// the server is told to stop is still stored.
func lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		sleep(longer, drainTime)
		cancel()
	})
	return longer, func() { stop(); cancel() }
}
