package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
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
