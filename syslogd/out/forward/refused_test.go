package forward

import (
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"time"

	"rondo/syslogd/out"
	"rondo/syslogd/out/outtest"
	"rondo/syslogd/peertest"
	"rondo/syslogd/relp"
	"rondo/syslogd/syslog/pin"
)

// answering is a RELP server that answers the frames in turn with these; "" is
// no answer, and behind the last one it hangs up.
func answering(t *testing.T, answers ...string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		reader, left := relp.NewReader(conn, 1000), answers
		for len(left) > 0 {
			frames, err := reader.Append(nil)
			if err != nil {
				return
			}
			for _, f := range frames[:min(len(frames), len(left))] {
				if left[0] != "" {
					_, _ = conn.Write(relp.AppendFrame(nil, f.Txnr, relp.Response, left[0]))
				}
				left = left[1:]
			}
		}
	}()
	return l.Addr().String()
}

const offers = "200 OK\nrelp_version=0\nrelp_software=x\ncommands=syslog"

func TestRELPSessionIsRefused(t *testing.T) {
	check := func(want string, answers ...string) {
		t.Helper()
		d := open(t, Config{To: []string{answering(t, answers...)}, Proto: RELP})
		if s, err := d.Open(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, %v: want %q", s, err, want)
		}
	}
	check("this is no RELP", "")
	check(`refuses the session: "500 go away"`, "500 go away")
	check("does not offer to take syslog", "200 OK\nrelp_version=0\ncommands=eventlog")
}

// What is answered by anything but 200 is not settled, and ends the session:
// nothing behind it is settled either.
func TestRELPMessageIsRefused(t *testing.T) {
	d := open(t, Config{To: []string{answering(t, offers, "200 OK", "500 not stored", "200 OK")}, Proto: RELP})
	s, err := d.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	batch := out.Batch{Log: "test"}
	for i := range 3 {
		m := parse("<13>1 - h a - - - text")
		batch.Messages, batch.Numbers = append(batch.Messages, *m.Message), append(batch.Numbers, uint64(i))
	}
	if err := s.Send(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	_ = s.Flush(t.Context()) // it may have ended already
	<-s.Broken()
	_ = s.Close(t.Context())
	if n, refused := s.Settled(); n != 1 || refused != 0 {
		t.Errorf("%d settled, %d refused", n, refused)
	}
}

// Whom we do not know gets nothing.
func TestTLSIsVerified(t *testing.T) {
	ca, other := peertest.NewAuthority(t), peertest.NewAuthority(t)
	id, client := ca.Issue(t, "server.test", time.Hour), ca.Issue(t, "client.test", time.Hour)
	s := newServer(t, TLS, &tls.Config{Certificates: []tls.Certificate{id.Pair(t)}})
	strict := newServer(t, TLS, &tls.Config{
		Certificates: []tls.Certificate{id.Pair(t)}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool(), MaxVersion: tls.VersionTLS12,
	})
	check := func(to string, c out.TLS, want string) {
		t.Helper()
		session, err := open(t, Config{To: []string{to}, Proto: TLS, TLS: c}).Open(t.Context())
		if err == nil {
			err = session.Close(t.Context())
		}
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	check(s.addr, out.TLS{}, "unknown authority")
	check(s.addr, out.TLS{CA: other.File}, "unknown authority")
	check(s.addr, out.TLS{CA: ca.File}, "")
	check(s.addr, out.TLS{CA: ca.File, Name: "server.test"}, "")
	check(s.addr, out.TLS{CA: ca.File, Name: "elsewhere.test"}, "elsewhere.test")
	check(s.addr, out.TLS{Fingerprints: []pin.Fingerprint{id.Fingerprint}}, "")
	check(s.addr, out.TLS{Fingerprints: []pin.Fingerprint{client.Fingerprint}}, "fingerprint")
	check(strict.addr, out.TLS{CA: ca.File}, "handshake failure")
	check(strict.addr, out.TLS{CA: ca.File, Cert: client.Cert, Key: client.Key}, "")
	check(strict.addr, out.TLS{CA: ca.File, Cert: client.Cert, Key: client.Key, MinVersion: "1.3"}, "version")
}

// A datagram that is too long is cut, and counted.
func TestDatagramsAreCut(t *testing.T) {
	s := newServer(t, UDP, nil)
	d := open(t, Config{To: []string{s.addr}, Proto: UDP, MaxMessage: 500})
	session, err := d.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	batch := out.Batch{Log: "test"}
	for i, n := range []int{10, 1000} {
		m := parse("<13>1 - h a - - - " + strings.Repeat("x", n))
		batch.Messages, batch.Numbers = append(batch.Messages, *m.Message), append(batch.Numbers, uint64(i))
	}
	if err := session.Send(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if err := session.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, _ := session.Settled(); n != 2 || d.Counters()["cut"] != 1 {
		t.Errorf("%d settled; %v", n, d.Counters())
	}
	outtest.Eventually(t, func() bool { return len(s.all()) == 2 })
	if got := s.all()[1].Raw; len(got) != 500 {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}
