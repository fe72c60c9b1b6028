package logmetric

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/collectors"
	"rondo/rrd"
	"rondo/syslogd/filter"
	"rondo/syslogd/syslog"
)

var noon = time.Unix(1790000000, 0).UTC()

// ruleOf reads a rule as the configuration would.
func ruleOf(t *testing.T, r Rule, filterText, extract string, by ...string) Rule {
	t.Helper()
	if filterText != "" {
		f, err := filter.Parse(filterText)
		if err != nil {
			t.Fatal(err)
		}
		r.Filter = f
	}
	if extract != "" {
		if err := r.Extract.UnmarshalText([]byte(extract)); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range by {
		var l Label
		if err := l.UnmarshalText([]byte(s)); err != nil {
			t.Fatal(err)
		}
		r.By = append(r.By, l)
	}
	return r
}

// counted runs lines through a rule and returns what the flush at the end of
// their slot says, zeros in front of a first count left out.
func counted(t *testing.T, r Rule, lines ...string) (map[string]float64, tally) {
	t.Helper()
	if err := r.validate(); err != nil {
		t.Fatal(err)
	}
	c := newRule(r, 3)
	w := newWindow(10*time.Second, noon)
	var n tally
	for _, line := range lines {
		m := syslog.Parse(line, noon, netip.MustParseAddr("192.0.2.7"))
		c.take(&m, &w, &n)
	}
	got := make(map[string]float64)
	for _, s := range c.flush(nil, &w, w.open, time.Minute, false) {
		if s.Time == w.open {
			got[s.Type.String()+" "+s.Key.String()] = s.Value
		}
	}
	return got, n
}

// of is a line of an application.
func of(app string) string { return "<13>1 - - " + app + " - - - text" }

const nginx = `<190>1 2026-09-21T13:33:19Z web1 nginx 77 - [req@1 route="/cart"] `

func TestRules(t *testing.T) {
	f := func(r Rule, want map[string]float64, lines ...string) {
		t.Helper()
		got, _ := counted(t, r, lines...)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", r.Name, d)
		}
	}
	f(messagesRule(), map[string]float64{
		`absolute log_messages{app="nginx",host="web1",severity="info"}`:    2,
		`absolute log_messages{app="-",host="192.0.2.7",severity="notice"}`: 1,
		`absolute log_messages{app="su",host="192.0.2.7",severity="crit"}`:  1,
	}, nginx+"a", nginx+"b", "no header at all", "<34>Oct 11 22:14:15 su: bad password")
	f(ruleOf(t, Rule{Name: "http_5xx", Count: true}, `app:nginx /HTTP\/1.\d" 5/`, "", "host"),
		map[string]float64{`absolute log_http_5xx{host="web1"}`: 1},
		nginx+`"GET / HTTP/1.1" 200 5`, nginx+`"GET / HTTP/1.1" 503 5`, `<190>app: HTTP/1.1" 500`)
	latency := ruleOf(t, Rule{Name: "nginx_latency"}, "app:nginx", `request_time=(?P<value>[0-9.]+)`, "host", "sd.route")
	times := []string{nginx + "request_time=0.25", nginx + "request_time=1.5", nginx + "request_time=0.5", nginx + "none"}
	f(latency, map[string]float64{`gauge log_nginx_latency{host="web1",route="/cart"}`: 0.5}, times...)
	latency.Type = Sum
	f(latency, map[string]float64{`absolute log_nginx_latency{host="web1",route="/cart"}`: 2.25}, times...)
	latency.Type = Summary
	f(latency, map[string]float64{
		`absolute log_nginx_latency_count{host="web1",route="/cart"}`: 3,
		`absolute log_nginx_latency_sum{host="web1",route="/cart"}`:   2.25,
		`gauge log_nginx_latency_min{host="web1",route="/cart"}`:      0.25,
		`gauge log_nginx_latency_max{host="web1",route="/cart"}`:      1.5,
	}, times...)
	f(ruleOf(t, Rule{Name: "log_status", Count: true}, "", `HTTP/1\.\d" (?P<status>\d\d\d)(?P<size> \d+)?`, "status", "size"),
		map[string]float64{
			`absolute log_status{size=" 5",status="200"}`: 1,
			`absolute log_status{size="-",status="503"}`:  2,
		}, nginx+`HTTP/1.1" 200 5`, nginx+`HTTP/1.1" 503`, nginx+`HTTP/1.0" 503`)
	f(ruleOf(t, Rule{Name: "all", Count: true}, "", ""), map[string]float64{`absolute log_all`: 2}, "a", "b")
	f(ruleOf(t, Rule{Name: "by", Count: true}, "", "", "program", "facility", "pid", "msgid", "sender", "sd.req@1.route"),
		map[string]float64{`absolute log_by{app="nginx",facility="local7",msgid="-",pid="77",route="/cart",sender="192.0.2.7"}`: 1}, nginx)
}

