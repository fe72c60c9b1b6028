package nrpe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"rondo/alerts"
	"rondo/alerts/check/plugin"
)

// maxRemembered bounds how many addresses a client knows the version of; of
// one more it forgets all.
const maxRemembered = 4096

// A Client asks daemons. It is safe for concurrent use.
type Client struct {
	tls     *tls.Config // nil: without TLS
	version int         // 0: the highest that is answered

	mu    sync.Mutex
	known map[string]int // version by address
}

// NewClient makes a client that uses TLS where conf is not nil, and the
// protocol's version 2, 3 or 4; 0 finds out which one a daemon knows.
func NewClient(conf *tls.Config, version int) *Client {
	return &Client{tls: conf, version: version, known: make(map[string]int)}
}

// Check has a command run by the daemon at an address (host:port). Where there
// is no answer the result is CRITICAL, as check_nrpe has it; an answer that is
// not understood is UNKNOWN.
func (c *Client) Check(ctx context.Context, address, command string, args ...string) plugin.Result {
	for _, a := range args {
		if strings.Contains(a, "!") {
			return plugin.Say(alerts.Unknown, "NRPE: argument %q: a ! would make it two", a)
		}
	}
	text := strings.Join(append([]string{command}, args...), "!")
	var err error
	for _, v := range c.versions(address) {
		var p Packet
		if p, err = c.ask(ctx, address, Packet{Version: v, Type: Query, Text: text}); err == nil {
			c.remember(address, v)
			return result(p)
		}
		if !closed(err) || errors.Is(err, errTLS) {
			break
		}
	}
	c.remember(address, 0)
	status := alerts.Critical
	if errors.Is(err, ErrPacket) || errors.Is(err, ErrChecksum) || errors.Is(err, errTLS) {
		status = alerts.Unknown
	}
	return plugin.Say(status, "NRPE at %s: %v", address, err)
}

// result is what a response says.
func result(p Packet) plugin.Result {
	status, known := plugin.StatusOf(p.Result)
	out := plugin.Parse(p.Text)
	if !known {
		out.Text = fmt.Sprintf("exit code %d is none of a plugin: %s", p.Result, out.Text)
	}
	return plugin.Result{Status: status, Output: out}
}

// versions are those to try with an address, in this order.
func (c *Client) versions(address string) []int {
	if c.version != 0 {
		return []int{c.version}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	all := []int{4, 3, 2}
	if v := c.known[address]; v != 0 {
		all = slices.DeleteFunc(all, func(x int) bool { return x == v })
		return append([]int{v}, all...)
	}
	return all
}

func (c *Client) remember(address string, version int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if version == 0 {
		delete(c.known, address)
		return
	}
	if len(c.known) >= maxRemembered {
		clear(c.known)
	}
	c.known[address] = version
}

// closed says whether a daemon hung up instead of answering, which is how it
// refuses a version, and also a caller whom it does not allow.
func closed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}

// errTLS marks failures of the handshake.
var errTLS = errors.New("TLS")

// ask sends one query over a connection of its own, as the protocol has it.
func (c *Client) ask(ctx context.Context, address string, q Packet) (Packet, error) {
	b, err := q.Append(nil)
	if err != nil {
		return Packet{}, err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return Packet{}, because(ctx, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })() // reads and writes end with ctx
	if c.tls != nil {
		if conn, err = secure(ctx, conn, c.tls, address); err != nil {
			return Packet{}, err
		}
	}
	if _, err = conn.Write(b); err != nil {
		return Packet{}, because(ctx, err)
	}
	p, err := Read(conn)
	switch {
	case closed(err):
		return p, fmt.Errorf("it hung up without an answer: it may not allow us (allowed_hosts), not take arguments (dont_blame_nrpe), or want TLS: %w", err)
	case err != nil:
		return p, because(ctx, err)
	case p.Type != Response:
		return p, fmt.Errorf("%w: packet of type %d, want a response", ErrPacket, p.Type)
	}
	return p, nil
}

// secure shakes hands, and says what to do where that fails.
func secure(ctx context.Context, conn net.Conn, conf *tls.Config, address string) (net.Conn, error) {
	conf = conf.Clone()
	if conf.ServerName == "" {
		conf.ServerName, _, _ = net.SplitHostPort(address) // it was dialled just now
	}
	t := tls.Client(conn, conf)
	err := t.HandshakeContext(ctx)
	if err == nil || ctx.Err() != nil {
		return t, because(ctx, err)
	}
	alert, ok := errors.AsType[*net.OpError](err)
	if ok && alert.Op == "remote error" || closed(err) || errors.Is(err, syscall.EPIPE) {
		return nil, fmt.Errorf("%w handshake failed: %w; a daemon that offers nothing but anonymous Diffie-Hellman cannot be asked: "+
			"give it a certificate (ssl_cert_file and ssl_privatekey_file in its nrpe.cfg), or ask without TLS (tls: off; nrpe -n)", errTLS, err)
	}
	return nil, fmt.Errorf("%w handshake failed: %w", errTLS, err)
}

// because prefers the reason that a context has ended.
func because(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return errors.New("no answer in time")
	}
	return err
}
