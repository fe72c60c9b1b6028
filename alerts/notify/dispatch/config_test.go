package dispatch

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/alerts"
	"rondo/alerts/notify"
	"rondo/rrd"
	"rondo/syslogd/peertest"
)

// routeTree has matchers in all their forms.
var routeTree = Config{Route: &RouteConfig{
	Receiver: "root", GroupBy: []string{"alertname"},
	Routes: []RouteConfig{
		{Receiver: "db", Matchers: []string{`team=~"db|sql"`}, Routes: []RouteConfig{
			{Receiver: "db-page", Matchers: []string{`{severity = "critical", zone!="test"}`}, Continue: true},
			{Receiver: "db-zone", Matchers: []string{`zone=~".+"`, `zone!~"x.*"`}},
		}},
		{Receiver: "old", Match: map[string]string{"service": "old"}, MatchRE: map[string]string{"host": "web-[0-9]+"}},
		{Receiver: "all", Matchers: []string{`severity!=""`}, Continue: true},
		{Receiver: "comma", Matchers: []string{`text="a b=c",severity="info",`}},
		{Receiver: "crit", Matchers: []string{`severity=critical`}, Continue: true},
		{Matchers: []string{`severity=~"crit.*|warning"`}, Routes: []RouteConfig{{Receiver: "deep", Matchers: []string{`zone="deep"`}}}},
	},
}}

// routeYAML is routeTree as Alertmanager reads it.
const routeYAML = `
route:
  receiver: root
  group_by: [alertname]
  routes:
  - receiver: db
    matchers: ['team=~"db|sql"']
    routes:
    - {receiver: db-page, matchers: ['{severity = "critical", zone!="test"}'], continue: true}
    - {receiver: db-zone, matchers: ['zone=~".+"', 'zone!~"x.*"']}
  - {receiver: old, match: {service: old}, match_re: {host: "web-[0-9]+"}}
  - {receiver: all, matchers: ['severity!=""'], continue: true}
  - {receiver: comma, matchers: ['text="a b=c",severity="info",']}
  - {receiver: crit, matchers: [severity=critical], continue: true}
  - matchers: ['severity=~"crit.*|warning"']
    routes: [{receiver: deep, matchers: ['zone="deep"']}]
receivers: [{name: root}, {name: db}, {name: db-page}, {name: db-zone}, {name: old}, {name: all}, {name: comma}, {name: crit}, {name: deep}]
`

func routeNames() []string {
	return []string{"root", "db", "db-page", "db-zone", "old", "all", "comma", "crit", "deep"}
}

// TestAgainstAmtool: labels go where Debian's amtool says they go.
func TestAgainstAmtool(t *testing.T) {
	p := peertest.Find(t, "amtool")
	file := filepath.Join(t.TempDir(), "am.yml")
	if err := os.WriteFile(file, []byte(routeYAML), 0o600); err != nil {
		t.Fatal(err)
	}
	tree, err := routeTree.Tree(routeNames())
	if err != nil {
		t.Fatal(err)
	}
	for _, labels := range [][]string{
		{"a=b"}, {"team=db"}, {"team=sql", "severity=critical"}, {"team=db", "severity=critical", "zone=a"},
		{"team=db", "severity=critical", "zone=test"}, {"team=db", "zone=x1"}, {"team=dba"}, {"service=old", "host=web-12"},
		{"service=old", "host=web-12x", "severity=warning"}, {"severity=critical"}, {"severity=critical", "zone=deep"},
		{"severity=warning", "zone=deep"}, {"severity=info"}, {"severity=info", `text=a b=c`}, {"severity=", "team=x"},
	} {
		cmd := exec.Command(p.Path, append([]string{"config", "routes", "test", "--config.file=" + file}, labels...)...)
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+p.Folders("usr/lib/x86_64-linux-gnu", "usr/lib"))
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%q: %v: %s", labels, err, out)
		}
		var ours []string
		for _, r := range tree.Match(parseLabels(labels)) {
			ours = append(ours, r.Receiver)
		}
		if theirs := strings.TrimSpace(string(out)); theirs != strings.Join(ours, ",") {
			t.Errorf("%q: amtool says %s, we say %s", labels, theirs, ours)
		}
	}
}

func parseLabels(texts []string) rrd.Labels {
	m := make(map[string]string)
	for _, l := range texts {
		name, value, _ := strings.Cut(l, "=")
		m[name] = value
	}
	return alerts.NewLabels(m)
}

