package syslogd

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rondo/syslogd/out/forward"
	"rondo/syslogd/peertest"
	"rondo/syslogd/syslog"
)

// Every form in which logger(1) sends is understood whole.
func TestLogger(t *testing.T) {
	logger := peertest.Find(t, "logger").Path
	store := newMemory()
	socket := filepath.Join(t.TempDir(), "log")
	s, _ := start(t, store, func(c *Config) { c.Unix = socket })
	_, udp, _ := net.SplitHostPort(s.Addr("udp").String())
	_, tcp, _ := net.SplitHostPort(s.Addr("tcp").String())
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	short, _, _ := strings.Cut(host, ".")
	for i, args := range []string{
		"-n 127.0.0.1 -d -P " + udp + " --rfc3164",
		"-n 127.0.0.1 -d -P " + udp + " --rfc5424",
		"-n 127.0.0.1 -d -P " + udp + " --rfc5424=notime",
		"-n 127.0.0.1 -T -P " + tcp + " --rfc3164",
		"-n 127.0.0.1 -T -P " + tcp + " --rfc5424",
		"-n 127.0.0.1 -T -P " + tcp + " --octet-count --rfc3164",
		"-n 127.0.0.1 -T -P " + tcp + " --octet-count --rfc5424 --msgid ID47",
		"-d -u " + socket,
	} {
		t.Run(args[:strings.LastIndex(args, " ")+1], func(t *testing.T) {
			text := fmt.Sprintf("message %d: größe [x] <y>", i)
			cmd := exec.Command(logger, append(strings.Fields(args), "-t", "my-app", "--id=77", "-p", "local3.warning", text)...)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			store.wait(t, i+1)
			m := store.at(i)
			if m.Text != text || m.App != "my-app" || m.PID != "77" || m.Severity != syslog.Warning || m.Facility.String() != "local3" {
				t.Errorf("%+v", m)
			}
			if strings.Contains(args, "-n") && m.Host != host && m.Host != short {
				t.Errorf("host %q, want %q: %q", m.Host, host, m.Raw)
			}
			if !strings.Contains(args, "notime") && m.Received.Sub(m.When()).Abs().Hours() > 15 {
				t.Errorf("time %v, received %v: %q", m.When(), m.Received, m.Raw)
			}
		})
	}
}

// rsyslog returns the command that runs rsyslog: it takes TCP on a port and
// does what the action says.
func rsyslog(t *testing.T, p peertest.Program, in, global, action string) *exec.Cmd {
	t.Helper()
	dir := t.TempDir()
	conf := fmt.Sprintf(`
		global(workDirectory="%s" maxMessageSize="64k" %s)
		module(load="imtcp")
		input(type="imtcp" address="127.0.0.1" port="%s")
		%s
	`, dir, global, in, action)
	args := []string{"-n", "-f", writeConf(t, dir, conf), "-i", filepath.Join(dir, "pid")}
	if modules := p.Folders("usr/lib/*/rsyslog"); modules != "" {
		args = append(args, "-M", modules)
	}
	cmd := exec.Command(p.Path, args...)
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+p.Folders("usr/lib/*-linux-gnu", "lib/*-linux-gnu"))
	return cmd
}

// Our relay sends to rsyslog, and rsyslog to our server, in every framing and
// format that both have.
func TestRsyslog(t *testing.T) {
	rsyslogd := peertest.Find(t, "rsyslogd")
	for _, c := range []struct{ protocol, framing, template string }{
		{"tcp", "octet-counted", "RSYSLOG_SyslogProtocol23Format"},
		{"tcp", "traditional", "RSYSLOG_SyslogProtocol23Format"},
		{"tcp", "octet-counted", "RSYSLOG_ForwardFormat"},
		{"tcp", "traditional", "RSYSLOG_TraditionalForwardFormat"},
		{"udp", "traditional", "RSYSLOG_SyslogProtocol23Format"},
		{"udp", "traditional", "RSYSLOG_TraditionalForwardFormat"},
	} {
		t.Run(c.protocol+"/"+c.framing+"/"+c.template, func(t *testing.T) {
			chain(t, c.protocol, nil, func(in, out string) *exec.Cmd {
				return rsyslog(t, rsyslogd, in, "", fmt.Sprintf(
					`action(type="omfwd" target="127.0.0.1" port="%s" protocol="%s" TCP_Framing="%s" template="%s")`,
					out, c.protocol, c.framing, c.template))
			})
		})
	}
}

