package forward

import (
	"crypto/tls"
	"log/slog"
	"testing"
	"time"

	"rondo/syslogd/out"
	"rondo/syslogd/out/outtest"
	"rondo/syslogd/peertest"
	"rondo/syslogd/syslog/pin"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func open(t *testing.T, cfg Config) *Destination {
	t.Helper()
	d, err := New(cfg, quiet())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestConformance(t *testing.T) {
	ca := peertest.NewAuthority(t)
	id := ca.Issue(t, "server.test", time.Hour)
	secured := &tls.Config{Certificates: []tls.Certificate{id.Pair(t)}}
	for name, cfg := range map[string]Config{
		"tcp":         {},
		"tcp-newline": {Framing: Newline, Format: RFC3164},
		"tcp-raw":     {Format: Raw},
		"tls":         {Proto: TLS, TLS: out.TLS{CA: ca.File}, Origin: true},
		"relp":        {Proto: RELP, Origin: true, Window: 7},
		"relp-tls":    {Proto: RELPTLS, TLS: out.TLS{Fingerprints: []pin.Fingerprint{id.Fingerprint}}},
		"udp":         {Proto: UDP, Rate: 50_000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			outtest.Run(t, func(t *testing.T) *outtest.Subject {
				var config *tls.Config
				if cfg.Proto.isTLS() {
					config = secured
				}
				s := newServer(t, cfg.withDefaults().Proto, config)
				c := cfg
				c.To = []string{s.addr}
				subject := &outtest.Subject{
					Destination: open(t, c), Received: s.received,
					Cut: s.cut, Down: s.down, Up: s.up, Stall: func() { s.stall(700 * time.Millisecond) },
				}
				if cfg.Proto == UDP { // there is nothing to cut
					subject.Cut, subject.Stall = nil, nil
					subject.Destination = lockstep{open(t, c), t, func() int { return len(s.all()) }}
				}
				return subject
			})
		})
	}
}

// Several servers are one destination: those that are left take what one that
// fails has not.
func TestConformanceOfSeveral(t *testing.T) {
	for _, mode := range []Mode{Failover, Balance} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			outtest.Run(t, func(t *testing.T) *outtest.Subject {
				servers, cfg := several(t, 3, RELP)
				cfg.Mode, cfg.Origin = mode, true
				d, next := open(t, cfg), 0
				d.cfg.Failback = 20 * time.Millisecond
				each := func(f func(*server)) func() {
					return func() {
						for _, s := range servers {
							f(s)
						}
					}
				}
				return &outtest.Subject{
					Destination: d, Received: servers[0].received,
					Cut: func() { // one of them is away, and the one before it is back
						if next > 0 {
							servers[(next-1)%3].up()
						}
						each((*server).cut)()
						servers[next%3].down()
						next++
					},
					Down: each((*server).down), Up: each((*server).up),
					Stall: each(func(s *server) { s.stall(700 * time.Millisecond) }),
				}
			})
		})
	}
}

// several are servers that record together.
func several(t *testing.T, n int, proto Proto) (servers []*server, cfg Config) {
	t.Helper()
	cfg.Proto = proto
	for range n {
		s := newServer(t, proto, nil)
		if len(servers) > 0 {
			s.record = servers[0].record
		}
		servers = append(servers, s)
		cfg.To = append(cfg.To, s.addr)
	}
	return servers, cfg
}
