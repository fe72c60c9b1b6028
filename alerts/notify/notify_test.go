package notify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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

func TestWebhookGolden(t *testing.T) {
	h := NewWebhook(Webhook{Name: "pager", URL: "http://x/"}, "http://rondo:8080/")
	for name, tr := range map[string]alerts.Transition{
		"firing":   transition(alerts.OK, alerts.Critical),
		"resolved": transition(alerts.Critical, alerts.OK),
		"changed":  transition(alerts.Warning, alerts.Critical),
	} {
		var got bytes.Buffer
		b, err := json.Marshal(h.message(tr))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Indent(&got, b, "", "  "); err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join("testdata", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(strings.TrimSpace(string(want)), got.String()); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// TestFingerprint: FNV-1a as Prometheus' model.LabelSet computes it; the
// constant is that of the empty set.
func TestFingerprint(t *testing.T) {
	if got := alerts.Fingerprint(nil); got != 14695981039346656037 {
		t.Errorf("empty set: %d", got)
	}
}

func TestWebhookAnswers(t *testing.T) {
	for code, want := range map[int]string{
		200: "ok", 204: "ok", 301: "final", 400: "final", 404: "final", 410: "final",
		408: "again", 429: "again", 500: "again", 503: "again",
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Idempotency-Key") != "load-00-1-1" || r.Header.Get("X-Rondo-Transition") != "load-00-1-1" ||
				r.Header.Get("Content-Type") != "application/json" || r.Header.Get("X-Token") != "t0ken" {
				t.Errorf("headers %v", r.Header)
			}
			if user, pass, _ := r.BasicAuth(); user != "u" || pass != "s3cret" {
				t.Errorf("user %q, password %q", user, pass)
			}
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(code)
			io.WriteString(w, strings.Repeat("long answer ", 100_000))
		}))
		h := NewWebhook(Webhook{
			Name: "n", URL: Secret(strings.Replace(srv.URL, "://", "://u:s3cret@", 1)),
			Headers: map[string]Secret{"X-Token": "t0ken"},
		}, "")
		err := h.Act(t.Context(), transition(alerts.OK, alerts.Critical))
		got := "ok"
		if err != nil {
			got = "again"
			if alerts.IsPermanent(err) {
				got = "final"
			}
			if strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "t0ken") {
				t.Errorf("secret in %q", err)
			}
		}
		if got != want {
			t.Errorf("%d: %s (%v), want %s", code, got, err, want)
		}
		srv.Close()
	}
}

func TestWebhookNoAnswer(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	h := NewWebhook(Webhook{Name: "n", URL: Secret(strings.Replace(srv.URL, "://", "://u:s3cret@", 1) + "/token")}, "")
	err := h.Act(t.Context(), transition(alerts.OK, alerts.Critical))
	if err == nil || alerts.IsPermanent(err) || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "token") {
		t.Errorf("got %v", err)
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	w := Webhook{Name: "n", URL: "http://u:s3cret@h/", Headers: map[string]Secret{"A": "s3cret"}}
	var logged bytes.Buffer
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "config", w, "url", w.URL)
	b, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	all := logged.String() + string(b) + fmt.Sprintf("%v %+v %#v %s %q", w, w, w, w, w.URL)
	if strings.Contains(all, "s3cret") {
		t.Error(all)
	}
}

