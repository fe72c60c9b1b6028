package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestPeersAroundRelay has rsyslog and syslog-ng read a file each and send its
// lines to a relay, which sends them on to an rsyslog and a syslog-ng. Both of
// these write every line once, in the order of its file.
func TestPeersAroundRelay(t *testing.T) {
	for _, name := range []string{"rsyslogd", "syslog-ng"} {
		if !havePeer(name) {
			t.Skipf("SKIPPED: %s is missing: run .ci/deps", name)
		}
	}
	t.Parallel()
	const lines = 3000
	dir := t.TempDir()
	rsPort, ngPort := deadPort(t), deadPort(t)
	p := newRelay(t,
		fmt.Sprintf("name: rsyslog, syslog: {to: \"127.0.0.1:%d\"}", rsPort),
		fmt.Sprintf("name: ng, syslog: {to: \"127.0.0.1:%d\"}", ngPort),
	)
	expand := func(text string) string {
		return strings.NewReplacer("$DIR", dir, "$RS", strconv.Itoa(rsPort), "$NG", strconv.Itoa(ngPort),
			"$RELAY", strconv.Itoa(p.ports["syslog"])).Replace(text)
	}
	for _, sender := range []string{"from-rsyslog", "from-ng"} {
		var text bytes.Buffer
		for n := range lines {
			fmt.Fprintf(&text, "<13>Oct 11 22:14:15 %s e2e: %s\n", sender, textOf(n))
		}
		if err := os.WriteFile(filepath.Join(dir, sender), text.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at := func(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
	startSyslogPeer(t, "rsyslogd", expand(rsyslogSink), at(rsPort))
	startSyslogPeer(t, "syslog-ng", expand(syslogNG), at(ngPort))
	p.start()
	startSyslogPeer(t, "rsyslogd", expand(rsyslogSource), p.addr("syslog"))
	for _, file := range []string{"rsyslog.out", "ng.out"} {
		for _, sender := range []string{"from-rsyslog", "from-ng"} {
			var got []string
			waitFor(t, func() error {
				if got = linesFrom(filepath.Join(dir, file), sender+" "); len(got) < lines {
					return fmt.Errorf("%s: %d lines %s of %d", file, len(got), sender, lines)
				}
				return nil
			})
			for n, line := range got {
				if n >= lines || line != textOf(n) {
					t.Fatalf("%s: line %d %s of %d is %q", file, n, sender, len(got), line)
				}
			}
		}
	}
	p.stop()
}

// linesFrom are those of a file that begin with a prefix, without it.
func linesFrom(file, prefix string) (list []string) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, prefix); ok && strings.HasSuffix(rest, "\n") {
			list = append(list, strings.TrimSpace(rest))
		}
	}
	return list
}

const rsyslogSink = `
global(workDirectory="$DIR/")
module(load="imtcp")
template(name="line" type="string" string="%hostname% %msg%\n")
input(type="imtcp" port="$RS" address="127.0.0.1")
action(type="omfile" file="$DIR/rsyslog.out" template="line")
`

// The lines of the file are whole messages: rsyslog takes them for such.
const rsyslogSource = `
global(workDirectory="$DIR/")
module(load="imfile" mode="polling" pollingInterval="1")
input(type="imfile" file="$DIR/from-rsyslog" tag="file:")
template(name="raw" type="string" string="%msg%\n")
action(type="omfwd" target="127.0.0.1" port="$RELAY" protocol="tcp" template="raw" action.resumeInterval="1" action.resumeRetryCount="-1")
`

const syslogNG = `
@version: 3.38
options { stats-freq(0); time-reopen(1); keep-hostname(yes); log-fifo-size(100000); };
source file { file("$DIR/from-ng" follow-freq(0.2)); };
destination relay { network("127.0.0.1" port($RELAY) transport("tcp")); };
log { source(file); destination(relay); flags(flow-control); };
source net { syslog(ip("127.0.0.1") port($NG) transport("tcp")); };
destination out { file("$DIR/ng.out" template("$HOST $MSG\n")); };
log { source(net); destination(out); flags(flow-control); };
`
