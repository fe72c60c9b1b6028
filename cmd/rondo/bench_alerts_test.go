package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// What the figure of alerts is made of: 1,000 hosts in 100 groups, each with
// 100 metrics that come every ten seconds, and 2,000 rules. 1,900 look at one metric
// of one group: 10 series and states each. 40 are rates of a group's counters, 40
// averages by role over 700 hosts, 10 count logs and 10 look at hosts.
const (
	alertHosts, alertMetrics = 1000, 100
	alertGroups              = 100
	alertSimple, alertWide   = 1900, 40
	alertSettle, alertWindow = 15 * time.Second, 30 * time.Second
	alertCrossings           = 300
	alertLimit               = 1e6
	alertsSeries             = alertHosts * alertMetrics
	alertApart               = 2 * alertsSeries / benchStep // lines of two seconds
	alertTick                = 100 * time.Millisecond
	alertAtOnce              = alertsSeries / (benchStep * int(time.Second/alertTick))
)

func alertName(host int, metric string) string {
	return fmt.Sprintf("%s;group=g%02d;host=%s;role=r%d", metric, host%alertGroups, hostName(host), host%10)
}

// alertRules writes the rules, and says which series makes each cross its
// threshold by one sample.
func alertRules() (text string, by map[string]int) {
	var b strings.Builder
	by = map[string]int{}
	metric := func(i int) string { return fmt.Sprintf(benchMetrics[i%len(benchMetrics)], i) }
	rule := func(name, expr string, series int) {
		fmt.Fprintf(&b, "    - {name: %s, expr: '%s', raise: %g}\n", name, expr, alertLimit)
		by[name] = series
	}
	b.WriteString("alerts:\n  metrics:\n")
	gauges := 0
	for i := 0; gauges < alertSimple; i++ {
		m, group := metric(i%alertMetrics), i/alertMetrics
		if i%len(benchMetrics) == 0 {
			continue // a counter
		}
		rule(fmt.Sprintf("simple-%d", i), fmt.Sprintf(`%s{group="g%02d"}`, m, group), group*alertMetrics+i%alertMetrics)
		gauges++
	}
	for i := range alertWide {
		m := i % 20 * len(benchMetrics)
		rule(fmt.Sprintf("rate-%d", i), fmt.Sprintf(`rate(%s{group="g%02d"}[1m])`, metric(m), 50+i), (50+i)*alertMetrics+m)
		m = i%20*len(benchMetrics) + 3 + i/20
		rule(fmt.Sprintf("avg-%d", i), fmt.Sprintf(`avg by (role) (%s{group!~"g[0-2].*"})`, metric(m)), (50+i)*alertMetrics+m)
	}
	b.WriteString("  logs:\n")
	for i := range 10 {
		fmt.Fprintf(&b, "    - {name: log-%d, filter: 'app:kernel \"word%d\"'}\n", i, i)
	}
	b.WriteString("  hosts:\n")
	for i := range 10 {
		fmt.Fprintf(&b, "    - {name: silent-%d, silent: 2m, groups: [g%02d]}\n", i, i)
	}
	return b.String(), by
}

// A pager is a receiver of webhooks that notes when it first heard of a rule.
type pager struct {
	mu    sync.Mutex
	heard map[string]time.Time
}

func (p *pager) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	now := time.Now()
	var notice struct {
		Alerts []struct{ Labels map[string]string }
	}
	if err := json.NewDecoder(r.Body).Decode(&notice); err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range notice.Alerts {
		if name := a.Labels["alertname"]; p.heard[name].IsZero() {
			p.heard[name] = now
		}
	}
}

// A feed sends all series every ten seconds, a few at a time.
type feed struct {
	fleet *benchFleet
	conn  net.Conn
	text  []byte
	at    int
	lines int // sent of this round
}

// dial connects, in the place of an earlier connection.
func (f *feed) dial(p *proc) {
	p.t.Helper()
	if f.conn != nil {
		f.conn.Close()
	}
	var err error
	if f.conn, err = net.Dial("tcp", p.addr("graphite")); err != nil {
		p.t.Fatal(err)
	}
}

// tick sends the next portion of the lines.
func (f *feed) tick() error {
	if f.at == 0 {
		f.text = f.fleet.round(f.text[:0], time.Now().Unix())
	}
	cut := lineAfter(f.text, min(len(f.text), f.at+len(f.text)*alertAtOnce/alertsSeries+1))
	_, err := f.conn.Write(f.text[f.at:cut])
	f.lines += bytes.Count(f.text[f.at:cut], []byte("\n"))
	if f.at = cut; f.at == len(f.text) {
		f.at, f.lines = 0, 0
	}
	return err
}

