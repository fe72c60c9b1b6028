package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"rondo/syslogd/syslog"
)

// A receiver is a syslog server over TCP that keeps what it gets of each
// source: the last of a way through several programs.
type receiver struct {
	listener net.Listener
	wg       sync.WaitGroup

	mu      sync.Mutex
	conns   map[net.Conn]bool
	sources map[string]*sequence
}

// A sequence is what has come of one source, whose messages are numbered from
// 0 and sent in that order.
type sequence struct {
	last  int // newest
	seen  map[int]bool
	gaps  int // places where some have not come, or not yet
	back  int // messages that came after a newer one, for the first time
	again int // messages that came once more
	wrong []string
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return receiveOn(t, l)
}

// receiverAt is one at a port that nothing has listened on before.
func receiverAt(t *testing.T, port int) *receiver {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	return receiveOn(t, l)
}

func receiveOn(t *testing.T, l net.Listener) *receiver {
	r := &receiver{listener: l, conns: map[net.Conn]bool{}, sources: map[string]*sequence{}}
	r.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			r.mu.Lock()
			r.conns[conn] = true
			r.mu.Unlock()
			r.wg.Go(func() { r.read(conn) })
		}
	})
	t.Cleanup(r.close)
	return r
}

func (r *receiver) close() {
	r.listener.Close()
	r.mu.Lock()
	for c := range r.conns {
		c.Close()
	}
	r.mu.Unlock()
	r.wg.Wait()
}

func (r *receiver) addr() string { return r.listener.Addr().String() }

func (r *receiver) read(conn net.Conn) {
	defer conn.Close()
	frames := syslog.NewFramer(conn, 0)
	for {
		list, err := frames.Append(nil)
		if err != nil {
			list = nil // the last one is cut off, and comes again
		}
		r.mu.Lock()
		for _, f := range list {
			m := syslog.Parse(f.Line, time.Now(), conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr())
			r.note(&m)
		}
		r.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (r *receiver) note(m *syslog.Message) {
	s := r.sources[m.Host]
	if s == nil {
		s = &sequence{last: -1, seen: map[int]bool{}}
		r.sources[m.Host] = s
	}
	number, _, _ := strings.Cut(strings.TrimPrefix(m.Text, "number "), " ")
	n, err := strconv.Atoi(number)
	if err != nil || m.Text != textOf(n) {
		s.wrong = append(s.wrong, m.Raw)
		return
	}
	if n > s.last+1 {
		s.gaps++
	}
	if s.seen[n] {
		s.again++
	} else if n < s.last {
		s.back++
	}
	s.seen[n], s.last = true, n
}

// of is what has come of a source so far.
func (r *receiver) of(source string) sequence {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.sources[source]; s != nil {
		return *s
	}
	return sequence{last: -1}
}

// count is how many different messages have come, of all sources.
func (r *receiver) count() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.sources {
		n += len(s.seen)
	}
	return n
}

// wait waits until so many different messages have come.
func (r *receiver) wait(t *testing.T, n int) {
	t.Helper()
	waitFor(t, func() error {
		if got := r.count(); got < n {
			return fmt.Errorf("%d have arrived of %d", got, n)
		}
		return nil
	})
}

// complete checks that all that was fed has come once, in order.
func (r *receiver) complete(t *testing.T, f *feeder) {
	t.Helper()
	for _, source := range f.sources {
		s := r.of(source)
		if len(s.seen) != f.next || s.gaps+s.again+s.back+len(s.wrong) > 0 {
			t.Errorf("%s: %d of %d have come, %d gaps, %d again, %d out of order, wrong %q", source, len(s.seen), f.next, s.gaps, s.again, s.back, s.wrong)
		}
	}
}

// textOf is what the message n of any source says.
func textOf(n int) string { return fmt.Sprintf("number %d %s.", n, strings.Repeat("größe ", 20)) }

// A feeder sends the messages of some sources, in order.
type feeder struct {
	sources []string
	next    int // number of the next message of each
}

// all is how many messages have been fed.
func (f *feeder) all() int { return len(f.sources) * f.next }

// feed sends n messages of each source over TCP, and returns when all are
// acknowledged: the server has closed the connection in order.
func (f *feeder) feed(addr string, n int) error {
	var text strings.Builder
	for i := f.next; i < f.next+n; i++ {
		for _, source := range f.sources {
			fmt.Fprintf(&text, "<13>1 - %s e2e - - - %s\n", source, textOf(i))
		}
	}
	if err := sendAndWait(addr, text.String()); err != nil {
		return err
	}
	f.next += n
	return nil
}

func writeFile(t *testing.T, dir, name, text string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// isolated is what runs a program as root of a world of its own, which the
// flags of unshare say more about; nil where the kernel does not allow that.
func isolated(flags ...string) []string {
	prefix := append([]string{"unshare", "--user", "--map-root-user"}, flags...)
	if exec.Command(prefix[0], append(prefix[1:], "true")...).Run() != nil {
		return nil
	}
	return prefix
}