func newExec(t *testing.T, store state.Store, timeout time.Duration, script string) *Command {
	t.Helper()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no sh here")
	}
	c, err := NewExec(Exec{Name: "n", Command: []string{sh, "-c", script}, Timeout: timeout}, store, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestExec(t *testing.T) {
	t.Setenv("RONDO_TEST_SECRET", "s3cret")
	out := filepath.Join(t.TempDir(), "out")
	c := newExec(t, state.NewMemory(), 0, `{ env; cat; } > `+out)
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

func TestExecAtMostOnce(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	store := state.NewMemory()
	c := newExec(t, store, 0, "echo ran >> "+out+"; echo oops >&2; exit 3")
	tr := transition(alerts.OK, alerts.Critical)
	err := c.Act(t.Context(), tr)
	if err == nil || !alerts.IsPermanent(err) || !strings.Contains(err.Error(), "exit status 3; it said: oops") {
		t.Errorf("got %v", err)
	}
	c = newExec(t, store, 0, "echo ran >> "+out) // after a restart
	if err := c.Act(t.Context(), tr); err != nil {
		t.Error(err)
	}
	if b, _ := os.ReadFile(out); string(b) != "ran\n" {
		t.Errorf("runs: %q", b)
	}
}

func TestExecStoreFails(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	store := state.NewMemory()
	c := newExec(t, store, 0, "echo ran >> "+out)
	store.Close()
	if err := c.Act(t.Context(), transition(alerts.OK, alerts.Critical)); err == nil || alerts.IsPermanent(err) {
		t.Errorf("got %v, want an error that is tried again", err)
	}
	if _, err := os.ReadFile(out); err == nil {
		t.Error("it ran without a mark")
	}
}

func TestExecTimeoutKillsTheGroup(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	c := newExec(t, state.NewMemory(), 200*time.Millisecond, "sleep 60 & echo $! > "+pidFile+"; wait")
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

func TestExecMissingProgramAndLongOutput(t *testing.T) {
	c, err := NewExec(Exec{Name: "n", Command: []string{"/does/not/exist"}}, state.NewMemory(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Act(t.Context(), transition(alerts.OK, alerts.Critical)); !alerts.IsPermanent(err) {
		t.Errorf("got %v", err)
	}
	c = newExec(t, state.NewMemory(), 0, `i=0; while [ $i -lt 3000 ]; do echo "line $i"; i=$((i+1)); done; exit 1`)
	if err := c.Act(t.Context(), transition(alerts.OK, alerts.Critical)); err == nil || len(err.Error()) > 2*maxOutput || !strings.HasSuffix(err.Error(), "line 2999") {
		t.Errorf("got %v", err)
	}
}

func TestExecMarksAreForgotten(t *testing.T) {
	store := state.NewMemory()
	old := time.Now().Add(-8 * 24 * time.Hour).UTC().Format(time.RFC3339)
	fresh := time.Now().UTC().Format(time.RFC3339)
	if err := store.Write(t.Context(), state.Put("exec/n/old", []byte(old)), state.Put("exec/n/new", []byte(fresh))); err != nil {
		t.Fatal(err)
	}
	newExec(t, store, 0, "true")
	if _, err := store.Get("exec/n/old"); err == nil {
		t.Error("the old mark is there")
	}
	if _, err := store.Get("exec/n/new"); err != nil {
		t.Error(err)
	}
}

func TestMatch(t *testing.T) {
	hits := 0
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits++ }))
	defer srv.Close()
	f := func(from, to alerts.Status, want int, matchers ...string) {
		t.Helper()
		w := Webhook{Name: "n", URL: Secret(srv.URL)}
		for _, s := range matchers {
			m, err := alerts.ParseMatcher(s)
			if err != nil {
				t.Fatal(err)
			}
			w.Match = append(w.Match, m)
		}
		targets, err := Config{Webhooks: []Webhook{w}}.Build(state.NewMemory(), nil)
		if err != nil {
			t.Fatal(err)
		}
		hits = 0
		if err := targets[0].Action.Act(t.Context(), transition(from, to)); err != nil || hits != want {
			t.Errorf("%v > %v with %v: %d messages, %v", from, to, matchers, hits, err)
		}
	}
	f(alerts.OK, alerts.Warning, 1)
	f(alerts.OK, alerts.Warning, 1, "alertname=load", "host=~web.*")
	f(alerts.OK, alerts.Warning, 0, "alertname=load", "host=db")
	f(alerts.OK, alerts.Warning, 0, "severity=critical")
	f(alerts.Warning, alerts.Critical, 1, "severity=critical")
	f(alerts.Critical, alerts.Warning, 1, "severity=critical")
	f(alerts.Critical, alerts.OK, 1, "severity=critical")
	f(alerts.Warning, alerts.OK, 0, "severity=critical")
}

func TestValidate(t *testing.T) {
	f := func(c Config, want string) {
		t.Helper()
		err := c.Validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("got %v, want %q", err, want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("secret in %q", err)
		}
	}
	hook := func(url string) Config { return Config{Webhooks: []Webhook{{Name: "n", URL: Secret(url)}}} }
	f(DefaultConfig(), "")
	f(hook("https://u:s3cret@h/x"), "")
	f(hook("ftp://u:s3cret@h/x"), "want http:// or https:// and a host")
	f(hook("http://u:s3cret@%zz/x"), "url cannot be read")
	f(hook(""), "want http:// or https:// and a host")
	f(Config{Webhooks: []Webhook{{Name: "a/b", URL: "http://h"}}}, "without a slash")
	f(Config{Webhooks: []Webhook{{Name: "n", URL: "http://h", Timeout: time.Hour}}}, "timeout 1h")
	f(Config{Webhooks: []Webhook{{Name: "n", URL: "http://h", Headers: map[string]Secret{"A": "s3cret\r\nB: c"}}}}, `header "A" cannot be sent`)
	f(Config{Exec: []Exec{{Name: "n"}}}, "command is missing")
	f(Config{Exec: []Exec{{Name: "n", Command: []string{"x"}}, {Name: "n", Command: []string{"x"}}}}, "taken by another")
	f(Config{Webhooks: []Webhook{{Name: Autoscale, URL: "http://x"}}}, "taken by rondo itself")
}