// rsyslog acknowledges with RELP, in the clear and over TLS.
func TestRsyslogRELP(t *testing.T) {
	rsyslogd, ca := peertest.Find(t, "rsyslogd"), peertest.NewAuthority(t)
	server, client := ca.Issue(t, "server.test", time.Hour), ca.Issue(t, "client.test", time.Hour)
	for _, c := range []struct {
		proto Proto
		tls   TLSConfig
		peer  string
	}{
		{RELP, TLSConfig{}, ""},
		{RELPTLS, TLSConfig{Cert: server.Cert, Key: server.Key, ClientCA: ca.File}, fmt.Sprintf(
			`tls="on" tls.caCert="%s" tls.myCert="%s" tls.myPrivKey="%s" tls.authMode="name" tls.permittedPeer="server.test"`,
			ca.File, client.Cert, client.Key)},
	} {
		t.Run(string(c.proto), func(t *testing.T) {
			listen := func(cfg *Config) {
				cfg.Listeners = []ListenerConfig{{Proto: c.proto, Listen: "127.0.0.1:0", TLS: c.tls}}
			}
			chain(t, string(c.proto), listen, func(in, out string) *exec.Cmd {
				return rsyslog(t, rsyslogd, in, "", fmt.Sprintf(`module(load="omrelp")
					action(type="omrelp" target="127.0.0.1" port="%s" template="RSYSLOG_SyslogProtocol23Format" %s)`, out, c.peer))
			})
		})
	}
}

const gtlsAction = `action(type="omfwd" target="127.0.0.1" port="%s" protocol="tcp" TCP_Framing="octet-counted"
	StreamDriver="gtls" StreamDriverMode="1" StreamDriverAuthMode="%s" StreamDriverPermittedPeers="server.test"
	template="RSYSLOG_SyslogProtocol23Format" action.resumeInterval="1")`

// rsyslog shows a certificate and looks at ours.
func TestRsyslogTLS(t *testing.T) {
	rsyslogd, ca := peertest.Find(t, "rsyslogd"), peertest.NewAuthority(t)
	server, client := ca.Issue(t, "server.test", time.Hour), ca.Issue(t, "client.test", time.Hour)
	files := fmt.Sprintf(`DefaultNetstreamDriverCAFile="%s" DefaultNetstreamDriverCertFile="%s" DefaultNetstreamDriverKeyFile="%s"`,
		ca.File, client.Cert, client.Key)
	for name, wants := range map[string]TLSConfig{
		"authority":   {Cert: server.Cert, Key: server.Key, ClientCA: ca.File},
		"fingerprint": {Cert: server.Cert, Key: server.Key, Fingerprints: []Fingerprint{client.Fingerprint}, MinVersion: "1.3"},
	} {
		t.Run(name, func(t *testing.T) {
			chain(t, "tls", func(c *Config) { c.TLS = TLSListener{"127.0.0.1:0", wants} }, func(in, out string) *exec.Cmd {
				return rsyslog(t, rsyslogd, in, files, fmt.Sprintf(gtlsAction, out, "x509/name"))
			})
		})
	}
}

// An rsyslog without a certificate is refused, and says so itself.
func TestRsyslogAnonymousIsRefused(t *testing.T) {
	rsyslogd, ca, store := peertest.Find(t, "rsyslogd"), peertest.NewAuthority(t), newMemory()
	server := ca.Issue(t, "server.test", time.Hour)
	s, _ := start(t, store, func(c *Config) {
		c.TLS = TLSListener{"127.0.0.1:0", TLSConfig{Cert: server.Cert, Key: server.Key, ClientCA: ca.File}}
	})
	_, out, _ := net.SplitHostPort(s.Addr("tls").String())
	to := freePort(t)
	_, in, _ := net.SplitHostPort(to)
	runPeer(t, rsyslog(t, rsyslogd, in, fmt.Sprintf(`DefaultNetstreamDriverCAFile="%s"`, ca.File), fmt.Sprintf(gtlsAction, out, "x509/name")))
	r, run := relayTo(t, forward.Config{To: []string{to}}, t.TempDir())
	run()
	putAll(t, r, messages(0, 10))
	eventually(t, func() bool { return s.Snapshot()["refused_tls_no_certificate"] > 0 })
	if got := store.texts(); len(got) > 0 {
		t.Errorf("%q", got)
	}
}