// TestLabelsAreBounded wants what senders write to become labels that the
// store takes, and no more of them than allowed.
func TestLabelsAreBounded(t *testing.T) {
	byApp := ruleOf(t, Rule{Name: "x", Count: true}, "", "", "app")
	long := strings.Repeat("a", maxValue+1)
	got, n := counted(t, byApp, of("caf\xe9"), of(long), of(long+"b"))
	want := map[string]float64{
		"absolute log_x{app=\"caf\ufffd\"}":             1,
		`absolute log_x{app="` + long[:maxValue] + `"}`: 2,
	}
	if d := cmp.Diff(want, got); d != "" || n.cut != 2 {
		t.Errorf("%d cut: %s", n.cut, d)
	}
	got, n = counted(t, byApp, of("a"), of("b"), of("c"), of("d"), of("e"), of("a"))
	want = map[string]float64{
		`absolute log_x{app="a"}`: 2, `absolute log_x{app="b"}`: 1, `absolute log_x{app="c"}`: 1, `absolute log_x{app="other"}`: 2,
	}
	if d := cmp.Diff(want, got); d != "" || n.other != 2 || n.matched != 6 {
		t.Errorf("%+v: %s", n, d)
	}
	number := ruleOf(t, Rule{Name: "x"}, "", `n=(?P<value>\S+)`)
	if got, n := counted(t, number, "n=4", "n=four", "n=NaN", "n=1e999"); got["gauge log_x"] != 4 || n.notNumber != 3 {
		t.Errorf("%v, %+v", got, n)
	}
}

// A store keeps samples.
type store struct {
	mu      sync.Mutex
	samples []rrd.Sample
}

func (s *store) Append(_ context.Context, batch []rrd.Sample) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.samples = append(s.samples, slices.Clone(batch)...)
	return nil
}

// logs is a log store with one tap.
type logs struct{ observe func([]syslog.Message) }

func (l *logs) Tap(observe func([]syslog.Message)) func() {
	l.observe = observe
	return func() { l.observe = nil }
}

func (l *logs) put(texts ...string) {
	for _, s := range texts {
		l.observe([]syslog.Message{syslog.Parse(s, time.Now(), netip.Addr{})})
	}
}

// String returns what came since the last call.
func (s *store) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, x := range s.samples {
		fmt.Fprintf(&b, "%s %s %g\n", x.Time.Std().Format("15:04:05.000000"), x.Key, x.Value)
	}
	s.samples = nil
	return b.String()
}

// start runs a collector until stop is called.
func start(t *testing.T, c Config) (l *logs, s *store, env collectors.Env, stop func()) {
	t.Helper()
	l, s = &logs{}, &store{}
	env = collectors.Env{Log: slog.New(slog.DiscardHandler), Store: s, Logs: l, Stats: &collectors.Stats{}}
	k, err := New(env, c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- k.Run(ctx) }()
	return l, s, env, func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// onlyRule is a configuration with one rule.
func onlyRule(r Rule) Config {
	c := DefaultConfig()
	c.Messages, c.Rules = false, []Rule{r}
	return c
}

// until lets the time of a bubble, which begins at midnight, come to a second.
func until(t *testing.T, second float64) {
	t.Helper()
	midnight := time.Now().Truncate(24 * time.Hour)
	time.Sleep(time.Until(midnight.Add(time.Duration(second * float64(time.Second)))))
	synctest.Wait()
}

// TestLifeOfASeries wants a zero before the first count, counts at the ends of
// slots, zeros while a series is silent, and at the stop what there is.
func TestLifeOfASeries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := onlyRule(ruleOf(t, Rule{Name: "x", Count: true}, "", "", "app"))
		c.Expire = 20 * time.Second
		l, s, env, stop := start(t, c)
		f := func(second float64, want string) {
			t.Helper()
			until(t, second)
			if d := cmp.Diff(want, s.String()); d != "" {
				t.Errorf("by %v s: %s", second, d)
			}
		}
		until(t, 3)
		l.put(of("a"), of("a"))
		f(19.9, "23:59:50.000001 log_x{app=\"a\"} 0\n00:00:10.000000 log_x{app=\"a\"} 2\n")
		f(20, "00:00:20.000000 log_x{app=\"a\"} 0\n")
		l.put(of("a"))
		f(30, "00:00:19.838710 log_x{app=\"a\"} 1\n00:00:30.000000 log_x{app=\"a\"} 0\n")
		f(45, "00:00:40.000000 log_x{app=\"a\"} 0\n")
		f(60, "") // forgotten
		until(t, 63)
		l.put(of("a"))
		stop()
		if d := cmp.Diff("00:00:50.000001 log_x{app=\"a\"} 0\n00:01:03.000000 log_x{app=\"a\"} 1\n", s.String()); d != "" {
			t.Error(d)
		}
		if n := env.Stats.Snapshot()["matched"]; n != 4 || l.observe != nil {
			t.Errorf("%d matched", n)
		}
	})
}

