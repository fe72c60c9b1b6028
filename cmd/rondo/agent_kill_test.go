package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"rondo/syslogd/relp"
)

// agentKills is how many times TestAgentKilled kills; RONDO_AGENT_KILLS asks for
// more.
func agentKills() int {
	if n, err := strconv.Atoi(os.Getenv("RONDO_AGENT_KILLS")); err == nil {
		return n
	}
	return 20
}

const killedAgentConfig = `
server: http://{web}
token_file: {dir}/token
data: {dir}/agent
host: killed
metrics: {off: true}
ec2: {off: true}
syslog: {listeners: [{proto: relp, listen: "{relp}"}]}
files: [{paths: ["{dir}/logs/a.log*"], app: lines}] # rotated ones too: some come and go while nobody looks
`

// TestAgentKilled kills the agent, the server or both, over and over, while
// lines are written to files that are rotated, and messages are sent to the
// agent's RELP port. At the end the store has each line once, and each message
// that was acknowledged, once.
func TestAgentKilled(t *testing.T) {
	p := newProc(t, `
web: {listen: "127.0.0.1:{web}"}
syslogd: {udp: "", tcp: "", canary: {interval: 0}}
collectors: []
agents: {token: "0123456789abcdef"}
`)
	conf := strings.NewReplacer("{web}", p.addr("web"), "{relp}", p.addr("relp"), "{dir}", p.dir).Replace(killedAgentConfig)
	for name, text := range map[string]string{"agent.yml": conf, "token": "0123456789abcdef\n"} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(p.dir, "logs"), 0o700); err != nil {
		t.Fatal(err)
	}
	bin, err := exec.LookPath("rondo")
	if err != nil {
		t.Fatal(err)
	}
	a := &proc{t: t}
	start := func() { a.run(exec.Command(bin, "agent", "--config", filepath.Join(p.dir, "agent.yml"))) }
	p.start()
	start()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var lines int
	acked := map[string]bool{}
	wg.Go(func() { lines = writeRotated(t, filepath.Join(p.dir, "logs"), stop) })
	wg.Go(func() { sendRELP(p.addr("relp"), acked, stop) })
	for range agentKills() {
		time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond)
		which := rand.IntN(3)
		if which != 0 {
			a.kill()
		}
		if which != 1 {
			p.kill()
			p.start()
		}
		if which != 0 {
			start()
		}
	}
	close(stop)
	wg.Wait()
	t.Logf("%d lines, %d acknowledged messages", lines, len(acked))
	awaitOnce(t, p, a, lines, acked)
}

// writeRotated writes numbered lines until stop, and renames the file now and
// then.
func writeRotated(t *testing.T, dir string, stop chan struct{}) (n int) {
	name := filepath.Join(dir, "a.log")
	open := func() *os.File {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Error(err)
		}
		return f
	}
	f := open()
	defer func() { f.Close() }()
	for ; !stopped(stop); n++ {
		if _, err := fmt.Fprintf(f, "line %d of the file\n", n); err != nil {
			t.Error(err)
		}
		if n%300 == 299 {
			f.Close()
			if err := os.Rename(name, fmt.Sprintf("%s.%d", name, n)); err != nil {
				t.Error(err)
			}
			f = open()
		}
		if n%2 == 0 { // so that one answer of the server can hold all lines, also of a long run
			time.Sleep(max(time.Millisecond, time.Duration(agentKills())*20*time.Microsecond))
		}
	}
	return n
}

// sendRELP sends messages, each on a connection that may end at any time, and
// notes those that are acknowledged. None is sent twice.
func sendRELP(addr string, acked map[string]bool, stop chan struct{}) {
	n := 0
	for !stopped(stop) {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		reader := relp.NewReader(conn, 1000)
		wire := relp.AppendFrame(nil, 1, relp.Open, relp.Offers{Version: relp.Version, Commands: []string{relp.Syslog}}.String())
		for txnr := 2; !stopped(stop); txnr++ {
			id := fmt.Sprintf("id%d", n)
			n++
			wire = relp.AppendFrame(wire, txnr, relp.Syslog, "<13>1 - killed relp - - - message "+id)
			if _, err := conn.Write(wire); err != nil {
				break
			}
			wire = wire[:0]
			if !answered(reader, txnr) {
				break
			}
			acked[id] = true
		}
		conn.Close()
	}
}

func answered(reader *relp.Reader, txnr int) bool {
	for {
		frames, err := reader.Append(nil)
		for _, f := range frames {
			if f.Txnr == txnr && strings.HasPrefix(f.Data, "200") {
				return true
			}
		}
		if err != nil {
			return false
		}
	}
}

// awaitOnce waits until all is stored, and looks that it is there once.
func awaitOnce(t *testing.T, p *proc, a *proc, lines int, acked map[string]bool) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		files, ids := storedTexts(t, p, "lines"), storedTexts(t, p, "relp")
		missing := 0
		for n := range lines {
			if files[fmt.Sprintf("line %d of the file", n)] == 0 {
				missing++
			}
		}
		for id := range acked {
			if ids["message "+id] == 0 {
				missing++
			}
		}
		if missing > 0 && time.Now().Before(end) {
			continue
		}
		if missing > 0 {
			t.Errorf("%d messages are not stored", missing)
		}
		for text, n := range files {
			if n > 1 {
				t.Errorf("%q is stored %d times", text, n)
			}
		}
		for text, n := range ids {
			if n > 1 {
				t.Errorf("%q is stored %d times", text, n)
			}
		}
		if len(files) > lines {
			t.Errorf("%d different lines are stored, %d were written", len(files), lines)
		}
		if t.Failed() {
			t.Logf("agent:\n%s", a.output.String())
		}
		return
	}
}

// storedTexts counts the messages of an application, by their text.
func storedTexts(t *testing.T, p *proc, app string) map[string]int {
	t.Helper()
	resp, err := http.Get(p.url("/api/logs?limit=100000&from=-1d&q=app:" + app))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	found := map[string]int{}
	for in := bufio.NewScanner(resp.Body); in.Scan(); {
		var m struct{ Message string }
		if err := json.Unmarshal(in.Bytes(), &m); err != nil {
			t.Fatalf("%s: %v", in.Text(), err)
		}
		found[m.Message]++
	}
	return found
}
