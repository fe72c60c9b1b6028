package syslogd

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"rondo/syslogd/peertest"
)

// startTLS runs a server with one TLS listener.
func startTLS(t *testing.T, sink Sink, change func(*TLSConfig)) (*Server, *peertest.Authority) {
	t.Helper()
	ca := peertest.NewAuthority(t)
	id := ca.Issue(t, "server.test", time.Hour)
	s, _ := start(t, sink, func(c *Config) {
		c.UDP, c.TCP, c.TLS.Listen = "", "", "127.0.0.1:0"
		c.TLS.Cert, c.TLS.Key = id.Cert, id.Key
		if change != nil {
			change(&c.TLS.TLSConfig)
		}
	})
	return s, ca
}

func dialTLS(t *testing.T, s *Server, c *tls.Config) *tls.Conn {
	t.Helper()
	conn, err := tls.Dial("tcp", s.Addr("tls").String(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

const framed = "38 <34>Oct 11 22:14:15 h su[7]: two\nlines"

func TestTLS(t *testing.T) {
	store := newMemory()
	s, ca := startTLS(t, store, nil)
	conn := dialTLS(t, s, ca.Client(t))
	send(t, conn, framed+framed)
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	// The server's close_notify comes only when all is on disk.
	if rest, err := io.ReadAll(conn); err != nil || len(rest) > 0 {
		t.Fatalf("%q %v", rest, err)
	}
	store.mu.Lock()
	synced := store.synced
	store.mu.Unlock()
	if got := store.texts(); fmt.Sprint(got) != "[two\nlines two\nlines]" || synced != 2 {
		t.Errorf("%q, %d synced", got, synced)
	}
	if got := s.Snapshot()["received_tls"]; got != 2 {
		t.Error(got)
	}
}

// A client that breaks off without close_notify loses nothing that arrived.
func TestTLSWithoutCloseNotify(t *testing.T) {
	store := newMemory()
	s, ca := startTLS(t, store, nil)
	conn := dialTLS(t, s, ca.Client(t))
	send(t, conn, framed+"<34>Oct 11 22:14:15 h su[7]: unfinished")
	if err := conn.NetConn().(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got := store.wait(t, 2); got[1] != "unfinished" {
		t.Errorf("%q", got)
	}
}

func TestTLSLossResetsConnection(t *testing.T) {
	s, ca := startTLS(t, unsynced{newMemory()}, nil)
	conn := dialTLS(t, s, ca.Client(t))
	send(t, conn, framed)
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection ended with %v", err)
	}
}

// Who may come in, and what is counted of those who may not.
func TestTLSClients(t *testing.T) {
	ca, stranger := peertest.NewAuthority(t), peertest.NewAuthority(t)
	server := ca.Issue(t, "server.test", time.Hour)
	good, other := ca.Issue(t, "good.test", time.Hour), ca.Issue(t, "other.test", time.Hour)
	expired := ca.Issue(t, "expired.test", -time.Minute)
	foreign := stranger.Issue(t, "foreign.test", time.Hour)
	byCA := TLSConfig{ClientCA: ca.File}
	byPrint := TLSConfig{Fingerprints: []Fingerprint{good.Fingerprint, foreign.Fingerprint}}
	both := TLSConfig{ClientCA: ca.File, Fingerprints: byPrint.Fingerprints}
	for _, c := range []struct {
		name   string
		wants  TLSConfig
		client *tls.Config
		reason string // none: it may come in
	}{
		{"nothing is asked for", TLSConfig{}, ca.Client(t), ""},
		{"authority", byCA, ca.Client(t, good), ""},
		{"anonymous", byCA, ca.Client(t), "no_certificate"},
		{"foreign authority", byCA, ca.Client(t, foreign), "authority"},
		{"expired", byCA, ca.Client(t, expired), "expired"},
		{"fingerprint", byPrint, ca.Client(t, good), ""},
		{"fingerprint of another authority", byPrint, ca.Client(t, foreign), ""},
		{"unknown fingerprint", byPrint, ca.Client(t, other), "fingerprint"},
		{"anonymous, by fingerprint", byPrint, ca.Client(t), "no_certificate"},
		{"both", both, ca.Client(t, good), ""},
		{"fingerprint without authority", both, ca.Client(t, foreign), "authority"},
		{"authority without fingerprint", both, ca.Client(t, other), "fingerprint"},
		{"too old", TLSConfig{MinVersion: "1.3"}, &tls.Config{RootCAs: ca.Client(t).RootCAs, MaxVersion: tls.VersionTLS12}, "other"},
	} {
		t.Run(c.name, func(t *testing.T) {
			store, log := newMemory(), &lines{}
			cfg := DefaultConfig()
			cfg.UDP, cfg.TCP, cfg.TLS = "", "", TLSListener{"127.0.0.1:0", c.wants}
			cfg.TLS.Cert, cfg.TLS.Key = server.Cert, server.Key
			s, _ := run(t, cfg, store, slog.New(slog.NewTextHandler(log, nil)))
			conn, err := tls.Dial("tcp", s.Addr("tls").String(), c.client)
			if err == nil { // in TLS 1.3 a client may not know yet
				io.WriteString(conn, framed)
				conn.CloseWrite()
				_, err = io.ReadAll(conn)
				conn.Close()
			}
			if c.reason == "" {
				if err != nil || len(store.wait(t, 1)) != 1 {
					t.Errorf("refused: %v, %v", err, s.Snapshot())
				}
				if c.wants.asksClients() && log.count("name=") != 1 {
					t.Errorf("the client is not named: %s", log.all.String())
				}
				return
			}
			eventually(t, func() bool { return s.Snapshot()["refused_tls_"+c.reason] == 1 })
			if err == nil || len(store.texts()) != 0 {
				t.Errorf("error %v, %v", err, s.Snapshot())
			}
		})
	}
}

func TestPlainTextOnTLS(t *testing.T) {
	store, ca := newMemory(), peertest.NewAuthority(t)
	id := ca.Issue(t, "server.test", time.Hour)
	s, stop := start(t, store, func(c *Config) {
		c.TLS = TLSListener{"127.0.0.1:0", TLSConfig{Cert: id.Cert, Key: id.Key}}
	})
	conn := dial(t, "tcp", s.Addr("tls"))
	send(t, conn, "<34>Oct 11 22:14:15 h su[7]: one\n")
	io.Copy(io.Discard, conn)
	stop()
	if got := s.Snapshot()["refused_tls_not_tls"]; got != 1 || len(store.texts()) != 0 {
		t.Error(s.Snapshot())
	}
}

// A client that does not go on with its handshake holds nobody up, and is
// sent away in the end.
func TestSlowHandshake(t *testing.T) {
	ca := peertest.NewAuthority(t)
	id := ca.Issue(t, "server.test", 1e6*time.Hour) // bubbles begin in the year 2000
	synctest.Test(t, func(t *testing.T) {
		l := testListener(newMemory())
		var err error
		if l.certs, err = openCertificates(TLSConfig{Cert: id.Cert, Key: id.Key}); err != nil {
			t.Fatal(err)
		}
		client, server := net.Pipe()
		began := time.Now()
		go l.serve(t.Context(), server)
		if _, err := client.Read(make([]byte, 1)); err == nil || time.Since(began) != handshakeTimeout {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		synctest.Wait()
		if got := l.srv.Snapshot()["refused_tls_timeout"]; got != 1 {
			t.Error(l.srv.Snapshot())
		}
	})
}

// Certificates that change on disk are used; bad ones leave the old ones.
func TestCertificatesAreReadAnew(t *testing.T) {
	ca := peertest.NewAuthority(t)
	id := ca.Issue(t, "server.test", time.Hour)
	l, log := testListener(newMemory()), &lines{}
	l.log = slog.New(slog.NewTextHandler(log, nil))
	var err error
	if l.certs, err = openCertificates(TLSConfig{Cert: id.Cert, Key: id.Key}); err != nil {
		t.Fatal(err)
	}
	first, bad := l.certs.config(), &state{}
	l.reloadCertificates(bad)
	if l.certs.config() != first {
		t.Error("the same files are read as new ones")
	}
	if err := os.WriteFile(id.Cert, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.reloadCertificates(bad)
	l.reloadCertificates(bad)
	if l.certs.config() != first || l.srv.Snapshot()["tls_reload_failures"] != 1 || log.count("level=ERROR") != 1 {
		t.Errorf("%v %s", l.srv.Snapshot(), log.all.String())
	}
	ca.Issue(t, "server.test", time.Hour)
	l.reloadCertificates(bad)
	if l.certs.config() == first || log.count("new certificates are in use") != 1 {
		t.Errorf("the new ones are not in use: %s", log.all.String())
	}
	if err := os.Remove(id.Key); err != nil {
		t.Fatal(err)
	}
	l.reloadCertificates(bad)
	l.reloadCertificates(bad)
	if l.srv.Snapshot()["tls_reload_failures"] != 3 || log.count("level=ERROR") != 2 {
		t.Errorf("%v %s", l.srv.Snapshot(), log.all.String())
	}
}

func TestCheckFiles(t *testing.T) {
	ca := peertest.NewAuthority(t)
	id, other := ca.Issue(t, "server.test", time.Hour), ca.Issue(t, "other.test", time.Hour)
	for want, c := range map[string]TLSConfig{
		"":                                {Cert: id.Cert, Key: id.Key, ClientCA: ca.File},
		`"edge": tls: cert: open `:        {Cert: "/none", Key: id.Key},
		`"edge": tls: key: open `:         {Cert: id.Cert, Key: "/none"},
		`"edge": tls: cert: tls: private`: {Cert: id.Cert, Key: other.Key},
		`holds no certificate`:            {Cert: id.Cert, Key: id.Key, ClientCA: id.Key},
	} {
		cfg := DefaultConfig()
		cfg.Listeners = []ListenerConfig{{Name: "edge", Proto: TLS, Listen: "127.0.0.1:0", TLS: c}}
		if err := cfg.CheckFiles(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestFingerprint(t *testing.T) {
	hex := strings.Repeat("E1:2d:", 15) + "AA:ff"
	var want Fingerprint
	for _, text := range []string{hex, "sha-256:" + hex, "SHA256:" + hex, strings.ReplaceAll(hex, ":", "")} {
		var f Fingerprint
		if err := f.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if want == (Fingerprint{}) {
			want = f
		}
		if f != want || !strings.HasPrefix(f.String(), "sha-256:e12d") {
			t.Errorf("%s: %s", text, f)
		}
	}
	for _, text := range []string{"", "sha-1:E1:2D", "E1:2D", strings.Repeat("zz", 32)} {
		if err := new(Fingerprint).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