// TestLateCounts wants a message whose own time is a while ago in its slot,
// each flush at a time of its own; and those beyond the window by our clock.
func TestLateCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := ruleOf(t, Rule{Name: "x", Count: true, Time: Message}, "", "")
		l, s, env, stop := start(t, onlyRule(r))
		until(t, 3600)
		_ = s.String()
		at := func(ago time.Duration) string {
			return "<13>1 " + time.Now().Add(-ago).Format(time.RFC3339) + " h a - - - text"
		}
		until(t, 3605)
		l.put(at(25*time.Second), at(25*time.Second), at(0), at(time.Hour), at(-time.Minute), at(9*time.Minute))
		until(t, 3610)
		want := "00:59:20.000001 log_x 0\n00:59:39.516130 log_x 2\n" +
			"00:59:50.000001 log_x 0\n01:00:10.000000 log_x 3\n" +
			"00:50:50.000001 log_x 0\n00:51:01.290323 log_x 1\n"
		if d := cmp.Diff(want, s.String()); d != "" {
			t.Error(d)
		}
		stop()
		if n := env.Stats.Snapshot()["clock"]; n != 2 {
			t.Errorf("%d by our clock", n)
		}
	})
}

func TestConfigErrors(t *testing.T) {
	f := func(want string, rules ...Rule) {
		t.Helper()
		c := DefaultConfig()
		c.Rules = rules
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	count := Rule{Name: "x", Count: true}
	value := `(?P<value>\d+)`
	f("want count: true, or extract", Rule{Name: "x"})
	f("want letters, digits and _", Rule{Name: "a b", Count: true})
	f("want letters, digits and _", Rule{Count: true})
	f("no group (?P<value>...)", ruleOf(t, Rule{Name: "x"}, "", "(a)"))
	f("make it two rules", ruleOf(t, count, "", value))
	f("type: is for numbers", Rule{Name: "x", Count: true, Type: Sum})
	f("two groups are named code", ruleOf(t, count, "", `(?P<code>a)(?P<code>b)`, "code"))
	f("two groups are named value", ruleOf(t, Rule{Name: "x"}, "", value+value))
	f("the group code is not in by", ruleOf(t, count, "", `(?P<code>a)`))
	f("the label host is there twice", ruleOf(t, count, "", "", "host", "host"))
	f("the label route is there twice", ruleOf(t, count, "", "", "sd.a.route", "sd.b.route"))
	f("the label value is there twice", ruleOf(t, count, "", "", "sd.value"))
	f("hots is no field (host, app,", ruleOf(t, count, "", "", "hots"))
	f(`rules: 2: "x": another rule makes log_x too`, count, count)
	f("another rule makes log_messages too", Rule{Name: "messages", Count: true})
	for _, s := range []string{"", "sd.", "sd.a.", "a b", "__name__"} {
		if err := new(Label).UnmarshalText([]byte(s)); err == nil {
			t.Errorf("label %q was taken", s)
		}
	}
	if new(Pattern).UnmarshalText([]byte("(")) == nil || new(Type).UnmarshalText([]byte("timer")) == nil || new(Clock).UnmarshalText([]byte("ours")) == nil {
		t.Error("a bad word was taken")
	}
}

// TestLiterals wants what is looked for before a regular expression runs to be
// in whatever that matches.
func TestLiterals(t *testing.T) {
	f := func(re, want string) {
		t.Helper()
		m := newMatcher(ruleOf(t, Rule{Name: "x", Count: true}, "", re))
		if got := strings.Join(m.literals, "|"); got != want {
			t.Errorf("%s: %q, want %q", re, got, want)
		}
	}
	f(`HTTP/1\.\d" 5`, "HTTP/1.")
	f(`(time|size)=(?:request)+ \d`, "request")
	f(`(?i)fehler`, "")
	f(`fehler|error`, "")
	f(`(?:abc){2}x?`, "abc")
	f(`.*`, "")
	f(`a(?i:b)ccc`, "ccc")
}

// BenchmarkMessages is what the default rule adds to the storing of a message:
// 200 hosts, 5 applications.
func BenchmarkMessages(b *testing.B) { benchObserve(b, DefaultConfig()) }

func benchObserve(b *testing.B, conf Config) {
	env := collectors.Env{Log: slog.New(slog.DiscardHandler), Store: &store{}, Logs: &logs{}, Stats: &collectors.Stats{}}
	c, err := New(env, conf)
	if err != nil {
		b.Fatal(err)
	}
	batch := benchBatch()
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if n%len(batch) == 0 {
			c.observe(batch)
		}
		n++
	}
}

