package direct

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rondo/alerts"
	"rondo/alerts/notify"
	"rondo/alerts/notify/hook"
	"rondo/alerts/notify/webhook"
	"rondo/alerts/state"
	"rondo/rrd"
)

// constant is a rule that always reads the same.
type constant float64

func (constant) ID() string { return "load" }

func (c constant) Check(_ context.Context, now time.Time) ([]alerts.Reading, error) {
	ls := rrd.Labels{{Name: "host", Value: "web-1"}}
	return []alerts.Reading{{Labels: ls, Value: float64(c), At: now, Text: "a text"}}, nil
}

func rules(value float64) []alerts.Supervised {
	return []alerts.Supervised{{
		Rule: constant(value), Interval: 10 * time.Millisecond,
		Policy: alerts.Policy{Critical: &alerts.Threshold{Raise: 5, Clear: 5}},
	}}
}

// runEngine runs an engine on a directory until the test stops it.
func runEngine(t *testing.T, dir string, value float64, c Config) (e *alerts.Engine, stop func()) {
	t.Helper()
	store, err := state.Open(dir, state.Options{Reserve: 1})
	if err != nil {
		t.Fatal(err)
	}
	targets, err := c.Build(store, nil)
	if err != nil {
		t.Fatal(err)
	}
	e, err = alerts.NewEngine(alerts.Options{Store: store}, rules(value), targets)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- e.Run(ctx) }()
	return e, func() {
		cancel()
		<-done
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
}

// copyOf is the directory as kill -9 would leave it now.
func copyOf(t *testing.T, dir string) string {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "state")
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return copied
}

// eventually waits for what other processes and sockets take time for.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// TestWebhookAcrossKill: the receiver is down, the process is killed, starts
// again, and the receiver gets the problem with the key of the first try.
func TestWebhookAcrossKill(t *testing.T) {
	var up atomic.Bool
	keys := make(chan string, 100)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m struct{ Status string }
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		}
		keys <- fmt.Sprint(m.Status, " ", r.Header.Get("Idempotency-Key"))
		if !up.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer srv.Close()
	c := Config{Webhooks: []Webhook{{Name: "hook", Webhook: webhook.Config{URL: notify.Secret(srv.URL)}}}}
	dir := t.TempDir()
	_, stop := runEngine(t, dir, 9, c)
	first := <-keys
	killed := copyOf(t, dir)
	stop()
	for len(keys) > 0 {
		<-keys
	}

	up.Store(true)
	e, stop := runEngine(t, killed, 9, c)
	if again := <-keys; again != first || !strings.HasPrefix(first, "firing load-") {
		t.Errorf("first %q, after the restart %q", first, again)
	}
	eventually(t, "told", func() bool { return e.Stats().Told.Load() == 1 })
	stop()
	_, stop = runEngine(t, killed, 1, c)
	defer stop()
	if got := <-keys; !strings.HasPrefix(got, "resolved load-") || len(keys) != 0 {
		t.Errorf("then %q and %d more", got, len(keys))
	}
}

// TestExecAcrossKill: the process is killed while a command runs; the command
// is not run again.
func TestExecAcrossKill(t *testing.T) {
	tmp := t.TempDir()
	out, done := filepath.Join(tmp, "out"), filepath.Join(tmp, "done")
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("SKIPPED: no sh here")
	}
	script := fmt.Sprintf("echo $RONDO_ID >> %s; while [ ! -e %s ]; do sleep 0.01; done", out, done)
	c := Config{Exec: []Exec{{Name: "hook", Exec: hook.Config{Command: []string{sh, "-c", script}}}}}
	dir := filepath.Join(tmp, "state")
	_, stop := runEngine(t, dir, 9, c)
	runs := func() int {
		b, _ := os.ReadFile(out) // absent before the first run
		return strings.Count(string(b), "\n")
	}
	eventually(t, "a run", func() bool { return runs() == 1 })
	killed := copyOf(t, dir)
	e, stop2 := runEngine(t, killed, 9, c)
	eventually(t, "out of the outbox", func() bool { return e.Stats().Told.Load() == 1 })
	stop2()
	if err := os.WriteFile(done, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	stop()
	if n := runs(); n != 1 {
		t.Errorf("%d runs, want 1", n)
	}
}
