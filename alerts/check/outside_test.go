package check

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/alerts"
	"rondo/alerts/check/plugin"
	"rondo/alerts/check/probe"
	"rondo/alerts/fleet"
	"rondo/alerts/notify"
	"rondo/rrd"
)

// samples remembers what is appended, as text.
type samples struct {
	mu  sync.Mutex
	got []string
	err error
}

func (s *samples) Append(_ context.Context, batch []rrd.Sample) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range batch {
		s.got = append(s.got, fmt.Sprintf("%s %v %v", x.Key, x.Value, x.Type))
	}
	return s.err
}

func (s *samples) String() string { return strings.Join(s.got, "\n") }

func outside(t *testing.T, c Config, hosts Hosts) (alerts.Supervised, *Service, *samples) {
	t.Helper()
	kept := &samples{}
	s := NewService(kept, slog.New(slog.DiscardHandler))
	r := build(t, c, Sources{Service: s, Hosts: hosts})
	s.Use([]alerts.Supervised{r})
	return r, s, kept
}

// statuses writes what a check finds, one reading a line.
func statuses(t *testing.T, r alerts.Supervised, now time.Time) string {
	t.Helper()
	rs, err := r.Rule.Check(t.Context(), now)
	if err != nil {
		return "error: " + err.Error()
	}
	var out []string
	for _, x := range rs {
		out = append(out, fmt.Sprintf("%v %v %v %s", x.Labels, x.Status, x.Value, x.Text))
	}
	return strings.Join(out, "\n")
}

func TestPlugin(t *testing.T) {
	hosts := fakeHosts{
		{ID: "web-1", Group: "web", Agent: &fleet.Agent{Address: "10.0.0.1"}},
		{ID: "web-2", Group: "web", Withdrawn: noon},
		{ID: "db-1", Group: "db"},
		{ID: "-rf", Group: "web"},
		{ID: "listed", Group: "web"},
	}
	c := Plugin{
		Common:  Common{Name: "echo", Labels: map[string]string{"team": "ops"}},
		Command: []string{"/bin/sh", "-c", `echo "$#: $1 $2 $KEY|'a time'=5ms n=3c u=U"; exit 1`, "sh", "{host}", "{address} {role}"},
		Env:     map[string]notify.Secret{"KEY": "s3cret"},
		Targets: Targets{Groups: []string{"web"}, Targets: []plugin.Target{{Host: "listed", Address: "::1", Labels: map[string]string{"role": "a role"}}}},
	}
	if err := c.validate(); err == nil || !strings.Contains(err.Error(), `role "a role": want no - in front`) {
		t.Error(err)
	}
	c.Targets.Targets[0].Labels["role"] = "first"
	r, _, kept := outside(t, Config{Outside: Outside{Plugins: []Plugin{c}}}, hosts)
	want := `{host="listed",role="first",team="ops"} warning 0.005 2: listed ::1 first s3cret
{group="web",host="web-1",team="ops"} warning 0.005 2: web-1 10.0.0.1 {role} s3cret
{group="web",host="-rf",team="ops"} unknown 0 not checked: host "-rf": want no - in front, no blanks, quotes or other signs of shells, 255 bytes at most`
	if d := cmp.Diff(want, statuses(t, r, noon)); d != "" {
		t.Error(d)
	}
	wantPerf := `check_perf{alertname="echo",group="web",host="web-1",perf="a time",team="ops",unit="s"} 0.005 gauge`
	if !strings.Contains(kept.String(), wantPerf) || !strings.Contains(kept.String(), `perf="n",role="first",team="ops"} 3 counter`) || len(kept.got) != 4 {
		t.Error(kept)
	}
	for name, ours := range map[string]bool{PerfName: true, "check_performance": false, "load1": false} {
		key, err := rrd.NewKey(name, rrd.Label{Name: "host", Value: "x"})
		if err != nil || FromChecks(key) != ours {
			t.Errorf("%s: %v, %v", name, FromChecks(key), err)
		}
	}
	if !r.Policy.Direct || !r.Waits || r.Policy.Validate() != nil {
		t.Errorf("%+v", r)
	}
}

