package web_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"sync"
	"time"

	"rondo/alerts"
	"rondo/alerts/fleet"
	"rondo/alerts/notify/dispatch"
	"rondo/autoscale"
	"rondo/rrd"
	"rondo/rrd/promql"
	"rondo/syslogd"
	"rondo/syslogd/filter"
	"rondo/syslogd/syslog"
	"rondo/web"
	"rondo/web/pages"
)

var errFake = errors.New("disk is on fire")

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// A world is a fleet that lives through a flash crowd, computed from the clock.
type world struct {
	now   func() time.Time
	crowd time.Time // when it begins
	hosts []fleet.Host
	once  sync.Once
	all   []fakeSeries
}

// newWorld has n web servers, two at first, and a database; the crowd came 20
// minutes ago.
func newWorld(n int) *world {
	w := &world{now: time.Now, crowd: time.Now().Add(-20 * time.Minute)}
	for i := range n {
		id := fmt.Sprintf("web-%d", i+1)
		h := fleet.Host{ID: id, Group: "web", Instance: fmt.Sprintf("i-0a1b2c3d4e5f%04x", i), Template: "fleet.web." + id + "."}
		h.FirstSeen = w.crowd.Add(-30 * time.Hour)
		if i >= 2 {
			h.FirstSeen = w.crowd.Add(time.Duration(90+20*(i/4)) * time.Second)
		}
		w.hosts = append(w.hosts, h)
	}
	w.hosts = append(w.hosts, fleet.Host{ID: "db-1", Group: "db", FirstSeen: w.crowd.Add(-400 * time.Hour)},
		fleet.Host{ID: "cache-1", FirstSeen: w.crowd.Add(-900 * time.Hour)})
	return w
}

// load is the run queue of one server at a time: a wave, and the crowd shared
// by those who serve.
func (w *world) load(i int, t time.Time) float64 {
	s := float64(t.Unix())
	calm := 0.5 + 0.3*math.Sin(s/300+float64(i)) + 0.15*math.Sin(s/17+float64(3*i))
	since := t.Sub(w.crowd).Seconds()
	if since < 0 || i > 40 {
		return max(0, calm)
	}
	peak := 137 * math.Exp(-since/240) * min(1, since/40)
	return max(0, calm+peak*(0.85+0.15*math.Sin(s/13+float64(i))))
}

// runQueueStatus is what a rule makes of a run queue, as the history of states
// has it.
func runQueueStatus(load float64) float64 {
	switch {
	case load > 50:
		return 2
	case load > 40:
		return 1.5
	case load > 4:
		return 1
	}
	return 0
}

type fakeSeries struct {
	key   rrd.Key
	typ   rrd.Type
	born  time.Time
	value func(t time.Time) float64
}

func mustKey(name string, ls ...rrd.Label) rrd.Key {
	k, err := rrd.NewKey(name, ls...)
	if err != nil {
		panic(err)
	}
	return k
}

func (w *world) series() []fakeSeries {
	w.once.Do(func() { w.all = w.build() })
	return w.all
}

