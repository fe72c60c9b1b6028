package forward

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"rondo/syslogd/out"
	"rondo/syslogd/out/outtest"
	"rondo/syslogd/peertest"
	"rondo/syslogd/syslog"
)

// rsyslog writes each message before it answers it: nothing waits in its
// memory. {port}, {file} and the certificates' files are filled in.
const rsyslogConf = `
global(workDirectory="{dir}" maxMessageSize="64k" DefaultNetstreamDriverCAFile="{ca}"
	DefaultNetstreamDriverCertFile="{cert}" DefaultNetstreamDriverKeyFile="{key}")
main_queue(queue.type="direct")
%s
action(type="omfile" file="{file}" template="RSYSLOG_SyslogProtocol23Format")
`

const syslogNGConf = `@version: 3.38
options { keep-hostname(yes); flush-lines(1); frac-digits(6); stats-freq(0); };
source s { %s };
destination d { file("{file}" template("<${PRI}>1 ${ISODATE} ${HOST} ${PROGRAM} ${PID} - - ${MSG}\n")); };
log { source(s); destination(d); flags(flow-control); };
`

// Real servers pass the test of all destinations, whatever becomes of them. In
// each way the host that a message names stays, which text tells.
func TestRealServers(t *testing.T) {
	for _, c := range []struct {
		name string
		run  func(testing.TB, string, func() bool) *peertest.Peer
		conf string
		cfg  Config
	}{
		{"rsyslog/tcp", peertest.Rsyslog, fmt.Sprintf(rsyslogConf, `module(load="imtcp") input(type="imtcp" address="127.0.0.1" port="{port}")`), Config{}},
		{"rsyslog/udp", peertest.Rsyslog, fmt.Sprintf(rsyslogConf, `module(load="imudp") input(type="imudp" address="127.0.0.1" port="{port}")`), Config{Proto: UDP}},
		{"rsyslog/relp", peertest.Rsyslog, fmt.Sprintf(rsyslogConf, `module(load="imrelp") input(type="imrelp" address="127.0.0.1" port="{port}" maxDataSize="64k")`), Config{Proto: RELP}},
		{"rsyslog/tls", peertest.Rsyslog, fmt.Sprintf(rsyslogConf, `module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1"
			StreamDriver.AuthMode="x509/name" PermittedPeer="client.test") input(type="imtcp" address="127.0.0.1" port="{port}")`), Config{Proto: TLS}},
		{"rsyslog/relp-tls", peertest.Rsyslog, fmt.Sprintf(rsyslogConf, `module(load="imrelp") input(type="imrelp" address="127.0.0.1" port="{port}" maxDataSize="64k"
			tls="on" tls.caCert="{ca}" tls.myCert="{cert}" tls.myPrivKey="{key}" tls.authMode="name" tls.permittedPeer="client.test")`), Config{Proto: RELPTLS}},
		{"syslog-ng/tcp", peertest.SyslogNG, fmt.Sprintf(syslogNGConf, `syslog(ip("127.0.0.1") port({port}) transport("tcp"));`), Config{}},
		{"syslog-ng/tcp-3164", peertest.SyslogNG, fmt.Sprintf(syslogNGConf, `network(ip("127.0.0.1") port({port}) transport("tcp"));`), Config{Framing: Newline, Format: RFC3164}},
		{"syslog-ng/udp", peertest.SyslogNG, fmt.Sprintf(syslogNGConf, `syslog(ip("127.0.0.1") port({port}) transport("udp"));`), Config{Proto: UDP}},
		{"syslog-ng/tls", peertest.SyslogNG, fmt.Sprintf(syslogNGConf, `syslog(ip("127.0.0.1") port({port}) transport("tls")
			tls(ca-file("{ca}") cert-file("{cert}") key-file("{key}") peer-verify(yes)));`), Config{Proto: TLS}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			outtest.Run(t, func(t *testing.T) *outtest.Subject {
				s := realServer(t, c.run, c.conf, c.cfg)
				if c.name == "rsyslog/tls" {
					s.Cut = nil // it takes seconds to start; Down is enough
				}
				return s
			})
		})
	}
}

func realServer(t *testing.T, run func(testing.TB, string, func() bool) *peertest.Peer, conf string, cfg Config) *outtest.Subject {
	t.Helper()
	ca, file := peertest.NewAuthority(t), filepath.Join(t.TempDir(), "received")
	server, client := ca.Issue(t, "server.test", time.Hour), ca.Issue(t, "client.test", time.Hour)
	to, protocol := reserve(t, cfg.Proto == UDP), "tcp"
	_, digits, _ := net.SplitHostPort(to)
	port, err := strconv.Atoi(digits)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Proto == UDP {
		protocol = "udp"
	}
	conf = strings.NewReplacer("{port}", digits, "{file}", file, "{ca}", ca.File, "{cert}", server.Cert, "{key}", server.Key).Replace(conf)
	peer := run(t, conf, func() bool { return peertest.Listens(protocol, port) })
	if cfg.To = []string{to}; cfg.Proto.isTLS() {
		cfg.TLS = out.TLS{CA: ca.File, Name: "server.test", Cert: client.Cert, Key: client.Key}
	}
	d := open(t, cfg)
	subject := &outtest.Subject{
		Destination: d, Received: func() []outtest.Arrival { return arrivals(file) },
		Cut:  func() { peer.Kill(); peer.Start() },
		Down: peer.Kill, Up: peer.Start,
		Forgets: cfg.Proto != RELP && cfg.Proto != RELPTLS,
	}
	if cfg.Proto == UDP {
		subject.Cut = nil
		subject.Destination = lockstep{d, t, func() int { return lines(file) }}
	}
	return subject
}

func lines(file string) int {
	text, _ := os.ReadFile(file) // none is there at first
	return bytes.Count(text, []byte("\n"))
}

// arrivals are the messages that a server has written. One whose host is not
// the original one is none that was sent.
func arrivals(file string) (all []outtest.Arrival) {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	for scanner := bufio.NewScanner(f); scanner.Scan(); {
		m := syslog.Parse(scanner.Text(), time.Now(), netip.Addr{})
		var i int
		if _, err := fmt.Sscanf(m.Text, "message %d", &i); err != nil || m.Host != fmt.Sprintf("h%d", i%3) || m.PID != strconv.Itoa(i) {
			m.Text = "altered: " + scanner.Text()
		}
		all = append(all, outtest.Arrival{Text: m.Text})
	}
	return all
}
