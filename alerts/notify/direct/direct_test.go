package direct

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/alerts"
	"rondo/alerts/notify"
	"rondo/alerts/notify/hook"
	"rondo/alerts/notify/post"
	"rondo/alerts/notify/webhook"
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

// hooked is the action of one webhook.
func hooked(t *testing.T, w Webhook, external string) alerts.Action {
	t.Helper()
	targets, err := Config{ExternalURL: external, Webhooks: []Webhook{w}}.Build(state.NewMemory(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return targets[0].Action
}

func TestWebhookGolden(t *testing.T) {
	for name, tr := range map[string]alerts.Transition{
		"firing":   transition(alerts.OK, alerts.Critical),
		"resolved": transition(alerts.Critical, alerts.OK),
		"changed":  transition(alerts.Warning, alerts.Critical),
	} {
		var got bytes.Buffer
		b, err := webhook.Body(notify.OfTransition(tr, "pager", "http://rondo:8080/"))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Indent(&got, bytes.TrimSpace(b), "", "  "); err != nil {
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
		h := hooked(t, Webhook{Name: "n", Webhook: webhook.Config{
			URL:  notify.Secret(strings.Replace(srv.URL, "://", "://u:s3cret@", 1)),
			HTTP: post.Config{Headers: map[string]notify.Secret{"X-Token": "t0ken"}},
		}}, "")
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
	h := hooked(t, Webhook{Name: "n", Webhook: webhook.Config{URL: notify.Secret(strings.Replace(srv.URL, "://", "://u:s3cret@", 1) + "/token")}}, "")
	err := h.Act(t.Context(), transition(alerts.OK, alerts.Critical))
	if err == nil || alerts.IsPermanent(err) || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "token") {
		t.Errorf("got %v", err)
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	w := Webhook{Name: "n", Webhook: webhook.Config{
		URL: "http://u:s3cret@h/", Secret: "s3cret",
		HTTP: post.Config{Bearer: "s3cret", Headers: map[string]notify.Secret{"A": "s3cret"}},
	}}
	var logged bytes.Buffer
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "config", w, "url", w.Webhook.URL)
	b, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	all := logged.String() + string(b) + fmt.Sprintf("%v %+v %#v %s %q", w, w, w, w.Webhook.URL, w.Webhook.URL)
	if strings.Contains(all, "s3cret") {
		t.Error(all)
	}
}

func TestMatch(t *testing.T) {
	hits := 0
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits++ }))
	defer srv.Close()
	f := func(from, to alerts.Status, want int, matchers ...string) {
		t.Helper()
		w := Webhook{Name: "n", Webhook: webhook.Config{URL: notify.Secret(srv.URL)}}
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
	to := func(url string) Config {
		return Config{Webhooks: []Webhook{{Name: "n", Webhook: webhook.Config{URL: notify.Secret(url)}}}}
	}
	name := func(name string) Config {
		return Config{Webhooks: []Webhook{{Name: name, Webhook: webhook.Config{URL: "http://h"}}}}
	}
	with := func(c post.Config) Config {
		return Config{Webhooks: []Webhook{{Name: "n", Webhook: webhook.Config{URL: "http://h", HTTP: c}}}}
	}
	x := Exec{Name: "n", Exec: hook.Config{Command: []string{"x"}}}
	f(DefaultConfig(), "")
	f(to("https://u:s3cret@h/x"), "")
	f(to("ftp://u:s3cret@h/x"), "want http:// or https:// and a host")
	f(to("http://u:s3cret@%zz/x"), "url cannot be read")
	f(to(""), "want http:// or https:// and a host")
	f(name("a/b"), "without a slash")
	f(name(notify.Autoscale), "taken by rondo itself")
	f(with(post.Config{Timeout: time.Hour}), "timeout 1h")
	f(with(post.Config{Headers: map[string]notify.Secret{"A": "s3cret\r\nB: c"}}), `header "A" cannot be sent`)
	f(with(post.Config{Bearer: "s3cret", Basic: post.Basic{User: "u"}}), "want one of them")
	f(Config{Exec: []Exec{{Name: "n"}}}, "command is missing")
	f(Config{Exec: []Exec{x, x}}, "taken by another")
}
