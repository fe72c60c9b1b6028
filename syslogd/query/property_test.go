package query

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func roundTrip(t interface {
	Fatalf(string, ...any)
}, q *Query) {
	again, err := Parse(q.Canonical())
	if err != nil {
		t.Fatalf("%q -> %q: %v", q, q.Canonical(), err)
	}
	if d := gocmp.Diff(q.Canonical(), again.Canonical()); d != "" {
		t.Fatalf("%q: %s", q, d)
	}
}

func TestCanonicalParsesBack(t *testing.T) {
	pipes := []string{
		"stats count()", "stats count() by host, bin(5m)", "stats sum(pid) as n, p95(pid) by app", "top 3 host", "patterns 5 by app",
		"uniq host, app", "sort by time desc, host", "limit 7", "fields time, host, message, app, pid", "where host:(a or b) pid>7 /x|y/",
		`extract "user=<user> ip=<*ip>"`, "json", "logfmt from message", `stats count() as "a b" by host`,
	}
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.SampledFrom(pipes), 0, 4).Draw(t, "pipes")
		q, err := Parse(strings.Join(append([]string{"(a or -b) host:x"}, list...), " | "))
		if err != nil {
			t.Skip(err)
		}
		roundTrip(t, q)
	})
}

// Percentiles of many numbers are within half a percent of the exact ones.
func TestQuantileIsNear(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := &run{limits: Limits{}.withDefaults()}
		q := &quantile{run: r, p: float64(rapid.IntRange(1, 99).Draw(t, "p")) / 100}
		all := rapid.SliceOfN(rapid.Float64Range(-1e6, 1e6), 1, 3000).Draw(t, "numbers")
		for _, x := range all {
			q.add(numberOf(x))
		}
		slices.Sort(all)
		want := all[max(0, int(math.Ceil(q.p*float64(len(all))))-1)]
		got, _ := q.value().Number()
		if math.Abs(got-want) > 0.0051*math.Abs(want)+smallest {
			t.Fatalf("p %v of %d: %v, want %v", q.p, len(all), got, want)
		}
	})
}

// A long run of numbers turns to ranges, which TestQuantileIsNear may not draw.
func TestQuantileOfMany(t *testing.T) {
	r := &run{limits: Limits{}.withDefaults()}
	q := &quantile{run: r, p: 0.95}
	for i := range 100_000 {
		q.add(numberOf(float64(i%1000) - 100))
	}
	if got, _ := q.value().Number(); math.Abs(got-849) > 849*0.0051 || r.values != 0 || len(q.ranges) > 2000 {
		t.Errorf("p95 %v, %d values held, %d ranges", got, r.values, len(q.ranges))
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"severity<=err host:web* | stats count() by app, bin(5m) | sort by count desc | limit 20",
		`a|extract "x=<y>" from message|where y>7|top 3 y`, "| json | logfmt from user | uniq a.b-c, \"d e\"", "| patterns 3 by host",
	} {
		f.Add(s, `{"user":"ann","a":{"b":1}} x=7 y="q"`)
	}
	f.Fuzz(func(t *testing.T, s, text string) {
		q, err := Parse(s)
		if err != nil {
			return
		}
		roundTrip(t, q)
		store := messages("<14>1 2026-11-21T07:00:01Z web app 7 - - " + strings.ReplaceAll(text, "\n", " "))
		_, err = q.Run(t.Context(), store, Options{}, func(r *Row) error {
			if line := r.AppendJSON(nil); !json.Valid(line) {
				t.Fatalf("%q: %s", s, line)
			}
			return nil
		})
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
	})
}
