package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const crashConfig = `
web: {listen: "127.0.0.1:{web}"}
log: warn
rrd:
  schemas:
    - {name: crash, match: "crash.*", heartbeat: 2h, archives: [1s for 2h, 10s for 1d]}
syslogd:
  udp: ""
  tcp: "127.0.0.1:{syslog}"
  tls: {listen: "127.0.0.1:{tls}", cert: "{dir}/server.pem", key: "{dir}/server.pem"}
  listeners: [{proto: relp, listen: "127.0.0.1:{relp}"}]
collectors:
  - {kind: graphite, listen: "127.0.0.1:{graphite}"}
  - {kind: rrdcached}
alerts: {hosts: []}
`

// TestCrash kills the server with SIGKILL at random moments under load. All
// that was acknowledged, and for plain TCP that is the server's close after
// the client's half-close, must be there afterwards, once, and unchanged.
//
// RONDO_KILLS sets the number of kills; make soak sets it to 1,000.
func TestCrash(t *testing.T) {
	kills := 50
	if n, err := strconv.Atoi(os.Getenv("RONDO_KILLS")); err == nil {
		kills = n
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("%d kills, seed %d", kills, seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	p := newProc(t, crashConfig)
	told := acked{rounds: kills}
	for round := range kills {
		p.start()
		stop := make(chan struct{})
		var load sync.WaitGroup
		for range 2 {
			load.Go(func() { told.metrics(p, round, stop) })
			load.Go(func() { told.logs(p, round, stop) })
			load.Go(func() { told.relp(p, round, stop) })
			load.Go(func() { told.tls(p, round, stop) })
			load.Go(func() { told.loki(p, round, stop) })
			load.Go(func() { told.updates(p, round, stop) })
		}
		time.Sleep(time.Duration(rng.IntN(300)) * time.Millisecond)
		close(stop) // a close that comes later may be the kernel's, and acknowledges nothing
		p.kill()
		load.Wait()
	}
	p.start()
	told.check(t, p)
	p.stop()
	p.start() // and after a clean stop
	told.check(t, p)
	p.stop()
	t.Logf("%d samples, %d messages and updates of %d sets were acknowledged, all are there", len(told.samples), len(told.messages), len(told.sets))
	if len(told.samples) == 0 || len(told.messages) == 0 || len(told.sets) == 0 {
		t.Error("nothing was acknowledged: the test has shown nothing")
	}
}

// acked is what the server has acknowledged.
type acked struct {
	rounds int

	mu       sync.Mutex
	next     int
	samples  map[string]float64 // by series
	messages map[string]string  // where and when each id was acknowledged
	sets     map[string]int     // newest update of each set
}

func (a *acked) number() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next++
	return a.next
}

// metrics sends batches of samples over Graphite TCP, each on a connection of
// its own, until stop; a batch whose connection the server closes is noted.
func (a *acked) metrics(p *proc, round int, stop chan struct{}) {
	for !stopped(stop) {
		batch := map[string]float64{}
		var text strings.Builder
		for range 20 {
			n := a.number()
			series := fmt.Sprintf("crash.r%d.s%d", round, n)
			batch[series] = float64(n) + 0.25
			fmt.Fprintf(&text, "%s %v %d\n", series, batch[series], time.Now().Unix())
		}
		if sendAndWait(p.addr("graphite"), text.String()) != nil || stopped(stop) {
			continue
		}
		a.mu.Lock()
		if a.samples == nil {
			a.samples = map[string]float64{}
		}
		for s, v := range batch {
			a.samples[s] = v
		}
		a.mu.Unlock()
	}
}

// logs does the same with syslog messages.
func (a *acked) logs(p *proc, round int, stop chan struct{}) {
	for !stopped(stop) {
		var ids []string
		var text strings.Builder
		for range 20 {
			id, line := a.line(round)
			ids = append(ids, id)
			text.WriteString(line + "\n")
		}
		if sendAndWait(p.addr("syslog"), text.String()) != nil || stopped(stop) {
			continue
		}
		a.noteMessages("tcp", round, ids)
	}
}

func stopped(stop chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

// sendAndWait sends text, closes its half of the connection, and returns nil
// if the server then closes in order: all is on disk.
func sendAndWait(addr, text string) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		return err
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, conn)
	return err
}

