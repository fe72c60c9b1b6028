package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestLogsImportKilled: the import or the server is killed in the middle, again
// and again. In the end each message is there once.
func TestLogsImportKilled(t *testing.T) {
	const n = 90_000
	p := newProc(t, "web: {listen: \"127.0.0.1:{web}\"}\ncollectors: [{kind: host}]\nsyslogd: {udp: \"\", tcp: \"\", canary: {interval: 0}}\n")
	p.start()
	defer p.kill()
	name := filepath.Join(p.dir, "old.log")
	writeLines(t, name, n)
	data := filepath.Join(p.dir, "data")
	for round := range 6 {
		cmd := exec.Command("rondo", "logs", "import", "--data", data, name)
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case <-time.After(time.Duration(100+rand.N(400)) * time.Millisecond):
		case err := <-ended: // it was quick
			ended <- err
		}
		if round%2 == 0 {
			_ = cmd.Process.Kill() // it may have ended
			<-ended
			continue
		}
		p.kill()
		if err := <-ended; err != nil && !strings.Contains(said.String(), "run it again") {
			t.Errorf("%v: %s", err, said.String())
		}
		p.start()
	}
	last, err := exec.Command("rondo", "logs", "import", "--data", data, name).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, last)
	}
	for query, want := range map[string]int{"| stats count()": n, "| stats count() by pid | where count>1 | limit 3": 0} {
		out, err := exec.Command("rondo", "logs", "search", "--data", data, "--from=-3d", "--limit=3", query).CombinedOutput()
		if got := rowsOf(string(out)); err != nil || want > 0 && got != fmt.Sprint(want) || want == 0 && got != "" {
			t.Errorf("%s: %v: %s", query, err, out)
		}
	}
	t.Logf("the last import: %s", last)
}

// rowsOf is a table without its header.
func rowsOf(table string) string {
	_, rows, _ := strings.Cut(table, "\n")
	return strings.TrimSpace(rows)
}

// writeLines writes a log file of yesterday, each line with a pid of its own.
func writeLines(t *testing.T, name string, n int) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-24 * time.Hour)
	for i := range n {
		if _, e := fmt.Fprintf(f, "<13>1 %s host app %d - - line %d\n", at.Format(time.RFC3339), i, i); e != nil {
			err = e
		}
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestLogsImportSelection: what was imported is known by the times that flags
// meant, not by their words.
func TestLogsImportSelection(t *testing.T) {
	text := func(from, to string) string {
		s, err := logsImportCmd{From: from, To: to}.selection()
		if err != nil {
			t.Fatal(err)
		}
		return s.Text
	}
	if a, b := text("2026-11-14T09:00:00+01:00", ""), text("1794643200", ""); a != b || a != `"2026-11-14T08:00:00Z" "" ""` {
		t.Errorf("%s, %s", a, b)
	}
	c := logsImportCmd{From: "-7d", To: "2026-11-14"}
	s, err := c.selection()
	if err != nil {
		t.Fatal(err)
	}
	from, same := strings.CutPrefix(c.fixed(s), " --from=")
	if !same || strings.Contains(from, " ") || strings.Contains(s.Text, "7d") || text(from, "2026-11-14") != s.Text {
		t.Errorf("%q, %s", c.fixed(s), s.Text)
	}
	if flags := (logsImportCmd{To: "2026-11-14"}).fixed(s); flags != "" {
		t.Errorf("%q", flags)
	}
}