func TestProbesAsRules(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fine") }))
	defer srv.Close()
	r, s, kept := outside(t, Config{Outside: Outside{HTTP: []HTTP{{Common: Common{Name: "shop"}, HTTP: probe.HTTP{URL: srv.URL, Contains: "fine"}}}}}, nil)
	if got := statuses(t, r, noon); !strings.HasPrefix(got, "{} ok 0.0") || len(kept.got) != 2 {
		t.Error(got, kept)
	}
	kept.err = errors.New("disk full")
	statuses(t, r, noon)
	if m := s.Snapshot(); m["perf_values"] != 2 || m["perf_lost"] != 2 {
		t.Error(m)
	}
	kept.err = nil
	for i := range maxSeries + 5 {
		key, err := rrd.NewKey(fmt.Sprint("x", i))
		if err != nil {
			t.Fatal(err)
		}
		s.store(t.Context(), "shop", []rrd.Sample{{Key: key}})
	}
	if m := s.Snapshot(); m["perf_values"] != 2+maxSeries-2 || m["perf_lost"] != 2+5+2 {
		t.Error(m)
	}
	for range maxProbes {
		s.probes <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if rs, err := r.Rule.Check(ctx, noon); err != nil || rs[0].Status != alerts.Unknown || !strings.Contains(rs[0].Text, "64 probes are under way") {
		t.Error(rs, err)
	}
}

// Every kind can be built, and has what it needs checked.
func TestOutsideValidate(t *testing.T) {
	named, one := Common{Name: "n"}, Targets{Targets: []plugin.Target{{Host: "h"}}}
	good := Outside{
		NRPE: []NRPE{{Common: named, Targets: one, Command: "check_load"}},
		TCP:  []TCP{{Common: named, Targets: one, TCP: probe.TCP{Port: 22}}},
		TLS:  []TLS{{Common: named, Targets: one}},
		DNS:  []DNS{{Common: named, DNS: probe.DNS{Query: "example.org", Server: "192.0.2.1"}}},
		Ping: []Ping{{Common: named, Targets: one}},
	}
	s := Sources{Service: NewService(nil, slog.New(slog.DiscardHandler))}
	for _, k := range good.all() {
		if err := k.validate(); err != nil {
			t.Errorf("%T: %v", k, err)
		}
		if r, err := k.build(s); err != nil || !r.Waits || r.Expr == "" {
			t.Errorf("%T: %+v, %v", k, r, err)
		}
	}
	f := func(o Outside, want string) {
		t.Helper()
		if err := (Config{Outside: o}).Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	f(Outside{Plugins: []Plugin{{Common: named}}}, "command: want [/path/of/plugin")
	f(Outside{Plugins: []Plugin{{Common: named, Command: []string{"{host}"}}}}, "command: want [/path/of/plugin")
	f(Outside{Plugins: []Plugin{{Common: named, Command: []string{"/bin/check -w 5"}}}}, `"/bin/check -w 5" is one word, for there is no shell: want [/bin/check, -w, 5]`)
	f(Outside{Plugins: []Plugin{{Common: named, Command: []string{"/bin/x", "{address}"}}}}, "targets are missing")
	f(Outside{Plugins: []Plugin{{Common: named, Command: []string{"/bin/x"}, Env: map[string]notify.Secret{"A=B": ""}}}}, "no name of a variable")
	f(Outside{NRPE: []NRPE{{Common: named, Command: "a!b", Targets: one}}}, `command "a!b"`)
	f(Outside{NRPE: []NRPE{{Common: named, Command: "a", Targets: one, Version: 1}}}, "version 1")
	f(Outside{NRPE: []NRPE{{Common: named, Command: "a", Targets: one, TLS: "no"}}}, `tls "no"`)
	f(Outside{NRPE: []NRPE{{Common: named, Command: "a", Targets: one, Cert: "x"}}}, "want both or none")
	f(Outside{Ping: []Ping{{Common: named}}}, "targets are missing")
	f(Outside{Ping: []Ping{{Common: named, Targets: Targets{Targets: []plugin.Target{{Host: "a"}, {Host: "a"}}}}}}, "another one has the same labels")
	f(Outside{HTTP: []HTTP{{Common: named, HTTP: probe.HTTP{URL: "http://{address}/"}}}}, "targets are missing")
	f(Outside{Passive: []Passive{{Common: named, Targets: one, Token: "short"}}}, "want 16 bytes or more")
	f(Outside{Passive: []Passive{{Common: named, Targets: one, Command: []string{"/bin/x"}}}}, "command stands without freshness")
	if got := redacted("https://u:p@h/x"); got != "https://<secret>@h/x" {
		t.Error(got)
	}
}

// submitted remembers what was submitted, as text.
type submitted struct {
	got []string
	err error
}

func (s *submitted) Submit(_ context.Context, rule string, rs ...alerts.Reading) error {
	for _, r := range rs {
		s.got = append(s.got, fmt.Sprintf("%s%v %v %v %s", rule, r.Labels, r.Status, r.Value, r.Text))
	}
	return s.err
}

const own = "0123456789abcdef"

func passive(freshness time.Duration, command ...string) Config {
	return Config{Outside: Outside{Passive: []Passive{{
		Common: Common{Name: "backup", Labels: map[string]string{"team": "ops"}}, Token: own, Freshness: freshness, Command: command,
		Targets: Targets{Targets: []plugin.Target{{Host: "db"}, {Host: "web"}}}, From: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
	}}}}
}

func TestPassive(t *testing.T) {
	_, s, kept := outside(t, passive(0), nil)
	to := &submitted{}
	h := s.Passive(to, func(r *http.Request, _ string) bool { return r.Header.Get("Authorization") == "Bearer all" })
	send := func(token, from, media, body string) string {
		t.Helper()
		r := httptest.NewRequest("POST", PassivePath, strings.NewReader(body))
		r.Header.Set("Content-Type", media)
		r.Header.Set("Authorization", "Bearer "+token)
		r.RemoteAddr = from
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return fmt.Sprint(w.Code, " ", strings.TrimSpace(w.Body.String()))
	}
	const good, json, form = "192.0.2.9:999", "application/json", "application/x-www-form-urlencoded"
	f := func(token, from, media, body, want string) {
		t.Helper()
		if got := send(token, from, media, body); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	f(own, good, json, `{"check":"backup","host":"db","status":"warning","output":"slow|took=90s","at":"2026-01-01T12:00:00Z"}`, `200 {"status":"warning"}`)
	f("all", good, json, `{"check":"backup","host":"web","return_code":2,"output":"failed"}`, `200 {"status":"critical"}`)
	f(own, good, form, "check=backup&host=web&status=OK&output=done%7Ca%3D1", `200 {"status":"ok"}`)
	want := []string{
		`backup{host="db",team="ops"} warning 90 slow`, `backup{host="web",team="ops"} critical 0 failed`, `backup{host="web",team="ops"} ok 1 done`,
	}
	if d := cmp.Diff(want, to.got); d != "" {
		t.Error(d)
	}
	if !strings.Contains(kept.String(), `check_perf{alertname="backup",host="db",perf="took",team="ops",unit="s"} 90 gauge`) {
		t.Error(kept)
	}
	f(own, good, json, `{"check":"backup","host":"db","status":"ok","at":"2026-01-01T11:00:00Z"}`, "409 ")
	f(own, good, json, `{"check":"backup","host":"db","status":"ok","at":"2999-01-01T11:00:00Z"}`, "400 ")
	f(own, good, json, `{"check":"backup","host":"other","status":"ok"}`, "404 ")
	f(own, good, json, `{"check":"other","host":"db","status":"ok"}`, "401 ")
	f("all", good, json, `{"check":"other","host":"db","status":"ok"}`, "404 ")
	f("wrong", good, json, `{"check":"backup","host":"db","status":"ok"}`, "401 ")
	f("", good, json, `{"check":"backup","host":"db","status":"ok"}`, "401 ")
	f(own, "198.51.100.1:9", json, `{"check":"backup","host":"db","status":"ok"}`, "403 ")
	f(own, "@", json, `{"check":"backup","host":"db","status":"ok"}`, "403 ")
	f("all", "@", json, `{"check":"backup","host":"db","status":"ok"}`, "200 ")
	f(own, good, json, `{"check":"backup","host":"db","status":"fine"}`, "400 ")
	f(own, good, json, `{"check":"backup","host":"db"}`, "400 ")
	f(own, good, json, `{"check":"backup","host":"db","status":"ok","return_code":0}`, "400 ")
	f(own, good, json, `{"check":"backup","host":"db","return_code":4}`, "400 ")
	f(own, good, json, `{"check":"backup","command":["rm"]}`, "400 ")
	f(own, good, json, `{"check":"backup","host":"db","status":"ok","output":"`+strings.Repeat("x", maxBody)+`"}`, "400 ")
	f(own, good, form, "check=backup&host=db&return_code=x", "400 ")
	to.err = errors.New("disk full")
	f(own, good, json, `{"check":"backup","host":"db","status":"ok"}`, "500 ")
	m := s.Snapshot()
	for reason, n := range map[string]uint64{"older": 1, "future": 1, "undeclared": 2, "token": 3, "network": 2, "malformed": 7, "failed": 1} {
		if got := m["passive_refused_"+reason]; got != n {
			t.Errorf("%s: counted %d, want %d", reason, got, n)
		}
	}
}

// A host from which nothing came is stale once in each time of freshness,
// counted from our start, or from its newest result; a reload changes nothing
// about that.
func TestFreshnessOfPassiveResults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s, _ := outside(t, passive(time.Minute), nil)
		if r.Interval != 6*time.Second || !r.Keeps(alerts.NewLabels(map[string]string{"host": "db"})) || r.Keeps(nil) {
			t.Errorf("%+v", r)
		}
		look := func(after time.Duration, want ...string) {
			t.Helper()
			time.Sleep(after)
			var hosts []string
			rs, err := r.Rule.Check(t.Context(), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range rs {
				if x.Status != alerts.Unknown || x.Text != "no result for 1m0s" {
					t.Errorf("%+v", x)
				}
				hosts = append(hosts, x.Labels.Get("host"))
			}
			if !slices.Equal(hosts, want) {
				t.Errorf("stale are %v, want %v", hosts, want)
			}
		}
		look(time.Minute)
		if err := r.Rule.(*passiveRule).take("db", time.Now(), time.Now()); err != nil {
			t.Fatal(err)
		}
		look(time.Second, "web")
		look(time.Second)
		next, err := passive(time.Minute).Build(Sources{Service: s})
		if err != nil {
			t.Fatal(err)
		}
		s.Use(next)
		r = next[0]
		look(58*time.Second+time.Millisecond, "db")
		look(time.Second, "web")
		look(time.Minute+time.Second, "db", "web")
	})
}

// A host that is new to the fleet has its time to send something.
func TestFreshnessOfNewHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hosts := fakeHosts{{ID: "web-1", Group: "web"}}
		c := Passive{Common: Common{Name: "backup"}, Freshness: time.Hour, Targets: Targets{Groups: []string{"web"}}}
		r, _, _ := outside(t, Config{Outside: Outside{Passive: []Passive{c}}}, &hosts)
		time.Sleep(2 * time.Hour)
		hosts = append(hosts, fleet.Host{ID: "web-2", Group: "web"})
		if got := statuses(t, r, time.Now()); !strings.Contains(got, "web-1") || strings.Contains(got, "web-2") {
			t.Errorf("stale: %s", got)
		}
		time.Sleep(90 * time.Minute)
		if got := statuses(t, r, time.Now()); !strings.Contains(got, "web-2") {
			t.Errorf("stale: %s", got)
		}
	})
}

