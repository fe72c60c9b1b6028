package main

import (
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rondo/syslogd/logstore/logtest"
)

// A framing puts a message on a TCP connection.
type framing func(b *strings.Builder, message string)

func byNewline(b *strings.Builder, m string) { b.WriteString(m); b.WriteByte('\n') }

func byOctets(b *strings.Builder, m string) { fmt.Fprintf(b, "%d %s", len(m), m) }

// logs sends a million lines over syslog TCP, their times spread over ten
// hours, and searches them.
func (t *table) logs(b *testing.B) {
	const blocks, lines = 10, 100_000
	const all = blocks * lines
	p := newProc(b, benchConfig)
	p.start()
	start := time.Now().Truncate(time.Hour).Add(-blocks * time.Hour)
	idle := p.cpu()
	var sum sending
	bytes := 0
	for i := range blocks {
		frame := framing(byNewline)
		if i%2 == 1 {
			frame = byOctets
		}
		var texts [2]strings.Builder
		f := logtest.NewFleet(uint64(i), start.Add(time.Duration(i)*time.Hour))
		for n := range lines {
			m := f.Next().Raw
			if i == blocks/2 && n == lines/2 {
				m = strings.Replace(m, " - - ", " - - zebrafault9 ", 1)
			}
			bytes += len(m)
			frame(&texts[n%2], m)
		}
		sum.add(p.sendAll("syslog", texts[0].String(), texts[1].String()))
	}
	cpu := rusageTime(p.stopUsage()) - idle
	what := fmt.Sprintf("syslog TCP to disk and searchable, CPU per message of %d B", bytes/all)
	t.add(what, "VictoriaLogs 11.7 us", cpu.Seconds()*1e6/all, "us", atMost(4))
	t.note("%s until all is acknowledged", quantity(sum.cpu.Seconds()*1e6/all, "us"))
	t.add("syslog TCP, messages a second, generator on the same cores", "VictoriaLogs about 85k", all/sum.wall.Seconds(), "messages/s", atLeast(150e3))
	dir := filepath.Join(p.dir, "data", "logs")
	chunks := allocatedBelow(b, filepath.Join(dir, "chunks"))
	t.add("bytes of log lines per byte on disk, chunks", "VictoriaLogs 228 / 42.9 = 5.3", float64(bytes)/chunks, "", atLeast(228.0/20))
	t.note("%s per line; log and the rest %s", quantity(chunks/all, "B"), quantity(allocatedBelow(b, dir)-chunks, "B"))
	p.start()
	if n := p.countLogs(); n != all {
		b.Fatalf("%d messages are stored, %d were sent", n, all)
	}
	t.searches(p, start)
	p.stop()
}

func (t *table) searches(p *proc, start time.Time) {
	ask := func(what, peer, path string, from, to time.Time, q string, g goal) {
		v := url.Values{"q": {q}, "from": {from.UTC().Format(time.RFC3339)}, "to": {to.UTC().Format(time.RFC3339)}, "bin": {"1h"}}
		t.query(p, what, peer, path+v.Encode(), g)
	}
	const search, histogram = "/api/logs?", "/api/logs/histogram?"
	end := start.Add(24 * time.Hour)
	ask("logs, 1M lines: a rare word", "VictoriaLogs 47 ms (10M)", search, start, end, "zebrafault9", atMost(8))
	ask("logs, 1M lines: host and severity within 1 hour", "VictoriaLogs 30 ms (10M)", search, start.Add(3*time.Hour), start.Add(4*time.Hour), "host:web-007 severity<=err", atMost(4))
	ask("logs, 1M lines: count by hour", "VictoriaLogs 302 ms (10M)", histogram, start, end, "", atMost(1))
	ask("logs, 1M lines: count of a severity by hour", "", histogram, start, end, "severity<=err", goal{})
	ask("logs, 1M lines: | top 10 app", "", search, start, end, "| top 10 app", goal{})
	ask("logs, 1M lines: | patterns 20", "", search, start, end, "| patterns 20", goal{})
	ask("logs, 100k lines: numbers out of a program's texts, p95 by status", "", search, start.Add(3*time.Hour), start.Add(4*time.Hour), `app:nginx | extract "HTTP/1.1\" <status> <bytes> " | stats count(), p95(bytes) by status`, goal{})
}

// allocatedBelow is what the files in a directory take on disk.
func allocatedBelow(b *testing.B, dir string) (n float64) {
	b.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		i, err := d.Info()
		if err == nil {
			n += float64(i.Sys().(*syscall.Stat_t).Blocks) * 512
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// datagrams sends at a steady rate over UDP and counts what is stored.
func (t *table) datagrams(b *testing.B) {
	const variety, seconds = 20_000, 4
	f := logtest.NewFleet(1, time.Now().Add(-time.Minute))
	lines := make([][]byte, variety)
	for i := range lines {
		lines[i] = []byte(f.Next().Raw)
	}
	for _, rate := range []int{50_000, 100_000} {
		p := newProc(b, benchConfig)
		p.start()
		sent, took := sendPaced(b, p.addr("syslog"), lines, rate, seconds*rate)
		var stored, kernel, queue float64
		for end := time.Now().Add(patience); stored+kernel+queue < float64(sent) && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			stored, kernel = p.counter("rondo_syslogd_stored_total"), p.counter("rondo_syslogd_kernel_drops_udp_total")
			queue = p.counter("rondo_syslogd_refused_crowded_total")
		}
		lost := sent - p.countLogs()
		what, peer := fmt.Sprintf("syslog UDP, loss at %d messages/s", rate), ""
		if rate == 100_000 {
			peer = "VictoriaLogs 54, syslog-ng 64, rsyslog 0 %"
		}
		t.add(what, peer, 100*float64(lost)/float64(sent), "%", atMost(0))
		t.note("really sent: %.0f messages/s; the kernel dropped %.0f, the full queue %.0f", float64(sent)/took.Seconds(), kernel, queue)
		p.stop()
	}
}

// sendPaced sends n datagrams at a rate. When it comes late it catches up, in
// bursts as short as the clock allows.
func sendPaced(b *testing.B, addr string, lines [][]byte, rate, n int) (sent int, took time.Duration) {
	b.Helper()
	conn, err := net.Dial("udp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	start := time.Now()
	for sent < n {
		due := min(n, int(time.Since(start).Seconds()*float64(rate)))
		if sent >= due {
			time.Sleep(200 * time.Microsecond)
			continue
		}
		for ; sent < due; sent++ {
			if _, err := conn.Write(lines[sent%len(lines)]); err != nil {
				b.Fatal(err)
			}
		}
	}
	return sent, time.Since(start)
}

// countLogs is how many messages are stored once no more come.
func (p *proc) countLogs() int {
	p.t.Helper()
	last := -1
	for {
		var h struct{ Bins []struct{ Total int } }
		if err := p.get("/api/logs/histogram?bin=1h", &h); err != nil {
			p.t.Fatal(err)
		}
		n := 0
		for _, b := range h.Bins {
			n += b.Total
		}
		if n == last {
			return n
		}
		last = n
		time.Sleep(500 * time.Millisecond)
	}
}