func (w *world) build() []fakeSeries {
	var out []fakeSeries
	for i, h := range w.hosts {
		load := func(t time.Time) float64 { return w.load(i, t) }
		wave := func(mid, swing, period float64) func(time.Time) float64 {
			return func(t time.Time) float64 { return mid + swing*math.Sin(float64(t.Unix())/period+float64(i)) }
		}
		values := map[string]func(time.Time) float64{
			"run_queue": load, "load1": load,
			"cpu_free_percent":    func(t time.Time) float64 { return max(2, 88-load(t)*9) },
			"mem_used_percent":    wave(54+float64(i%5)*6, 4, 700),
			"disk_used_percent":   wave(41+float64(i*7%40), .2, 900),
			"requests_per_second": func(t time.Time) float64 { return 120 + 40*load(t) },
			"response_ms":         func(t time.Time) float64 { return 18 + 6*load(t) },
		}
		for _, name := range slices.Sorted(maps.Keys(values)) {
			k := mustKey(h.Template + name)
			if h.Template == "" {
				k = mustKey(name, rrd.Label{Name: "host", Value: h.ID})
			}
			out = append(out, fakeSeries{k, rrd.Gauge, h.FirstSeen, values[name]})
		}
		if i < 2 {
			k := mustKey(alerts.StatusSeries, rrd.Label{Name: "host", Value: h.ID}, rrd.Label{Name: alerts.RuleLabel, Value: "run-queue"})
			out = append(out, fakeSeries{k, rrd.Gauge, h.FirstSeen, func(t time.Time) float64 { return runQueueStatus(load(t)) }})
		}
		for _, severity := range []string{"err", "info"} {
			k := mustKey("log_messages", rrd.Label{Name: "host", Value: h.ID}, rrd.Label{Name: "app", Value: "nginx"}, rrd.Label{Name: "severity", Value: severity})
			out = append(out, fakeSeries{k, rrd.Absolute, h.FirstSeen, wave(40, 10, 200)})
		}
		if h.Template == "" {
			for _, dev := range []string{"eth0", "lo"} {
				k := mustKey("net_received_bytes", rrd.Label{Name: "host", Value: h.ID}, rrd.Label{Name: "device", Value: dev})
				out = append(out, fakeSeries{k, rrd.Counter, h.FirstSeen, wave(3e6, 1e6, 200)})
			}
		}
	}
	slices.SortFunc(out, func(a, b fakeSeries) int { return cmp.Compare(a.key, b.key) })
	return out
}

func matching(ms []rrd.Matcher) func(rrd.Key) bool {
	patterns := make([]*regexp.Regexp, len(ms))
	for i, m := range ms {
		p := m.Value
		if m.Op == rrd.Equal || m.Op == rrd.NotEqual {
			p = regexp.QuoteMeta(p)
		}
		patterns[i] = regexp.MustCompile("^(?:" + p + ")$")
	}
	return func(k rrd.Key) bool {
		for i, m := range ms {
			if patterns[i].MatchString(k.Get(m.Label)) == (m.Op == rrd.NotEqual || m.Op == rrd.NotRegexp) {
				return false
			}
		}
		return true
	}
}

// Select reads the world as an archive would hold it.
func (w *world) Select(_ context.Context, q rrd.Query) iter.Seq2[rrd.Series, error] {
	return func(yield func(rrd.Series, error) bool) {
		n, match := 0, matching(q.Matchers)
		for _, s := range w.series() {
			if !match(s.key) {
				continue
			}
			if n++; q.Limit > 0 && n > q.Limit || !yield(w.rows(s, q), nil) {
				return
			}
		}
	}
}

func (w *world) rows(s fakeSeries, q rrd.Query) rrd.Series {
	d := rrd.DefaultDefinition()
	d.Type = s.typ
	out := rrd.Series{Key: s.key, Definition: d}
	for a := range d.Archives {
		if q.Row > 0 && d.Row(a) <= q.Row || q.Row == 0 && a == 0 {
			out.Archive = a
		}
	}
	now := rrd.At(w.now())
	row := d.Row(out.Archive)
	for _, c := range q.Columns {
		out.Values[c] = []float64{}
	}
	for t := (q.Start + 1).SlotEnd(row); t <= q.End && t.Add(-row) < now; t = t.Add(row) {
		if t.Std().Before(s.born) {
			continue
		}
		at := t
		if t > now {
			at, out.Open = now, true
		}
		out.Times = append(out.Times, at)
		for _, c := range q.Columns {
			out.Values[c] = append(out.Values[c], cell(s, c, at.Std(), row))
		}
	}
	return out
}

func cell(s fakeSeries, c rrd.Column, t time.Time, row time.Duration) float64 {
	v := s.value(t)
	if s.key.Name() == alerts.StatusSeries {
		return v
	}
	switch c {
	case rrd.ColMin:
		return v * 0.82
	case rrd.ColMax:
		return v * 1.25
	case rrd.ColCount:
		return row.Seconds()
	case rrd.ColSum:
		return v * row.Seconds()
	case rrd.ColTotal:
		return 3e6 * float64(t.Unix()%1e7) // rises evenly, whatever the value
	}
	return v
}

