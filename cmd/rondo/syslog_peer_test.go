package main

import (
	"net"
	"os/exec"
	"strconv"
	"testing"

	"rondo/syslogd/peertest"
)

// startSyslogPeer runs rsyslogd or syslog-ng with a configuration, and waits
// until it listens on a TCP address; "" waits for nothing. It is killed at the
// end of the test.
func startSyslogPeer(t testing.TB, name, conf, addr string) *exec.Cmd {
	t.Helper()
	run := peertest.Rsyslog
	if name == "syslog-ng" {
		run = peertest.SyslogNG
	}
	_, text, _ := net.SplitHostPort(addr)
	port, _ := strconv.Atoi(text)
	return run(t, conf, func() bool { return port == 0 || peertest.Listens("tcp", port) }).Command()
}
