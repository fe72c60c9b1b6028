package pagerduty

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/alerts"
	"rondo/alerts/notify"
)

const key = "0123456789abcdef0123456789abcdef"

// service answers as PagerDuty documents it, and keeps the state of incidents.
type service struct {
	*httptest.Server
	t         *testing.T
	code      int
	refuse    string // answers 400 to the event with this deduplication key
	events    []event
	incidents map[string]string
}

func newService(t *testing.T) *service {
	s := &service{t: t, code: http.StatusAccepted, incidents: make(map[string]string)}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var e event
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		s.t.Error(err)
	}
	if code := s.code; code != http.StatusAccepted || e.DedupKey == s.refuse {
		if e.DedupKey == s.refuse {
			code = http.StatusBadRequest
		}
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"status":"invalid event","message":"Event object is invalid","errors":["%s is not good"]}`, e.RoutingKey)
		return
	}
	if e.RoutingKey != key || len(e.DedupKey) == 0 || len(e.DedupKey) > maxField || e.Action == "trigger" && len(e.Payload.Summary) > maxSummary {
		s.t.Errorf("event %+v", e)
	}
	s.events = append(s.events, e)
	s.incidents[e.DedupKey] = e.Action
	w.WriteHeader(http.StatusAccepted)
	io.WriteString(w, `{"status":"success","message":"Event processed","dedup_key":"`+e.DedupKey+`"}`)
}

func (s *service) sender(c Config) *Sender {
	s.t.Helper()
	c.RoutingKey, c.URL = key, notify.Secret(s.URL)
	if err := c.Validate(); err != nil {
		s.t.Fatal(err)
	}
	x, err := New(c)
	if err != nil {
		s.t.Fatal(err)
	}
	return x
}

// notice is a group of two problems, the second a warning.
func notice() notify.Notice {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	n := notify.OfTransition(alerts.Transition{
		ID: "load-1", Rule: "load", Labels: alerts.NewLabels(map[string]string{"host": "web-1"}), To: alerts.Critical,
		Since: at, At: at.Add(time.Minute), Value: 137, Text: "run_queue is 137", Expr: "run_queue",
	}, "pd", "https://rondo.example.com")
	second := n.Alerts[0]
	second.Labels = alerts.NewLabels(map[string]string{"alertname": "load", "host": "web-2", "severity": "warning"})
	second.Severity, second.Fingerprint = alerts.Warning, "second"
	n.Alerts = append(n.Alerts, second)
	return n
}

func over(n notify.Notice) notify.Notice {
	n.Key, n.Reason = "load-2", "resolved"
	as := make([]notify.Alert, len(n.Alerts))
	for i, a := range n.Alerts {
		a.Ends = n.At
		as[i] = a
	}
	n.Alerts = as
	return n
}

func TestEvent(t *testing.T) {
	srv := newService(t)
	s := srv.sender(Config{Details: map[string]string{"hosts": "{{ range .Alerts }}{{ .Labels.host }} {{ end }}", "none": ""}})
	if err := s.Send(t.Context(), notice()); err != nil {
		t.Fatal(err)
	}
	want := event{
		RoutingKey: key, DedupKey: dedupKey(notice().GroupKey), Action: "trigger", Client: "rondo", ClientURL: "https://rondo.example.com",
		Payload: &payload{
			Summary: "CRITICAL: load web-1: run_queue is 137 (and 1 more)", Source: "web-1", Severity: "critical",
			Timestamp: notice().Alerts[0].Starts, Details: map[string]string{"hosts": "web-1 web-2"},
		},
		Links: []link{{"https://rondo.example.com/alerts?rule=load", "load"}, {"https://rondo.example.com/alerts?rule=load", "load"}},
	}
	if d := cmp.Diff(want, srv.events[0]); d != "" {
		t.Error(d)
	}
}

// TestIncidents: what is said again changes the same incident, and what is
// over is resolved, for groups and for single alerts.
func TestIncidents(t *testing.T) {
	for per, want := range map[string]int{"": 1, "group": 1, "alert": 2} {
		srv := newService(t)
		s := srv.sender(Config{Per: per})
		acknowledged := notice()
		acknowledged.Reason = Acknowledged
		for i, n := range []notify.Notice{notice(), notice(), acknowledged, over(notice())} {
			if err := s.Send(t.Context(), n); err != nil {
				t.Fatal(err)
			}
			action := []string{"trigger", "trigger", "acknowledge", "resolve"}[i]
			if len(srv.incidents) != want {
				t.Errorf("%q: %d incidents, want %d", per, len(srv.incidents), want)
			}
			for _, got := range srv.incidents {
				if got != action {
					t.Errorf("%q: %s, want %s", per, got, action)
				}
			}
		}
	}
}

// TestOneRefused: the event that is refused for good is the only one that is
// not there.
func TestOneRefused(t *testing.T) {
	srv := newService(t)
	s := srv.sender(Config{Per: "alert"})
	n := notice()
	srv.refuse = dedupKey(n.GroupKey, n.Alerts[0].Fingerprint)
	if err := s.Send(t.Context(), n); !alerts.IsPermanent(err) {
		t.Errorf("got %v, want a permanent error", err)
	}
	if len(srv.incidents) != len(n.Alerts)-1 {
		t.Errorf("%d incidents of %d alerts", len(srv.incidents), len(n.Alerts))
	}
}

func TestBounds(t *testing.T) {
	srv := newService(t)
	s := srv.sender(Config{
		Summary: strings.Repeat("ü", 2000), Severity: "dreadful", Source: `{{ "" }}`, Group: strings.Repeat("g", 300),
		Details: map[string]string{"a": strings.Repeat("\x01", 60_000), "b": strings.Repeat("\x01", 60_000)},
	})
	if err := s.Send(t.Context(), notice()); err != nil {
		t.Fatal(err)
	}
	p := srv.events[0].Payload
	if len(p.Summary) > maxSummary || p.Severity != "error" || p.Source != "rondo" || len(p.Group) > maxField || p.Details["left_out"] == "" {
		t.Errorf("%d bytes, %s, %s, %d bytes, %d details", len(p.Summary), p.Severity, p.Source, len(p.Group), len(p.Details))
	}
}

func TestAnswers(t *testing.T) {
	srv := newService(t)
	s := srv.sender(Config{})
	for code, final := range map[int]bool{400: true, 403: true, 429: false, 500: false, 503: false} {
		srv.code = code
		err := s.Send(t.Context(), notice())
		if err == nil || alerts.IsPermanent(err) != final || strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), "is not good") {
			t.Errorf("%d: %v", code, err)
		}
	}
}

func TestValidate(t *testing.T) {
	for want, c := range map[string]Config{
		"routing_key is missing": {},
		`per: "host": want`:      {RoutingKey: key, Per: "host"},
		"url: want http":         {RoutingKey: key, URL: "events.pagerduty.com"},
		"details: x":             {RoutingKey: key, Details: map[string]string{"x": "{{ .Nope }}"}},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