func (w *world) Find(_ context.Context, m []rrd.Matcher, limit int) ([]rrd.Key, error) {
	var out []rrd.Key
	match := matching(m)
	for _, s := range w.series() {
		if match(s.key) && (limit == 0 || len(out) < limit) {
			out = append(out, s.key)
		}
	}
	return out, nil
}

func (w *world) LabelNames(context.Context, []rrd.Matcher) ([]string, error) {
	return []string{"__name__", "host"}, nil
}

func (w *world) LabelValues(context.Context, string, []rrd.Matcher) ([]string, error) {
	return nil, nil
}

func (w *world) Heads(rrd.Time) iter.Seq2[rrd.Key, rrd.Time] {
	return func(func(rrd.Key, rrd.Time) bool) {}
}

// Hosts are all hosts, heard of just now, but for one that fell silent.
func (w *world) Hosts() []fleet.Host {
	out := slices.Clone(w.hosts)
	for i := range out {
		out[i].LastSeen = w.now().Add(-time.Duration(i%7) * time.Second)
		out[i].LastLog = w.now().Add(-time.Duration(i%5) * time.Second)
		if out[i].ID == "cache-1" {
			out[i].LastSeen = w.now().Add(-9 * time.Minute)
			out[i].LastLog = time.Time{}
		}
	}
	return out
}

func label(name, value string) rrd.Labels { return rrd.Labels{{Name: name, Value: value}} }

// fakeAlerts are one state of each sort.
type fakeAlerts struct{ w *world }

func (a fakeAlerts) Views() []alerts.View {
	now := a.w.now()
	v := func(rule, host string, st alerts.Status, hard bool) alerts.View {
		return alerts.View{
			Rule: rule, Labels: label("host", host), Status: st, Hard: hard, Attempts: 2, Max: 3, Value: 18.4, Raise: 4, Clear: 1, Severity: alerts.Critical,
			Expr: "run_queue", Query: "run_queue", Since: now.Add(-190 * time.Second), LastCheck: now.Add(-2 * time.Second), Text: "run queue is 18.4, should be below 4",
		}
	}
	out := []alerts.View{
		v("run-queue", "web-1", alerts.Critical, true), v("run-queue", "web-2", alerts.Warning, false),
		v("freshness", "cache-1", alerts.Unknown, true),
	}
	out[0].Query = `{__name__=~"fleet[.]web[.].*[.]run_queue"}`
	out[2].Missing, out[2].Text = true, "no sample for 9 minutes"
	quietly := v("disk", "db-1", alerts.Warning, true)
	quietly.Mute = alerts.Mute{Reason: alerts.Silenced, Cause: "silence k3jxab until 2026-01-31T14:00:00Z by ben: new disk on Monday"}
	quietly.Expr, quietly.Query, quietly.Value, quietly.Raise, quietly.Text = "disk_used_percent", "disk_used_percent", 91.2, 90, "91.2 % of / is used"
	known := v("checkout-errors", "web-2", alerts.Critical, true)
	known.Ack, known.CheckErr = &alerts.Ack{By: "ana", Comment: "vendor is on it", At: now.Add(-time.Minute)}, "timeout after 10 s"
	out = append(out, quietly, known)
	for _, h := range a.w.hosts {
		ok := v("memory", h.ID, alerts.OK, true)
		ok.Expr, ok.Query, ok.Value, ok.Raise, ok.Text, ok.Attempts = "mem_used_percent", "mem_used_percent", 56, 90, "", 0
		out = append(out, ok)
	}
	return out
}

