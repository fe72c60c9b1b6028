package slack

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/alerts"
	"rondo/alerts/notify"
)

func notice(text string) notify.Notice {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return notify.OfTransition(alerts.Transition{
		ID: "load-1", Rule: "load", Labels: alerts.NewLabels(map[string]string{"host": "web-1"}), To: alerts.Critical,
		Since: at, At: at.Add(time.Minute), Value: 137, Text: text,
	}, "slack", "https://rondo.example.com")
}

// send sends a notice to a server with an answer, and returns what it got.
func send(t *testing.T, c Config, n notify.Notice, code int, answer string) (message, http.Header, error) {
	t.Helper()
	var m message
	var h http.Header
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h = r.Header
		d := json.NewDecoder(r.Body)
		d.DisallowUnknownFields()
		if err := d.Decode(&m); err != nil {
			t.Error(err)
		}
		w.Header().Set("Retry-After", "30")
		w.WriteHeader(code)
		fmt.Fprint(w, answer)
	}))
	defer srv.Close()
	c.URL = notify.Secret(srv.URL)
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Send(t.Context(), n)
	return m, h, err
}

func TestMessage(t *testing.T) {
	m, _, err := send(t, Config{Username: "rondo", IconEmoji: ":fire:", Text: "*{{ .CommonLabels.host }}* <{{ .ExternalURL }}|all>"}, notice("a <!channel> & <https://evil|x>"), 200, "ok")
	if err != nil {
		t.Fatal(err)
	}
	title := "CRITICAL: load web-1: a &lt;!channel&gt; &amp; &lt;https://evil|x&gt;"
	want := message{
		Username: "rondo", IconEmoji: ":fire:", Text: title,
		Attachments: []attachment{{
			Color: "danger", Fallback: title, Title: "load", TitleLink: "https://rondo.example.com/alerts",
			Text: "*web-1* <https://rondo.example.com|all>", MrkdwnIn: []string{"text"}, Timestamp: notice("").At.Unix(),
		}},
	}
	if d := cmp.Diff(want, m); d != "" {
		t.Error(d)
	}
	n := notice("fine")
	n.Alerts[0].Ends = n.At
	m, h, err := send(t, Config{Token: "xoxb-1", Channel: "#ops"}, n, 200, `{"ok":true}`)
	if err != nil || m.Channel != "#ops" || m.Attachments[0].Color != "good" || h.Get("Authorization") != "Bearer xoxb-1" || m.Metadata.EventPayload["key"] != "load-1" {
		t.Errorf("%v: %+v %v", err, m, h)
	}
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		token  notify.Secret
		code   int
		answer string
		want   string
	}{
		{"", 200, "ok", "ok"},
		{"", 400, "invalid_payload", "final invalid_payload"},
		{"", 403, "action_prohibited", "final action_prohibited"},
		{"", 404, "channel_not_found", "final channel_not_found"},
		{"", 410, "channel_is_archived", "final channel_is_archived"},
		{"", 429, "rate_limited", "later"},
		{"", 500, "rollup_error", "later"},
		{"t", 200, `{"ok":false,"error":"channel_not_found"}`, "final channel_not_found"},
		{"t", 200, `{"ok":false,"error":"ratelimited"}`, "again ratelimited"},
		{"t", 200, `{"ok":false,"error":"fatal_error"}`, "again fatal_error"},
		{"t", 200, `<html>a proxy</html>`, "again not that of Slack"},
		{"t", 429, `{"ok":false,"error":"ratelimited"}`, "later"},
	} {
		conf := Config{Token: c.token}
		if c.token != "" {
			conf.Channel = "#ops"
		}
		_, _, err := send(t, conf, notice("x"), c.code, c.answer)
		got := "ok"
		if later, ok := errors.AsType[*notify.LaterError](err); ok && later.After == 30*time.Second {
			got = "later"
		} else if err != nil {
			got = "again " + err.Error()
			if alerts.IsPermanent(err) {
				got = "final " + err.Error()
			}
		}
		kind, text, _ := strings.Cut(c.want, " ")
		if !strings.HasPrefix(got, kind) || !strings.Contains(got, text) {
			t.Errorf("%d %s: %s, want %s", c.code, c.answer, got, c.want)
		}
	}
}

func TestBounds(t *testing.T) {
	n := notice(strings.Repeat("ü", 5000))
	m, _, err := send(t, Config{}, n, 200, "ok")
	if err != nil || len(m.Text) > maxTitle || len(m.Attachments[0].Text) > maxText {
		t.Errorf("%v: %d and %d bytes", err, len(m.Text), len(m.Attachments[0].Text))
	}
}

func TestValidate(t *testing.T) {
	for want, c := range map[string]Config{
		"url or token":       {},
		"channel is missing": {Token: "x"},
		"url: want http":     {URL: "hooks.slack.com"},
		"color":              {URL: "http://h", Color: "{{ .Nope }}"},
		"token and bearer":   withBearer(),
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func withBearer() Config {
	c := Config{Token: "x", Channel: "#y"}
	c.HTTP.Bearer = "z"
	return c
}
