package dispatch

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/alerts"
	"rondo/alerts/notify"
	"rondo/alerts/state"
	"rondo/syslogd/peertest"
)

// peerCases are told by Debian's Alertmanager and by us. Each has a route of
// its own, to a receiver of its name. What is posted waits for what is awaited
// on both sides, so that no step depends on how fast the machine is.
var peerCases = []struct {
	name  string
	route string // more of the route, in Alertmanager's words
	steps string
}{
	{"one", "", "fire A; await 1; resolve A; await 2"},
	{"gathered", "", "fire A B C; await 1; resolve A C; await 2; resolve B; await 3"},
	{"later", "", "fire A; await 1; fire B; await 2; fire C; await 3; resolve A; await 4"},
	{"unseen", "", "fire A; await 1; fire B; resolve B; await 2; resolve A; await 3"},
	{"again", "", "fire A; await 1; resolve A; await 2; fire A; await 3"},
	{"back", "", "fire A B; await 1; resolve B; fire B; fire C; await 2"},
	{"short", "group_wait: 2s", "fire A; resolve A; fire B/other; await 1"},
	{"repeat", "repeat_interval: 3s", "fire A; await 3; resolve A; await 4; until resolved"},
	{"quiet", "", "fire A B; await 1; resolve B; fire C; await 2; resolve A C; fire D/other; await 3"},
	{"hosts", "group_by: [alertname, host]", "fire A/x; await 1; fire B/y; await 2; resolve A/x; await 3"},
	{"all", "group_by: ['...']", "fire A/x; await 1; fire A/y; await 2; resolve A/x; await 3"},
	{"none", "group_by: []", "fire A/x B/y; await 1; resolve B/y; await 2"},
	{"twice", "continue: true", "fire A; await 1; resolve A; await 2"},
	{"inhibited", "", "fire S; await 1; fire T; fire U; await 2; resolve S; await 3"},
}

// peerConfig is the configuration of both, but for what quotes may not say.
func peerConfig(url string) (yaml string, c Config, rs []string) {
	var b strings.Builder
	b.WriteString("route:\n  receiver: rest\n  group_by: [job]\n  group_wait: 1s\n  group_interval: 2s\n  repeat_interval: 1h\n  routes:\n")
	c.Route = &RouteConfig{Receiver: "rest", GroupBy: []string{"job"}, GroupWait: ptr(time.Second), GroupInterval: ptr(2 * time.Second), RepeatInterval: ptr(time.Hour)}
	for _, pc := range peerCases {
		fmt.Fprintf(&b, "  - receiver: %s\n    matchers: ['case=\"%s\"']\n", pc.name, pc.name)
		r := RouteConfig{Receiver: pc.name, Matchers: []string{`case="` + pc.name + `"`}}
		if pc.route != "" {
			fmt.Fprintf(&b, "    %s\n", pc.route)
		}
		switch pc.route {
		case "group_wait: 2s":
			r.GroupWait = ptr(2 * time.Second)
		case "repeat_interval: 3s":
			r.RepeatInterval = ptr(3 * time.Second)
		case "group_by: [alertname, host]":
			r.GroupBy = []string{"alertname", "host"}
		case "group_by: ['...']":
			r.GroupBy = []string{"..."}
		case "group_by: []":
			r.GroupBy = []string{}
		case "continue: true":
			r.Continue = true
		}
		c.Route.Routes = append(c.Route.Routes, r)
		rs = append(rs, pc.name)
	}
	b.WriteString("  - {receiver: second, matchers: ['case=~\"tw.*\"']}\n")
	c.Route.Routes = append(c.Route.Routes, RouteConfig{Receiver: "second", Matchers: []string{`case=~"tw.*"`}})
	b.WriteString("inhibit_rules:\n- {source_matchers: [alertname=S], target_matchers: [alertname=T], equal: [case, missing]}\n")
	c.InhibitRules = []InhibitConfig{{SourceMatchers: []string{"alertname=S"}, TargetMatchers: []string{"alertname=T"}, Equal: []string{"case", "missing"}}}
	b.WriteString("receivers:\n")
	rs = append(rs, "rest", "second")
	for _, r := range rs {
		fmt.Fprintf(&b, "- {name: %s, webhook_configs: [{url: '%s/%s', send_resolved: %v}]}\n", r, url, r, r != "quiet")
	}
	return b.String(), c, rs
}

// A ledger is what receivers were told by one side.
type ledger struct {
	mu    sync.Mutex
	lines map[string][]string
}

func (l *ledger) add(receiver, line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines[receiver] = append(l.lines[receiver], line)
}

func (l *ledger) of(receiver string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines[receiver])
}

// ServeHTTP is a webhook's receiver.
func (l *ledger) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var m struct {
		GroupKey, Status, Receiver string
		Alerts                     []struct{ Status, Fingerprint string }
	}
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
		return
	}
	var as []string
	for _, a := range m.Alerts {
		as = append(as, a.Fingerprint+" "+a.Status)
	}
	l.add(m.Receiver, line(m.GroupKey, m.Status, as))
}

func line(key, status string, as []string) string {
	slices.Sort(as)
	return fmt.Sprintf("%s %s %s", key, status, strings.Join(as, ", "))
}