func (a fakeAlerts) Transitions(since time.Time) []alerts.Transition {
	out := []alerts.Transition{
		{Rule: "run-queue", Labels: label("host", "web-1"), From: alerts.OK, To: alerts.Critical, At: a.w.crowd.Add(30 * time.Second), Value: 88, Text: "run queue is 88, should be below 4"},
		{Rule: "run-queue", Labels: label("host", "web-2"), From: alerts.Critical, To: alerts.OK, At: a.w.crowd.Add(11 * time.Minute), Value: 0.8, Text: "run queue is 0.8"},
		{Rule: "disk", Labels: label("host", "db-1"), From: alerts.OK, To: alerts.Warning, At: a.w.crowd.Add(-15 * time.Minute), Value: 91, Text: "91 % of / is used"},
	}
	out = slices.DeleteFunc(out, func(t alerts.Transition) bool { return t.At.Before(since) })
	slices.SortFunc(out, func(x, y alerts.Transition) int { return y.At.Compare(x.At) })
	return out
}

func (fakeAlerts) Supervised(rule string) (alerts.Supervised, bool) {
	if rule != "run-queue" {
		return alerts.Supervised{Policy: alerts.Policy{Rule: rule, Critical: &alerts.Threshold{Raise: 90, Clear: 80}, Interval: 10 * time.Second}}, true
	}
	return alerts.Supervised{
		Expr: "run_queue", Annotations: map[string]string{"runbook": "wiki: Run queue"},
		Policy: alerts.Policy{
			Rule: rule, Warning: &alerts.Threshold{Raise: 2, Clear: 1}, Critical: &alerts.Threshold{Raise: 4, Clear: 1},
			For: 10 * time.Second, MaxAttempts: 3, Interval: 10 * time.Second, Flap: alerts.Flap{Low: 20, High: 30},
		},
	}, true
}

func matcher(s string) alerts.Matcher {
	m, err := alerts.ParseMatcher(s)
	if err != nil {
		panic(err)
	}
	return m
}

func (a fakeAlerts) Silences() []alerts.Silence {
	return []alerts.Silence{{
		ID: "k3jxab", Matchers: []alerts.Matcher{matcher("alertname=disk"), matcher(`host=~"db-.*"`)}, By: "ben", Comment: "new disk on Monday",
		Until: a.w.now().Add(100 * time.Minute), EndWhenClear: true,
	}}
}

func (a fakeAlerts) Downtimes() []alerts.DowntimeView {
	return []alerts.DowntimeView{
		{Downtime: alerts.Downtime{Name: "kernel", ID: "d1", Matchers: []alerts.Matcher{matcher("host=cache-1")}, By: "ana", Comment: "new kernel"}, InForce: true, Until: a.w.now().Add(time.Hour)},
		{Downtime: alerts.Downtime{Name: "sundays", ID: "config/sundays", Matchers: []alerts.Matcher{matcher("group=batch")}, Configured: true, PausesScaling: true}, Next: a.w.now().Add(50 * time.Hour)},
	}
}

func (a fakeAlerts) Queues() []alerts.QueueView {
	return []alerts.QueueView{{Target: "autoscale"}, {Target: "pager", Queued: 3, Oldest: a.w.now().Add(-time.Minute)}}
}

// fakeTelling is one receiver that takes what it is told and one that does not.
type fakeTelling struct{ w *world }

func (fakeTelling) Routed() bool { return true }

func (f fakeTelling) Receivers() []dispatch.ReceiverView {
	now := f.w.now()
	return []dispatch.ReceiverView{
		{Name: "nobody", Counts: map[string]uint64{}},
		{Name: "ops", Kind: "slack", LastTold: now.Add(-3 * time.Minute), Counts: map[string]uint64{"told": 14, "retried": 2}},
		{Name: "pager", Kind: "pagerduty", Queued: 2, Oldest: now.Add(-4 * time.Minute), LastError: "dial tcp 10.0.9.9:443: connect: connection refused", Counts: map[string]uint64{"told": 3, "retried": 7, "refused": 1}},
	}
}