// run sends for a time, and calls do at each tick.
func (f *feed) run(b *testing.B, d time.Duration, do func(tick, of int)) {
	b.Helper()
	tick := time.NewTicker(alertTick)
	defer tick.Stop()
	n := int(d / alertTick)
	for i := range n {
		<-tick.C
		if err := f.tick(); err != nil {
			b.Fatal(err)
		}
		do(i, n)
	}
}

// alerts measures how long it takes from the sample that crosses a threshold,
// as it is sent, to the notification at its receiver, and what 2,000 rules cost.
func (t *table) alerts(b *testing.B) {
	page := &pager{heard: map[string]time.Time{}}
	hook := httptest.NewServer(page)
	defer hook.Close()
	p := newProc(b, strings.Replace(benchConfig, "log: error", "log: info", 1)+"alerts: {hosts: [], webhooks: [{name: pager, url: '"+hook.URL+"'}]}\n")
	p.start()
	f := &feed{fleet: newBenchFleet(alertHosts, alertMetrics, alertName)}
	p.sendRounds(f.fleet, 2, time.Now().Unix())
	f.dial(p)
	nothing := func(int, int) {}
	f.run(b, alertSettle, nothing)
	before := p.cpu()
	f.run(b, alertWindow, nothing)
	base := p.cpu() - before
	memory := p.memory("VmRSS")

	rules, by := alertRules()
	if err := os.Mkdir(filepath.Join(p.dir, "conf.d"), 0o700); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(p.dir, "conf.d", "rules.yml"), []byte(rules), 0o600); err != nil {
		b.Fatal(err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		b.Fatal(err)
	}
	waitFor(b, func() error {
		if !strings.Contains(p.output.String(), "configuration is reloaded") {
			return errors.New("not reloaded yet")
		}
		return nil
	})
	f.dial(p) // a reload has closed the listener's connections
	f.run(b, alertSettle, nothing)
	before = p.cpu()
	sent := t.cross(b, p, f, by)
	cpu := p.cpu() - before
	f.run(b, 2*time.Second, nothing)

	page.mu.Lock()
	defer page.mu.Unlock()
	var waits []time.Duration
	kinds := map[string][]time.Duration{}
	for name, at := range sent {
		if heard := page.heard[name]; !heard.IsZero() {
			waits = append(waits, heard.Sub(at))
			kind, _, _ := strings.Cut(name, "-")
			kinds[kind] = append(kinds[kind], heard.Sub(at))
		} else {
			b.Errorf("nobody was told of %s", name)
		}
	}
	if len(waits) == 0 {
		b.Fatalf("nothing was told:\n%s", p.output.String())
	}
	t.add("a sample crosses a threshold -> notification on the wire, 100k series, 2,000 rules", "Prometheus 15-60 s", milliseconds(quantile(waits, 0.5)), "ms", atMost(300))
	t.add("the same, 99th percentile", "", milliseconds(quantile(waits, 0.99)), "ms", atMost(1000))
	t.note("of %d crossings; slowest of each kind:%s", len(waits), slowest(kinds))
	t.add("what the rules cost, of one core", "", 100*(cpu-base).Seconds()/alertWindow.Seconds(), "%", atMost(25))
	t.note("ingest without them %s; the rules' memory %s", quantity(100*base.Seconds()/alertWindow.Seconds(), "%"),
		quantity((p.memory("VmRSS")-memory)/1e6, "MB"))
	f.conn.Close()
	p.stop()
}

func slowest(kinds map[string][]time.Duration) (text string) {
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		text += fmt.Sprintf(" %s %v", kind, slices.Max(kinds[kind]).Round(time.Millisecond))
	}
	return text
}

// cross makes the series of random rules cross their thresholds, and returns
// when each was sent.
func (t *table) cross(b *testing.B, p *proc, f *feed, by map[string]int) map[string]time.Time {
	b.Helper()
	conn, err := net.Dial("tcp", p.addr("graphite"))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	var names []string
	for name := range by {
		names = append(names, name)
	}
	rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	sent := map[string]time.Time{}
	f.run(b, alertWindow, func(tick, of int) {
		for i := 0; i < len(names) && len(sent) < alertCrossings*(tick+1)/of; i++ {
			series := by[names[i]]
			if series >= f.lines-alertApart {
				continue // what it was before is still to be sent in this round, or on its way
			}
			f.fleet.values[series] = 1e12 // and there it stays
			sent[names[i]] = time.Now()
			if _, err := fmt.Fprintf(conn, "%s 1e12 %d\n", f.fleet.names[series], time.Now().Unix()); err != nil {
				b.Fatal(err)
			}
			names = slices.Delete(names, i, i+1)
			i--
		}
	})
	return sent
}
