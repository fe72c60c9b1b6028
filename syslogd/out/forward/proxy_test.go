package forward

import (
	"crypto/tls"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"rondo/syslogd/out"
	"rondo/syslogd/out/outtest"
	"rondo/syslogd/peertest"
)

// A proxy stands between a destination and its server, and cuts connections at
// any byte: what it has taken and not passed on is lost.
type proxy struct {
	to       string
	listener net.Listener
	wg       sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]int // bytes from the destination that still pass; less than 0: all
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{to: to, listener: l, conns: map[net.Conn]int{}}
	p.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			p.conns[conn] = -1
			p.mu.Unlock()
			p.wg.Go(func() { p.serve(conn) })
		}
	})
	t.Cleanup(func() { l.Close(); p.cut(0); p.wg.Wait() })
	return p
}

func (p *proxy) serve(from net.Conn) {
	to, err := net.Dial("tcp", p.to)
	if err != nil {
		from.Close()
		return
	}
	p.wg.Go(func() { p.pass(from, to, func(n int) int { return n }) })
	p.pass(to, from, func(n int) int { return p.allow(from, n) })
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, from)
}

// pass copies what is allowed, and closes both sides when that is not all.
func (p *proxy) pass(to, from net.Conn, allow func(n int) int) {
	defer to.Close()
	defer from.Close()
	block := make([]byte, 4096)
	for {
		n, err := from.Read(block)
		passes := allow(n)
		if _, writeErr := to.Write(block[:passes]); err != nil || writeErr != nil || passes < n {
			return
		}
	}
}

func (p *proxy) allow(from net.Conn, n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	left := p.conns[from]
	if left < 0 {
		return n
	}
	p.conns[from] = max(0, left-n)
	return min(n, left)
}

// cut has some more bytes pass, and cuts the connections that are idle by then.
func (p *proxy) cut(bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		p.conns[conn] = bytes
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	}
}

// Over RELP a connection may be cut at any byte, in either direction.
func TestCutAnywhere(t *testing.T) {
	ca := peertest.NewAuthority(t)
	secured := &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "server.test", time.Hour).Pair(t)}}
	for name, config := range map[Proto]*tls.Config{RELP: nil, RELPTLS: secured} {
		t.Run(string(name), func(t *testing.T) {
			t.Parallel()
			outtest.Run(t, func(t *testing.T) *outtest.Subject {
				s := newServer(t, name, config)
				p := newProxy(t, s.addr)
				cfg := Config{To: []string{p.listener.Addr().String()}, Proto: name, Origin: true, Window: 200}
				if config != nil {
					cfg.TLS = out.TLS{CA: ca.File}
				}
				return &outtest.Subject{
					Destination: open(t, cfg), Received: s.received,
					Cut: func() { p.cut(rand.N(5000)) },
				}
			})
		})
	}
}