func (f fakeTelling) Groups() []dispatch.GroupView {
	now := f.w.now()
	return []dispatch.GroupView{{
		Key: `{}:{alertname="run-queue"}`, Receiver: "ops", Owner: "web team", Labels: map[string]string{"alertname": "run-queue"}, Firing: 2, Held: 1, Next: now.Add(4 * time.Minute),
		Told: map[string]dispatch.ToldBy{"ops": {At: now.Add(-3 * time.Minute), Firing: 1}}, Escalates: map[string]time.Time{"pager": now.Add(12 * time.Minute)},
	}}
}

// fakeLogs makes a line each second, more in the crowd, and tails at once.
type fakeLogs struct{ w *world }

func (l fakeLogs) message(i int64, at time.Time) syslog.Message {
	texts := []struct {
		sev  syslog.Severity
		app  string
		text string
	}{
		{syslog.Informational, "nginx", `10.0.0.7 - - "GET /cart HTTP/1.1" 200 5213 0.018`},
		{syslog.Informational, "nginx", `10.0.3.9 - - "GET /img/hero.webp HTTP/1.1" 304 0 0.001`},
		{syslog.Notice, "checkout", "order 88213 paid, 3 items, 41.90 EUR"},
		{syslog.Warning, "checkout", "payment provider answered after 2.4 s"},
		{syslog.Informational, "systemd", "Started Daily apt download activities."},
		{syslog.Debug, "checkout", "cache miss for key cart:5521"},
		{syslog.Error, "nginx", "upstream timed out (110: Connection timed out) while reading response header"},
		{syslog.Informational, "sshd", "Accepted publickey for deploy from 10.0.9.4 port 51122 ssh2"},
	}
	t := texts[i%7]
	if i%53 == 0 {
		t = texts[7]
	}
	if at.After(l.w.crowd) && at.Before(l.w.crowd.Add(8*time.Minute)) && i%3 == 0 {
		t = texts[6]
	}
	if i%301 == 0 {
		t.sev, t.app, t.text = syslog.Critical, "kernel", "Out of memory: Killed process 4121 (node) total-vm:9418232kB"
	}
	host := l.w.hosts[i%int64(min(len(l.w.hosts), 6))].ID
	return syslog.Message{Raw: t.text, Format: syslog.RFC5424, Facility: 3, Severity: t.sev, HasPRI: true, Time: at, Received: at, Host: host, App: t.app, PID: "4121", Text: t.text, Sender: netip.MustParseAddr("10.0.0.7")}
}

func (l fakeLogs) all(q syslogd.Query) iter.Seq[syslog.Message] {
	return func(yield func(syslog.Message) bool) {
		to, from := q.To, q.From
		if to.After(l.w.now()) {
			to = l.w.now()
		}
		if from.Before(to.Add(-3 * time.Hour)) {
			from = to.Add(-3 * time.Hour)
		}
		for at := to.Truncate(time.Second); at.After(from); at = at.Add(-time.Second) {
			n := int64(1)
			if since := at.Sub(l.w.crowd).Seconds(); since > 0 && since < 600 {
				n = 4
			}
			for k := range n {
				m := l.message(at.Unix()*3+k, at)
				if q.Filter.Match(&m) && !yield(m) {
					return
				}
			}
		}
	}
}

func (l fakeLogs) Search(_ context.Context, q syslogd.Query) iter.Seq2[syslog.Message, error] {
	return func(yield func(syslog.Message, error) bool) {
		n := 0
		for m := range l.all(q) {
			if n++; q.Limit > 0 && n > q.Limit || !yield(m, nil) {
				return
			}
		}
	}
}

var digits = regexp.MustCompile("[0-9]+")

