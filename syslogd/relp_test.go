package syslogd

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"rondo/syslogd/peertest"
	"rondo/syslogd/relp"
)

// startRELP runs a server with one RELP listener.
func startRELP(t *testing.T, sink Sink, change func(*ListenerConfig)) (*Server, func()) {
	t.Helper()
	return start(t, sink, func(c *Config) {
		l := ListenerConfig{Proto: RELP, Listen: "127.0.0.1:0"}
		if change != nil {
			change(&l)
		}
		c.UDP, c.TCP, c.Listeners = "", "", []ListenerConfig{l}
	})
}

const relpOpen = "1 open 49 relp_version=0\nrelp_software=test\ncommands=syslog\n"

// converse sends all of text and returns what is answered until the end.
func converse(t *testing.T, conn net.Conn, text string) []string {
	t.Helper()
	send(t, conn, text)
	var answers []string
	frames, err := []relp.Frame(nil), error(nil)
	for r := relp.NewReader(conn, 1000); err == nil; {
		frames, err = r.Append(frames[:0])
		for _, f := range frames {
			code, _, _ := strings.Cut(f.Data, "\n")
			answers = append(answers, strings.TrimSpace(fmt.Sprintf("%d %s %s", f.Txnr, f.Command, code)))
		}
	}
	if err != io.EOF {
		t.Errorf("the connection ended with %v", err)
	}
	return answers
}

func TestRELP(t *testing.T) {
	store := newMemory()
	s, _ := startRELP(t, store, nil)
	got := converse(t, dial(t, "tcp", s.Addr("relp")), relpOpen+
		"999999998 syslog 33 <34>Oct 11 22:14:15 h su[7]: one\n\n"+
		"999999999 syslog 37 <34>Oct 11 22:14:15 h su[7]: two\nmore\n"+
		"1 what 0\n2 syslog 0\n3 close 0\n4 syslog 5 <34>x\n")
	want := "[1 rsp 200 OK 999999998 rsp 200 OK 999999999 rsp 200 OK 1 rsp 500 unknown command 2 rsp 200 OK 3 rsp 0 serverclose]"
	if fmt.Sprint(got) != want {
		t.Errorf("%q, want %s", got, want)
	}
	if got := store.texts(); fmt.Sprint(got) != "[one two\nmore]" {
		t.Errorf("%q", got)
	}
	store.mu.Lock()
	defer store.mu.Unlock()
	if store.synced != 2 {
		t.Errorf("%d synced", store.synced)
	}
}

// What is no RELP, or no session, is sent away; what came before it counts.
func TestRELPMistakes(t *testing.T) {
	const message = "2 syslog 33 <34>Oct 11 22:14:15 h su[7]: one\n\n"
	for in, want := range map[string]string{
		message:                        "[2 rsp 500 the first command is open 0 serverclose]",
		"1 open 15 relp_version=9\n\n": "[1 rsp 500 relp_version must be 0 0 serverclose]",
		"1 open 30 relp_version=0\ncommands=other\n\n":     "[1 rsp 500 the command syslog is not offered 0 serverclose]",
		relpOpen + message + "<34>Oct 11 22:14:15 plain\n": "[1 rsp 200 OK 2 rsp 200 OK 0 serverclose]",
		relpOpen + "2 syslog 999999999 x\n":                "[1 rsp 200 OK 0 serverclose]",
	} {
		store := newMemory()
		s, _ := startRELP(t, store, nil)
		if got := converse(t, dial(t, "tcp", s.Addr("relp")), in); fmt.Sprint(got) != want {
			t.Errorf("%q: %q, want %s", in, got, want)
		}
		if got := len(store.texts()); got != strings.Count(want, "2 rsp 200 OK") {
			t.Errorf("%q: %d stored", in, got)
		}
	}
}

// What is not on disk is not acknowledged, and the session ends.
func TestRELPNotStored(t *testing.T) {
	s, _ := startRELP(t, unsynced{newMemory()}, nil)
	got := converse(t, dial(t, "tcp", s.Addr("relp")), relpOpen+"2 syslog 33 <34>Oct 11 22:14:15 h su[7]: one\n\n")
	if fmt.Sprint(got) != "[1 rsp 200 OK 2 rsp 500 not stored 0 serverclose]" {
		t.Errorf("%q", got)
	}
}

func TestRELPStrict(t *testing.T) {
	store := newMemory()
	s, _ := startRELP(t, store, func(l *ListenerConfig) { l.Strict = new(true) })
	got := converse(t, dial(t, "tcp", s.Addr("relp")), relpOpen+"2 syslog 5 hello\n3 syslog 22 <34>1 - h a - - - good\n4 close 0\n")
	if fmt.Sprint(got) != "[1 rsp 200 OK 2 rsp 200 OK 3 rsp 200 OK 4 rsp 0 serverclose]" {
		t.Errorf("%q", got)
	}
	if texts := store.texts(); fmt.Sprint(texts) != "[good]" || s.Snapshot()["refused_strict"] != 1 {
		t.Errorf("%q %v", texts, s.Snapshot())
	}
}

func TestRELPLongMessage(t *testing.T) {
	store := newMemory()
	s, _ := startRELP(t, store, func(l *ListenerConfig) { l.MaxMessage = 480 })
	got := converse(t, dial(t, "tcp", s.Addr("relp")), relpOpen+string(relp.AppendFrame(nil, 2, relp.Syslog, strings.Repeat("x", 10_000)))+"3 close 0\n")
	if len(got) != 4 || len(store.wait(t, 1)[0]) != 480 || !store.at(0).Truncated {
		t.Errorf("%q", got)
	}
}

// A server that stops says so, and has answered all that it has read.
func TestRELPStop(t *testing.T) {
	store := newMemory()
	s, stop := startRELP(t, store, nil)
	conn := dial(t, "tcp", s.Addr("relp"))
	send(t, conn, relpOpen+"2 syslog 33 <34>Oct 11 22:14:15 h su[7]: one\n\n")
	store.wait(t, 1)
	stop()
	all, err := io.ReadAll(conn)
	if err != nil || !strings.HasSuffix(string(all), "\n2 rsp 6 200 OK\n0 serverclose 0\n") {
		t.Errorf("%q %v", all, err)
	}
}

func TestRELPOverTLS(t *testing.T) {
	store, ca := newMemory(), peertest.NewAuthority(t)
	server, client := ca.Issue(t, "server.test", time.Hour), ca.Issue(t, "client.test", time.Hour)
	s, _ := startRELP(t, store, func(l *ListenerConfig) {
		l.Proto, l.TLS = RELPTLS, TLSConfig{Cert: server.Cert, Key: server.Key, ClientCA: ca.File}
	})
	conn, err := tls.Dial("tcp", s.Addr("relp-tls").String(), ca.Client(t, client))
	if err != nil {
		t.Fatal(err)
	}
	got := converse(t, conn, relpOpen+"2 syslog 33 <34>Oct 11 22:14:15 h su[7]: one\n\n3 close 0\n")
	if fmt.Sprint(got) != "[1 rsp 200 OK 2 rsp 200 OK 3 rsp 0 serverclose]" || len(store.texts()) != 1 {
		t.Errorf("%q", got)
	}
	anonymous, err := tls.Dial("tcp", s.Addr("relp-tls").String(), ca.Client(t))
	if err == nil {
		_, err = anonymous.Read(make([]byte, 1))
	}
	if err == nil || errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
	eventually(t, func() bool { return s.Snapshot()["refused_tls_no_certificate"] == 1 })
}
