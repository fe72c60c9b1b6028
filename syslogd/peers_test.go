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

	"rondo/syslogd/syslog"
)

// program finds a program that the tests talk to: installed, or unpacked
// below .cache/peers by .ci/deps.
func program(t *testing.T, name string) string {
	t.Helper()
	unpacked, err := filepath.Abs("../.cache/peers/usr/sbin/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(unpacked); err == nil {
		return unpacked
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("SKIPPED: %s is missing: run .ci/deps", name)
	}
	return path
}

// libraries returns the folders of an unpacked program's libraries that match
// the patterns, or nothing for one that is installed.
func libraries(t *testing.T, path string, patterns ...string) string {
	t.Helper()
	root, unpacked := strings.CutSuffix(filepath.Dir(path), "/usr/sbin")
	if !unpacked || root == "" {
		return ""
	}
	var all []string
	for _, pattern := range patterns {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	return strings.Join(all, ":")
}

// Every form in which logger(1) sends is understood whole.
func TestLogger(t *testing.T) {
	logger := program(t, "logger")
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

// Our relay sends to rsyslog, and rsyslog to our server, in every framing and
// format that both have.
func TestRsyslog(t *testing.T) {
	rsyslogd := program(t, "rsyslogd")
	for _, c := range []struct{ framing, template string }{
		{"octet-counted", "RSYSLOG_SyslogProtocol23Format"},
		{"traditional", "RSYSLOG_SyslogProtocol23Format"},
		{"octet-counted", "RSYSLOG_ForwardFormat"},
		{"traditional", "RSYSLOG_TraditionalForwardFormat"},
	} {
		t.Run(c.framing+"/"+c.template, func(t *testing.T) {
			chain(t, func(in, out string) *exec.Cmd {
				dir := t.TempDir()
				conf := fmt.Sprintf(`
					global(workDirectory="%s" maxMessageSize="64k")
					module(load="imtcp")
					input(type="imtcp" address="127.0.0.1" port="%s")
					action(type="omfwd" target="127.0.0.1" port="%s" protocol="tcp" TCP_Framing="%s" template="%s")
				`, dir, in, out, c.framing, c.template)
				args := []string{"-n", "-f", writeConf(t, dir, conf), "-i", filepath.Join(dir, "pid")}
				if modules := libraries(t, rsyslogd, "usr/lib/*/rsyslog"); modules != "" {
					args = append(args, "-M", modules)
				}
				cmd := exec.Command(rsyslogd, args...)
				cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+libraries(t, rsyslogd, "usr/lib/*-linux-gnu", "lib/*-linux-gnu"))
				return cmd
			})
		})
	}
}

// The same with syslog-ng, whose drivers bind framing and format together.
func TestSyslogNG(t *testing.T) {
	syslogNG := program(t, "syslog-ng")
	for name, c := range map[string]struct{ source, destination string }{
		"syslog":  {`syslog(ip("127.0.0.1") port(%s) transport("tcp"));`, `syslog("127.0.0.1" port(%s) transport("tcp"));`},
		"network": {`syslog(ip("127.0.0.1") port(%s) transport("tcp"));`, `network("127.0.0.1" port(%s) transport("tcp"));`},
	} {
		t.Run(name, func(t *testing.T) {
			chain(t, func(in, out string) *exec.Cmd {
				dir := t.TempDir()
				conf := "@version: 3.38\noptions { keep-hostname(yes); flush-lines(1); frac-digits(6); };\n" +
					"source s { " + fmt.Sprintf(c.source, in) + " };\n" +
					"destination d { " + fmt.Sprintf(c.destination, out) + " };\nlog { source(s); destination(d); };\n"
				args := []string{
					"-F", "--no-caps", "-f", writeConf(t, dir, conf), "--persist-file=" + filepath.Join(dir, "persist"),
					"--pidfile=" + filepath.Join(dir, "pid"), "--control=" + filepath.Join(dir, "ctl"),
				}
				if modules := libraries(t, syslogNG, "usr/lib/syslog-ng/*"); modules != "" {
					args = append(args, "--module-path="+modules)
				}
				cmd := exec.Command(syslogNG, args...)
				cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+libraries(t, syslogNG, "usr/lib/*-linux-gnu", "lib/*-linux-gnu", "usr/lib/syslog-ng"))
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

// chain runs relay -> peer -> server and compares what arrives with what was
// sent. The peer listens on the first port and sends to the second.
func chain(t *testing.T, peer func(in, out string) *exec.Cmd) {
	t.Helper()
	store := newMemory()
	s, _ := start(t, store, nil)
	_, out, _ := net.SplitHostPort(s.Addr("tcp").String())
	to := freePort(t)
	_, in, _ := net.SplitHostPort(to)

	var output bytes.Buffer
	cmd := peer(in, out)
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

	r := relayTo(t, to, t.TempDir(), nil)
	t.Cleanup(func() { r.Close() })
	runRelay(t, r)
	const n = 500
	sent := messages(0, n)
	r.enqueue(sent)
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
