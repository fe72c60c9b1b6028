package syslogd

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"time"

	"rondo/syslogd/syslog"
)

// A listener is one way in, bound.
type listener struct {
	ListenerConfig // all of it filled in
	srv            *Server
	log            *slog.Logger
	zone           *time.Location
	received       string // its counter
	host           string // of this machine, where its own programs send

	socket *socket
	open   connections
	certs  *certificates // where it speaks TLS
	rates  *rates
}

// newListener binds what is configured, or takes the socket that is there.
func (s *Server) newListener(cfg ListenerConfig, sockets *Sockets) (*listener, error) {
	zone, err := time.LoadLocation(cfg.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("time_zone: %w", err)
	}
	l := &listener{
		ListenerConfig: cfg, srv: s, zone: zone,
		log: s.log.With("listener", cfg.Name), received: "received_" + cfg.Name,
		rates: newRates(cfg.SenderRate, cfg.SenderBurst),
	}
	if cfg.Proto.isTLS() { // before the socket is there
		if l.certs, err = openCertificates(cfg.TLS); err != nil {
			return nil, fmt.Errorf("tls: %w", err)
		}
	}
	if cfg.Proto.isUnix() {
		if l.host, err = os.Hostname(); err != nil {
			return nil, err
		}
	}
	network, bind := "tcp", l.bindTCP
	options := "" // that a socket has for good
	switch cfg.Proto {
	case UDP:
		network, bind, options = "udp", l.bindUDP, fmt.Sprint(cfg.Sockets, cfg.ReceiveBuffer)
	case Unix:
		network, bind, options = "unixgram", l.bindUnix, cfg.Mode
	case UnixStream:
		network, bind, options = "unix", l.bindUnix, cfg.Mode
	}
	if l.socket, err = sockets.take(network+" "+cfg.Listen, options, bind); err != nil {
		return nil, err
	}
	return l, nil
}

// run receives until ctx ends.
func (l *listener) run(ctx context.Context) error {
	if l.Proto.isPacket() {
		return l.servePackets(ctx)
	}
	if l.certs != nil {
		stop := l.watchCertificates(ctx)
		defer stop()
	}
	return l.serveStreams(ctx)
}

func (l *listener) addr() net.Addr {
	if l.Proto.isPacket() {
		return l.socket.packets[0].LocalAddr()
	}
	return l.socket.streams.Addr()
}

// allowed reports whether a peer may send.
func (l *listener) allowed(a netip.Addr) bool {
	a = a.Unmap()
	if len(l.Allow) == 0 || !a.IsValid() || a.IsLoopback() {
		return true
	}
	for _, p := range l.Allow {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// closed says what a client on this machine would need to be let in. It comes
// from loopback, or from the address that is listened on.
func (l *listener) closed() string {
	if l.certs != nil && l.TLS.asksClients() {
		return "a client certificate"
	}
	a, err := netip.ParseAddrPort(l.addr().String())
	if err == nil && !a.Addr().IsUnspecified() && !l.allowed(a.Addr()) {
		return "its address, " + a.Addr().String() + ", in allow"
	}
	return ""
}

// parse makes a message of a frame.
func (l *listener) parse(f syslog.Frame, now time.Time, sender netip.Addr) syslog.Message {
	m := syslog.Parse(f.Line, now, sender)
	m.Truncated = f.Truncated
	return m
}

// sign adds to a message what its line need not tell on a unix socket: this
// machine's name, by which relays and their readers know it, and the sender.
func (l *listener) sign(m *syslog.Message, c credentials) {
	if m.Host == "" {
		m.Host = l.host
	}
	c.note(m)
}

// admit drops what a strict listener refuses.
func (l *listener) admit(judge *strict, batch []syslog.Message) []syslog.Message {
	if judge == nil {
		return batch
	}
	kept := batch[:0]
	for i := range batch {
		if judge.accepts(&batch[i]) {
			kept = append(kept, batch[i])
		}
	}
	l.srv.stats.Add("refused_strict", len(batch)-len(kept))
	return kept
}

// judge returns what holds messages to the letter, if that is wanted.
func (l *listener) judge() *strict {
	if *l.Strict {
		return newStrict()
	}
	return nil
}