// BenchmarkRules is the same with ten rules besides, of which one matches one
// message in a hundred.
func BenchmarkRules(b *testing.B) {
	conf := DefaultConfig()
	for i := range 10 {
		var r Rule
		r.Name = fmt.Sprintf("rule%d", i)
		if err := r.Extract.UnmarshalText([]byte(`took (?P<value>[0-9.]+) ms`)); err != nil {
			b.Fatal(err)
		}
		f, err := filter.Parse(fmt.Sprintf(`app:app%d /took \d+ ms/`, i))
		if err != nil {
			b.Fatal(err)
		}
		r.Filter = f
		conf.Rules = append(conf.Rules, r)
	}
	benchObserve(b, conf)
}

func benchBatch() []syslog.Message {
	batch := make([]syslog.Message, 1000)
	for i := range batch {
		text := `10.0.0.7 - - "GET /static/app.js HTTP/1.1" 200 5316 "https://example.org/" "Mozilla/5.0 (X11; Linux)"`
		if i%100 == 0 {
			text = "request took 35 ms"
		}
		line := fmt.Sprintf("<%d>1 2026-10-11T22:14:15.003Z web-%03d app%d 77 ID47 - %s", 160+i%7, i%200, i%5, text)
		batch[i] = syslog.Parse(line, time.Now(), netip.MustParseAddr("192.0.2.7"))
	}
	return batch
}

// FuzzLabels wants whatever a sender writes to become series that the store
// takes.
func FuzzLabels(f *testing.F) {
	for _, line := range []string{
		nginx + `took 12 ms`, "<34>Oct 11 22:14:15 mymachine su: 'su root' failed", "<13>1 - \xff\xfe caf\xe9 - - [a b=\"\xff\\\"\"] took 0x1p4 ms",
		"<189>: 2026 Nov 21 07:00:00 CEST: %ETHPORT-5-IF_UP: up", "<0>" + strings.Repeat("\x00", 300), "took  ms",
	} {
		f.Add(line)
	}
	var rules []Rule
	by := []string{"host", "app", "severity", "facility", "sender", "pid", "msgid", "sd.route"}
	for _, extract := range []string{`took (?P<value>\S*) ms`, ""} {
		r := Rule{Name: "x", Count: extract == "", Type: Summary}
		if extract != "" {
			r.Extract = Pattern{regexp.MustCompile(extract)}
		}
		for _, s := range by {
			r.By = append(r.By, labelOf(s))
		}
		rules = append(rules, r)
	}
	f.Fuzz(func(t *testing.T, line string) {
		m := syslog.Parse(line, noon, netip.Addr{})
		w := newWindow(10*time.Second, noon)
		for _, c := range rules {
			r := newRule(c, 10)
			r.take(&m, &w, &tally{})
			r.take(&m, &w, &tally{})
			if len(r.series) > 1 {
				t.Errorf("%d series of the same message", len(r.series))
			}
			for _, s := range r.flush(nil, &w, w.open, time.Minute, false) {
				if err := s.Key.Validate(); err != nil || len(s.Key.Labels()) != 1+len(by) {
					t.Errorf("%q: %v", s.Key, err)
				}
			}
		}
	})
}
