package check

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/alerts"
	"rondo/alerts/fleet"
	"rondo/alerts/state"
	"rondo/rrd"
	"rondo/syslogd/filter"
	"rondo/syslogd/syslog"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

type fakeEval struct {
	values []rrd.Value
	err    error
	asked  string
}

func (f *fakeEval) Eval(_ context.Context, expr string, _ time.Time) ([]rrd.Value, error) {
	f.asked = expr
	return f.values, f.err
}

func value(v float64, pairs ...string) rrd.Value {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return rrd.Value{Labels: alerts.NewLabels(m), Time: rrd.At(noon), Value: v}
}

type fakeHosts []fleet.Host

func (f fakeHosts) Hosts() []fleet.Host { return f }
func (f fakeHosts) Started() time.Time  { return noon.Add(-time.Minute) }

// fakeLogs counts what counts say, or else the messages.
type fakeLogs struct {
	counts   []Count
	messages []syslog.Message
	err      error
	filter   string
	from, to time.Time
}

func (f *fakeLogs) Count(_ context.Context, fl *filter.Filter, _ []string, from, to time.Time) ([]Count, error) {
	f.filter, f.from, f.to = fl.String(), from, to
	return f.counts, f.err
}

func (f *fakeLogs) Messages(_ context.Context, fl *filter.Filter, _, _ time.Time) iter.Seq2[syslog.Message, error] {
	return func(yield func(syslog.Message, error) bool) {
		for _, m := range f.messages {
			if fl.Match(&m) && !yield(m, nil) {
				return
			}
		}
		if f.err != nil {
			yield(syslog.Message{}, f.err)
		}
	}
}

func build(t *testing.T, c Config, s Sources) alerts.Supervised {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	rules, err := c.Build(s)
	if err != nil || len(rules) != 1+len(c.Hosts) { // one about each host, one about all
		t.Fatalf("%d rules, %v", len(rules), err)
	}
	return rules[0]
}

// readings writes what a check finds, one reading a line.
func readings(t *testing.T, r alerts.Supervised) string {
	t.Helper()
	rs, err := r.Rule.Check(t.Context(), noon)
	if err != nil {
		return "error: " + err.Error()
	}
	var out []string
	for _, x := range rs {
		out = append(out, fmt.Sprintf("%v %v %s", x.Labels, x.Value, x.Text))
	}
	return strings.Join(out, "\n")
}

func ptr(v float64) *float64 { return &v }

