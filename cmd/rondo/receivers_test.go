package main

import (
	"bytes"
	"fmt"
	"image/png"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rondo/alerts/event"
	"rondo/alerts/fleet"
	"rondo/alerts/notify/mail"
	"rondo/alerts/state"
	"rondo/rrd"
	"rondo/rrd/promql"
	"rondo/rrd/rrdtest"
)

// TestReceivers builds every kind there is, with its defaults.
func TestReceivers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rondo.yml")
	text := `
alerts:
  webhooks: [{name: short, url: "http://127.0.0.1:1/x"}]
  route: {receiver: short}
  receivers:
    - {name: hook, webhook: {url: "http://127.0.0.1:1/x"}, rate: none, send_resolved: false}
    - {name: pd, pagerduty: {routing_key: abc}, rate: 10/1m}
    - {name: chat, slack: {url: "http://127.0.0.1:1/x"}, max_alerts: 5}
    - {name: mail, email: {server: "127.0.0.1:25", from: a@example.com, to: b@example.com, tls: none}}
    - {name: topic, sns: {topic: "arn:aws:sns:eu-central-1:123456789012:ops", access_key: a, secret_key: b}}
    - {name: script, exec: {command: [/bin/true]}}
    - name: nobody
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	conf, err := loadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	all, err := conf.Alerts.build(senderEnv{store: state.NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range all {
		got = append(got, fmt.Sprint(r.Name, " ", r.Kind, " ", r.Rate, " ", r.SendResolved, " ", r.MaxAlerts, " ", r.Sender != nil))
	}
	want := `short webhook 60/1m true 0 true
hook webhook none false 0 true
pd pagerduty 10/1m true 0 true
chat slack 60/1m true 5 true
mail email 60/1m true 0 true
topic sns 60/1m true 0 true
script exec 60/1m true 0 true
nobody  60/1m true 0 false`
	if strings.Join(got, "\n") != want {
		t.Errorf("built\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
}

// TestReadmeTelling checks the routes that the README shows.
func TestReadmeTelling(t *testing.T) {
	t.Setenv("PAGERDUTY_KEY", "0123456789abcdef0123456789abcdef")
	t.Setenv("SLACK_URL", "https://hooks.slack.example/x")
	section, err := readmeSection("Telling")
	if err != nil {
		t.Fatal(err)
	}
	var yaml strings.Builder
	for line := range strings.Lines(section) {
		if code, ok := strings.CutPrefix(line, "    "); ok {
			yaml.WriteString(code)
		}
	}
	file := filepath.Join(t.TempDir(), "rondo.yml")
	if err := os.WriteFile(file, []byte(yaml.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	conf, err := loadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(conf.Alerts.receivers()); n != 4 {
		t.Errorf("%d receivers", n)
	}
}

// TestGrapher: what is PromQL and has points is drawn, else nothing is.
func TestGrapher(t *testing.T) {
	m := rrdtest.NewMem(rrdtest.Options{})
	key, err := rrd.NewKey("load", rrd.Label{Name: "host", Value: "a"})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Truncate(time.Minute)
	var batch []rrd.Sample
	for i := range 60 {
		at := now.Add(time.Duration(i-60) * time.Minute)
		batch = append(batch, rrd.Sample{Key: key, Time: rrd.At(at), Value: float64(i)})
	}
	if err := m.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	disk, quiet := state.NewMemory(), slog.New(slog.DiscardHandler)
	events, err := event.Open(disk, event.Options{Config: event.DefaultConfig(), Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	hosts, err := fleet.New(disk, fleet.Options{Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	g := grapher{promql.New(m, m, promql.Options{}), events, hosts}
	draw := func(expr string) []byte {
		t.Helper()
		b, err := g.Graph(t.Context(), mail.Graph{Title: "load", Expr: expr, From: now.Add(-time.Hour), To: now, Mark: now.Add(-time.Minute)})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	plain := draw(`load{host="a"}`)
	for host, marked := range map[string]bool{"b": false, "a": true} {
		e := event.Event{Title: "deploy 1.2.3", Tags: []string{"deploy"}, At: now.Add(-30 * time.Minute), Labels: map[string]string{"host": host}, Source: event.SourceAPI}
		e, _, err := events.Add(t.Context(), e, now)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(draw(`load{host="a"}`), plain) != marked {
			t.Errorf("a deploy on %s: marked must be %v", host, marked)
		}
		if _, err := events.Remove(t.Context(), e.ID, "", now); err != nil {
			t.Fatal(err)
		}
	}
	picture, err := png.Decode(bytes.NewReader(draw(`load{host="a"}`)))
	if err != nil || picture.Bounds().Dx() != graphWidth {
		t.Errorf("%v", err)
	}
	if b := draw(`severity<=err "timed out"`); b != nil {
		t.Error("a filter is drawn")
	}
	if b := draw(`nothing`); b != nil {
		t.Error("nothing is drawn")
	}
}
