package forward

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"rondo/syslogd/out"
	"rondo/syslogd/out/outtest"
	"rondo/syslogd/syslog"
)

// A sender sends messages of many hosts, one of each at a time.
type sender struct {
	t       *testing.T
	d       *Destination
	session out.Session
	hosts   int
	round   int
}

func (s *sender) open() {
	s.t.Helper()
	session, err := s.d.Open(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	s.session = session
}

// send sends a message of each host and waits until all are settled.
func (s *sender) send() {
	s.t.Helper()
	before, _ := s.session.Settled()
	batch := out.Batch{Log: "test"}
	for i := range s.hosts {
		line := fmt.Sprintf("<13>1 - h%d a - - - round %d.", i, s.round)
		batch.Messages = append(batch.Messages, syslog.Parse(line, received(), netip.Addr{}))
		batch.Numbers = append(batch.Numbers, uint64(s.round*s.hosts+i))
	}
	s.round++
	if err := s.session.Send(s.t.Context(), batch); err != nil {
		s.t.Fatal(err)
	}
	if err := s.session.Flush(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	outtest.Eventually(s.t, func() bool {
		n, _ := s.session.Settled()
		return n == before+uint64(s.hosts)
	})
}

func (s *sender) close() {
	s.t.Helper()
	if err := s.session.Close(s.t.Context()); err != nil {
		s.t.Error(err)
	}
}

func (r *record) texts() (all []string) {
	for _, m := range r.all() {
		all = append(all, m.Text)
	}
	return all
}

// The first server that works gets everything, and the very first one again
// when it is back, behind all that the other one got.
func TestFailback(t *testing.T) {
	for _, proto := range []Proto{TCP, RELP} {
		t.Run(string(proto), func(t *testing.T) {
			first, second := newServer(t, proto, nil), newServer(t, proto, nil)
			d := open(t, Config{To: []string{first.addr, second.addr}, Proto: proto})
			d.cfg.Failback = 10 * time.Millisecond
			s := &sender{t: t, d: d, hosts: 1}
			first.down()
			s.open()
			s.send()
			first.up()
			for d.Counters()["server_changes"] == 0 {
				s.send()
			}
			s.send()
			s.close()
			outtest.Eventually(t, func() bool { return len(first.all())+len(second.all()) == s.round })
			got := append(second.texts(), first.texts()...)
			for i, text := range got {
				if text != fmt.Sprintf("round %d.", i) {
					t.Fatalf("message %d is %q", i, text)
				}
			}
			if n := len(first.all()); n != 2 {
				t.Errorf("the first server has %d messages; the one that met it, and the last", n)
			}
		})
	}
}

// Each source has its server; one that fails moves its own sources only, and
// gets them back.
func TestBalance(t *testing.T) {
	var servers []*server
	var to []string
	for range 3 {
		s := newServer(t, RELP, nil)
		servers, to = append(servers, s), append(to, s.addr)
	}
	d := open(t, Config{To: to, Proto: RELP, Mode: Balance})
	d.cfg.Failback = 10 * time.Millisecond
	s := &sender{t: t, d: d, hosts: 60}
	s.open()
	s.send()
	s.send()
	home := hosts(servers)
	for i, all := range home {
		if len(all) == 0 {
			t.Errorf("server %d has no source at all", i)
		}
	}

	servers[1].down()
	<-s.session.Broken()
	s.close()
	clearAll(servers)
	s.open()
	s.send()
	for i, all := range hosts(servers) {
		moved := slices.DeleteFunc(all, func(h string) bool { return slices.Contains(home[i], h) })
		if slices.ContainsFunc(moved, func(h string) bool { return !slices.Contains(home[1], h) }) {
			t.Errorf("server %d has got %q, and %q were homeless", i, moved, home[1])
		}
	}

	servers[1].up()
	for d.Counters()["server_changes"] == 0 {
		s.send()
	}
	clearAll(servers)
	s.send()
	s.close()
	for i, all := range hosts(servers) {
		if !slices.Equal(all, home[i]) {
			t.Errorf("server %d has the sources %q, and had %q", i, all, home[i])
		}
	}
}

// hosts are those of each server's messages, sorted. No two have the same.
func hosts(servers []*server) (all [][]string) {
	for _, s := range servers {
		var names []string
		for _, m := range s.all() {
			names = append(names, m.Host)
		}
		slices.Sort(names)
		all = append(all, slices.Compact(names))
	}
	return all
}

func clearAll(servers []*server) {
	for _, s := range servers {
		s.record.mu.Lock()
		s.messages = nil
		s.record.mu.Unlock()
	}
}