func TestMetric(t *testing.T) {
	f, err := fleet.New(state.NewMemory(), fleet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	eval := &fakeEval{values: []rrd.Value{
		value(12345.678, "__name__", "fleet.web.web-1.run_queue"),
		value(1.23456, "__name__", "load1", "host", "db"),
		value(2, "__name__", "a.b.c"),
		value(3, "host", "x"),
	}}
	m := Metric{Common: Common{Name: "load", Labels: map[string]string{"team": "ops", "host": "mine"}}, Expr: "up", Raise: ptr(5), Clear: ptr(3)}
	r := build(t, Config{Metrics: []Metric{m}}, Sources{Metrics: eval, Identify: f.Identify})
	want := `{group="web",host="web-1",metric="run_queue",team="ops"} 12345.678 run_queue is 12346
{host="db",team="ops"} 1.23456 load1 is 1.235
{host="mine",series="a.b.c",team="ops"} 2 a.b.c is 2
{host="x",team="ops"} 3 load is 3`
	if d := cmp.Diff(want, readings(t, r)); d != "" || eval.asked != "up" {
		t.Error(d, eval.asked)
	}
	if r.Policy.Critical.Raise != 5 || r.Policy.Critical.Clear != 3 || r.Policy.Warning != nil {
		t.Errorf("policy %+v", r.Policy)
	}
	eval.values = append(eval.values, value(4, "__name__", "other", "host", "x"))
	if got := readings(t, r); !strings.Contains(got, "have the same labels") {
		t.Error(got)
	}
	eval.err = errors.New("bad expression")
	if got := readings(t, r); got != "error: bad expression" {
		t.Error(got)
	}
}

func TestMetricText(t *testing.T) {
	eval := &fakeEval{values: []rrd.Value{value(137, "host", "web-1")}}
	m := Metric{Common: Common{Name: "n", Severity: alerts.Warning}, Expr: "e", Raise: ptr(1), Text: "{value} wait on {host} ({nothing})"}
	r := build(t, Config{Metrics: []Metric{m}}, Sources{Metrics: eval})
	if got := readings(t, r); got != `{host="web-1"} 137 137 wait on web-1 ({nothing})` {
		t.Error(got)
	}
	if r.Policy.Warning == nil || r.Policy.Critical != nil || r.Policy.Warning.Clear != 1 {
		t.Errorf("policy %+v", r.Policy)
	}
}

func TestTimesOfALevel(t *testing.T) {
	own := time.Minute
	m := Metric{Common: Common{Name: "n", ClearFor: 3 * time.Minute}, Expr: "e", For: time.Hour}
	m.Warning, m.Critical = &Threshold{Raise: 1}, &Threshold{Raise: 2, For: &own}
	p := m.policy()
	if p.WarningTimes != nil || *p.CriticalTimes != (alerts.Times{For: own, ClearFor: 3 * time.Minute}) {
		t.Errorf("policy %+v", p)
	}
}

// TestAnnotations: what a problem makes unusable, and who knows what to do.
func TestAnnotations(t *testing.T) {
	eval := &fakeEval{values: []rrd.Value{value(137, "host", "web-1")}}
	c := Common{Name: "n", Annotations: map[string]string{
		"impact": "no new sessions on {host}, {value} wait", "runbook": "https://runbooks.example/{nothing}", "owner": "ops",
	}}
	r := build(t, Config{Metrics: []Metric{{Common: c, Expr: "e", Raise: ptr(1)}}}, Sources{Metrics: eval})
	rs, err := r.Rule.Check(t.Context(), noon)
	want := map[string]string{"impact": "no new sessions on web-1, 137 wait"}
	if d := cmp.Diff(want, rs[0].Annotations); d != "" || err != nil || len(r.Annotations) != 3 {
		t.Error(d, err)
	}
}

func TestFreshness(t *testing.T) {
	hosts := fakeHosts{
		{ID: "fresh", Group: "web", LastSeen: noon.Add(-time.Second)},
		{ID: "silent", Group: "web", LastSeen: noon.Add(-40 * time.Second)},
		{ID: "before-our-start", LastSeen: noon.Add(-time.Hour)},
		{ID: "withdrawn", LastSeen: noon.Add(-time.Hour), Withdrawn: noon},
		{ID: "logs-only", LastLog: noon},
		{ID: "ahead", LastSeen: noon.Add(time.Second)},
	}
	r := build(t, Config{Hosts: []Freshness{{Common: Common{Name: "silent"}, Silent: 30 * time.Second}}}, Sources{Hosts: hosts})
	want := `{group="web",host="fresh"} 1 newest sample came in 2026-01-01T11:59:59Z, 1s ago
{group="web",host="silent"} 40 newest sample came in 2026-01-01T11:59:20Z, 40s ago
{host="before-our-start"} 60 newest sample came in 2026-01-01T11:00:00Z, 1h0m0s ago
{host="ahead"} 0 newest sample came in 2026-01-01T12:00:01Z, 0s ago`
	if d := cmp.Diff(want, readings(t, r)); d != "" {
		t.Error(d)
	}
	if r.Policy.Critical.Raise != 30 || r.Policy.Missing != alerts.MissingOK {
		t.Errorf("policy %+v", r.Policy)
	}
	boot := func(group string) time.Duration { return map[string]time.Duration{"web": 3 * time.Minute}[group] }
	r = build(t, Config{Hosts: []Freshness{{Common: Common{Name: "silent"}, Silent: 30 * time.Second}}}, Sources{Boot: boot, Hosts: fakeHosts{
		{ID: "new", Group: "web", FirstSeen: noon.Add(-2 * time.Minute), LastSeen: noon.Add(-time.Minute)},
		{ID: "booted", Group: "web", FirstSeen: noon.Add(-210 * time.Second), LastSeen: noon.Add(-59 * time.Second)},
		{ID: "alone", FirstSeen: noon.Add(-2 * time.Minute), LastSeen: noon.Add(-59 * time.Second)},
	}})
	want = `{group="web",host="new"} 0 newest sample came in 2026-01-01T11:59:00Z, 1m0s ago
{group="web",host="booted"} 30 newest sample came in 2026-01-01T11:59:01Z, 59s ago
{host="alone"} 59 newest sample came in 2026-01-01T11:59:01Z, 59s ago`
	if d := cmp.Diff(want, readings(t, r)); d != "" {
		t.Error(d)
	}
	r = build(t, Config{Hosts: []Freshness{{Common: Common{Name: "silent"}, Silent: time.Second, Groups: []string{"db"}}}}, Sources{Hosts: hosts})
	if got := readings(t, r); got != "" {
		t.Errorf("other groups: %s", got)
	}
}

func TestLog(t *testing.T) {
	c := &fakeLogs{counts: []Count{{Messages: 7}}}
	l := Log{Common: Common{Name: "oom"}, Filter: `app:kernel "out of memory"`, Raise: 5}
	r := build(t, Config{Logs: []Log{l}}, Sources{Logs: c})
	want := `{} 7 7 messages in 5m0s match app:kernel "out of memory"`
	if got := readings(t, r); got != want {
		t.Error(got)
	}
	if c.filter != l.Filter || !c.from.Equal(noon.Add(-5*time.Minute)) || !c.to.Equal(noon) {
		t.Errorf("counted %+v", c)
	}
	c.err = errors.New("closed")
	if got := readings(t, r); got != "error: closed" {
		t.Error(got)
	}
}

func TestValidate(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	named := Common{Name: "n"}
	f := func(c Config, want string) {
		t.Helper()
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	metric := func(m Metric, want string) { t.Helper(); f(Config{Metrics: []Metric{m}}, want) }
	metric(Metric{Expr: "x", Raise: ptr(1)}, "rule number 1: name is missing")
	metric(Metric{Common: named, Raise: ptr(1)}, `rule "n": expr is missing`)
	metric(Metric{Common: named, Expr: "x"}, "raise is missing")
	metric(Metric{Common: named, Expr: "x", Raise: ptr(1), Clear: ptr(2)}, "must not be above raise")
	metric(Metric{Common: named, Expr: "x", Raise: ptr(2), Clear: ptr(1), Op: "below"}, "must not be below raise")
	metric(Metric{Common: named, Expr: "x", Raise: ptr(2), Op: ">"}, `op ">"`)
	metric(Metric{Common: named, Expr: "x", Clear: ptr(2), Critical: &Threshold{Raise: 1}}, "clear stands without raise")
	metric(Metric{Common: named, Expr: "x", Raise: ptr(2), Critical: &Threshold{Raise: 1}}, "one or the other")
	metric(Metric{Common: named, Expr: "x", Warning: &Threshold{Raise: 9}, Critical: &Threshold{Raise: 1}}, "critical (1) must lie beyond warning (9)")
	metric(Metric{Common: Common{Name: "n", Interval: 1}, Expr: "x", Raise: ptr(1)}, "interval")
	metric(Metric{Common: Common{Name: "n", Severity: alerts.Unknown}, Expr: "x", Raise: ptr(1)}, "severity unknown")
	common := func(c Common, want string) {
		t.Helper()
		c.Name = "n"
		metric(Metric{Common: c, Expr: "x", Raise: ptr(1)}, want)
		f(Config{Hosts: []Freshness{{Common: c, Silent: time.Minute}}}, want)
		f(Config{Logs: []Log{{Common: c, Filter: "x"}}}, want)
	}
	common(Common{Retry: -1}, "retry_interval must not be negative")
	common(Common{Of: alerts.Of{M: 6, N: 5}}, "of 6/5: want M/N with 1 <= M <= N")
	common(Common{Of: alerts.Of{M: 3, N: 5}, MaxAttempts: 2}, "of counts readings, and so do max_attempts")
	common(Common{Flap: alerts.Flap{Low: 20, High: 5}}, "flap: low 20, high 5")
	f(Config{Hosts: []Freshness{{Common: named}}}, "silent 0s")
	f(Config{Logs: []Log{{Common: named, Filter: "("}}}, "filter: ")
	log := func(l Log, want string) { t.Helper(); f(Config{Logs: []Log{l}}, want) }
	log(Log{Common: named, Filter: "x", Window: -1}, "window")
	log(Log{Common: named, By: []string{"hots"}}, `by: no field is called "hots"`)
	log(Log{Common: named, By: []string{"host", "app", "pid", "msgid"}}, "by: 4 fields")
	log(Log{Common: named, By: []string{"sd.a.b", "sd.a_b"}}, "there twice")
	log(Log{Common: named, Expect: "all"}, `expect "all"`)
	log(Log{Common: named, Expect: "fleet", Op: "below"}, "goes with op: below and by: host")
	log(Log{Common: named, Raise: 1, Warning: &Threshold{}}, "one or the other")
	log(Log{Common: named, Number: &Number{}}, "want pattern or field")
	log(Log{Common: named, Number: &Number{Pattern: "a", Field: "pid"}}, "want pattern or field")
	log(Log{Common: named, Number: &Number{Pattern: "a"}}, "want a group")
	log(Log{Common: named, Number: &Number{Pattern: "("}}, "number: pattern")
	log(Log{Common: named, Number: &Number{Field: "nosuch"}}, "number: no field")
	log(Log{Common: named, Number: &Number{Field: "pid", Of: "p99"}}, `number: of "p99"`)
	join := func(j Join, want string) { t.Helper(); j.Common = named; f(Config{Joins: []Join{j}}, want) }
	join(Join{}, "metric: expr is missing")
	join(Join{}, "log: filter is missing")
	join(Join{Metric: JoinMetric{Op: "over"}}, `op "over"`)
	join(Join{Log: JoinLog{Filter: "("}}, "log: filter: ")
	join(Join{Within: time.Millisecond}, "within 1ms")
	join(Join{On: []string{"nosuch"}}, "by: no field")
	forecast := func(x Forecast, want string) { t.Helper(); x.Common = named; f(Config{Forecasts: []Forecast{x}}, want) }
	forecast(Forecast{}, "expr is missing")
	forecast(Forecast{}, "horizon 0s")
	forecast(Forecast{Above: ptr(1), Below: ptr(2)}, "one of them")
	forecast(Forecast{Above: ptr(math.NaN())}, "is no number")
	forecast(Forecast{By: "guess"}, `by "guess"`)
	forecast(Forecast{Over: time.Second}, "over 1s")
	forecast(Forecast{By: "seasonal", Over: time.Hour}, "season 24h0m0s")
	forecast(Forecast{Trust: 2}, "trust 2")
	f(Config{Anomalies: []Anomaly{{Common: named}}}, "series is missing")
	f(Config{Hosts: []Freshness{{Common: named, Silent: time.Minute}}, Logs: []Log{{Common: named, Filter: "x"}}}, "taken by another rule")
	ok := Config{Metrics: []Metric{{Common: named, Expr: "x", Raise: ptr(1)}}}
	if err := ok.Validate(named.Name); err == nil || !strings.Contains(err.Error(), "taken by rondo itself") {
		t.Errorf("a rule that is named as a built-in one: %v", err)
	}
	if _, err := ok.Build(Sources{}); err == nil || !strings.Contains(err.Error(), "no metrics") {
		t.Error(err)
	}
}

func message(at time.Duration, line string) syslog.Message {
	return syslog.Parse(line, noon.Add(at), netip.MustParseAddr("10.0.0.1"))
}

func TestLogBy(t *testing.T) {
	c := &fakeLogs{counts: []Count{{[]string{"web-1", ""}, 7}, {[]string{"web-2", "sshd"}, 1}}}
	l := Log{Common: Common{Name: "errors"}, Filter: "severity<=err", By: []string{"host", "sd.user.id"}, Warning: &Threshold{Raise: 3}, Critical: &Threshold{Raise: 10}}
	r := build(t, Config{Logs: []Log{l}}, Sources{Logs: c})
	want := `{host="web-1",user_id="-"} 7 7 messages in 5m0s match severity<=err
{host="web-2",user_id="sshd"} 1 1 messages in 5m0s match severity<=err`
	if d := cmp.Diff(want, readings(t, r)); d != "" {
		t.Error(d)
	}
	if r.Policy.Warning.Raise != 3 || r.Policy.Critical.Raise != 10 || r.Policy.Missing != alerts.MissingOK {
		t.Errorf("policy %+v", r.Policy)
	}
	c.counts = make([]Count, maxGroups+1)
	if got := readings(t, r); !strings.Contains(got, "more than 1000 values") {
		t.Errorf("%.200s", got)
	}
}

// TestLogSilence: a host that fell silent is a problem, but not while we
// have not listened for long enough to say so.
func TestLogSilence(t *testing.T) {
	c := &fakeLogs{counts: []Count{{[]string{"web-1"}, 3}}}
	l := Log{Common: Common{Name: "silent"}, Filter: "*", By: []string{"host"}, Op: "below", Raise: 1, Expect: "fleet", Window: 50 * time.Second}
	hosts := fakeHosts{
		{ID: "WEB-1"}, {ID: "web-2"}, {ID: "new", FirstSeen: noon.Add(-time.Second)}, {ID: "gone", Withdrawn: noon},
	}
	r := build(t, Config{Logs: []Log{l}}, Sources{Logs: c, Hosts: hosts})
	want := `{host="web-1"} 3 3 messages in 50s match *
{host="web-2"} 0 0 messages in 50s match *`
	if got := readings(t, r); got != want || r.Keeps(nil) {
		t.Error(got)
	}
	if r.Policy.Missing != alerts.MissingRaise || !r.Policy.Below {
		t.Errorf("policy %+v", r.Policy)
	}
	l.Window = 2 * time.Minute // we listen for one
	r = build(t, Config{Logs: []Log{l}}, Sources{Logs: c, Hosts: hosts})
	if got := readings(t, r); got != `{host="web-1"} 3 3 messages in 2m0s match *` || !r.Keeps(nil) {
		t.Error(got)
	}
}

func TestLogNumber(t *testing.T) {
	c := &fakeLogs{messages: []syslog.Message{
		message(-2*time.Second, `<14>1 2026-01-01T12:00:00Z web-1 app - - - took 12.5 ms`),
		message(-3*time.Second, `<14>1 2026-01-01T12:00:00Z web-1 app - - - took 700 ms`),
		message(-1*time.Second, `<14>1 2026-01-01T12:00:00Z web-2 app - - [r@1 ms="40"] took NaN ms`),
		message(-1*time.Second, `<14>1 2026-01-01T12:00:00Z web-2 app - - [r@1 ms="2"] no number`),
	}}
	f := func(n Number, by []string, want string) {
		t.Helper()
		l := Log{Common: Common{Name: "slow"}, Filter: "app:app", By: by, Number: &n, Raise: 500}
		r := build(t, Config{Logs: []Log{l}}, Sources{Logs: c})
		if d := cmp.Diff(want, readings(t, r)); d != "" || r.Policy.Missing != alerts.MissingOK {
			t.Error(d)
		}
	}
	took := `took (\S+) ms`
	f(Number{Pattern: took}, nil, "{} 700 max of number is 700 in 5m0s, of app:app")
	f(Number{Pattern: took, Of: "min"}, []string{"host"}, `{host="web-1"} 12.5 min of number is 12.5 in 5m0s, of app:app`)
	f(Number{Pattern: took, Of: "avg"}, nil, "{} 356.25 avg of number is 356.2 in 5m0s, of app:app")
	f(Number{Pattern: took, Of: "sum"}, nil, "{} 712.5 sum of number is 712.5 in 5m0s, of app:app")
	f(Number{Pattern: `(took) (?P<value>\S+)`, Of: "last"}, nil, "{} 12.5 last of number is 12.5 in 5m0s, of app:app")
	f(Number{Field: "sd.ms", Of: "sum"}, []string{"host"}, `{host="web-2"} 42 sum of sd.ms is 42 in 5m0s, of app:app`)
	f(Number{Field: "sd.none"}, nil, "")
}
