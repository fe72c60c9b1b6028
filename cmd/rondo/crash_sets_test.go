package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// dialSets connects to rrdcached.sock.
func (p *proc) dialSets() (net.Conn, *bufio.Reader, error) {
	conn, err := net.Dial("unix", filepath.Join(p.dir, "data", "rrdcached.sock"))
	if err != nil {
		return nil, nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, bufio.NewReader(conn), nil
}

// updates sends UPDATEs over rrdcached's protocol, batches and single ones in
// turn, until stop: some of new sets, some of one set that goes on. What is
// replied to is noted.
func (a *acked) updates(p *proc, round int, stop chan struct{}) {
	conn, replies, err := p.dialSets()
	if err != nil {
		return
	}
	defer conn.Close()
	own := fmt.Sprintf("crash.r%d.set%d", round, a.number())
	for clock := 1_700_000_000; !stopped(stop); clock += 20 {
		sent := map[string]int{}
		var text strings.Builder
		batch := clock%40 == 0
		if batch {
			text.WriteString("BATCH\n")
		}
		for i := range 20 {
			set, value := own, clock+i
			if i < 3 {
				set = fmt.Sprintf("crash.r%d.set%d", round, a.number())
			}
			sent[set] = value
			fmt.Fprintf(&text, "UPDATE %s.rrd %d:%d\n", set, value, value)
		}
		want := strings.Repeat("0 errors, enqueued 1 value(s).\n", 20)
		if batch {
			text.WriteString(".\n")
			want = "0 Go ahead.  End with dot '.' on its own line.\n0 errors\n"
		}
		if _, err := io.WriteString(conn, text.String()); err != nil {
			return
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(replies, got); err != nil || string(got) != want {
			return
		}
		a.noteSets(sent)
	}
}

func (a *acked) noteSets(sent map[string]int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.sets == nil {
		a.sets = map[string]int{}
	}
	for set, value := range sent {
		a.sets[set] = value
	}
}

// TestSyncBeforeReply looks at the system calls: between reading an UPDATE and
// replying to it there is an fdatasync that succeeded.
func TestSyncBeforeReply(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("SKIPPED: strace is missing")
	}
	p := newProc(t, crashConfig)
	trace := filepath.Join(p.dir, "trace")
	p.start(strace, "-f", "-s", "64", "-e", "trace=read,write,fdatasync", "-o", trace)
	conn, replies, err := p.dialSets()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"UPDATE crash.strace.rrd 1700000000:1\n", "UPDATE crash.strace.rrd 1700000001:1\n"} {
		if _, err := io.WriteString(conn, line); err != nil {
			t.Fatal(err)
		}
		if got, err := replies.ReadString('\n'); err != nil || !strings.HasPrefix(got, "0 ") {
			t.Fatal(got, err)
		}
	}
	conn.Close()
	p.stopChild()
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	replied, read, sync := 0, false, false
	for line := range strings.Lines(string(text)) {
		switch {
		case strings.Contains(line, `"UPDATE crash.strace`):
			read, sync = true, false
		case synced.MatchString(line):
			sync = true
		case strings.Contains(line, `"0 errors, enqueued 1`):
			replied++
			if !read || !sync {
				t.Errorf("reply %d comes before anything is synced:\n%s", replied, text)
			}
		}
	}
	if replied != 2 {
		t.Errorf("the trace shows %d replies:\n%s", replied, text)
	}
}

// checkSets asks for the newest update of each set, which is the one that was
// acknowledged or, where the set went on, a later one.
func (a *acked) checkSets(t *testing.T, p *proc) {
	t.Helper()
	conn, replies, err := p.dialSets()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	lost := 0
	for set, value := range a.sets {
		fmt.Fprintf(conn, "INFO %s.rrd\n", set)
		head, err := replies.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		lines, _ := strconv.Atoi(strings.Fields(head)[0])
		found := 0
		for range lines {
			line, err := replies.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if text, ok := strings.CutPrefix(line, "ds[value].last_ds 2 "); ok {
				found, _ = strconv.Atoi(strings.TrimSpace(text))
			}
		}
		if found < value {
			lost++
			t.Logf("%s: %d was acknowledged, %d is there: %s", set, value, found, head)
		}
	}
	if lost > 0 {
		t.Errorf("of %d sets with acknowledged updates %d have lost some", len(a.sets), lost)
	}
}
