package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

const cachedConfig = `
web: {listen: "127.0.0.1:{web}"}
log: error
rrd:
  schemas:
    - {name: rrd, match: "*", archives: [1m for 1d, 10m for 10d, 2h for 3y]}
syslogd: {udp: "", tcp: ""}
collectors:
  - {kind: rrdcached}
`

// rrdArchives are those that the schema above makes.
const rrdArchives = "RRA:AVERAGE:0.99:1:1440" +
	" RRA:AVERAGE:0.99:10:1440 RRA:MIN:0.99:10:1440 RRA:MAX:0.99:10:1440" +
	" RRA:AVERAGE:0.99:120:13140 RRA:MIN:0.99:120:13140 RRA:MAX:0.99:120:13140"

// rrdcached measures the protocol, and Debian's rrdcached beside it in the
// same run: 1 value per UPDATE, batches of 1,000 on two connections, values of
// a series a minute apart. rrdcached's figure for what is on disk is with its
// writing, at 20 values per file, and a sync of the whole system.
func (t *table) rrdcached(b *testing.B) {
	const series, peerSeries, rounds = 50_000, 5_000, 20
	now := time.Now().Unix() / 60 * 60
	peer := startPeer(b)
	peer.create(peerSeries)
	theirs := newSpeakers(b, peer.socket, peerSeries)
	theirs.rounds(1, now-(rounds+1)*60)
	wall := theirs.rounds(rounds, now-rounds*60)
	accepted := float64(peerSeries*rounds) / wall.Seconds()
	wall += peer.drain(peerSeries * (rounds + 1))
	durable := float64(peerSeries*rounds) / wall.Seconds()

	p := newProc(b, cachedConfig)
	p.start()
	ours := newSpeakers(b, filepath.Join(p.dir, "data", "rrdcached.sock"), series)
	first := ours.rounds(1, now-(rounds+1)*60)
	t.add("rrdcached protocol: sets that were never created", "rrdcached 14-18k series/s (files are there)", series/first.Seconds(), "series/s", goal{})
	cpu, written := p.cpu(), p.written()
	wall = ours.rounds(rounds, now-rounds*60)
	cpu = p.cpu() - cpu
	rate := series * rounds / wall.Seconds()
	t.add("rrdcached protocol: acknowledged and on disk, 50k series",
		fmt.Sprintf("rrdcached %s, accepted only %s", quantity(durable, "values/s"), quantity(accepted, "values/s")),
		rate, "values/s", atLeast(500_000))
	t.note("x %.2g of rrdcached's durable, CPU %s per value", rate/durable, quantity(cpu.Seconds()*1e6/(series*rounds), "us"))
	theirs.conns[0].ask(fmt.Sprintf("CREATE day.rrd -s 60 -b %d DS:value:GAUGE:120:U:U %s\n", now-86400-120, rrdArchives))
	theirs.conns[0].day(now)
	ours.conns[0].day(now)
	t.latency("FETCH", &theirs.conns[0], &ours.conns[0], now, atMost(0.15))
	t.latency("FETCHBIN", &theirs.conns[0], &ours.conns[0], now, goal{})
	u := p.stopUsage()
	t.add("rrdcached protocol: bytes written to the device per value", "rrdcached 206-1,659",
		(float64(u.Oublock)*512-written)/(series*rounds), "B", atMost(64))
}

// day fills a set with a day of minutes.
func (s *speaker) day(now int64) {
	rng := rand.New(rand.NewPCG(1, 2))
	text := []byte("BATCH\n")
	for at := now - 86400 - 60; at <= now; at += 60 {
		text = fmt.Appendf(text, "UPDATE day.rrd %d:%.2f\n", at, rng.Float64()*100)
	}
	s.ask(string(text) + ".\n")
	s.reply()
}

// latency measures FETCH or FETCHBIN of that day.
func (t *table) latency(command string, theirs, ours *speaker, now int64, g goal) {
	p50, p99 := [2]time.Duration{}, [2]time.Duration{}
	for i, conn := range []*speaker{theirs, ours} {
		var all []time.Duration
		for range 1000 {
			start := time.Now()
			conn.ask(fmt.Sprintf("%s day.rrd AVERAGE %d %d\n", command, now-86400, now-60))
			all = append(all, time.Since(start))
		}
		p50[i], p99[i] = quantile(all, 0.5), quantile(all, 0.99)
	}
	t.add(command+" of a day of minutes", "rrdcached "+quantity(milliseconds(p50[0]), "ms"), milliseconds(p50[1]), "ms", g)
	t.note("p99 %s, x %.2g of rrdcached's", quantity(milliseconds(p99[1]), "ms"), float64(p50[1])/float64(p50[0]))
}

// written is what the server has given to the device so far, in bytes.
func (p *proc) written() float64 {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if n, ok := strings.CutPrefix(line, "write_bytes: "); ok {
			v, _ := strconv.ParseFloat(strings.TrimSpace(n), 64)
			return v
		}
	}
	p.t.Fatal("no write_bytes")
	return 0
}

// speakers are two connections that share some series.
type speakers struct {
	series int
	conns  []speaker
}

