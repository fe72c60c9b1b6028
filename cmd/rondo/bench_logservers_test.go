package main

import (
	"bytes"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"rondo/syslogd/logstore/logtest"
)

// serverLines is how many lines each log server gets.
const serverLines = 1_000_000

// logServers sends the same lines, over two connections, to rsyslog and
// syslog-ng, which write files, and to rondo, which stores them for search.
// Then a rare word is looked for: in a file by grep.
func (t *table) logServers(b *testing.B) {
	texts := corpusTexts()
	for _, peer := range []struct{ name, conf string }{{"rsyslogd", rsyslogToFile}, {"syslog-ng", syslogNGToFile}} {
		if !havePeer(peer.name) {
			b.Skipf("SKIPPED: %s is missing; .ci/deps unpacks it", peer.name)
		}
		t.logServer(b, peer.name, peer.conf, texts)
	}
	p := newProc(b, benchConfig)
	p.start()
	sum := p.sendAll("syslog", texts[0], texts[1])
	if n := p.countLogs(); n != serverLines {
		b.Fatalf("%d messages are stored, %d were sent", n, serverLines)
	}
	t.logServerRows("rondo", sum, allocatedBelow(b, filepath.Join(p.dir, "data", "logs", "chunks")))
	now := time.Now()
	v := url.Values{"q": {logtest.RareWord}, "from": {now.Add(-48 * time.Hour).UTC().Format(time.RFC3339)}, "to": {now.UTC().Format(time.RFC3339)}}
	t.query(p, "  search for a word that few lines have", "", "/api/logs?"+v.Encode(), goal{})
	p.stop()
}

// corpusTexts are the lines of the last 24 hours for two connections.
func corpusTexts() (texts [2]string) {
	c := logtest.NewCorpus(1, time.Now().Add(-24*time.Hour), float64(serverLines)/86400)
	var out [2]bytes.Buffer
	var line []byte
	for n := range serverLines {
		line = append(c.Append(line[:0]), '\n')
		out[n%2].Write(line)
	}
	return [2]string{out[0].String(), out[1].String()}
}

const (
	rsyslogToFile = `
		global(workDirectory="%[1]s")
		module(load="imtcp")
		input(type="imtcp" address="127.0.0.1" port="%[2]d")
		action(type="omfile" file="%[3]s" template="RSYSLOG_FileFormat")
	`
	syslogNGToFile = `@version: 3.38
		options { stats-freq(0); flush-lines(100); };
		source s { network(ip("127.0.0.1") port(%[2]d) transport("tcp") log-iw-size(20000) flags(syslog-protocol)); };
		destination d { file("%[3]s"); };
		log { source(s); destination(d); flags(flow-control); };
	`
)

func (t *table) logServer(b *testing.B, name, conf string, texts [2]string) {
	dir := b.TempDir()
	port, err := freePort()
	if err != nil {
		b.Fatal(err)
	}
	addr, file := net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), filepath.Join(dir, "all.log")
	cmd := startSyslogPeer(b, name, fmt.Sprintf(conf, dir, port, file), addr)
	p := &proc{t: b, cmd: cmd}
	cpu, start := p.cpu(), time.Now()
	errs := make(chan error)
	for _, text := range texts {
		go func() {
			conn, err := net.Dial("tcp", addr)
			if err == nil {
				_, err = conn.Write([]byte(text))
				conn.Close()
			}
			errs <- err
		}()
	}
	for range texts {
		if err := <-errs; err != nil {
			b.Fatal(err)
		}
	}
	for end := start.Add(patience); linesOf(b, file) < serverLines; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			b.Fatalf("%s has written %d lines of %d", name, linesOf(b, file), serverLines)
		}
	}
	t.logServerRows(name, sending{time.Since(start), p.cpu() - cpu}, allocatedBelow(b, dir))
	begin := time.Now()
	if err := exec.Command("grep", "-c", logtest.RareWord, file).Run(); err != nil {
		b.Fatalf("grep: %v", err)
	}
	t.add("  grep for the same word", "", float64(time.Since(begin).Microseconds())/1000, "ms", goal{})
}

func (t *table) logServerRows(name string, s sending, bytes float64) {
	t.add(fmt.Sprintf("syslog TCP, 1M lines of 230 B into %s: CPU per message", name), "", s.cpu.Seconds()*1e6/serverLines, "us", goal{})
	t.note("%s with the generator, %s on disk", quantity(serverLines/s.wall.Seconds(), "messages/s"), quantity(bytes/serverLines, "B per line"))
}

// linesOf counts the lines of a file that grows; 0 if there is none yet.
func linesOf(b *testing.B, file string) int {
	data, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		b.Fatal(err)
	}
	return bytes.Count(data, []byte{'\n'})
}
