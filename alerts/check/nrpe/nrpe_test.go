package nrpe

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rondo/alerts"
	"rondo/alerts/check/plugin"
	"rondo/syslogd/peertest"
)

// libraries is the environment of an unpacked program.
func libraries(p peertest.Program) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "LD_LIBRARY_PATH=" + p.Folders("usr/lib/x86_64-linux-gnu", "usr/lib")}
}

const commands = `
allowed_hosts=127.0.0.1
dont_blame_nrpe=0
command_timeout=10
command[ok]=/bin/echo "all is fine|time=5ms;10;20"
command[warning]=/bin/sh -c "echo so so; echo more; exit 1"
command[critical]=/bin/sh -c "echo bad; exit 2"
command[unknown]=/bin/sh -c "exit 3"
command[beyond]=/bin/sh -c "echo what; exit 9"
command[long]=/usr/bin/seq -s x 1 2000
command[silent]=/bin/true
`

// public is a folder that the daemon's user may read, which those of a test
// are not.
func public(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "nrpe")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// daemon answers on a port of its own with Debian's nrpe, which is started for
// each connection as inetd does.
func daemon(t *testing.T, config string, args ...string) string {
	t.Helper()
	p := peertest.Find(t, "nrpe")
	file := filepath.Join(public(t), "nrpe.cfg")
	if err := os.WriteFile(file, []byte(commands+config), 0o644); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			f, err := conn.(*net.TCPConn).File()
			_ = conn.Close()
			if err != nil {
				return
			}
			cmd := exec.Command(p.Path, append(args, "-c", file, "-i")...)
			cmd.Env, cmd.Stdin, cmd.Stdout = libraries(p), f, f
			if os.Getuid() == 0 { // it does not run as root
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			}
			_ = cmd.Start() // the client meets a connection that ends
			_ = f.Close()
			go func() { _ = cmd.Wait() }()
		}
	}()
	return ln.Addr().String()
}

// ask asks with patience.
func ask(t *testing.T, c *Client, address, command string, args ...string) plugin.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	return c.Check(ctx, address, command, args...)
}

// theirs asks with Debian's check_nrpe.
func theirs(t *testing.T, address, command string, flags ...string) plugin.Result {
	t.Helper()
	p := peertest.Find(t, "check_nrpe")
	host, port, _ := net.SplitHostPort(address)
	argv := append([]string{p.Path, "-H", host, "-p", port, "-c", command, "-t", "30"}, flags...)
	return plugin.NewRunner(1).Run(t.Context(), plugin.Command{Argv: argv, Env: libraries(p), Timeout: time.Minute})
}

// The same daemon gives check_nrpe and us the same answers.
func TestAsCheckNRPE(t *testing.T) {
	address := daemon(t, "", "-n")
	for _, c := range []struct {
		version int
		flags   []string
	}{{2, []string{"-n", "-2"}}, {4, []string{"-n"}}, {0, []string{"-n"}}} {
		client := NewClient(nil, c.version)
		for _, command := range []string{"ok", "warning", "critical", "unknown", "long", "silent", "none"} {
			want, got := theirs(t, address, command, c.flags...), ask(t, client, address, command)
			if got.Status != want.Status || got.Output.String() != want.Output.String() {
				t.Errorf("version %d, %s:\nwe say    %v %q\nthey say  %v %q", c.version, command, got.Status, got.Output, want.Status, want.Output)
			}
		}
		if got := ask(t, client, address, "beyond"); got.Status != alerts.Unknown || got.Text != "what" {
			t.Errorf("beyond: %v", got)
		}
		if got := ask(t, client, address, "ok", "argument"); got.Status != alerts.Critical || !strings.Contains(got.Text, "hung up without an answer") {
			t.Errorf("arguments: %v", got)
		}
	}
	if got := ask(t, NewClient(nil, 0), address, "ok", "a!b"); got.Status != alerts.Unknown || !strings.Contains(got.Text, "would make it two") {
		t.Errorf("%v", got)
	}
	dead := "127.0.0.1:1"
	if got, want := ask(t, NewClient(nil, 0), dead, "ok"), theirs(t, dead, "ok", "-n"); got.Status != want.Status {
		t.Errorf("nobody there: %v %q, check_nrpe %v", got.Status, got.Text, want.Status)
	}
}

