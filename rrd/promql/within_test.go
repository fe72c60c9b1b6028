package promql

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rondo/rrd"
)

func TestWithin(t *testing.T) {
	f := func(expr, want string) {
		t.Helper()
		got, err := Within(expr, rrd.Matcher{Label: "g", Op: rrd.Regexp, Value: "a|b"})
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s:\n got %s\nwant %s", expr, got, want)
		}
		if err := Check(got); err != nil {
			t.Errorf("%s became %s: %v", expr, got, err)
		}
	}
	f(`x`, `x{g=~"a|b"}`)
	f(`x{h="1"}`, `x{g=~"a|b",h="1"}`)
	f(`x{g="a"}`, `x{g="a",g=~"a|b"}`)
	f(`{"fleet.web.x"}`, `{__name__="fleet.web.x",g=~"a|b"}`)
	f(`{__name__=~"a.*"}`, `{__name__=~"a.*",g=~"a|b"}`)
	f(`x offset 5m`, `x{g=~"a|b"} offset 5m`)
	f(`x @ end() offset -1m`, `x{g=~"a|b"} @ end() offset -1m`)
	f(`rate(x[5m])`, `rate(x{g=~"a|b"}[5m])`)
	f(`max_over_time(rate(x[1m])[10m:30s] @ 100)`, `max_over_time(rate(x{g=~"a|b"}[1m])[10m:30s] @ 100.000)`)
	f(`sum by (h) (x) / on (h) group_left (z) y`, `sum by (h) (x{g=~"a|b"}) / on (h) group_left (z) y{g=~"a|b"}`)
	f(`x > bool 5 and ignoring (h) y unless z`, `x{g=~"a|b"} > bool 5 and ignoring (h) y{g=~"a|b"} unless z{g=~"a|b"}`)
	f(`-x ^ 2`, `-x{g=~"a|b"} ^ 2`)
	f(`topk(scalar(k), x)`, `topk(scalar(k{g=~"a|b"}), x{g=~"a|b"})`)
	f(`absent(x{h="1"})`, `absent(x{g=~"a|b",h="1"})`)
	f(`label_replace(x, "d", "$1", "h", "(.*)")`, `label_replace(x{g=~"a|b"}, "d", "$1", "h", "(.*)")`)
	f(`time() - vector(1)`, `time() - vector(1)`)
	f(`histogram_quantile(0.9, sum by (le) (rate(b[5m])))`, `histogram_quantile(0.9, sum by (le) (rate(b{g=~"a|b"}[5m])))`)
	if _, err := Within("x{", rrd.Matcher{Label: "g", Value: "a"}); err == nil {
		t.Error("no error for what cannot be read")
	}
}

// An expression that was narrowed answers as the expression itself does where
// there are no series of others at all.
func TestWithinIsAsIfOthersWereNotThere(t *testing.T) {
	all, own := newMemory(t), newMemory(t)
	for _, name := range []string{"x", "y", "a.b"} {
		for h := range 6 {
			group := []string{"web", "db", "web-eu"}[h%3]
			key, err := rrd.NewKey(name, rrd.Label{Name: "host", Value: fmt.Sprint("h", h)}, rrd.Label{Name: "group", Value: group})
			if err != nil {
				t.Fatal(err)
			}
			for i := range 60 {
				p := point{zero + rrd.Time(10*(i+1))*rrd.Second, float64((i*(h+2) + len(name)) % 17)}
				all.add(key, rrd.DefaultDefinition(), p)
				if group != "db" {
					own.add(key, rrd.DefaultDefinition(), p)
				}
			}
		}
	}
	everybody, members := New(all, all, Options{}), New(own, own, Options{})
	at := (zero + 600*rrd.Second).Std()
	rapid.Check(t, func(rt *rapid.T) {
		expr := randomExpr(rt, 3)
		narrowed, err := Within(expr, rrd.Matcher{Label: "group", Op: rrd.Regexp, Value: "web|web-eu"})
		if err != nil {
			rt.Fatalf("%s: %v", expr, err)
		}
		got, want := outcome(t, everybody, narrowed, at), outcome(t, members, expr, at)
		if d := cmp.Diff(want, got); d != "" {
			rt.Errorf("%s became %s (-want +got):\n%s", expr, narrowed, d)
		}
	})
}

// outcome is an answer, or the error in its place, as text.
func outcome(t *testing.T, e *Engine, expr string, at time.Time) []string {
	res, err := e.Range(t.Context(), expr, at.Add(-5*time.Minute), at, time.Minute)
	if err != nil {
		return []string{"fails"}
	}
	var out []string
	for _, s := range res.Series {
		out = append(out, fmt.Sprint(s.Labels, s.Values))
	}
	slices.Sort(out)
	return out
}

// randomExpr is PromQL of every shape.
func randomExpr(t *rapid.T, depth int) string {
	pick := func(what string, of ...string) string { return rapid.SampledFrom(of).Draw(t, what) }
	selector := pick("selector", `x`, `y`, `{"a.b"}`, `x{host=~"h[0-3]"}`, `{__name__=~"x|y"}`, `x{group="web"}`, `y{host!="h1"}`) +
		pick("modifier", "", "", " offset 30s", " @ start()")
	if depth == 0 {
		return selector
	}
	inner := func() string { return randomExpr(t, depth-1) }
	ranged := func() string {
		if base, _, plain := strings.Cut(selector, " "); pick("range", "matrix", "subquery") == "matrix" && plain || !strings.Contains(selector, " ") {
			return base + "[1m]"
		}
		return "(" + inner() + ")[2m:30s]"
	}
	switch pick("shape", "selector", "function", "aggregate", "by", "binary", "match", "set", "compare", "absent", "scalar", "parameter", "paren") {
	case "function":
		return pick("f", "rate", "max_over_time", "avg_over_time", "count_over_time", "changes") + "(" + ranged() + ")"
	case "aggregate":
		return pick("agg", "sum", "avg", "count", "max") + "(" + inner() + ")"
	case "by":
		return pick("agg", "sum", "min") + pick("grouping", " by (host) ", " without (host) ", " by (group) ") + "(" + inner() + ")"
	case "binary":
		return "(" + inner() + ")" + pick("op", " + ", " * ", " - ", " / ") + pick("number", "2", "(1 + 1)", "scalar(x)")
	case "match":
		return "x " + pick("op", "+", "*") + pick("on", " on (host, group) ", " ignoring (nothing) ") + "y"
	case "set":
		return "(" + inner() + ")" + pick("op", " or ", " and ", " unless ") + "(" + inner() + ")"
	case "compare":
		return "(" + inner() + ")" + pick("op", " > 5", " <= bool 8", " != 3")
	case "absent":
		return "absent(" + selector + ")"
	case "scalar":
		return "vector(scalar(sum(" + inner() + ")) + 1)"
	case "parameter":
		return pick("q", "quantile(0.9, ", "count_values(\"v\", ") + inner() + ")" // topk is at odds with itself where values are the same
	case "paren":
		return "-(" + inner() + ")"
	}
	return selector
}
