package forward

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"rondo/syslogd/syslog"
)

// A lane is one connection to a server. It is used by one goroutine at a time.
type lane struct {
	carrier
	server  int         // its place in Config.To
	sent    uint64      // messages
	retired atomic.Bool // another one has taken over
}

// A carrier brings messages to a server by some protocol.
type carrier interface {
	// send takes a message. It may hold it back until flush.
	send(ctx context.Context, m keyed) error
	flush(ctx context.Context) error
	// settled is how many of the messages the server has, in order.
	settled() uint64
	// broken is closed when the server has gone.
	broken() <-chan struct{}
	// close brings to the server what it can before ctx ends, and leaves.
	close(ctx context.Context) error
}

// send counts what it gives to the carrier.
func (l *lane) send(ctx context.Context, m keyed) error {
	l.sent++
	return l.carrier.send(ctx, m)
}

// dial connects to a server, up to the point where it takes messages.
func (d *Destination) dial(ctx context.Context, server int) (*lane, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c, err := d.carrier(ctx, d.cfg.To[server])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.cfg.To[server], err)
	}
	d.connections.Add(1)
	return &lane{carrier: c, server: server}, nil
}

func (d *Destination) carrier(ctx context.Context, to string) (carrier, error) {
	enc := encoder{format: d.cfg.Format, origin: d.cfg.Origin}
	if d.cfg.Proto == UDP {
		return dialUDP(ctx, to, &d.cfg, enc, &d.cut)
	}
	conn, below, err := d.connect(ctx, to)
	if err != nil {
		return nil, err
	}
	if d.cfg.Proto == RELP || d.cfg.Proto == RELPTLS {
		return openRELP(ctx, conn, enc, d.cfg.Window)
	}
	return newStream(conn, below, enc, d.cfg.Framing), nil
}

// connect dials, and secures the connection where that is asked for.
func (d *Destination) connect(ctx context.Context, to string) (net.Conn, *counted, error) {
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, "tcp", to)
	if err != nil {
		return nil, nil, err
	}
	below := &counted{TCPConn: c.(*net.TCPConn)}
	limitSilence(below.TCPConn)
	if !d.cfg.Proto.isTLS() {
		return below, below, nil
	}
	config, err := d.cfg.TLS.Config()
	if err != nil {
		c.Close()
		return nil, nil, err
	}
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(to)
	}
	secured := tls.Client(below, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, nil, err
	}
	return secured, below, nil
}

// A counted connection knows how much was written to it: below TLS that is
// not what was given to TLS.
type counted struct {
	*net.TCPConn
	written atomic.Int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.TCPConn.Write(p)
	c.written.Add(int64(n))
	return n, err
}

// until has conn's writes fail when ctx ends, or when they last too long.
func until(ctx context.Context, conn net.Conn) (stop func() bool, err error) {
	if err := conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return nil, err
	}
	return context.AfterFunc(ctx, func() { _ = conn.SetWriteDeadline(time.Unix(1, 0)) }), nil
}

// sourceOf is a hash of who a message is from: FNV-1a.
func sourceOf(m *syslog.Message) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for i := range len(m.Host) {
		h = (h ^ uint64(m.Host[i])) * prime
	}
	if m.Host != "" {
		return h
	}
	for _, b := range m.Sender.As16() {
		h = (h ^ uint64(b)) * prime
	}
	return h
}