// Where there is a command, it is run instead of a result that did not come.
func TestStaleRunsTheCommand(t *testing.T) {
	r, _, kept := outside(t, passive(time.Minute, "/bin/sh", "-c", "echo checked $0'|a=1'; exit 1", "{host}"), nil)
	later := time.Now().Add(time.Hour)
	want := "{host=\"db\",team=\"ops\"} warning 1 checked db\n{host=\"web\",team=\"ops\"} warning 1 checked web"
	if got := statuses(t, r, later); got != want || len(kept.got) != 2 {
		t.Error(got, kept)
	}
	if got := statuses(t, r, later); got != "" {
		t.Error(got)
	}
}

// A check that is run by command changes nothing.
func TestRun(t *testing.T) {
	metric := Config{Metrics: []Metric{{Common: Common{Name: "load"}, Expr: "x", Raise: ptr(1), For: time.Hour}}}
	eval := &fakeEval{values: []rrd.Value{value(2, "host", "web")}}
	echo := Config{Outside: Outside{Plugins: []Plugin{{Common: Common{Name: "echo"}, Command: []string{"/bin/sh", "-c", "echo 'line|a=1;2 junk'; echo more; exit 2"}}}}}
	kept := &samples{}
	s := NewService(kept, slog.New(slog.DiscardHandler))
	s.Use([]alerts.Supervised{build(t, metric, Sources{Metrics: eval}), build(t, echo, Sources{Service: s}), build(t, passive(0), Sources{Service: s})})
	ask := func(name string) string {
		w := httptest.NewRecorder()
		s.Run().ServeHTTP(w, httptest.NewRequest("POST", RunPath+"?check="+name, nil))
		var b bytes.Buffer
		if err := json.Compact(&b, w.Body.Bytes()); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(w.Code, " ", b.String())
	}
	f := func(name, want string) {
		t.Helper()
		if d := cmp.Diff(want, ask(name)); d != "" {
			t.Error(d)
		}
	}
	f("echo", `200 [{"labels":{},"status":"critical","text":"line","long":"more","perf":["a=1;2"],"bad":1}]`)
	f("load", `200 [{"labels":{"host":"web"},"status":"critical","text":"load is 2"}]`)
	f("none", `404 {"error":"no check is named \"none\""}`)
	if got := ask("backup"); !strings.HasPrefix(got, "422 ") {
		t.Error(got)
	}
	if len(kept.got) != 0 {
		t.Error(kept)
	}
}
