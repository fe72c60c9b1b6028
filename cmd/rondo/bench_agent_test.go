package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rondo/syslogd/logstore/logtest"
)

const benchAgentServer = `
web: {listen: "127.0.0.1:{web}"}
syslogd: {udp: "", tcp: "", canary: {interval: 0}}
collectors: []
agents: {token: "0123456789abcdef"}
`

const benchAgent = `
server: http://{web}
token_file: {dir}/token
data: {dir}/agent
ec2: {off: true}
`

// collectdConf measures what the agent does, each 10 s, and sends it on.
const collectdConf = `
Interval 10
BaseDir "{dir}"
PIDFile "{dir}/collectd.pid"
LoadPlugin cpu
LoadPlugin load
LoadPlugin memory
LoadPlugin df
LoadPlugin disk
LoadPlugin interface
LoadPlugin swap
LoadPlugin uptime
LoadPlugin processes
LoadPlugin write_graphite
<Plugin write_graphite>
  <Node "server">
    Host "127.0.0.1"
    Port "{graphite}"
    Protocol "tcp"
  </Node>
</Plugin>
`

const (
	agentSettles = 40 * time.Second // what the start needs is gone by then
	agentQuiet   = time.Minute
	agentLines   = 1_000_000
)

// agent is the agent on a quiet machine, beside collectd, and then with a file
// that it has never seen.
func (t *table) agent(b *testing.B) {
	server := newProc(b, benchAgentServer)
	server.start()
	quiet := startAgent(b, server, "syslog: {unix: {dir}/devlog}\nfiles: [{paths: ['{dir}/quiet/*.log']}]\n")
	peer := startCollectd(b, server)
	time.Sleep(agentSettles)
	before, peerBefore := quiet.cpu(), peer.cpu()
	time.Sleep(agentQuiet)
	percent := func(used time.Duration) float64 { return 100 * used.Seconds() / agentQuiet.Seconds() }
	t.add("agent on a quiet machine, each 10 s: anonymous memory", "", quiet.memory("RssAnon")/1e6, "MB", atMost(10))
	t.note("collectd %s", quantity(peer.memory("RssAnon")/1e6, "MB"))
	t.add("the same, RSS", "node_exporter 20 MB", quiet.memory("VmRSS")/1e6, "MB", atMost(25))
	t.note("collectd %s", quantity(peer.memory("VmRSS")/1e6, "MB"))
	t.add("the same, CPU", "collectd 0.07 %", percent(quiet.cpu()-before), "%", atMost(0.1))
	t.note("collectd beside it %s", quantity(percent(peer.cpu()-peerBefore), "%"))
	quiet.kill()
	peer.kill()
	file, size := largeLog(b)
	t.agentFile(b, server, file, size)
	server.stop()
	t.peerFile(b, "rsyslogd", "rsyslog imfile", rsyslogReads, file, size)
	t.peerFile(b, "syslog-ng", "syslog-ng file()", syslogNGReads, file, size)
}

const (
	rsyslogReads = `
		global(workDirectory="{dir}")
		module(load="imfile")
		input(type="imfile" file="{in}" tag="large")
		action(type="omfile" file="{out}" template="RSYSLOG_FileFormat")
	`
	syslogNGReads = `@version: 3.38
		options { stats-freq(0); flush-lines(100); };
		source s { file("{in}" flags(no-parse)); };
		destination d { file("{out}"); };
		log { source(s); destination(d); flags(flow-control); };
	`
)

// peerFile is the same file, until the peer has written all of it to another.
func (t *table) peerFile(b *testing.B, name, label, conf, file string, size int64) {
	if !havePeer(name) {
		b.Skipf("SKIPPED: %s is missing; .ci/deps unpacks it", name)
	}
	out, begun := filepath.Join(b.TempDir(), "out.log"), time.Now()
	p := &proc{t: b, cmd: startSyslogPeer(b, name, replaced(conf, "{in}", file, "{out}", out), "")}
	for n := 0; n < agentLines; n = linesOf(b, out) {
		if time.Since(begun) > 2*patience {
			b.Fatalf("%s has written %d lines of %d", label, n, agentLines)
		}
		time.Sleep(20 * time.Millisecond)
	}
	took, used := time.Since(begun), p.cpu()
	t.add("  "+label+", into another file", "", float64(size)/1e6/used.Seconds(), "MB", goal{})
	t.note("%s each second until written", quantity(float64(size)/1e6/took.Seconds(), "MB"))
}

// largeLog writes the lines that agents have never seen.
func largeLog(b *testing.B) (file string, size int64) {
	file = filepath.Join(b.TempDir(), "large.log")
	f, err := os.Create(file)
	if err != nil {
		b.Fatal(err)
	}
	w, r := bufio.NewWriter(f), rand.New(rand.NewPCG(1, 1))
	for range agentLines {
		fmt.Fprintln(w, logtest.Line(r))
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if size, err = f.Seek(0, io.SeekCurrent); err != nil {
		b.Fatal(err)
	}
	f.Close()
	return file, size
}

// agentFile is a large file, until the server has all of it.
func (t *table) agentFile(b *testing.B, server *proc, file string, size int64) {
	begun := time.Now()
	a := startAgent(b, server, "files: [{paths: ['"+file+"']}]\nmetrics: {off: true}\n")
	for server.counter("rondo_agents_messages_total") < agentLines && time.Since(begun) < 2*patience {
		time.Sleep(20 * time.Millisecond)
	}
	took, used := time.Since(begun), a.cpu()
	t.add("agent reads a file: per second of its CPU", "", float64(size)/1e6/used.Seconds(), "MB", atLeast(100))
	t.note("%s each second until stored, server included; %s", quantity(float64(size)/1e6/took.Seconds(), "MB"), quantity(a.memory("RssAnon")/1e6, "MB"))
	a.kill()
}

// startAgent starts an agent of a server, in a directory of its own.
func startAgent(b *testing.B, server *proc, more string) *proc {
	b.Helper()
	a := &proc{t: b, dir: b.TempDir()}
	conf := strings.NewReplacer("{web}", server.addr("web"), "{dir}", a.dir).Replace(benchAgent + more)
	for name, text := range map[string]string{"agent.yml": conf, "token": "0123456789abcdef\n"} {
		if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	bin, err := exec.LookPath("rondo")
	if err != nil {
		b.Fatal(err)
	}
	a.run(exec.Command(bin, "agent", "--config", filepath.Join(a.dir, "agent.yml")))
	return a
}

// startCollectd starts the peer.
func startCollectd(b *testing.B, server *proc) *proc {
	b.Helper()
	bin, err := exec.LookPath("collectd")
	if err != nil {
		b.Skip("SKIPPED: collectd is not installed")
	}
	c := &proc{t: b, dir: b.TempDir()}
	conf := strings.NewReplacer("{dir}", c.dir, "{graphite}", fmt.Sprint(server.ports["graphite"])).Replace(collectdConf)
	if err := os.WriteFile(filepath.Join(c.dir, "collectd.conf"), []byte(conf), 0o600); err != nil {
		b.Fatal(err)
	}
	c.run(exec.Command(bin, "-f", "-C", filepath.Join(c.dir, "collectd.conf")))
	return c
}
