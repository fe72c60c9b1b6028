package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/syslogd/peertest"
)

// prometheusRules are evaluated by both. Each says its severity: where there is
// none, a server of ours adds one. No rule holds for about as long as a
// phase of the history lasts, and no text has a value that varies while the
// rule's state does: then the order of what is seen does not hang on the clock.
const prometheusRules = `
groups:
  - name: rooms
    interval: 1s
    rules:
      - {record: 'temperature:max', expr: max(temperature)}
      - alert: Hot
        expr: temperature > 5
        for: 2s
        labels: {severity: page, room: '{{ $labels.site | toUpper }}'}
        annotations: {summary: 'it is hot in {{ $labels.site }}'}
      - {alert: HotForLong, expr: temperature > 5, for: 9s, labels: {severity: warning}}
      - alert: Level
        expr: temperature{site="a"} > 5
        labels: {severity: info, level: '{{ if gt $value 7.0 }}high{{ else }}low{{ end }}'}
      - alert: Hottest
        expr: temperature:max > 5
        labels: {severity: critical}
        annotations: {query: '{{ with query "temperature:max" }}{{ len . }}{{ end }} room'}
      - alert: Gone
        expr: absent(door{site="a"})
        for: 2s
        labels: {severity: critical}
        annotations: {value: '{{ $value }}'}
`

// prometheusHistory is the value of each series, second for second; x is none.
var prometheusHistory = []struct{ name, site, values string }{
	{"temperature", "a", "11116666999966661111"},
	{"temperature", "b", "11199999111111111111"},
	{"temperature", "c", "11999999999999999111"},
	{"door", "a", "1111xxxxxxxxx1111111"},
}

// TestAsPrometheus gives Debian's Prometheus and a server the same rule file and
// the same values at the same time, and compares what becomes of each alert:
// which states, in which order, with which labels and annotations.
func TestAsPrometheus(t *testing.T) {
	t.Parallel()
	program := peertest.Find(t, "prometheus")
	rondo := newProc(t, `
web: {listen: "127.0.0.1:{web}"}
syslogd: {udp: "", tcp: "", canary: {interval: 0}}
collectors:
  - {kind: graphite, listen: "127.0.0.1:{graphite}"}
rrd:
  schemas:
    - {name: seconds, match: "*", archives: [1s for 1h], heartbeat: 3s}
alerts: {rule_files: [rules.yml], hosts: []}
`)
	writeFile(t, rondo.dir, "rules.yml", prometheusRules)
	rondo.start()
	weather := &climate{at: -1}
	target := httptest.NewServer(weather)
	defer target.Close()
	prometheus := startPrometheus(t, program, strings.TrimPrefix(target.URL, "http://"))

	ctx, cancel := context.WithCancel(t.Context())
	ours, theirs := newWatch(rondo.url("/api/v1/alerts")), newWatch(prometheus+"/api/v1/alerts")
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { weather.run(ctx, t, rondo.addr("graphite")) })
	for _, base := range []string{rondo.url(""), prometheus} {
		waitFor(t, func() error { return calm(base) })
	}
	wg.Go(func() { ours.run(ctx) })
	wg.Go(func() { theirs.run(ctx) })
	weather.begin()
	waitFor(t, func() error {
		if !weather.over() || ours.active() || theirs.active() {
			return fmt.Errorf("alerts are left:\n%v\n%v", ours.lines(), theirs.lines())
		}
		return nil
	})
	if d := cmp.Diff(theirs.lines(), ours.lines()); d != "" {
		t.Errorf("Prometheus -, rondo +:\n%s", d)
	}
	if n := len(theirs.lines()); n != 10 {
		t.Errorf("%d alerts, want 10:\n%s", n, strings.Join(theirs.lines(), "\n"))
	}
}