func (l fakeLogs) Count(_ context.Context, q syslogd.Query, by []string, bin time.Duration) ([]syslogd.Group, error) {
	groups := make(map[string]*syslogd.Group)
	for m := range l.all(q) {
		g := syslogd.Group{}
		if bin > 0 {
			g.Start = m.Time.Truncate(bin)
		}
		for _, f := range by {
			v := filter.Value(&m, f)
			if f == syslogd.Pattern {
				v = digits.ReplaceAllString(m.Text, "<n>")
			}
			g.Values = append(g.Values, v)
		}
		k := fmt.Sprint(g)
		if groups[k] == nil {
			groups[k] = &g
		}
		groups[k].Count++
	}
	var out []syslogd.Group
	for _, g := range groups {
		out = append(out, *g)
	}
	slices.SortFunc(out, func(a, b syslogd.Group) int {
		return cmp.Or(a.Start.Compare(b.Start), slices.Compare(a.Values, b.Values))
	})
	return out, nil
}

func (l fakeLogs) Explain(_ context.Context, q syslogd.Query, _ []string, _ time.Duration) (syslogd.Plan, error) {
	return syslogd.Plan{Chunks: 40, ByTime: 30, ByFilter: 6, Read: 4, Rows: 80_000, Rendered: 120, Matches: 17, Took: 3 * time.Millisecond}, nil
}

func (l fakeLogs) Context(_ context.Context, id syslogd.ID, before, after int, _ bool) (c syslogd.Context, err error) {
	at, err := id.Received()
	if err != nil {
		return c, err
	}
	list := slices.Collect(l.all(syslogd.Query{From: at.Add(-time.Hour), To: at.Add(time.Hour)}))
	slices.Reverse(list)
	i := slices.IndexFunc(list, func(m syslog.Message) bool { return syslogd.IDOf(&m) == id })
	if i < 0 {
		return c, syslogd.ErrNoMessage
	}
	return syslogd.Context{Before: list[max(0, i-before):i], Message: list[i], After: list[i+1 : min(len(list), i+1+after)]}, nil
}

func (l fakeLogs) Tail(ctx context.Context, f *filter.Filter) iter.Seq2[syslog.Message, syslogd.TailStatus] {
	return func(yield func(syslog.Message, syslogd.TailStatus) bool) {
		for i := int64(1); ; i++ { // 0 would be the kernel's, which a search for such lines does not find
			m := l.message(i, l.w.now())
			if f.Match(&m) && !yield(m, syslogd.TailStatus{}) {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(400 * time.Millisecond):
			}
		}
	}
}

// rich is everything configured and busy.
func rich(n int) web.Deps {
	w := newWorld(n)
	return web.Deps{
		Metrics: w, Index: w, Ranger: promql.New(w, w, promql.Options{}), Logs: fakeLogs{w}, Alerts: fakeAlerts{w}, Telling: fakeTelling{w}, Fleet: w, Groups: fakeGroups{w},
		System: func() pages.System {
			return pages.System{
				Version: "0.1.0", Started: w.crowd.Add(-41 * time.Hour), Retention: "30 days or 10 GiB", Graphite: "127.0.0.1:2003", Syslog: "127.0.0.1:5514",
				Story: "A small web shop is linked from a large site. Its run queue climbs to 137 where it should be below 1; servers are launched, and retired when the crowd has gone. Boot takes 12 s here instead of minutes.",
				Dirs:  []pages.Dir{{Name: "metrics", Bytes: 48 << 20}, {Name: "logs", Bytes: 210 << 20}},
				Routes: []pages.LogRoute{
					{Name: "noise", To: "store", Received: 10_024, Filtered: 10_014, Routed: 10},
					{Name: "all", To: "store, central, archive", Received: 10_014, Staged: 90, Made: 1, Already: 5, Routed: 9920},
				},
				Destinations: []pages.Destination{
					{Name: "archive", Kind: "s3", Routed: 9920, Delivered: 9920, State: "ok"},
					{Name: "central", Kind: "syslog", Routed: 9920, Dropped: 900, Why: "900 queue_full", Waiting: 9020, Oldest: 70 * time.Minute, State: "forward: 10.0.9.9:514: dial tcp 10.0.9.9:514: connect: connection refused", Bad: true},
				},
			}
		},
	}
}

