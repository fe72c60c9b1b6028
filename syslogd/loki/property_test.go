package loki

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rondo/syslogd/filter"
	"rondo/syslogd/syslog"
)

func one[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// randomMessage is a pushed line, or one of syslog.
func randomMessage(r *rand.Rand) syslog.Message {
	at := base().Add(time.Duration(r.IntN(600)) * time.Second)
	text := one(r, "GET /a 200", "Timeout", "timeout k", `{"status":500,"level":"debug","a":"x"}`, `status=404 a="y z" app=inner`, "a*b", "K\u212a", "")
	if r.IntN(3) == 0 {
		line := fmt.Sprintf("<%d>1 %s %s %s %s - %s %s", r.IntN(192), at.Format(time.RFC3339), one(r, "web1", "web2", "-"), one(r, "app", "job", "-"),
			one(r, "1", "-"), one(r, "-", `[x@1 a="x"]`, `[x@1 job="" a="x"][y a="y"]`, `[x@1 host="lie" app="lie"]`), text)
		return syslog.Parse(line, at, netip.MustParseAddr("10.0.0.1"))
	}
	var labels []label
	for _, name := range []string{"app", "job", "host", "instance", "level", "severity", "a", "pid"} {
		if r.IntN(3) == 0 {
			labels = append(labels, label{name, one(r, "x", "y", "a*b", `q"]\`, "warn", "INFO", "err", "web1", "")})
		}
	}
	e := entry{at: at, line: text}
	if r.IntN(4) == 0 {
		e.meta = []label{{one(r, "a", "trace", "level", "job"), one(r, "x", "z", "error")}}
	}
	return newPusher(labels, netip.MustParseAddr("10.0.0.2"), at).message(&e)
}

func randomMatcher(r *rand.Rand) string {
	name := one(r, "app", "job", "host", "instance", "level", "detected_level", "severity", "facility", "a", "trace", "pid", "service_name")
	if r.IntN(2) == 0 {
		return fmt.Sprintf("%s%s%q", name, one(r, "=", "!="), one(r, "x", "y", "", "a*b", `q"]\`, "warn", "error", "err", "info", "web1", "auth", "10.0.0.1"))
	}
	return fmt.Sprintf("%s%s%q", name, one(r, "=~", "!~"), one(r, ".+", ".*", "x|y", "x.*", "web[12]", "(?i)WARN", "", "x?", "[^x]+", "w.*n|info", `a\*.*`))
}

func randomPipeline(r *rand.Rand) string {
	var b strings.Builder
	for range r.IntN(4) {
		switch r.IntN(7) {
		case 0, 1:
			fmt.Fprintf(&b, " %s %q", one(r, "|=", "!="), one(r, "timeout", "200", "", "*", "K", "status", " "))
			if r.IntN(3) == 0 {
				fmt.Fprintf(&b, " or %q", one(r, "GET", "a"))
			}
		case 2:
			fmt.Fprintf(&b, " %s %q", one(r, "|~", "!~"), one(r, "(?i)TIME", "^GET", "[0-9]{3}", "k$"))
		case 3:
			b.WriteString(one(r, " | json", " | logfmt", " | drop __error__", " | drop level, __error__", " | keep a", " | line_format \"{{.a}} {{__line__}}\""))
		case 4:
			fmt.Fprintf(&b, " | %s", randomMatcher(r))
		case 5:
			fmt.Fprintf(&b, " | %s %s %s", randomMatcher(r), one(r, "and", "or", ","), randomMatcher(r))
		default:
			fmt.Fprintf(&b, " | status %s %d", one(r, ">", "==", "<="), one(r, 404, 500))
		}
	}
	return b.String()
}

func randomSelector(r *rand.Rand) string {
	list := []string{randomMatcher(r)}
	for range r.IntN(3) {
		list = append(list, randomMatcher(r))
	}
	return "{host=~\".+\"," + strings.Join(list, ",") + "}"
}

// TestTranslate: the filter of a query matches all that comes out of its
// pipeline, and no more where it is said to be exact.
func TestTranslate(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
		messages := make([]syslog.Message, 40)
		for i := range messages {
			messages[i] = randomMessage(r)
		}
		src := randomSelector(r) + randomPipeline(r)
		q, err := parseQuery(src)
		if err != nil {
			refused(rt, src, err)
			return
		}
		tr, err := translate(q.(*logQuery), valuesIn(messages))
		if err != nil {
			rt.Fatal(err)
		}
		for i := range messages {
			m := &messages[i]
			got, want := tr.filter.Match(m), q.(*logQuery).run(m) != nil
			if got != want && (tr.exact || want) {
				rt.Fatalf("%s\nfilter %s (exact %v) says %v, the pipeline %v of\n%+v", src, tr.filter.Canonical(), tr.exact, got, want, *m)
			}
		}
	})
}

// refused expects the one thing in a random query that is not supported: a
// line filter behind drop is taken for a value of its label.
func refused(t *rapid.T, src string, err error) {
	if !strings.Contains(err.Error(), "drop and keep by value") {
		t.Fatalf("%s: %v", src, err)
	}
}

func valuesIn(messages []syslog.Message) lookup {
	return func(field string) ([]string, bool, error) {
		var list []string
		for i := range messages {
			list = append(list, filter.Value(&messages[i], field))
		}
		return list, true, nil
	}
}

// TestCount: what the store counts is what counting line by line gives.
func TestCount(t *testing.T) {
	a, s := open(t)
	r := rand.New(rand.NewPCG(7, 1))
	for range 5 {
		batch := make([]syslog.Message, 60)
		for i := range batch {
			batch[i] = randomMessage(r)
		}
		if err := s.Put(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		if err := s.Seal(); err != nil {
			t.Fatal(err)
		}
	}
	compared := 0
	rapid.Check(t, func(rt *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
		src := fmt.Sprintf("count_over_time(%s%s[%ds])", randomSelector(r), randomPipeline(r), one(r, 1, 7, 60, 90, 300))
		x, err := parseQuery(src)
		if err != nil {
			refused(rt, src, err)
			return
		}
		e := &evaluation{logs: a.Logs, start: base().UnixNano() - int64(r.IntN(2)), step: int64(one(r, 1, 60, 45, 300)) * 1e9, n: 1 + r.IntN(12)}
		by := one(r, nil, &[]string{}, &[]string{"level", "job"}, &[]string{"host", "a"}, &[]string{"service_name", "severity", "facility", "pid"})
		got, want, ok := bothWays(rt, e, x.(*rangeExpr), by)
		if !ok {
			return
		}
		compared++
		if d := cmp.Diff(want, got, cmp.AllowUnexported(result{}, series{}, label{}), cmp.Comparer(same)); d != "" {
			rt.Fatalf("%s by %v: %s", src, by, d)
		}
	})
	if compared == 0 {
		t.Error("no query was counted by the store")
	}
}

func same(a, b float64) bool { return a == b || isAbsent(a) && isAbsent(b) }

// bothWays counts by the store and line by line; false if the store cannot.
func bothWays(t *rapid.T, e *evaluation, x *rangeExpr, by *[]string) (byStore, byLine result, ok bool) {
	w := e.windows(x)
	ctx := t.Context()
	tr, err := translate(x.query, lookupIn(ctx, e.logs, base().Add(-time.Hour), base().Add(time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	f, ok := fieldsOf(by, tr.labels)
	if !ok || !tr.exact {
		return result{}, result{}, false
	}
	c := &counter{w: w, series: map[string]*counted{}, room: e.room}
	d := &counter{w: w, series: map[string]*counted{}, room: e.room}
	if err := e.count(ctx, c, tr.filter, f); err != nil {
		t.Fatal(err)
	}
	if err := e.read(ctx, d, x, tr.filter, by); err != nil {
		t.Fatal(err)
	}
	return c.result(x), d.result(x), true
}

// FuzzQuery: any text is parsed or refused with a place in it, and what is
// parsed runs and translates.
func FuzzQuery(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		f.Add(randomSelector(r) + randomPipeline(r))
	}
	f.Add(`sum by (level, detected_level) (count_over_time({job=~".+"} | drop __error__ [5m])) / 2 > bool 1 or vector(0)`)
	f.Add("topk(5, rate({a=\"b\"} |= `x` != \"y\" | json | x >= 1.5KB [1h30m] offset -5m)) # c")
	messages := []syslog.Message{randomMessage(r), randomMessage(r), randomMessage(r)}
	f.Fuzz(func(t *testing.T, src string) {
		q, err := parseQuery(src)
		if err != nil {
			if e, ok := err.(*SyntaxError); !ok || e.Line < 1 || e.Col < 1 || e.Line > 1+strings.Count(src, "\n") {
				t.Fatalf("%q: %v", src, err)
			}
			return
		}
		lines, ok := q.(*logQuery)
		if !ok {
			return
		}
		tr, err := translate(lines, valuesIn(messages))
		if err != nil {
			t.Fatal(err)
		}
		for i := range messages {
			m := &messages[i]
			if got, want := tr.filter.Match(m), lines.run(m) != nil; got != want && (tr.exact || want) {
				t.Fatalf("%s\nfilter %s (exact %v) says %v, the pipeline %v of %+v", src, tr.filter.Canonical(), tr.exact, got, want, *m)
			}
		}
	})
}