// With certificates: ours is asked for, theirs is verified. Without one a
// daemon cannot be asked, and we say why.
func TestTLS(t *testing.T) {
	a := peertest.NewAuthority(t)
	server, client := a.Issue(t, "daemon", time.Hour), a.Issue(t, "client", time.Hour)
	dir := public(t)
	for _, f := range []string{server.Cert, server.Key, a.File} {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(f)), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	certs := strings.NewReplacer("DIR", dir).Replace("ssl_cert_file=DIR/daemon.pem\nssl_privatekey_file=DIR/daemon.key\n" +
		"ssl_cacert_file=DIR/ca.pem\nssl_use_adh=0\nssl_version=TLSv1.2+\n")
	open, closed := daemon(t, certs), daemon(t, certs+"ssl_client_certs=2\n")
	with := func(ids ...peertest.Identity) *Client { return NewClient(a.Client(t, ids...), 0) }

	if got := ask(t, with(), open, "ok"); got.Status != alerts.OK || got.Text != "all is fine" || len(got.Perf) != 1 {
		t.Errorf("verified: %v", got)
	}
	if got := ask(t, with(client), closed, "warning"); got.Status != alerts.Warning || got.Long != "more" {
		t.Errorf("with our certificate: %v", got)
	}
	if got := ask(t, with(), closed, "ok"); got.Status == alerts.OK {
		t.Errorf("without our certificate: %v", got)
	}
	if got := ask(t, NewClient(&tls.Config{}, 0), open, "ok"); got.Status != alerts.Unknown || !strings.Contains(got.Text, "certificate signed by unknown authority") {
		t.Errorf("unknown authority: %v", got)
	}
	anonymous := daemon(t, "ssl_use_adh=2\n")
	if got := ask(t, with(), anonymous, "ok"); got.Status != alerts.Unknown || !strings.Contains(got.Text, "ssl_cert_file") {
		t.Errorf("anonymous: %v", got)
	}
	if got := ask(t, NewClient(nil, 2), open, "ok"); got.Status != alerts.Critical {
		t.Errorf("plain to TLS: %v", got)
	}
}

// server answers each connection with f, and hangs up.
func server(t *testing.T, f func(q Packet, conn net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = ln.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			if q, err := Read(conn); err == nil {
				f(q, conn)
			}
			_ = conn.Close()
		}
	}()
	return ln.Addr().String()
}

// Daemons of version 3.x answer 3 and 2 (Debian's of today answers 4 and 2):
// we go down until one is answered, and remember it.
func TestVersions(t *testing.T) {
	var asked []int
	address := server(t, func(q Packet, conn net.Conn) {
		asked = append(asked, q.Version)
		if q.Version == 3 && q.Type == Query {
			b, _ := Packet{Version: 3, Type: Response, Result: 1, Text: "three: " + q.Text}.Append(nil)
			_, _ = conn.Write(b)
		}
	})
	c := NewClient(nil, 0)
	for range 2 {
		if got := ask(t, c, address, "load", "a", "b"); got.Status != alerts.Warning || got.Text != "three: load!a!b" {
			t.Errorf("%v", got)
		}
	}
	if fmt.Sprint(asked) != "[4 3 3]" {
		t.Errorf("asked %v", asked)
	}
}

