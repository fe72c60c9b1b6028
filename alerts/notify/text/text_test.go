package text

import (
	"strings"
	"testing"
	"time"

	"rondo/alerts"
	"rondo/alerts/notify"
)

var at = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// notice is two problems and the end of one.
func notice() notify.Notice {
	n := example(at)
	second := n.Alerts[0]
	second.Labels = alerts.NewLabels(map[string]string{"alertname": "load", "host": "<web>-2", "severity": "warning"})
	second.Severity, second.Value, second.Text = alerts.Warning, 12345678, "run_queue is high"
	over := second
	over.Ends = at.Add(time.Hour)
	n.Alerts = append(n.Alerts, second, over)
	return n
}

func TestTemplates(t *testing.T) {
	for source, want := range map[string]string{
		``:                          "CRITICAL: load web-1 web-1:9100 ops: run_queue is 137 (and 1 more)",
		`{{ template "title" . }}!`: "CRITICAL: load web-1 web-1:9100 ops: run_queue is 137 (and 1 more)!",
		`{{ .Status | toUpper }} {{ .GroupLabels.alertname }} {{ .CommonLabels.SortedPairs.Values | join " " }}`:    "FIRING load load web-1 web-1:9100 node critical ops",
		`[{{ .Status | toUpper }}{{ if eq .Status "firing" }}:{{ .Alerts.Firing | len }}{{ end }}]`:                 "[FIRING:2]",
		`{{ range .Alerts.Resolved }}{{ .Labels.host }} {{ .EndsAt.Sub .StartsAt | humanizeDuration }}{{ end }}`:    "<web>-2 1h",
		`{{ with .GroupLabels.Remove (stringSlice "alertname") }}{{ .Names }}{{ end }}`:                             "[host instance job team]",
		`{{ reReplaceAll "w(e)b" "W${1}B" (index .Alerts 0).Labels.host }}`:                                         "WeB-1",
		`{{ if match "^http" .ExternalURL }}{{ title "web page" }}{{ end }}`:                                        "Web Page",
		`{{ (index .Alerts 0).StartsAt | tz "Europe/Vienna" | date "15:04" }}`:                                      "04:04",
		`{{ trimSpace " x " }}{{ toLower "A" }}{{ number (index .Alerts 1).Value }}{{ toJson .GroupLabels.Names }}`: `xa12345678["alertname","host","instance","job","team"]`,
		`{{ humanizeDuration 90061 }} {{ humanizeDuration 0.5 }}`:                                                   "1d 1h 1m 1s 0s",
	} {
		tm, err := Parse("subject", source, "title")
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		got, err := tm.Line(Of(notice()), 200)
		if err != nil || got != want {
			t.Errorf("%s\n got %q, %v\nwant %q", source, got, err, want)
		}
	}
}

func TestDefaultTexts(t *testing.T) {
	text, err := Parse("text", "", "text")
	if err != nil {
		t.Fatal(err)
	}
	got, err := text.Execute(Of(notice()), 10_000)
	if err != nil {
		t.Fatal(err)
	}
	want := `CRITICAL load web-1 web-1:9100 ops: run_queue is 137
  since 2026-01-02 03:04:05 UTC
  value 137 of run_queue > 10
  description: an example
  runbook_url: https://example.com/
  https://rondo.example.com/alerts?rule=load
WARNING load <web>-2: run_queue is high
  since 2026-01-02 03:04:05 UTC
  value 12345678 of run_queue > 10
`
	if !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "all: https://rondo.example.com/alerts\n") || !strings.Contains(got, "from 2026-01-02 03:04:05 UTC to 2026-01-02 04:04:05 UTC\n") {
		t.Error(got)
	}
	html, err := ParseHTML("html", "")
	if err != nil {
		t.Fatal(err)
	}
	got, err = html.Execute(Of(notice()), 10_000)
	if err != nil || strings.Contains(got, "<web>") || !strings.Contains(got, "&lt;web&gt;-2") || !strings.Contains(got, `href="https://rondo.example.com/alerts?rule=load"`) {
		t.Errorf("%v: %s", err, got)
	}
}

func TestTitles(t *testing.T) {
	title, err := Parse("title", "", "title")
	if err != nil {
		t.Fatal(err)
	}
	f := func(want string, change func(n *notify.Notice)) {
		t.Helper()
		n := notice()
		change(&n)
		if got, err := title.Line(Of(n), 100); err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	f("OK: load <web>-2: run_queue is high", func(n *notify.Notice) { n.Alerts = n.Alerts[2:] })
	f("OK: load <web>-2: run_queue is high (and 9 more)", func(n *notify.Notice) { n.Alerts, n.Truncated = n.Alerts[2:], 9 })
	f("WARNING: load <web>-2: run_queue is high", func(n *notify.Notice) { n.Alerts = n.Alerts[1:] })
	f("FIRING: switch sw-1 is down (and 20000 more)", func(n *notify.Notice) { n.RootCause, n.Truncated = "switch sw-1 is down", 19_999 })
	f("CRITICAL: load web-1 web-1:9100 ops: a b (and 1 more)", func(n *notify.Notice) { n.Alerts[0].Text = "a\r\n\t b" })
	f("FIRING: "+strings.Repeat("x", 89)+"…", func(n *notify.Notice) { n.RootCause = strings.Repeat("x", 300) })
}

// TestBounds: no template writes or runs for ever.
func TestBounds(t *testing.T) {
	long := `{{ range .Alerts }}` + strings.Repeat("0123456789", 100) + `{{ end }}`
	tm, err := Parse("long", long, "text")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tm.Execute(Of(notice()), 100); err != nil || len(got) > 100 || !strings.HasSuffix(got, "…") {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	for _, source := range []string{
		`{{ range 1000000000 }}{{ end }}`,
		`{{ range $i := 100000 }}{{ range 100000 }}{{ if eq $i 7 }}{{ end }}{{ end }}{{ end }}`,
		`{{ define "a" }}{{ range 10 }}{{ template "a" $ }}{{ end }}{{ end }}{{ template "a" . }}`,
		`{{ define "a" }}{{ template "a" . }}{{ template "a" . }}{{ end }}{{ template "a" . }}`,
	} {
		tm, err := Parse("slow", source, "text")
		if err != nil {
			t.Fatal(err)
		}
		if err := tm.Check(); err == nil {
			t.Errorf("%s ended well", source)
		}
	}
}

func TestMistakes(t *testing.T) {
	for source, want := range map[string]string{
		`{{ .Nope }}`:               "can't evaluate field Nope",
		`{{ nope . }}`:              `function "nope" not defined`,
		`{{ if }}`:                  "missing value for if",
		`a` + "\n" + `{{ .Alerts`:   "subject:2: unclosed action",
		`{{ template "nope" . }}`:   `"nope" not defined`,
		`{{ index .Alerts 1 }}`:     "index out of range",
		strings.Repeat("x", 70_000): "longer than",
	} {
		var s Set
		s.Text("subject", source, "title")
		if err := s.Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.30s: got %v, want %s", source, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`{{ template "title" . }}`, `{{ range .Alerts }}{{ .Labels.host }}{{ end }}`, `{{ "a" | match "(" }}`, `{{ range 3 }}{{ . }}{{ end }}`} {
		f.Add(s)
	}
	d := Of(notice())
	f.Fuzz(func(t *testing.T, source string) {
		tm, err := Parse("x", source, "text")
		if err != nil {
			return
		}
		if got, err := tm.Execute(d, 1000); err == nil && len(got) > 1000 {
			t.Errorf("%d bytes", len(got))
		}
	})
}