// failing is everything configured and broken.
func failing() web.Deps {
	w := newWorld(3)
	return web.Deps{Metrics: broken{}, Index: broken{}, Ranger: broken{}, Logs: broken{}, Alerts: fakeAlerts{w}, Fleet: w, Groups: fakeGroups{w}}
}

// broken fails at everything.
type broken struct{}

func (broken) Select(context.Context, rrd.Query) iter.Seq2[rrd.Series, error] {
	return func(yield func(rrd.Series, error) bool) { yield(rrd.Series{}, errFake) }
}

func (broken) Find(context.Context, []rrd.Matcher, int) ([]rrd.Key, error) { return nil, errFake }

func (broken) LabelNames(context.Context, []rrd.Matcher) ([]string, error) { return nil, errFake }

func (broken) LabelValues(context.Context, string, []rrd.Matcher) ([]string, error) {
	return nil, errFake
}

func (broken) Heads(rrd.Time) iter.Seq2[rrd.Key, rrd.Time] {
	return func(func(rrd.Key, rrd.Time) bool) {}
}

func (broken) Range(context.Context, string, time.Time, time.Time, time.Duration) (promql.Result, error) {
	return promql.Result{}, errFake
}

func (broken) Search(context.Context, syslogd.Query) iter.Seq2[syslog.Message, error] {
	return func(yield func(syslog.Message, error) bool) { yield(syslog.Message{}, errFake) }
}

func (broken) Count(context.Context, syslogd.Query, []string, time.Duration) ([]syslogd.Group, error) {
	return nil, errFake
}

func (broken) Explain(context.Context, syslogd.Query, []string, time.Duration) (syslogd.Plan, error) {
	return syslogd.Plan{}, errFake
}

func (broken) Context(context.Context, syslogd.ID, int, int, bool) (syslogd.Context, error) {
	return syslogd.Context{}, errFake
}

func (broken) Tail(context.Context, *filter.Filter) iter.Seq2[syslog.Message, syslogd.TailStatus] {
	return func(func(syslog.Message, syslogd.TailStatus) bool) {}
}

// empty is everything configured and nothing there yet.
func empty() web.Deps {
	w := &world{now: time.Now, crowd: time.Now()}
	return web.Deps{Metrics: w, Index: w, Ranger: promql.New(w, w, promql.Options{}), Logs: nothing{}, Alerts: nothing{}, Fleet: w, Groups: noGroups{}}
}

// calm is a small fleet without a problem and with one group.
func calm() web.Deps {
	d := rich(4)
	d.Alerts, d.Groups = calmAlerts{d.Alerts}, oneGroup{d.Groups}
	busy := d.System
	d.System = func() pages.System {
		s := busy()
		s.Destinations = s.Destinations[:1]
		return s
	}
	return d
}

type calmAlerts struct{ web.Alerts }

func (c calmAlerts) Views() []alerts.View {
	return slices.DeleteFunc(c.Alerts.Views(), func(v alerts.View) bool { return v.Status != alerts.OK })
}

type oneGroup struct{ web.Groups }

func (g oneGroup) Views() []autoscale.View { return g.Groups.Views()[:1] }

type noGroups struct{ fakeGroups }

func (noGroups) Views() []autoscale.View { return nil }

// nothing is a log store and a supervisor without content.
type nothing struct{ broken }

func (nothing) Views() []alerts.View { return nil }

func (nothing) Transitions(time.Time) []alerts.Transition { return nil }

func (nothing) Supervised(string) (alerts.Supervised, bool) { return alerts.Supervised{}, false }

func (nothing) Silences() []alerts.Silence { return nil }

func (nothing) Downtimes() []alerts.DowntimeView { return nil }

func (nothing) Queues() []alerts.QueueView { return nil }

func (nothing) Search(context.Context, syslogd.Query) iter.Seq2[syslog.Message, error] {
	return func(func(syslog.Message, error) bool) {}
}

func (nothing) Count(context.Context, syslogd.Query, []string, time.Duration) ([]syslogd.Group, error) {
	return nil, nil
}