func TestBadAnswers(t *testing.T) {
	f := func(answer []byte, status alerts.Status, want string) {
		t.Helper()
		address := server(t, func(_ Packet, conn net.Conn) { _, _ = conn.Write(answer) })
		if got := ask(t, NewClient(nil, 4), address, "x"); got.Status != status || !strings.Contains(got.Text, want) {
			t.Errorf("%v %q, want %v %q", got.Status, got.Text, status, want)
		}
	}
	good, err := Packet{Version: 4, Type: Response, Text: "x"}.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	broken := bytes.Clone(good)
	broken[header]++
	f(broken, alerts.Unknown, "checksum")
	f(good[:10], alerts.Critical, "hung up")
	f([]byte("HTTP/1.1 400 Bad Request\r\n"), alerts.Unknown, "not a packet")
	query, err := Packet{Version: 4, Type: Query, Text: "x"}.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	f(query, alerts.Unknown, "packet of type 1")

	hangs := make(chan struct{})
	address := server(t, func(Packet, net.Conn) { <-hangs })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if got := NewClient(nil, 4).Check(ctx, address, "x"); got.Status != alerts.Critical || !strings.Contains(got.Text, "no answer in time") {
		t.Errorf("%v", got)
	}
	close(hangs)
}

func TestPackets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Packet{
			Version: rapid.IntRange(2, 4).Draw(t, "version"), Type: rapid.IntRange(1, 2).Draw(t, "type"),
			Result: rapid.IntRange(-1, 255).Draw(t, "result"), Text: rapid.StringMatching(`[^\x00]{0,255}`).Draw(t, "text"),
		}
		b, err := p.Append([]byte("before"))
		if err != nil {
			t.Fatal(err)
		}
		r := bytes.NewReader(append(b[6:], "after"...))
		if got, err := Read(r); err != nil || got != p || r.Len() != 5 {
			t.Fatalf("%v, %v, %d bytes left", got, err, r.Len())
		}
	})
	for _, p := range []Packet{{Version: 2, Text: strings.Repeat("x", text2)}, {Version: 5}, {Version: 4, Text: "a\x00b"}, {Version: 3, Text: strings.Repeat("x", MaxText)}} {
		if _, err := p.Append(nil); err == nil {
			t.Errorf("%.40v was written", p)
		}
	}
}

// checkNRPE are queries as Debian's check_nrpe sends them, with -2, -3 and
// without either.
func checkNRPE(t testing.TB) (all [][]byte) {
	t.Helper()
	p := peertest.Find(t, "check_nrpe")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	for _, flags := range [][]string{{"-2"}, {"-3"}, {}} {
		cmd := exec.Command(p.Path, append(flags, "-n", "-H", "127.0.0.1", "-p", port, "-t", "30", "-c", "check_load")...)
		cmd.Env = libraries(p)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		conn, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		seen := make([]byte, size2)
		if _, err := io.ReadFull(conn, seen); err != nil {
			t.Fatal(err)
		}
		all = append(all, seen)
		_ = cmd.Process.Kill() // or it would try again
		_ = cmd.Wait()
		_ = conn.Close()
	}
	return all
}

func TestQueriesOfCheckNRPE(t *testing.T) {
	for i, b := range checkNRPE(t) {
		p, err := Read(bytes.NewReader(b))
		if err != nil || p.Version != 2+i || p.Type != Query || p.Text != "check_load" {
			t.Errorf("%+v, %v", p, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	for v := 2; v <= 4; v++ {
		b, err := Packet{Version: v, Type: Response, Result: 1, Text: "WARNING|a=1"}.Append(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Read(bytes.NewReader(b))
		if err != nil || len(p.Text) >= MaxText {
			return
		}
		again, err := p.Append(nil)
		if err != nil {
			if p.Version == 2 && len(p.Text) == text2 {
				return // it was not ended by a NUL
			}
			t.Fatal(err)
		}
		if q, err := Read(bytes.NewReader(again)); err != nil || q != p {
			t.Fatalf("%v, then %v, %v", p, q, err)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	packet, err := Packet{Version: 4, Type: Response, Text: strings.Repeat("x", 200)}.Append(nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Read(bytes.NewReader(packet)); err != nil {
			b.Fatal(err)
		}
	}
}
