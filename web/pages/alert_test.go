package pages

import (
	"math"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rondo/alerts"
	"rondo/rrd"
)

func TestBandClass(t *testing.T) {
	for v, want := range map[float64]string{
		0: "ok", 0.5: "soft warning", 0.7: "warning", 1: "warning", 1.5: "soft critical", 2: "critical", 2.5: "soft unknown", 3: "unknown",
		-1: "", 4: "", math.Inf(1): "",
	} {
		b, soft := bandClass(v)
		if b.Text != want || soft != strings.HasPrefix(want, "soft") {
			t.Errorf("%v is %q, soft %v; want %q", v, b.Text, soft, want)
		}
	}
	if b, _ := bandClass(math.NaN()); b.Class != "" {
		t.Errorf("unknown is %q", b.Text)
	}
}

// Spans of the same state are one, gaps are none, and what is shown of each
// adds up to what is known.
func TestBandFill(t *testing.T) {
	start := time.Unix(1_700_000_000, 0).Truncate(time.Minute)
	r := Range{Start: start, End: start.Add(10 * time.Minute)}
	g := grid{start: rrd.At(r.Start), end: rrd.At(r.End), step: time.Minute}
	nan := math.NaN()
	var b Band
	b.fill([]float64{0, 0, 1.5, 2, 2, nan, nan, 0, 0, 0}, g, r)
	var got []string
	for _, s := range b.Spans {
		got = append(got, s.Badge.Text+" "+number(s.X, "")+" "+number(s.W, ""))
	}
	if diff := cmp.Diff([]string{"ok 0 200", "soft critical 200 100", "critical 300 200", "ok 700 300"}, got); diff != "" {
		t.Error(diff)
	}
	if want := "The state over the range: critical 2 m (25.0 %), soft critical 1 m (12.5 %), ok 5 m (62.5 %)"; b.Words() != want {
		t.Errorf("%s\nwant %s", b.Words(), want)
	}
}

// What a page offers to copy comes out of a shell as the matchers of that one
// state, whatever its labels hold.
func TestMatcherWordsPassThroughAShell(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("SKIPPED: there is no sh to read the commands that pages offer")
	}
	check := func(t rapid.TB, value string) {
		ls := rrd.Labels{{Name: "host", Value: value}}
		out, err := exec.Command(sh, "-c", `printf '%s\0' `+matcherWords("a rule's", ls)).Output()
		if err != nil {
			t.Fatal(err)
		}
		words := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
		if len(words) != 2 {
			t.Fatalf("%q", words)
		}
		for _, w := range words {
			m, err := alerts.ParseMatcher(w)
			if err != nil || !m.Matches("a rule's", ls) || m.Label == "host" && m.Value != value {
				t.Errorf("%q of %q: %v", w, value, err)
			}
		}
	}
	for _, v := range []string{"", "web-1", "a b", `a"b`, "it's", "$(id)", "~x", `\`, "{}", "=~.*", "é", "a\nb"} {
		check(t, v)
	}
	rapid.Check(t, func(t *rapid.T) {
		check(t, rapid.StringN(0, 20, 60).Draw(t, "value"))
	})
}

func TestJudgementIsSaid(t *testing.T) {
	got := judgement(alerts.Supervised{Expr: "disk_used_percent", Policy: alerts.Policy{
		Critical: &alerts.Threshold{Raise: 95, Clear: 90}, Interval: time.Minute, For: 2 * time.Minute, ClearFor: time.Minute,
		Of: alerts.Of{M: 3, N: 5}, Missing: alerts.MissingRaise, MissingFor: 10 * time.Minute,
	}})
	want := []Fact{
		{"Critical", "above 95 %, over at 90 %"}, {"Looked at", "every 1 m"}, {"Raised after", "2 m of bad readings"},
		{"Over after", "1 m of good ones"}, {"Readings", "3 of the newest 5 must be bad"}, {"Missing readings", "are the problem after 10 m"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A link names a state, a rule with one state, or one that is no more.
func TestOneState(t *testing.T) {
	host := func(h string) rrd.Labels { return rrd.Labels{{Name: "host", Value: h}} }
	all := []alerts.View{{Rule: "load", Labels: host("a")}, {Rule: "load", Labels: host("b")}, {Rule: "site"}}
	for _, v := range all {
		q := queryOf(t, alertURL(v.Rule, v.Labels))
		if got, ok := one(all, q); !ok || got.Rule != v.Rule || got.Labels.String() != v.Labels.String() {
			t.Errorf("%v leads to %v %v", q, got, ok)
		}
	}
	if _, ok := one(all, queryOf(t, "/alerts?rule=site")); !ok {
		t.Error("a rule's only state is not found by the rule alone")
	}
	for _, u := range []string{"/alerts?rule=load", "/alerts?rule=load&labels=x", "/alerts"} {
		if got, ok := one(all, queryOf(t, u)); ok {
			t.Errorf("%s leads to %v", u, got)
		}
	}
}

// A state takes the curves whose labels are all its own.
func TestCurvesOfAState(t *testing.T) {
	of := func(name, value string) rrd.Label { return rrd.Label{Name: name, Value: value} }
	state := rrd.Labels{of("host", "a"), of("team", "ops")}
	for _, c := range []struct {
		series rrd.Labels
		own    bool
	}{
		{rrd.Labels{of(rrd.NameLabel, "m"), of("host", "a")}, true}, {rrd.Labels{of("host", "b")}, false},
		{nil, true}, {rrd.Labels{of("cpu", "1"), of("host", "a")}, false},
	} {
		if got := within(c.series, state); got != c.own {
			t.Errorf("%v: %v", c.series, got)
		}
	}
}

func queryOf(t *testing.T, address string) url.Values {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

// A state stands until the next word of it, or for two minutes; in a step in
// which it changed the worst is shown, and what it changed to stands.
func TestWorstStands(t *testing.T) {
	nan, start := math.NaN(), rrd.At(time.Unix(1_700_000_000, 0).Truncate(time.Minute))
	g := grid{start: start, end: start.Add(5 * time.Minute), step: 20 * time.Second}
	at := func(s int) rrd.Time { return start.Add(time.Duration(s) * time.Second) }
	d := rrd.DefaultDefinition()
	d.Archives = d.Archives[:1]
	s := rrd.Series{Definition: d, Times: []rrd.Time{at(-30), at(20), at(40), at(60)}}
	s.Values[rrd.ColMax] = []float64{0, nan, 2, nan}
	s.Values[rrd.ColLast] = []float64{0, nan, 1, nan}
	want := []float64{0, 2, 1, 1, 1, 1, 1, 1, nan, nan, nan, nan, nan, nan, nan}
	same := cmp.Comparer(func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) })
	if diff := cmp.Diff(want, worst(s, g, at(600)), same); diff != "" {
		t.Error(diff)
	}
	if got := worst(s, g, at(70)); !math.IsNaN(got[4]) || got[3] != 1 {
		t.Errorf("what is to come is known: %v", got)
	}
}