// Send implements notify.Sender.
func (l *ledger) Send(_ context.Context, n notify.Notice) error {
	word := func(firing bool) string {
		if firing {
			return "firing"
		}
		return "resolved"
	}
	var as []string
	for _, a := range n.Alerts {
		as = append(as, a.Fingerprint+" "+word(a.Firing()))
	}
	l.add(n.Receiver, line(n.GroupKey, word(n.Firing()), as))
	return nil
}

// alertmanager runs Debian's and returns its address.
func alertmanager(t *testing.T, config string) string {
	t.Helper()
	p := peertest.Find(t, "prometheus-alertmanager")
	dir := t.TempDir()
	file := filepath.Join(dir, "am.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	args := p.WithShare(t, "--config.file="+file, "--storage.path="+dir, "--web.listen-address=127.0.0.1:0", "--cluster.listen-address=")
	cmd := exec.Command(args[0], args[1:]...)
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address := make(chan string, 1)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		listening := regexp.MustCompile(`msg="?Listening on"? address=(\S+)`)
		var all bytes.Buffer
		for s := bufio.NewScanner(io.TeeReader(out, &all)); s.Scan(); {
			if m := listening.FindStringSubmatch(s.Text()); m != nil {
				address <- m[1]
			}
		}
		if t.Failed() {
			t.Logf("alertmanager: %s", all.String())
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-drained
		_ = cmd.Wait() // by that signal
	})
	select {
	case a := <-address:
		return "http://" + a
	case <-time.After(30 * time.Second):
		t.Fatal("alertmanager does not listen")
	}
	return ""
}

// peers are both sides of a comparison.
type peers struct {
	t            *testing.T
	url          string
	ours         *Dispatcher
	theirs, told *ledger
}

// post fires or resolves an alert on both sides.
func (p *peers) post(pc string, seq int, what string, names []string) {
	var list []map[string]any
	var ts []alerts.Transition
	now := time.Now()
	for _, name := range names {
		name, host, _ := strings.Cut(name, "/")
		labels := map[string]string{"case": pc}
		if host != "" {
			labels["host"] = host
		}
		tr := alerts.Transition{ID: fmt.Sprint(pc, name, host, seq), Rule: name, Labels: alerts.NewLabels(labels), To: alerts.Critical, Since: now, At: now}
		labels["alertname"], labels["severity"] = name, "critical"
		post := map[string]any{"labels": labels, "startsAt": now}
		if what == "resolve" {
			tr.To = alerts.OK
			post["startsAt"], post["endsAt"] = now.Add(-time.Millisecond), now
		}
		list, ts = append(list, post), append(ts, tr)
	}
	body, err := json.Marshal(list)
	if err != nil {
		p.t.Error(err)
	}
	resp, err := http.Post(p.url+"/api/v2/alerts", "application/json", bytes.NewReader(body))
	if err != nil {
		p.t.Error(err)
		return
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		p.t.Errorf("%s: alertmanager answers %s", pc, resp.Status)
	}
	if err := p.ours.ActAll(p.t.Context(), ts); err != nil {
		p.t.Error(err)
	}
}

// await waits until both sides have told so much, or its end.
func (p *peers) await(receiver string, ok func(lines []string) bool) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !ok(p.theirs.of(receiver)) || !ok(p.told.of(receiver)); <-tick.C {
		if time.Now().After(deadline) {
			p.t.Errorf("%s: told by alertmanager %q, by us %q, and no more", receiver, p.theirs.of(receiver), p.told.of(receiver))
			return
		}
	}
}

func (p *peers) play(pc, steps string) {
	for seq, step := range strings.Split(steps, ";") {
		f := strings.Fields(step)
		switch f[0] {
		case "await":
			var n int
			if _, err := fmt.Sscan(f[1], &n); err != nil {
				p.t.Error(err)
			}
			p.await(pc, func(lines []string) bool { return len(lines) >= n })
		case "until":
			p.await(pc, func(lines []string) bool { return strings.Contains(lines[len(lines)-1], "} "+f[1]) })
		default:
			p.post(pc, seq, f[0], f[1:])
		}
	}
}

// TestAgainstAlertmanager: the same alerts, posted to Debian's Alertmanager and
// to us, make the same sequence of notices: group key, status, alerts.
func TestAgainstAlertmanager(t *testing.T) {
	p := &peers{t: t, theirs: &ledger{lines: map[string][]string{}}, told: &ledger{lines: map[string][]string{}}}
	hook := httptest.NewServer(p.theirs)
	defer hook.Close()
	yaml, config, names := peerConfig(hook.URL)
	p.url = alertmanager(t, yaml)
	var rs []Receiver
	for _, name := range names {
		rs = append(rs, Receiver{Name: name, Sender: p.told, SendResolved: name != "quiet"})
	}
	var err error
	if p.ours, err = New(Options{Store: state.NewMemory()}, config, rs, ""); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := p.ours.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	var played sync.WaitGroup
	for _, pc := range peerCases {
		played.Go(func() { p.play(pc.name, pc.steps) })
	}
	played.Wait()
	p.await("second", func(lines []string) bool { return len(lines) >= 2 })
	cancel()
	wg.Wait()
	for _, r := range names {
		// How often something is repeated in the time of a test is no matter.
		theirs, ours := slices.Compact(p.theirs.of(r)), slices.Compact(p.told.of(r))
		if diff := cmp.Diff(theirs, ours); diff != "" {
			t.Errorf("%s (-alertmanager +ours):\n%s", r, diff)
		}
	}
}