// The same with syslog-ng, whose drivers bind framing and format together.
func TestSyslogNG(t *testing.T) {
	syslogNG, ca := peertest.Find(t, "syslog-ng"), peertest.NewAuthority(t)
	server, client := ca.Issue(t, "server.test", time.Hour), ca.Issue(t, "client.test", time.Hour)
	secured := fmt.Sprintf(`transport("tls") tls(ca-file("%s") cert-file("%s") key-file("%s") peer-verify(yes))`, ca.File, client.Cert, client.Key)
	for _, c := range []struct{ driver, listener, options string }{
		{"syslog", "tcp", `transport("tcp")`},
		{"network", "tcp", `transport("tcp")`},
		{"network", "udp", `transport("udp")`},
		{"syslog", "tls", secured},
		{"network", "tls", secured},
	} {
		listen := func(cfg *Config) {
			cfg.TLS = TLSListener{"127.0.0.1:0", TLSConfig{Cert: server.Cert, Key: server.Key, ClientCA: ca.File}}
		}
		t.Run(c.driver+"/"+c.listener, func(t *testing.T) {
			chain(t, c.listener, listen, func(in, out string) *exec.Cmd {
				dir := t.TempDir()
				conf := "@version: 3.38\noptions { keep-hostname(yes); flush-lines(1); frac-digits(6); };\n" +
					"source s { " + fmt.Sprintf(`syslog(ip("127.0.0.1") port(%s) transport("tcp"));`, in) + " };\n" +
					"destination d { " + fmt.Sprintf(`%s("127.0.0.1" port(%s) %s);`, c.driver, out, c.options) + " };\n" +
					"log { source(s); destination(d); };\n"
				args := []string{
					"-F", "--no-caps", "-f", writeConf(t, dir, conf), "--persist-file=" + filepath.Join(dir, "persist"),
					"--pidfile=" + filepath.Join(dir, "pid"), "--control=" + filepath.Join(dir, "ctl"),
				}
				if modules := syslogNG.Folders("usr/lib/syslog-ng/*"); modules != "" {
					args = append(args, "--module-path="+modules)
				}
				cmd := exec.Command(syslogNG.Path, args...)
				cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+syslogNG.Folders("usr/lib/*-linux-gnu", "lib/*-linux-gnu", "usr/lib/syslog-ng"))
				return cmd
			})
		})
	}
}

func writeConf(t *testing.T, dir, conf string) string {
	t.Helper()
	path := filepath.Join(dir, "conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// runPeer runs another program until the test ends.
func runPeer(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("%s: %s", cmd.Path, output.String())
		}
	})
}

// eventually waits until something outside of us has happened.
func eventually(t *testing.T, happened func() bool) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.After(30 * time.Second); !happened(); {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatal("it has not happened")
		}
	}
}

// chain runs relay -> peer -> a listener of the server and compares what
// arrives with what was sent. The peer listens on the first port and sends to
// the second.
func chain(t *testing.T, listener string, change func(*Config), peer func(in, out string) *exec.Cmd) {
	t.Helper()
	store := newMemory()
	s, _ := start(t, store, change)
	_, out, _ := net.SplitHostPort(s.Addr(listener).String())
	to := freePort(t)
	_, in, _ := net.SplitHostPort(to)
	runPeer(t, peer(in, out))

	r, run := relayTo(t, forward.Config{To: []string{to}}, t.TempDir())
	run()
	n := 500
	if listener == "udp" { // what must fit into a small buffer of the kernel
		n = 100
	}
	sent := messages(0, n)
	putAll(t, r, sent)
	store.wait(t, n)
	for i := range sent {
		got, want := store.at(i), &sent[i]
		if got.Text != want.Text || got.Host != want.Host || got.App != want.App || got.PID != want.PID ||
			got.Severity != want.Severity || got.Facility != want.Facility {
			t.Fatalf("message %d: %+v, want %+v", i, got, want)
		}
		if d := got.When().Sub(want.When()).Abs(); got.Format == syslog.RFC5424 && d != 0 {
			t.Fatalf("message %d: time %v, want %v", i, got.When(), want.When())
		}
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
