package redirect

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/netutil"
)

// Sockets are what redirectors listen on. They outlive a reload: while no
// redirector serves, those who call wait in the kernel. They are for one
// redirector at a time.
type Sockets struct {
	mu   sync.Mutex
	open map[string]*net.TCPListener
}

// NewSockets returns none yet.
func NewSockets() *Sockets { return &Sockets{open: make(map[string]*net.TCPListener)} }

// Close closes all of them.
func (s *Sockets) Close() { s.keep() }

// keep closes all but those of some addresses.
func (s *Sockets) keep(addresses ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := make(map[string]bool)
	for _, a := range addresses {
		wanted[a] = true
	}
	for a, l := range s.open {
		if !wanted[a] {
			_ = l.Close()
			delete(s.open, a)
		}
	}
}

// take returns the socket of an address, which is bound unless it is there.
func (s *Sockets) take(ctx context.Context, address string) (*net.TCPListener, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.open[address]; l != nil {
		return l, nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	s.open[address] = l.(*net.TCPListener)
	return s.open[address], nil
}

// lasting is a socket in the hands of one redirector, which cannot close it: it
// only stops to accept.
type lasting struct {
	*net.TCPListener
	bind Bind
	deny func()
}

// Close ends Accept.
func (l lasting) Close() error { return l.SetDeadline(time.Unix(1, 0)) }

// Accept takes the next connection from an address that may call.
func (l lasting) Accept() (net.Conn, error) {
	for {
		conn, err := l.TCPListener.Accept()
		if err != nil {
			return nil, err
		}
		if from, err := netip.ParseAddrPort(conn.RemoteAddr().String()); err == nil && l.bind.allows(from.Addr()) {
			return conn, nil
		}
		l.deny()
		_ = conn.Close() // nothing was asked
	}
}

// An ear is a socket and what answers there.
type ear struct {
	lasting
	serve func(ctx context.Context, l net.Listener) error
}

func (e ear) run(ctx context.Context) error {
	if err := e.SetDeadline(time.Time{}); err != nil {
		return fmt.Errorf("redirect: %w", err)
	}
	return e.serve(ctx, e.lasting)
}

// listen binds what is configured, and closes what an earlier redirector
// listened on and this one does not.
func (r *Redirector) listen(ctx context.Context) error {
	sortRoutes(r.routes)
	var pair *tls.Config
	if r.conf.TLS.Cert != "" {
		cert, err := tls.LoadX509KeyPair(r.conf.TLS.Cert, r.conf.TLS.Key)
		if err != nil {
			return fmt.Errorf("autoscale: redirect: tls: %w", err)
		}
		pair = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}
	}
	for _, b := range []struct {
		bind  Bind
		serve func(context.Context, net.Listener) error
	}{
		{r.conf.Bind, func(ctx context.Context, l net.Listener) error { return r.serveHTTP(ctx, l, pair) }},
		{r.conf.AgentCheck, r.serveChecks},
	} {
		if b.bind.Listen == "" {
			continue
		}
		l, err := r.books.Sockets.take(ctx, b.bind.Listen)
		if err != nil {
			return fmt.Errorf("autoscale: redirect: %w", err)
		}
		r.ears = append(r.ears, ear{lasting{l, b.bind, func() { r.books.refuse(notAllowed) }}, b.serve})
	}
	r.books.Sockets.keep(r.conf.Listen, r.conf.AgentCheck.Listen)
	return nil
}

// endWithin is how long requests that are under way may take at the end.
const endWithin = 2 * time.Second

func (r *Redirector) serveHTTP(ctx context.Context, l net.Listener, pair *tls.Config) error {
	lim := r.conf.Limits
	s := &http.Server{
		Handler: r, TLSConfig: pair, ReadHeaderTimeout: lim.ReadHeader, ReadTimeout: lim.Read, WriteTimeout: lim.Write, IdleTimeout: lim.Idle,
		MaxHeaderBytes: lim.MaxHeader, ErrorLog: slog.NewLogLogger(r.log.Handler(), slog.LevelDebug),
	}
	defer context.AfterFunc(ctx, func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWithin)
		defer cancel()
		if s.Shutdown(end) != nil {
			_ = s.Close() // they had their time
		}
	})()
	l = netutil.LimitListener(l, lim.MaxConns)
	serve := s.Serve
	if pair != nil {
		serve = func(l net.Listener) error { return s.ServeTLS(l, "", "") }
	}
	if err := serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("redirect: %w", err)
	}
	return nil
}