// startPrometheus runs Prometheus on a port of its own and returns its URL.
func startPrometheus(t *testing.T, program peertest.Program, target string) string {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, dir, "rules.yml", prometheusRules)
	writeFile(t, dir, "prometheus.yml", fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [rules.yml]
scrape_configs:
  - job_name: rooms
    static_configs: [{targets: [%q]}]
    metric_relabel_configs: [{action: labeldrop, regex: job|instance}]
`, target))
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program.Path, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		fmt.Sprintf("--web.listen-address=127.0.0.1:%d", port), "--log.level=warn")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // by that signal
	})
	return fmt.Sprintf("http://127.0.0.1:%d", port)
}

// calm says whether a server evaluates: the series are there, what is recorded
// of them too, and no alert is.
func calm(base string) error {
	var found struct{ Data struct{ Result []any } }
	if err := getJSON(base+"/api/v1/query?query=%7B__name__%3D~%22temperature%7Ctemperature%3Amax%7Cdoor%22%7D", &found); err != nil {
		return err
	}
	if n := len(found.Data.Result); n != len(prometheusHistory)+1 {
		return fmt.Errorf("%s: %d series", base, n)
	}
	w := newWatch(base + "/api/v1/alerts")
	if err := w.look(); err != nil {
		return err
	}
	if w.active() {
		return fmt.Errorf("%s: %v", base, w.lines())
	}
	return nil
}

func getJSON(url string, v any) error {
	resp, err := http.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(v)
}

// A climate is the history as it is being told.
type climate struct {
	mu sync.Mutex
	at int // the present second of the history; -1 before it begins
}

func (c *climate) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = 0
}

func (c *climate) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at >= len(prometheusHistory[0].values)
}

// each calls for each series that is there now.
func (c *climate) each(call func(name, site string, value byte)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range prometheusHistory {
		if v := s.values[min(max(c.at, 0), len(s.values)-1)]; v != 'x' {
			call(s.name, s.site, v)
		}
	}
}

// ServeHTTP is what Prometheus scrapes.
func (c *climate) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	c.each(func(name, site string, v byte) { fmt.Fprintf(w, "%s{site=%q} %c\n", name, site, v) })
}

// run sends a sample of each series each second, and goes on in the history.
func (c *climate) run(ctx context.Context, t *testing.T, graphite string) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		var text strings.Builder
		c.each(func(name, site string, v byte) {
			fmt.Fprintf(&text, "%s;site=%s %c %d\n", name, site, v, time.Now().Unix())
		})
		if err := sendAndWait(graphite, text.String()); err != nil {
			t.Error(err)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		c.mu.Lock()
		if c.at >= 0 {
			c.at++
		}
		c.mu.Unlock()
	}
}

// A watch notes the states of a server's alerts, each time one changes.
type watch struct {
	url string

	mu     sync.Mutex
	now    map[string]string
	states map[string][]string
}

func newWatch(url string) *watch {
	return &watch{url: url, now: map[string]string{}, states: map[string][]string{}}
}

func (w *watch) run(ctx context.Context) {
	for tick := time.NewTicker(100 * time.Millisecond); ; {
		_ = w.look() // a look that fails is one less
		select {
		case <-ctx.Done():
			tick.Stop()
			return
		case <-tick.C:
		}
	}
}

func (w *watch) look() error {
	var answer struct {
		Data struct {
			Alerts []struct {
				Labels, Annotations map[string]string
				State               string
			}
		}
	}
	if err := getJSON(w.url, &answer); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := map[string]string{}
	for _, a := range answer.Data.Alerts {
		now[fmt.Sprint(a.Labels, a.Annotations)] = a.State
	}
	for name, state := range now {
		if w.now[name] != state {
			w.states[name] = append(w.states[name], state)
		}
	}
	for name := range w.now {
		if now[name] == "" {
			w.states[name] = append(w.states[name], "inactive")
		}
	}
	w.now = now
	return nil
}

func (w *watch) active() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.now) > 0
}

func (w *watch) lines() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for name, states := range w.states {
		out = append(out, name+": "+strings.Join(states, " "))
	}
	slices.Sort(out)
	return out
}