// check reads everything back.
func (a *acked) check(t *testing.T, p *proc) {
	t.Helper()
	a.checkSets(t, p)
	got, counts := map[string]float64{}, map[string]int{}
	for round := range a.rounds {
		readSamples(t, p, fmt.Sprintf(`last_over_time({__name__=~"crash[.]r%d[.].*"}[1h])`, round), got)
		countMessages(t, p, fmt.Sprintf("host:round%d", round), counts)
	}
	lost, wrong := 0, 0
	for s, v := range a.samples {
		switch stored, ok := got[s]; {
		case !ok:
			lost++
		case stored != v:
			wrong++
		}
	}
	if lost > 0 || wrong > 0 {
		t.Errorf("of %d acknowledged samples %d are lost and %d are wrong", len(a.samples), lost, wrong)
	}
	lost, twice := 0, 0
	for id, way := range a.messages {
		switch counts[id] {
		case 0:
			lost++
			t.Logf("lost: %s, acknowledged over %s", id, way)
		case 1:
		default:
			twice++
		}
	}
	if lost > 0 || twice > 0 {
		t.Errorf("of %d acknowledged messages %d are lost and %d are there more than once", len(a.messages), lost, twice)
	}
}

func readSamples(t *testing.T, p *proc, expr string, got map[string]float64) {
	t.Helper()
	var answer promAnswer
	if err := p.get("/api/v1/query?"+url.Values{"query": {expr}}.Encode(), &answer); err != nil {
		t.Fatal(err)
	}
	var series []promSeries
	if err := json.Unmarshal(answer.Data.Result, &series); err != nil {
		t.Fatal(err)
	}
	for _, s := range series {
		v, err := strconv.ParseFloat(s.Value.value, 64)
		if err != nil {
			t.Fatal(err)
		}
		got[s.Metric["__name__"]] = v
	}
}

func countMessages(t *testing.T, p *proc, filter string, counts map[string]int) {
	t.Helper()
	q := url.Values{"q": {filter}, "from": {"-2h"}, "limit": {"100000"}}
	resp, err := http.Get(p.url("/api/logs?" + q.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("search %s: %s", filter, resp.Status)
	}
	for dec := json.NewDecoder(resp.Body); ; {
		var m struct{ Message string }
		if err := dec.Decode(&m); err == io.EOF {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		counts[strings.TrimPrefix(m.Message, "message ")]++
	}
}

// TestSyncBeforeAnswer looks at the system calls: between reading a client's
// samples and closing its connection, or answering it, there is an fdatasync
// that succeeded. kill -9 alone cannot show that, for the page cache survives it.
func TestSyncBeforeAnswer(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("SKIPPED: strace is missing")
	}
	for _, c := range []struct{ port, text, reply string }{
		{"graphite", "crash.strace 1 -1\n", "close("},
		{"syslog", "<13>1 - host crash.strace - - - hello\n", "close("},
		{"relp", "1 open 30 relp_version=0\ncommands=syslog\n2 syslog 38 <13>1 - host crash.strace - - - hello\n\n", "write("},
		{"web", "/loki/api/v1/push?crash.strace", "write("},
	} {
		t.Run(c.port, func(t *testing.T) {
			p := newProc(t, crashConfig)
			trace := filepath.Join(p.dir, "trace")
			p.start(strace, "-f", "-s", "128", "-e", "trace=read,recvfrom,write,fdatasync,fsync,close,shutdown", "-o", trace)
			send := func() error { return sendAndWait(p.addr(c.port), c.text) }
			if c.port == "web" { // HTTP ends a request whose client closes half of the connection
				send = func() error { return pushLoki(p.url(c.text), "host", [][2]string{{"1", "hello"}}) }
			}
			if err := send(); err != nil {
				t.Fatal(err)
			}
			p.stopChild()
			text, err := os.ReadFile(trace)
			if err != nil {
				t.Fatal(err)
			}
			checkTrace(t, string(text), c.reply)
		})
	}
}

var (
	traced    = regexp.MustCompile(`^(\d+) +(.*)`)
	readBegun = regexp.MustCompile(`^(?:read|recvfrom)\((\d+), `)
	synced    = regexp.MustCompile(`fdatasync(\(\d+\)| resumed>\)) += 0`)
)

// checkTrace follows one connection through the lines of strace -f, where a
// call that another thread interrupts is split into two lines.
func checkTrace(t *testing.T, trace, reply string) {
	t.Helper()
	reading := map[string]string{} // file descriptor that each thread reads
	fd, sync := "", false
	for line := range strings.Lines(trace) {
		m := traced.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		thread, call := m[1], m[2]
		if r := readBegun.FindStringSubmatch(call); r != nil {
			reading[thread] = r[1]
		}
		switch {
		case fd == "" && strings.Contains(call, "crash.strace"):
			fd = reading[thread]
		case fd != "" && synced.MatchString(call):
			sync = true
		case fd != "" && strings.HasPrefix(call, reply+fd):
			if !sync {
				t.Errorf("the client is answered before anything is synced:\n%s", trace)
			}
			return
		}
	}
	t.Errorf("the trace shows no read of our line, or no answer:\n%s", trace)
}
