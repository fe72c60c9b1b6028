package hook

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"rondo/alerts"
	"rondo/alerts/state"
	"rondo/rrd"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.UTC)

func transition(from, to alerts.Status) alerts.Transition {
	return alerts.Transition{
		ID: "load-00-1-1", Rule: "load", Labels: rrd.Labels{{Name: "group", Value: "web"}, {Name: "host", Value: "web-1"}},
		From: from, To: to, Since: start, At: start.Add(time.Minute), Value: 137, Text: "run_queue is 137",
		Annotations: map[string]string{"runbook": "https://wiki/load"},
	}
}

func newCommand(t *testing.T, store state.Store, timeout time.Duration, script string) *Command {
	t.Helper()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no sh here")
	}
	c, err := New(Config{Command: []string{sh, "-c", script}, Timeout: timeout}, "n", store, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAct(t *testing.T) {
	t.Setenv("RONDO_TEST_SECRET", "s3cret")
	out := filepath.Join(t.TempDir(), "out")
	c := newCommand(t, state.NewMemory(), 0, `{ env; cat; } > `+out)
	tr := transition(alerts.OK, alerts.Critical)
	tr.Text = "a\x00b\nc"
	if err := c.Act(t.Context(), tr); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"RONDO_RULE=load\n", "RONDO_TO=critical\n", "RONDO_LABEL_HOST=web-1\n", "RONDO_VALUE=137\n", `"id":"load-00-1-1"`, "RONDO_TEXT=ab\nc\n"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %q in %s", want, b)
		}
	}
	if strings.Contains(string(b), "s3cret") {
		t.Error("our environment was handed on")
	}
}

func TestAtMostOnce(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	store := state.NewMemory()
	c := newCommand(t, store, 0, "echo ran >> "+out+"; echo oops >&2; exit 3")
	tr := transition(alerts.OK, alerts.Critical)
	err := c.Act(t.Context(), tr)
	if err == nil || !alerts.IsPermanent(err) || !strings.Contains(err.Error(), "exit status 3; it said: oops") {
		t.Errorf("got %v", err)
	}
	c = newCommand(t, store, 0, "echo ran >> "+out) // after a restart
	if err := c.Act(t.Context(), tr); err != nil {
		t.Error(err)
	}
	if b, _ := os.ReadFile(out); string(b) != "ran\n" {
		t.Errorf("runs: %q", b)
	}
}

func TestStoreFails(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	store := state.NewMemory()
	c := newCommand(t, store, 0, "echo ran >> "+out)
	store.Close()
	if err := c.Act(t.Context(), transition(alerts.OK, alerts.Critical)); err == nil || alerts.IsPermanent(err) {
		t.Errorf("got %v, want an error that is tried again", err)
	}
	if _, err := os.ReadFile(out); err == nil {
		t.Error("it ran without a mark")
	}
}

func TestTimeoutKillsTheGroup(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	c := newCommand(t, state.NewMemory(), 200*time.Millisecond, "sleep 60 & echo $! > "+pidFile+"; wait")
	began := time.Now()
	err := c.Act(t.Context(), transition(alerts.OK, alerts.Critical))
	if err == nil || !strings.Contains(err.Error(), "killed after 200ms") {
		t.Errorf("got %v", err)
	}
	if time.Since(began) > 30*time.Second {
		t.Error("it waited for the grandchild")
	}
	pid, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() { // the signal is on its way
		stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the grandchild lives: %s", stat)
		}
	}
}

func TestMissingProgramAndLongOutput(t *testing.T) {
	c, err := New(Config{Command: []string{"/does/not/exist"}}, "n", state.NewMemory(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Act(t.Context(), transition(alerts.OK, alerts.Critical)); !alerts.IsPermanent(err) {
		t.Errorf("got %v", err)
	}
	c = newCommand(t, state.NewMemory(), 0, `i=0; while [ $i -lt 3000 ]; do echo "line $i"; i=$((i+1)); done; exit 1`)
	if err := c.Act(t.Context(), transition(alerts.OK, alerts.Critical)); err == nil || len(err.Error()) > 2*maxOutput || !strings.HasSuffix(err.Error(), "line 2999") {
		t.Errorf("got %v", err)
	}
}

func TestMarksAreForgotten(t *testing.T) {
	store := state.NewMemory()
	old := time.Now().Add(-8 * 24 * time.Hour).UTC().Format(time.RFC3339)
	fresh := time.Now().UTC().Format(time.RFC3339)
	if err := store.Write(t.Context(), state.Put("exec/n/old", []byte(old)), state.Put("exec/n/new", []byte(fresh))); err != nil {
		t.Fatal(err)
	}
	newCommand(t, store, 0, "true")
	if _, err := store.Get("exec/n/old"); err == nil {
		t.Error("the old mark is there")
	}
	if _, err := store.Get("exec/n/new"); err != nil {
		t.Error(err)
	}
}
