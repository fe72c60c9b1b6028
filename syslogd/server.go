package syslogd

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"rondo/syslogd/syslog"
)

// drainTime is how long a server that stops still waits for the store.
const drainTime = 10 * time.Second

// A Server receives messages in all ways that are configured, and gives them to
// a Sink; the package comment draws it.
type Server struct {
	sink      Sink
	stats     *Stats
	log       *slog.Logger
	listeners []*listener
	refused   *refusals
	failing   state    // the sink did not take the last batch
	own       *Sockets // that Run closes; nil: they outlive it
}

// NewServer binds the sockets, so that a port in use is found at start. Run
// owns and closes them.
func NewServer(cfg Config, sink Sink, stats *Stats, log *slog.Logger) (*Server, error) {
	own := NewSockets()
	s, err := own.NewServer(cfg, sink, stats, log)
	if err != nil {
		own.Close()
		return nil, err
	}
	s.own = own
	return s, nil
}

// An Endpoint is one way into a server, as it is bound.
type Endpoint struct {
	Name    string
	Proto   Proto
	Format  Format
	Strict  bool
	Addr    net.Addr
	Framing Framing
	// Closed says what a client on this machine would need to be let in; ""
	// where it is.
	Closed string
}

// Endpoints are all ways in, in the order of the configuration.
func (s *Server) Endpoints() []Endpoint {
	var all []Endpoint
	for _, l := range s.listeners {
		all = append(all, Endpoint{
			Name: l.Name, Proto: l.Proto, Format: l.Format, Strict: *l.Strict, Addr: l.addr(),
			Framing: l.Framing, Closed: l.closed(),
		})
	}
	return all
}

// Addr is where the listener of a name listens, or nil.
func (s *Server) Addr(name string) net.Addr {
	for _, l := range s.listeners {
		if l.Name == name {
			return l.addr()
		}
	}
	return nil
}

// Snapshot returns the counts of Stats, and for each UDP listener
// kernel_drops_NAME: how many datagrams the kernel threw away because the
// server did not read them in time. Where the kernel does not say, it is
// missing.
func (s *Server) Snapshot() map[string]uint64 {
	counts := s.stats.Snapshot()
	for _, l := range s.listeners {
		if n, known := l.kernelDrops(); known {
			counts["kernel_drops_"+l.Name] += n
		}
	}
	return counts
}

// Gauges returns what is so now, each by its listener's name:
//
//	receive_buffer_NAME         bytes that the kernel granted, of all sockets
//	connections_NAME            open ones
//	certificate_not_after_NAME  when it expires, in Unix seconds
func (s *Server) Gauges() map[string]float64 {
	g := map[string]float64{}
	for _, l := range s.listeners {
		if l.Proto == UDP {
			g["receive_buffer_"+l.Name] = float64(l.socket.granted)
		}
		if l.socket.streams != nil {
			g["connections_"+l.Name] = float64(l.open.count())
		}
		if l.certs != nil {
			g["certificate_not_after_"+l.Name] = float64(l.certs.notAfter().Unix())
		}
	}
	return g
}

// Run receives until ctx ends. It then closes its sockets, unless they outlive
// it, and returns when everything that was read is stored.
func (s *Server) Run(ctx context.Context) error {
	if s.own != nil {
		defer s.own.Close()
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, l := range s.listeners {
		g.Go(func() error { return l.run(ctx) })
	}
	g.Go(func() error {
		s.refused.report(ctx, s.log)
		return nil
	})
	if err := g.Wait(); err != nil {
		return fmt.Errorf("syslogd: %w", err)
	}
	return nil
}

// store gives a batch to the sink, and reports whether it was taken.
func (s *Server) store(ctx context.Context, batch []syslog.Message) bool {
	if len(batch) == 0 {
		return true
	}
	return s.taken(write(ctx, s.sink, batch))
}

// taken reports whether the sink took what it answered err to, and tells when
// it ceases to and when it does again.
func (s *Server) taken(err error) bool {
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
