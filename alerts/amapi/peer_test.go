package amapi

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"rondo/alerts"
	"rondo/alerts/notify/dispatch"
	"rondo/alerts/state"
	"rondo/syslogd/peertest"
)

// listening starts a program of Debian's and returns its base URL, from what it
// logs. It is killed at the end of the test.
func listening(t *testing.T, args []string) string {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address, drained := make(chan string, 1), make(chan struct{})
	var all bytes.Buffer
	go func() {
		defer close(drained)
		says := regexp.MustCompile(`msg="?Listening on"? address=(\S+)`)
		for s := bufio.NewScanner(io.TeeReader(out, &all)); s.Scan(); {
			if m := says.FindStringSubmatch(s.Text()); m != nil {
				address <- m[1]
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-drained
		_ = cmd.Wait() // by that signal
		if t.Failed() {
			t.Logf("%s: %s", filepath.Base(args[0]), all.String())
		}
	})
	select {
	case a := <-address:
		return "http://" + a
	case <-drained:
		t.Fatal("the program has ended")
	case <-time.After(30 * time.Second):
		t.Fatal("the program does not listen")
	}
	return ""
}

const peerRoutes = `
route:
  receiver: rest
  group_by: [alertname]
  group_wait: 0s
  routes:
  - {receiver: db, matchers: ['host=~"db.*"'], group_by: [host], continue: true}
  - {receiver: load, matchers: [alertname=load]}
  - {receiver: all, matchers: [alertname=each], group_by: ['...']}
  - {receiver: one, matchers: [alertname=any], group_by: []}
receivers: [{name: rest}, {name: db}, {name: load}, {name: all}, {name: one}]
inhibit_rules:
- {source_matchers: [alertname=down], target_matchers: [alertname=load], equal: [host]}
`

func peerConfig() (dispatch.Config, []dispatch.Receiver) {
	var rs []dispatch.Receiver
	for _, n := range []string{"rest", "db", "load", "all", "one"} {
		rs = append(rs, dispatch.Receiver{Name: n})
	}
	now := time.Duration(0)
	return dispatch.Config{
		Route: &dispatch.RouteConfig{Receiver: "rest", GroupBy: []string{"alertname"}, GroupWait: &now, Routes: []dispatch.RouteConfig{
			{Receiver: "db", Matchers: []string{`host=~"db.*"`}, GroupBy: []string{"host"}, Continue: true},
			{Receiver: "load", Matchers: []string{"alertname=load"}},
			{Receiver: "all", Matchers: []string{"alertname=each"}, GroupBy: []string{"..."}},
			{Receiver: "one", Matchers: []string{"alertname=any"}, GroupBy: []string{}},
		}},
		InhibitRules: []dispatch.InhibitConfig{{SourceMatchers: []string{"alertname=down"}, TargetMatchers: []string{"alertname=load"}, Equal: []string{"host"}}},
	}, rs
}

// newRouted is a rig whose engine and dispatcher run until the test ends.
func newRouted(t *testing.T) *rig {
	t.Helper()
	store := state.NewMemory()
	x, err := OpenExternal(store, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	config, rs := peerConfig()
	d, err := dispatch.New(dispatch.Options{Store: store}, config, rs, "")
	if err != nil {
		t.Fatal(err)
	}
	e, err := alerts.NewEngine(alerts.Options{Store: store}, []alerts.Supervised{x.Supervised()}, []alerts.Target{{Name: "dispatch", Action: d}})
	if err != nil {
		t.Fatal(err)
	}
	x.SubmitTo(e)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, run := range []func(context.Context) error{e.Run, d.Run} {
		wg.Go(func() {
			if err := run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { cancel(); wg.Wait() })
	return &rig{t, store, e, x, New(Options{Engine: e, External: x, Dispatcher: d})}
}

// lines are an answer without times and identities, a line for each alert.
func lines(t *testing.T, body []byte, groups bool) (out []string) {
	t.Helper()
	type alert struct {
		Fingerprint string
		Labels      map[string]string
		Receivers   []struct{ Name string }
		Status      struct {
			State                   string
			InhibitedBy, SilencedBy []string
		}
	}
	var gs []struct {
		Labels   map[string]string
		Receiver struct{ Name string }
		Alerts   []alert
	}
	var err error
	if groups {
		err = json.Unmarshal(body, &gs)
	} else {
		gs = slices.Grow(gs, 1)[:1]
		err = json.Unmarshal(body, &gs[0].Alerts)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	for _, g := range gs {
		for _, a := range g.Alerts {
			slices.SortFunc(a.Receivers, func(a, b struct{ Name string }) int { return cmp.Compare(a.Name, b.Name) })
			out = append(out, fmt.Sprint(g.Receiver.Name, g.Labels, " ", a.Fingerprint, a.Labels, a.Receivers, a.Status.State, a.Status.InhibitedBy, len(a.Status.SilencedBy)))
		}
	}
	slices.Sort(out)
	return out
}

// TestAgainstAlertmanager: of the same alerts, routes, inhibition and silence
// Debian's Alertmanager shows the same receivers, groups and states, whatever
// they are chosen by.
func TestAgainstAlertmanager(t *testing.T) {
	p := peertest.Find(t, "prometheus-alertmanager")
	dir := t.TempDir()
	file := filepath.Join(dir, "am.yml")
	if err := os.WriteFile(file, []byte(peerRoutes), 0o600); err != nil {
		t.Fatal(err)
	}
	theirs := listening(t, p.WithShare(t, "--config.file="+file, "--storage.path="+dir, "--web.listen-address=127.0.0.1:0", "--cluster.listen-address="))
	r := newRouted(t)
	mux := http.NewServeMux()
	mux.Handle("GET /", r.api.Handler())
	mux.Handle("POST /api/v2/alerts", r.api.Ingest())
	mux.Handle("POST /api/v2/silences", r.api.Commands())
	ours := httptest.NewServer(mux)
	defer ours.Close()
	var all []string
	for _, a := range []string{"down/db-1", "load/db-1", "load/db-2", "load/web-1", "down/web-1", "full/web-2", "full/web-3", "each/a", "each/b", "any/a", "any/b"} {
		name, host, _ := strings.Cut(a, "/")
		all = append(all, fmt.Sprintf(`{"labels":{"alertname":%q,"host":%q,"severity":"critical"}}`, name, host))
	}
	now := time.Now().UTC()
	silence := fmt.Sprintf(`{"matchers":[{"name":"host","value":"web-3","isRegex":false}],"startsAt":%q,"endsAt":%q,"createdBy":"ana","comment":"known"}`,
		now.Format(time.RFC3339), now.Add(time.Hour).Format(time.RFC3339))
	for _, base := range []string{theirs, ours.URL} {
		post(t, base+"/api/v2/silences", silence)
		post(t, base+"/api/v2/alerts", "["+strings.Join(all, ",")+"]")
	}
	for _, path := range []string{"/api/v2/alerts", "/api/v2/alerts/groups"} {
		for _, q := range []string{
			"", "active=false", "silenced=false", "inhibited=false", "active=false&silenced=false&inhibited=false", "receiver=db", "receiver=re.*|load", "receiver=d",
			"filter=" + url.QueryEscape(`host=~"db.+"`), "filter=" + url.QueryEscape(`host!="db-1"`) + "&filter=alertname%3Dload&receiver=db", "filter=host%3Dnone",
		} {
			same(t, theirs, ours.URL, path+"?"+q, strings.HasSuffix(path, "groups"))
		}
	}
}

func post(t *testing.T, to, body string) {
	t.Helper()
	resp, err := http.Post(to, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(resp.Body)
		t.Fatalf("%s: %s: %s", to, resp.Status, said)
	}
}

func get(t *testing.T, from string) []byte {
	t.Helper()
	resp, err := http.Get(from)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s: %v: %s", from, resp.Status, err, body)
	}
	return body
}

// same waits until both sides, which have heard the same, show the same.
func same(t *testing.T, theirs, ours, path string, groups bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); ; <-tick.C {
		diff := gocmp.Diff(lines(t, get(t, theirs+path), groups), lines(t, get(t, ours+path), groups))
		if diff == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s (-alertmanager +ours):\n%s", path, diff)
		}
	}
}
