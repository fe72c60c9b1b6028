package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestSetChangeKilled kills the server in the midst of a change of many sets.
// Each set is the old one or the new one then, with all of its readings; what
// was told to be changed is, and the same command does the rest.
func TestSetChangeKilled(t *testing.T) {
	const sets, readings = 120, 20
	p := newProc(t, crashConfig)
	p.start()
	var text strings.Builder
	text.WriteString("BATCH\n")
	for i := range sets {
		fmt.Fprintf(&text, "CREATE crash.set%d.rrd -s 10 -b 1700000000 DS:v:GAUGE:100:U:U RRA:AVERAGE:0.5:1:100\nUPDATE crash.set%d.rrd", i, i)
		for k := range readings {
			fmt.Fprintf(&text, " %d:%d", 1_700_000_000+10*(k+1), k+i)
		}
		text.WriteByte('\n')
	}
	if got := p.askSets(text.String()+".\n", 2); !strings.HasSuffix(got, "\n0 errors\n") {
		t.Fatal(got)
	}
	bin, err := exec.LookPath("rondo")
	if err != nil {
		t.Fatal(err)
	}
	was := 100
	for round := range 4 {
		is := 200 + round
		change := func() *exec.Cmd {
			return exec.Command(bin, "set", "change", "crash.set*", "--data", filepath.Join(p.dir, "data"), "-o", "json",
				fmt.Sprintf("--heartbeat=v:%d", is), fmt.Sprintf("--resize=AVERAGE:1=%d", is))
		}
		told := p.killDuring(change(), 1+rand.IntN(sets-1))
		p.start()
		if done := p.checkChanged(sets, readings, was, is); done < told {
			t.Errorf("round %d: %d sets are told to be changed, %d are", round, told, done)
		}
		if out, err := change().CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if done := p.checkChanged(sets, readings, was, is); done != sets {
			t.Errorf("round %d: %d of %d sets are changed in the end", round, done, sets)
		}
		was = is
	}
	p.stop()
}

// killDuring runs a command and kills the server when it has said so many
// lines. It returns how many it said in the end.
func (p *proc) killDuring(cmd *exec.Cmd, lines int) int {
	p.t.Helper()
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	said := 0
	for r := bufio.NewScanner(out); r.Scan(); {
		if said++; said == lines {
			p.kill()
		}
	}
	if err := cmd.Wait(); err == nil && lines < said {
		p.t.Log("the command came to its end before the kill")
	}
	return said
}

// checkChanged counts the sets that have changed: rows and heartbeat, which are
// the same number, and never one without the other. The readings are all there.
func (p *proc) checkChanged(sets, readings, was, is int) (done int) {
	p.t.Helper()
	for i := range sets {
		info := p.askSets(fmt.Sprintf("INFO crash.set%d.rrd\n", i), 1)
		has := func(n int) bool {
			return strings.Contains(info, fmt.Sprintf("ds[v].minimal_heartbeat 1 %d\n", n)) && strings.Contains(info, fmt.Sprintf("rra[0].rows 1 %d\n", n))
		}
		switch {
		case has(is):
			done++
		case !has(was):
			p.t.Errorf("set %d is neither of %d nor of %d: %s", i, was, is, info)
		}
		rows := p.askSets(fmt.Sprintf("FETCH crash.set%d.rrd AVERAGE 1700000000 1700000199\n", i), 1)
		for k := range readings {
			want := fmt.Sprintf("%d: %.17e\n", 1_700_000_000+10*(k+1), float64(k+i))
			if !strings.Contains(rows, want) {
				p.t.Fatalf("set %d lacks %s: %s", i, want, rows)
			}
		}
	}
	return done
}

// askSets sends lines to rrdcached.sock and returns so many replies.
func (p *proc) askSets(lines string, replies int) string {
	p.t.Helper()
	conn, r, err := p.dialSets()
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, lines); err != nil {
		p.t.Fatal(err)
	}
	var all strings.Builder
	for range replies {
		head, err := r.ReadString('\n')
		if err != nil {
			p.t.Fatal(err)
		}
		all.WriteString(head)
		n, _ := strconv.Atoi(strings.Fields(head)[0])
		if n < 0 {
			p.t.Fatalf("reply %s", head)
		}
		for range n {
			line, err := r.ReadString('\n')
			if err != nil {
				p.t.Fatal(err)
			}
			all.WriteString(line)
		}
	}
	return all.String()
}