// TestKeys: groups are called as Alertmanager calls them; routes that have the
// same matchers are told apart all the same.
func TestKeys(t *testing.T) {
	c := Config{Route: &RouteConfig{Receiver: "r", Routes: []RouteConfig{
		{Matchers: []string{`b=~"x"`, "a=1"}, Continue: true, Routes: []RouteConfig{{Matchers: []string{`c!="z"`}}}},
		{Matchers: []string{`{a="1", b=~"x"}`}},
	}}}
	tree, err := c.Tree([]string{"r"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	tree.walk(func(r *Route) { got = append(got, r.ID) })
	want := []string{`{}`, `{}/{a="1",b=~"x"}`, `{}/{a="1",b=~"x"}/{c!="z"}`, `{}/{a="1",b=~"x"}#2`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestInherited: a route has from its parent what it leaves out.
func TestInherited(t *testing.T) {
	c := Config{
		Route: &RouteConfig{
			Receiver: "a", GroupBy: []string{"x"}, GroupWait: ptr(time.Second), Owner: "us",
			Escalation: []RungConfig{{time.Hour, "b"}, {time.Minute, "c"}},
			Routes: []RouteConfig{
				{Matchers: []string{"x=1"}},
				{Matchers: []string{"x=2"}, Receiver: "b", GroupBy: []string{}, GroupWait: ptr(time.Duration(0)), Owner: "them", MuteTimeIntervals: []string{"n"}, Routes: []RouteConfig{{}}},
				{Matchers: []string{"x=3"}, Escalation: []RungConfig{}},
			},
		},
		TimeIntervals: []IntervalsConfig{{Name: "n", TimeIntervals: []IntervalConfig{{}}}},
	}
	tree, err := c.Tree([]string{"a", "b", "c"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	tree.walk(func(r *Route) {
		got = append(got, strings.TrimSpace(fmt.Sprintln(r.Receiver, r.By, r.Wait, r.Interval, r.Repeat, r.Owner, r.Ladder, r.MutedBy())))
	})
	want := []string{
		"a [x] 1s 5m0s 4h0m0s us [{1m0s c} {1h0m0s b}] []",
		"a [x] 1s 5m0s 4h0m0s us [{1m0s c} {1h0m0s b}] []",
		"b [x] 0s 5m0s 4h0m0s them [{1m0s c}] [muted: n]",
		"b [x] 0s 5m0s 4h0m0s them [{1m0s c}] []",
		"a [x] 1s 5m0s 4h0m0s us [] []",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestValidate: each mistake is named with its keys.
func TestValidate(t *testing.T) {
	f := func(c Config, want string) {
		t.Helper()
		err := c.Validate([]string{"r", "s"})
		if got := fmt.Sprint(err); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	route := func(child RouteConfig) Config {
		return Config{Route: &RouteConfig{Receiver: "r", Routes: []RouteConfig{child}}}
	}
	f(Config{}, "<nil>")
	f(route(RouteConfig{}), "<nil>")
	f(Config{Route: &RouteConfig{}}, "route: receiver: the root route needs one")
	f(Config{Route: &RouteConfig{Receiver: "r", Matchers: []string{"a=b"}}}, "route: matchers: the root route takes everything, and has none")
	f(Config{Route: &RouteConfig{Receiver: "r", Continue: true}}, "route: continue: the root route has no siblings")
	f(route(RouteConfig{Receiver: "x"}), `route: routes: 1: receiver: there is no receiver "x"`)
	f(route(RouteConfig{GroupBy: []string{"...", "a"}}), "route: routes: 1: group_by: ... stands for all labels, and must stand alone")
	f(route(RouteConfig{GroupBy: []string{"a", "a"}}), `route: routes: 1: group_by: "a" is empty, or there twice`)
	f(route(RouteConfig{GroupInterval: ptr(time.Duration(0))}), "route: routes: 1: group_interval: 0s: want at least 100ms")
	f(route(RouteConfig{GroupWait: ptr(-time.Second)}), "route: routes: 1: group_wait: -1s: want at least 0s")
	f(route(RouteConfig{Matchers: []string{"{a=b"}}), `route: routes: 1: matchers: "{a=b": a brace is not closed`)
	f(route(RouteConfig{MuteTimeIntervals: []string{"n"}}), `route: routes: 1: mute_time_intervals: there is no time interval "n"`)
	f(route(RouteConfig{Escalation: []RungConfig{{0, "s"}}}), "route: routes: 1: escalation: 1: after: 0s: want more than 0")
	f(route(RouteConfig{Escalation: []RungConfig{{1, "s"}, {2, "s"}}}), `route: routes: 1: escalation: 2: to: "s": want a receiver that is not on the ladder yet`)
	f(Config{InhibitRules: []InhibitConfig{{SourceMatchers: []string{"a=b"}}}}, "inhibit_rules: 1: source_matchers, target_matchers: both are wanted, or everything would mute everything")
	f(Config{TimeIntervals: []IntervalsConfig{{Name: "n"}, {Name: "n"}}}, `time_intervals: 2: name: "n" is empty, or there twice`)
	f(Config{TimeIntervals: []IntervalsConfig{{Name: "n", TimeIntervals: []IntervalConfig{{Months: []string{"0"}}}}}}, `time_intervals: 1: time_intervals: 1: months: "0": want months 1 to 12`)
}

// TestInhibit: what fires mutes what has the same values.
func TestInhibit(t *testing.T) {
	rule, err := InhibitConfig{SourceMatchers: []string{"severity=critical"}, TargetMatchers: []string{`severity=~"warning|critical"`}, Equal: []string{"host", "zone"}}.compile()
	if err != nil {
		t.Fatal(err)
	}
	in := newInhibitor([]inhibitRule{rule})
	alert := func(over bool, labels ...string) *Alert {
		ls := parseLabels(labels)
		a := &Alert{Alert: notify.Alert{Labels: ls}, ID: alerts.Fingerprint(ls)}
		if over {
			a.Ends = epoch
		}
		return a
	}
	f := func(want bool, labels ...string) {
		t.Helper()
		if got := in.source(alert(false, labels...)) != nil; got != want {
			t.Errorf("%q: muted: %v", labels, got)
		}
	}
	in.note(alert(false, "severity=critical", "host=a", "alertname=down"))
	f(true, "severity=warning", "host=a")
	f(true, "severity=warning", "host=a", "zone=") // missing is empty
	f(false, "severity=warning", "host=a", "zone=1")
	f(false, "severity=warning", "host=b")
	f(false, "severity=info", "host=a")
	f(false, "severity=critical", "host=a", "alertname=down")  // not itself
	f(false, "severity=critical", "host=a", "alertname=other") // nor each other
	in.note(alert(true, "severity=critical", "host=a", "alertname=down"))
	f(false, "severity=warning", "host=a")
	if len(in.sources[0]) != 0 {
		t.Errorf("%d sources are left", len(in.sources[0]))
	}
}

// TestIntervals: which times are in an interval.
func TestIntervals(t *testing.T) {
	f := func(c IntervalConfig, want bool, at string) {
		t.Helper()
		in, err := c.compile()
		if err != nil {
			t.Fatal(err)
		}
		now, err := time.Parse(time.DateTime, at)
		if err != nil {
			t.Fatal(err)
		}
		if in.contains(now) != want {
			t.Errorf("%+v: %s: %v", c, at, !want)
		}
	}
	day := IntervalConfig{Times: []TimesConfig{{"09:00", "17:00"}}, Weekdays: []string{"Monday:friday"}}
	f(day, true, "2026-01-02 09:00:00") // a Friday
	f(day, true, "2026-01-02 16:59:59")
	f(day, false, "2026-01-02 17:00:00")
	f(day, false, "2026-01-03 12:00:00")
	night := IntervalConfig{Times: []TimesConfig{{"00:00", "06:00"}, {"22:00", "24:00"}}}
	f(night, true, "2026-01-03 23:59:59")
	f(night, true, "2026-01-03 00:00:00")
	f(night, false, "2026-01-03 21:59:59")
	last := IntervalConfig{DaysOfMonth: []string{"-3:-1"}}
	f(last, true, "2026-02-28 12:00:00")
	f(last, true, "2026-02-26 12:00:00")
	f(last, false, "2026-02-25 12:00:00")
	f(last, false, "2024-02-26 12:00:00") // leap year
	most := IntervalConfig{DaysOfMonth: []string{"1:-2"}}
	f(most, true, "2026-01-30 12:00:00")
	f(most, false, "2026-01-31 12:00:00")
	none := IntervalConfig{DaysOfMonth: []string{"31"}}
	f(none, false, "2026-04-30 12:00:00")
	f(none, true, "2026-05-31 12:00:00")
	summer := IntervalConfig{Months: []string{"june:8"}, Years: []string{"2026:2027", "2030"}}
	f(summer, true, "2026-08-31 12:00:00")
	f(summer, false, "2026-09-01 12:00:00")
	f(summer, false, "2028-07-01 12:00:00")
	f(summer, true, "2030-07-01 12:00:00")
	tokyo := IntervalConfig{Times: []TimesConfig{{"09:00", "10:00"}}, Location: "Asia/Tokyo"}
	f(tokyo, true, "2026-01-02 00:30:00")
	f(tokyo, false, "2026-01-02 09:30:00")
}

func TestBadIntervals(t *testing.T) {
	for _, c := range []IntervalConfig{
		{Times: []TimesConfig{{"9:00", "10:00"}}}, {Times: []TimesConfig{{"10:00", "09:00"}}}, {Times: []TimesConfig{{"09:00", "24:01"}}},
		{Times: []TimesConfig{{"09:60", "10:00"}}}, {Weekdays: []string{"1"}}, {Weekdays: []string{"friday:monday"}},
		{DaysOfMonth: []string{"0"}}, {DaysOfMonth: []string{"5:1"}}, {DaysOfMonth: []string{"-1:5"}}, {DaysOfMonth: []string{"32"}},
		{DaysOfMonth: []string{"31:-5"}}, {Months: []string{"13"}}, {Months: []string{"may:march"}}, {Years: []string{"2027:2026"}}, {Location: "Atlantis"},
	} {
		if _, err := c.compile(); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}

func TestRate(t *testing.T) {
	for text, want := range map[string]Rate{"10/1m": {10, time.Minute}, "1 / s": {1, time.Second}, "5/2h": {5, 2 * time.Hour}, "none": {}} {
		var r Rate
		if err := r.UnmarshalText([]byte(text)); err != nil || r != want {
			t.Errorf("%q: %v, %v", text, r, err)
		}
		var again Rate
		if err := again.UnmarshalText([]byte(r.String())); err != nil || again != r {
			t.Errorf("%q is written as %q: %v", text, r, err)
		}
	}
	for _, text := range []string{"", "10", "0/1m", "-1/1m", "10/", "10/0s", "10/48h", "x/1m"} {
		if err := new(Rate).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// TestGateOfAFullQueue: what would drop others is gathered, whatever the rate.
func TestGateOfAFullQueue(t *testing.T) {
	for _, rate := range []Rate{{}, {100_000, time.Minute}} {
		g := Gate{Rate: rate}
		if g.Admit(epoch, 4, 0, 3) || !g.Storm {
			t.Errorf("%v: 4 notices into a queue with room for 3", rate)
		}
		if !(&Gate{Rate: rate}).Admit(epoch, 3, 0, 3) {
			t.Errorf("%v: 3 notices are gathered, there is room for them", rate)
		}
	}
}

// TestGate: the rate, a storm and its digests, at seconds from the beginning.
func TestGate(t *testing.T) {
	at := func(s float64) time.Time { return epoch.Add(time.Duration(s * float64(time.Second))) }
	g := Gate{Rate: Rate{10, time.Minute}}
	admit := func(s float64, ready, soon int, want bool) {
		t.Helper()
		if g.Admit(at(s), ready, soon, 1000) != want {
			t.Errorf("at %v: %d ready, %d soon: admitted: %v", s, ready, soon, !want)
		}
	}
	due := func(want float64) {
		t.Helper()
		if got := g.Due(); !got.Equal(at(want)) {
			t.Errorf("digest due at %v, want %v", got.Sub(epoch), want)
		}
	}
	admit(0, 6, 0, true)
	admit(1, 3, 0, true)
	admit(31, 5, 0, true)  // half of the minute has drained 5
	admit(32, 1, 9, false) // more are about to come
	g.Gather(at(32))
	due(34)
	g.Gather(at(33.5))
	due(35.5)
	admit(34, 1, 0, false) // a storm is a storm
	for s := 34.0; s < 50; s++ {
		g.Gather(at(s))
	}
	due(42)
	g.Sent(at(42))
	g.Gather(at(60))
	due(342)
	g.Sent(at(342))
	admit(400, 1, 0, true) // a minute after what was gathered last
	if g.Storm {
		t.Error("the storm is not over")
	}
}

func TestRootCause(t *testing.T) {
	alert := func(n int, labels ...string) *Alert {
		ls := parseLabels(labels)
		return &Alert{Alert: notify.Alert{Labels: ls, Starts: epoch.Add(time.Duration(n) * time.Second)}, ID: alerts.Fingerprint(ls)}
	}
	var zone, mixed []*Alert
	for i := range 1000 {
		z := "a"
		if i%10 == 0 {
			z = "b"
		}
		zone = append(zone, alert(i+1, "alertname=down", fmt.Sprint("host=h", i), "zone="+z, "severity=critical"))
		mixed = append(mixed, alert(i, fmt.Sprint("alertname=r", i%7), fmt.Sprint("host=h", i)))
	}
	router := alert(0, "alertname=down", "host=router", "severity=critical")
	f := func(as []*Alert, c Causes, want string) {
		t.Helper()
		if got := RootCause(as, c); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	f(nil, Causes{}, "")
	f(zone, Causes{}, "zone=a: 900 of 1,000, alertname=down: 1,000 of 1,000; first: down (host=h0, zone=b) at 2001-01-01T00:00:01Z")
	f(mixed, Causes{}, "first: r0 (host=h0) at 2001-01-01T00:00:00Z")
	f(append(slices.Clone(mixed), router), Causes{Mutes: map[uint64]int{router.ID: 800, mixed[0].ID: 5}}, "down (host=router), which mutes 800 others; first: down (host=router) at 2001-01-01T00:00:00Z")
	f(zone[:3], Causes{Known: map[string]int{"router is down": 900, "x": 3}, Mutes: map[uint64]int{zone[0].ID: 100}}, "router is down: 900 others; first: down (host=h0, zone=b) at 2001-01-01T00:00:01Z")
}

// FuzzMatchers: any text is read or refused, and what was read is written so
// that it can be read again.
func FuzzMatchers(f *testing.F) {
	for _, s := range []string{
		`a="b"`, `{a="b", c!="d"}`, `a=~"x|y",b!~"z.*",`, `text="a, \"b\"=c"`, `{}`, `{`, `a`, `alertname = x`, `a="\\",b="c"`, `,,`, `a="`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ms, err := parseMatchers([]string{s})
		if err != nil {
			return
		}
		again, err := parseMatchers([]string{matcherText(ms)})
		if err != nil {
			t.Fatalf("%q is written as %q: %v", s, matcherText(ms), err)
		}
		if got, want := matcherText(again), matcherText(ms); got != want {
			t.Fatalf("%q is written as %q, read as %q", s, want, got)
		}
	})
}

// FuzzInterval: any range is read or refused, and asking is safe.
func FuzzInterval(f *testing.F) {
	for _, s := range []string{"monday:friday", "1:5", "-3:-1", "may:8", "2026", "09:00", "24:00", ":", "a:b:c"} {
		f.Add(s, int64(1e9))
	}
	f.Fuzz(func(_ *testing.T, s string, at int64) {
		for _, c := range []IntervalConfig{{Weekdays: []string{s}}, {DaysOfMonth: []string{s}}, {Months: []string{s}}, {Years: []string{s}}, {Times: []TimesConfig{{s, "24:00"}}}} {
			if in, err := c.compile(); err == nil {
				in.contains(time.Unix(at, 0))
			}
		}
	})
}

// FuzzStored: whatever is in the store is read or refused, and what was read is
// written as it was.
func FuzzStored(f *testing.F) {
	told, err := Told{At: epoch, Since: epoch, Firing: map[uint64]bool{1: true, 2: true}, Digest: 3, ByDigest: true}.encode()
	if err != nil {
		f.Fatal(err)
	}
	a := testAlert("A!", epoch, true)
	alert, err := a.encode()
	if err != nil {
		f.Fatal(err)
	}
	notice, err := encodeNotice(notify.Notice{Key: "k", Receiver: "r", At: epoch, Alerts: []notify.Alert{a.Alert}, Truncated: 3, RootCause: "c"})
	if err != nil {
		f.Fatal(err)
	}
	for _, b := range [][]byte{told, alert, notice, []byte("{}"), []byte(`{"firing":"AAAA"}`)} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if told, err := decodeTold(b); err == nil {
			again, err := told.encode()
			if err != nil {
				return // a year that JSON has no form for
			}
			if back, err := decodeTold(again); err != nil || !cmp.Equal(back, told) {
				t.Fatalf("%+v, %v, want %+v", back, err, told)
			}
		}
		if a, err := decodeAlert(b); err == nil {
			if again, err := a.encode(); err == nil {
				if back, err := decodeAlert(again); err != nil || back.ID != a.ID || !back.Starts.Equal(a.Starts) || back.Text != a.Text {
					t.Fatalf("%+v, %v, want %+v", back, err, a)
				}
			}
		}
		if n, err := decodeNotice(b); err == nil {
			if again, err := encodeNotice(n); err == nil {
				if back, err := decodeNotice(again); err != nil || back.Key != n.Key || len(back.Alerts) != len(n.Alerts) {
					t.Fatalf("%+v, %v, want %+v", back, err, n)
				}
			}
		}
	})
}