type speaker struct {
	b    *testing.B
	conn net.Conn
	r    *bufio.Reader
}

func newSpeakers(b *testing.B, sock string, series int) *speakers {
	b.Helper()
	s := &speakers{series: series}
	for range 2 {
		conn, err := net.Dial("unix", sock)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { conn.Close() })
		s.conns = append(s.conns, speaker{b, conn, bufio.NewReaderSize(conn, 64<<10)})
	}
	return s
}

// ask sends commands and reads one reply.
func (s *speaker) ask(text string) string {
	if _, err := io.WriteString(s.conn, text); err != nil {
		s.b.Error(err)
	}
	return s.reply()
}

// reply reads a reply, without keeping its lines.
func (s *speaker) reply() string {
	first, err := s.r.ReadString('\n')
	if err != nil {
		s.b.Error(err)
		return ""
	}
	n, err := strconv.Atoi(strings.Fields(first)[0])
	if err != nil || n < 0 {
		s.b.Error("reply:", first)
		n = 0
	}
	for ; n > 0; n-- {
		line, err := s.r.ReadSlice('\n')
		if err != nil {
			s.b.Error(err)
			return ""
		}
		if _, form, ok := bytes.Cut(line, []byte(": BinaryData ")); ok {
			rows, _ := strconv.Atoi(strings.Fields(string(form))[0])
			if _, err := s.r.Discard(8*rows + 1); err != nil {
				s.b.Error(err)
			}
		}
	}
	return first
}

// rounds sends a value of each series per round, the first one at a time from.
func (s *speakers) rounds(rounds int, from int64) time.Duration {
	var g errgroup.Group
	texts := make([][][]byte, len(s.conns))
	share := s.series / len(s.conns)
	rng := rand.New(rand.NewPCG(uint64(from), 0))
	for c := range s.conns {
		for r := range rounds {
			for begin := c * share; begin < (c+1)*share; begin += 1000 {
				text := []byte("BATCH\n")
				for i := begin; i < min(begin+1000, (c+1)*share); i++ {
					text = fmt.Appendf(text, "UPDATE host-%03d/metric-%05d.rrd %d:%.2f\n", i/100, i, from+int64(r)*60, rng.Float64()*100)
				}
				texts[c] = append(texts[c], append(text, ".\n"...))
			}
		}
	}
	start := time.Now()
	for c := range s.conns {
		g.Go(func() error {
			for _, text := range texts[c] {
				s.conns[c].ask(string(text))
				if got := s.conns[c].reply(); got != "0 errors\n" {
					return fmt.Errorf("batch: %s", got)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		s.conns[0].b.Fatal(err)
	}
	return time.Since(start)
}

// A cachedPeer is Debian's rrdcached.
type cachedPeer struct {
	b      *testing.B
	socket string
}

func startPeer(b *testing.B) *cachedPeer {
	program, err := exec.LookPath("rrdcached")
	if err != nil {
		b.Skip("SKIPPED: rrdcached is missing; .ci/deps installs it")
	}
	dir := b.TempDir()
	p := &cachedPeer{b, filepath.Join(dir, "s")}
	for _, d := range []string{"db", "j"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			b.Fatal(err)
		}
	}
	cmd := exec.Command(program, "-g", "-l", "unix:"+p.socket, "-b", filepath.Join(dir, "db"), "-B", "-R", "-j", filepath.Join(dir, "j"),
		"-t", "4", "-w", "3600", "-f", "7200", "-p", filepath.Join(dir, "pid"))
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for range 1000 {
		if conn, err := net.Dial("unix", p.socket); err == nil {
			conn.Close()
			return p
		}
		time.Sleep(5 * time.Millisecond)
	}
	b.Fatal("rrdcached does not answer")
	return nil
}

func (p *cachedPeer) create(series int) {
	conn := newSpeakers(p.b, p.socket, series).conns[0]
	start := time.Now().Unix() - 86400
	for i := range series {
		conn.ask(fmt.Sprintf("CREATE host-%03d/metric-%05d.rrd -s 60 -b %d DS:value:GAUGE:120:U:U %s\n", i/100, i, start, rrdArchives))
	}
}

// drain makes rrdcached write all, and the system after it.
func (p *cachedPeer) drain(values int) time.Duration {
	conn := newSpeakers(p.b, p.socket, 1).conns[0]
	start := time.Now()
	conn.ask("FLUSHALL\n")
	for conn.dataSets() < values {
		time.Sleep(5 * time.Millisecond)
	}
	syscall.Sync()
	return time.Since(start)
}

// dataSets asks STATS for what is written.
func (s *speaker) dataSets() int {
	if _, err := io.WriteString(s.conn, "STATS\n"); err != nil {
		s.b.Fatal(err)
	}
	n := 0
	for range 10 {
		line, err := s.r.ReadString('\n')
		if err != nil {
			s.b.Fatal(err)
		}
		if v, ok := strings.CutPrefix(line, "DataSetsWritten: "); ok {
			n, _ = strconv.Atoi(strings.TrimSpace(v))
		}
	}
	return n
}
