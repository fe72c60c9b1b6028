package syslogd

import (
	"fmt"
	"log/slog"
	"net"
	"time"
)

// Sockets are what servers listen on. They outlive a server: the next one that
// is configured for the same address goes on where the last one ended, and
// what came meanwhile has waited in the kernel. They are for one server at a
// time.
type Sockets struct{ open map[string]*socket }

// NewSockets returns none yet.
func NewSockets() *Sockets { return &Sockets{open: map[string]*socket{}} }

// socket is what one listener listens on.
type socket struct {
	packets []packetConn // one of these two
	streams streamListener
	granted int    // bytes of the kernel's buffers
	path    string // of a unix socket
	options string // that it was bound with
	inUse   bool   // by the server that was made last
}

// streamListener is a socket of streams.
type streamListener interface {
	net.Listener
	SetDeadline(time.Time) error
}

// Close closes all of them.
func (s *Sockets) Close() {
	for address, b := range s.open {
		b.close()
		delete(s.open, address)
	}
}

// take returns the socket of an address, which is bound unless it is there.
// Only port 0 can be had more than once.
func (s *Sockets) take(address, options string, bind func(*socket) error) (*socket, error) {
	for s.open[address] != nil && s.open[address].inUse {
		address += "'"
	}
	if b := s.open[address]; b != nil {
		if b.options == options {
			b.inUse = true
			return b, nil
		}
		b.close()
		delete(s.open, address)
	}
	b := &socket{options: options, inUse: true}
	if err := bind(b); err != nil {
		b.close()
		return nil, err
	}
	s.open[address] = b
	return b, nil
}

// NewServer is the function of that name, with sockets that outlive it: Run
// does not close them. If it fails, those that are there stay.
func (s *Sockets) NewServer(cfg Config, sink Sink, stats *Stats, log *slog.Logger) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("syslogd: %w", err)
	}
	server := &Server{sink: sink, stats: stats, log: log, refused: newRefusals(stats)}
	s.begin()
	for _, lc := range cfg.listeners() {
		l, err := server.newListener(lc, s)
		if err != nil {
			return nil, fmt.Errorf("syslogd: %s: %w", lc.Name, err)
		}
		server.listeners = append(server.listeners, l)
	}
	s.trim()
	return server, nil
}

// begin lets a new server take what the last one has.
func (s *Sockets) begin() {
	for _, b := range s.open {
		b.inUse = false
	}
}

// trim closes what the new server has not taken.
func (s *Sockets) trim() {
	for address, b := range s.open {
		if !b.inUse {
			b.close()
			delete(s.open, address)
		}
	}
}

func (b *socket) close() {
	for _, conn := range b.packets {
		conn.Close()
	}
	if b.streams != nil {
		b.streams.Close()
	}
	if b.path != "" {
		removeSocket(b.path)
	}
}
