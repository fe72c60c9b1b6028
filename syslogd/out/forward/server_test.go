package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rondo/syslogd/out"
	"rondo/syslogd/out/outtest"
	"rondo/syslogd/relp"
	"rondo/syslogd/syslog"
)

// A server is a syslog server that fails when it is told to.
type server struct {
	t     *testing.T
	proto Proto
	addr  string
	tls   *tls.Config

	*record

	mu       sync.Mutex
	conns    map[net.Conn]bool
	listener io.Closer
	stalled  time.Time // nothing is read before
	wg       sync.WaitGroup
	serving  sync.WaitGroup // ends when the clients have closed their side
}

// A record is what one server or several have taken, in order.
type record struct {
	mu       sync.Mutex
	messages []syslog.Message
}

func newServer(t *testing.T, proto Proto, config *tls.Config) *server {
	t.Helper()
	s := &server{t: t, proto: proto, tls: config, conns: map[net.Conn]bool{}, record: &record{}}
	s.addr = reserve(t, proto == UDP)
	s.up()
	t.Cleanup(func() { s.down(); s.serving.Wait() })
	return s
}

// reserve finds a port that stays the test's own while nobody listens on it: a
// socket that is bound, and does not listen, keeps others from getting it.
func reserve(t *testing.T, datagrams bool) (addr string) {
	t.Helper()
	kind := unix.SOCK_STREAM
	if datagrams {
		kind = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(unix.AF_INET, kind, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	unix.CloseOnExec(fd) // or a server that is started holds it
	loopback := unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	err = errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1), unix.Bind(fd, &loopback))
	if datagrams { // connected: nothing that others send is for it
		loopback.Port = 1
		err = errors.Join(err, unix.Connect(fd, &loopback))
	}
	own, nameErr := unix.Getsockname(fd)
	if err = errors.Join(err, nameErr); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", own.(*unix.SockaddrInet4).Port)
}

func (s *server) up() {
	s.t.Helper()
	if s.listener != nil {
		return
	}
	if s.proto == UDP {
		s.listenUDP()
		return
	}
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.listener = l
	s.wg.Go(func() {
		last := closed()
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn = s.accept(conn)
			before, done := last, make(chan struct{})
			last = done
			s.serving.Go(func() {
				defer close(done)
				// What is still on its way over a connection that was cut is
				// not to be mixed with what follows it.
				<-before
				s.serve(conn)
			})
		}
	})
}

func closed() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

func (s *server) listenUDP() {
	reuse := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) })
	}}
	conn, err := reuse.ListenPacket(s.t.Context(), "udp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.listener = conn
	s.wg.Go(func() {
		buf := make([]byte, 64<<10)
		for {
			n, _, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			s.take(string(buf[:n]))
		}
	})
}

// down ends everything. What has come in until then is read.
func (s *server) down() {
	if s.listener == nil {
		return
	}
	if conn, ok := s.listener.(*net.UDPConn); ok {
		_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		s.wg.Wait()
	}
	s.listener.Close()
	s.cut()
	s.wg.Wait()
	s.listener = nil
}

// accept makes a connection one that can be cut.
func (s *server) accept(conn net.Conn) net.Conn {
	if s.tls != nil {
		conn = tls.Server(conn, s.tls)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[conn] = true
	return conn
}

// serve takes what comes over a connection.
func (s *server) serve(conn net.Conn) {
	defer func() {
		conn.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, conn)
	}()
	if s.proto == RELP || s.proto == RELPTLS {
		s.serveRELP(conn)
		return
	}
	framer := syslog.NewFramer(&slow{conn, s}, 0)
	for {
		frames, err := framer.Append(nil)
		if err != nil && len(frames) > 0 && !whole(frames[len(frames)-1].Line) {
			frames = frames[:len(frames)-1] // cut off
		}
		for _, f := range frames {
			s.take(f.Line)
		}
		if err != nil {
			return
		}
	}
}

// whole tells the suite's messages from their beginnings.
func whole(line string) bool { return strings.HasSuffix(line, ".") }

// slow reads nothing while the server is stalled.
type slow struct {
	net.Conn
	s *server
}

func (r *slow) Read(p []byte) (int, error) {
	r.s.mu.Lock()
	until := r.s.stalled
	r.s.mu.Unlock()
	if d := time.Until(until); d > 0 {
		<-time.After(d)
	}
	return r.Conn.Read(p)
}

func (s *server) serveRELP(conn net.Conn) {
	reader := relp.NewReader(&slow{conn, s}, 64<<10)
	for {
		frames, err := reader.Append(nil)
		var answers []byte
		for _, f := range frames {
			answer := "200 OK"
			switch f.Command {
			case relp.Open:
				answer += "\n" + relp.Offers{Version: relp.Version, Commands: []string{relp.Syslog}}.String()
			case relp.Syslog:
				if !s.takeFrom(conn, f.Data) {
					return
				}
			}
			answers = relp.AppendFrame(answers, f.Txnr, relp.Response, answer)
			if f.Command == relp.Close {
				answers = relp.AppendFrame(answers, 0, relp.ServerClose, "")
				err = io.EOF
			}
		}
		if _, writeErr := conn.Write(answers); writeErr != nil || err != nil {
			return
		}
	}
}

// takeFrom takes nothing over a connection that was cut.
func (s *server) takeFrom(conn net.Conn, line string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns[conn] {
		s.take(line)
	}
	return s.conns[conn]
}

func (r *record) take(line string) {
	m := syslog.Parse(line, time.Now(), netip.Addr{})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = append(r.messages, m)
}

// cut ends all connections: those with answers by force; the others as a
// server does that reads to the end what its kernel has acknowledged.
func (s *server) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		if s.proto == RELP || s.proto == RELPTLS {
			delete(s.conns, conn)
			conn.Close()
			continue
		}
		err := conn.(interface{ CloseWrite() error }).CloseWrite()
		if secured, ok := conn.(*tls.Conn); err != nil && ok && !secured.ConnectionState().HandshakeComplete {
			conn.Close()
		}
	}
}

func (s *server) stall(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stalled = time.Now().Add(d)
}

func (r *record) all() []syslog.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.messages)
}

func (r *record) received() (all []outtest.Arrival) {
	for _, m := range r.all() {
		a := outtest.Arrival{Text: m.Text}
		for p := range syslog.SDParams(m.SD) {
			if p.ID == relayElement && p.Name == "key" {
				a.Key = p.Value()
			}
		}
		all = append(all, a)
	}
	return all
}

// A lockstep is a destination whose session waits, after each batch, until the
// server has it: no datagram is lost for want of room.
type lockstep struct {
	*Destination
	t     *testing.T
	count func() int // messages that the server has
}

type lockstepSession struct {
	out.Session
	lockstep
}

func (l lockstep) Open(ctx context.Context) (out.Session, error) {
	session, err := l.Destination.Open(ctx)
	if err != nil {
		return nil, err
	}
	return lockstepSession{session, l}, nil
}

func (l lockstepSession) Send(ctx context.Context, batch out.Batch) error {
	want := l.count() + len(batch.Messages)
	if err := l.Session.Send(ctx, batch); err != nil {
		return err
	}
	outtest.Eventually(l.t, func() bool {
		select {
		case <-l.Broken():
			return true
		default:
			return l.count() >= want
		}
	})
	return nil
}
