package stage

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rondo/syslogd/filter"
	"rondo/syslogd/syslog"
)

var (
	start  = time.Date(2026, 10, 11, 22, 14, 15, 0, time.UTC)
	sender = netip.MustParseAddr("10.0.0.7")
)

func line(text string) syslog.Message { return syslog.Parse(text, start, sender) }

func pipe(t testing.TB, stages ...Config) *Pipe {
	t.Helper()
	p, err := New(stages)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func matching(t testing.TB, s string) *filter.Filter {
	t.Helper()
	f, err := filter.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// apply takes one line through stages.
func apply(p *Pipe, text string) []syslog.Message {
	return p.Apply(start, []syslog.Message{line(text)})
}

func TestDropAndFilter(t *testing.T) {
	p := pipe(t, Config{Filter: matching(t, "severity:debug"), Drop: true})
	batch := []syslog.Message{line("<15>debug"), line("<14>info"), line("<15>debug again"), line("<13>notice")}
	before := slices.Clone(batch)
	out := p.Apply(start, batch)
	if len(out) != 2 || out[0].Text != "info" || out[1].Text != "notice" {
		t.Errorf("%v", out)
	}
	if diff := cmp.Diff(before, batch, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("the batch was changed: %s", diff)
	}
	want := []Count{{Stage: "1_drop", Kind: "drop", Reason: Filtered, Matched: 2, Dropped: 2}}
	if diff := cmp.Diff(want, p.Counts()); diff != "" {
		t.Error(diff)
	}
	got := map[string]int{}
	p.Report(func(what string, n int) { got[what] += n })
	p.Report(func(what string, n int) { got[what] += n })
	if diff := cmp.Diff(map[string]int{"dropped_filtered": 2, "stage_1_drop_dropped": 2, "stage_1_drop_matched": 2}, got); diff != "" {
		t.Error(diff)
	}
}

func TestParse(t *testing.T) {
	f := func(c ParseConfig, text, want string) {
		t.Helper()
		out := apply(pipe(t, Config{Parse: &c}), text)
		if out[0].SD != want {
			t.Errorf("%s\n got %s\nwant %s", text, out[0].SD, want)
		}
		if out[0].Raw != text {
			t.Errorf("raw: %s", out[0].Raw)
		}
	}
	kv, js := ParseConfig{Format: "kv"}, ParseConfig{Format: "json"}
	f(kv, `<13>app: user=7 msg="a \"b\" ]"`, `[kv@32473 user="7" msg="a \"b\" \]"]`)
	f(kv, `<13>app: nothing here`, ``)
	f(kv, `<13>1 - h a - - [x@1 y="1"] user=7`, `[x@1 y="1"][kv@32473 user="7"]`)
	f(kv, `<13>1 - h a - - [kv@32473 y="1"][z@1 q="2"] user=7`, `[kv@32473 y="1" user="7"][z@1 q="2"]`)
	f(kv, `<134>CEF:0|Vendor|Product|1.0|100|Login|5|src=10.0.0.1 dst=10.0.0.2 spt=1232`, `[kv@32473 src="10.0.0.1" dst="10.0.0.2" spt="1232"]`)
	f(js, `<13>app: {"user":"ann","req":{"ms":7.5},"ok":true,"x":null}`, `[json@32473 user="ann" req.ms="7.5" ok="true"]`)
	f(js, `<13>app: {"a b":"c\\d"}`, `[json@32473 a_b="c\\d"]`)
	f(ParseConfig{Format: "json", Only: []string{"user"}, Element: "me@1"}, `{"user":"ann","pw":"x"}`, `[me@1 user="ann"]`)
	f(ParseConfig{Format: "json", MaxFields: 1}, `{"a":1,"b":2}`, `[json@32473 a="1"]`)
	f(ParseConfig{Format: "json", MaxBytes: 12}, `{"a":"0123456789","b":2}`, `[json@32473 b="2"]`)
	f(ParseConfig{Format: "csv", Columns: []string{"user", "", "ms"}}, `ann,"x, ""y""",17,more`, `[csv@32473 user="ann" ms="17"]`)
	f(ParseConfig{Format: "csv", Columns: []string{"a", "b"}, Separator: "|"}, `x"|"y|z"`, `[csv@32473 a="x\"" b="y|z"]`)
	f(ParseConfig{Format: "csv", Columns: []string{"a", "b"}}, `no record`, ``)
	f(ParseConfig{Format: "pattern", Pattern: "user=<user> took <ms>ms"}, `<13>app: user=ann took 17ms`, `[pattern@32473 user="ann" ms="17"]`)
	f(ParseConfig{Format: "kv", From: "sd.msg"}, `<13>1 - h a - - [x@1 msg="user=7"] text`, `[x@1 msg="user=7"][kv@32473 user="7"]`)
	apache := ParseConfig{Format: "apache"}
	f(apache, `<13>apache2[1]: 10.0.0.7 - ann [11/Oct/2026:22:14:15 +0200] "GET /a?b=\"c\" HTTP/1.1" 200 17 "https://x/" "curl/8" 0.003`,
		`[apache@32473 client="10.0.0.7" user="ann" time="11/Oct/2026:22:14:15 +0200" method="GET" path="/a?b=\"c\"" protocol="HTTP/1.1" status="200" bytes="17" referer="https://x/" agent="curl/8" rest="0.003"]`)
	f(apache, `<13>apache2[1]: ::1 - - [11/Oct/2026:22:14:15 +0200] "\x16\x03" 400 -`,
		`[apache@32473 client="::1" time="11/Oct/2026:22:14:15 +0200" request="\\x16\\x03" status="400"]`)
	f(apache, `<13>apache2[1]: www.example.com:443 10.0.0.7 - - [11/Oct/2026:22:14:15 +0200] "GET / HTTP/2.0" 304 0 "-" "-"`,
		`[apache@32473 vhost="www.example.com:443" client="10.0.0.7" time="11/Oct/2026:22:14:15 +0200" method="GET" path="/" protocol="HTTP/2.0" status="304" bytes="0"]`)
	f(apache, `<13>apache2[1]: [error] something [else] "x" 7`, ``)
}

func TestRewrite(t *testing.T) {
	const in = `<165>1 2026-10-11T22:14:15Z web1 app 7 ID1 [x@1 user="ann" lvl="ERROR"][y@1 user="bob"] took 17 ms`
	f := func(c RewriteConfig, want string) {
		t.Helper()
		out := apply(pipe(t, Config{Rewrite: &c}), in)
		if got := string(syslog.AppendRFC5424(nil, &out[0])); got != strings.Replace(want, "T22:14:15Z", "T22:14:15.000000Z", 1) {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
		if out[0].Raw != in {
			t.Errorf("raw: %s", out[0].Raw)
		}
	}
	set := func(kv ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return m
	}
	f(RewriteConfig{Set: set("host", "web9", "severity", "err", "facility", "local0", "sd.team", "pay", "sd.y@1.user", "eve")},
		`<131>1 2026-10-11T22:14:15Z web9 app 7 ID1 [x@1 user="ann" lvl="ERROR"][y@1 user="eve"][rewrite@32473 team="pay"] took 17 ms`)
	f(RewriteConfig{Delete: []string{"user"}}, `<165>1 2026-10-11T22:14:15Z web1 app 7 ID1 [x@1 lvl="ERROR"] took 17 ms`)
	f(RewriteConfig{Delete: []string{"y@1", "sd.lvl"}}, `<165>1 2026-10-11T22:14:15Z web1 app 7 ID1 [x@1 user="ann"] took 17 ms`)
	f(RewriteConfig{Rename: set("x@1.user", "who")}, `<165>1 2026-10-11T22:14:15Z web1 app 7 ID1 [x@1 who="ann" lvl="ERROR"][y@1 user="bob"] took 17 ms`)
	f(RewriteConfig{Replace: []Replace{{Regex: `took (\d+) ms`, With: "took ${1}000 us"}, {Field: "sd.user", Regex: "^a", With: "A"}}},
		`<165>1 2026-10-11T22:14:15Z web1 app 7 ID1 [x@1 user="Ann" lvl="ERROR"][y@1 user="bob"] took 17000 us`)
	f(RewriteConfig{Copy: set("severity", "sd.lvl", "app", "sd.nothing")}, strings.Replace(in, "<165>", "<163>", 1))
	f(RewriteConfig{Map: []Map{{From: "sd.lvl", To: "severity", Values: set("ERROR", "crit")}, {From: "host", Values: set("a", "b"), Default: new("c")}}},
		strings.NewReplacer("<165>", "<162>", "web1", "c").Replace(in))
}

func TestRateLimit(t *testing.T) {
	p := pipe(t, Config{RateLimit: &RateLimitConfig{Rate: 2, Burst: 3, Summary: 10 * time.Second}})
	send := func(at time.Duration, host string, n int) int {
		var batch []syslog.Message
		for range n {
			batch = append(batch, syslog.Parse("<13>Oct 11 22:14:15 "+host+" app: x", start, sender))
		}
		return len(p.Apply(start.Add(at), batch))
	}
	f := func(at time.Duration, host string, n, want int) {
		t.Helper()
		if got := send(at, host, n); got != want {
			t.Errorf("%v %s: %d of %d passed, want %d", at, host, got, n, want)
		}
	}
	f(0, "a", 5, 3)
	f(0, "b", 2, 2)
	f(time.Second, "a", 5, 2)
	f(-time.Hour, "a", 1, 0) // the clock was set back
	f(-time.Hour+time.Second, "a", 3, 2)
	if got := p.Due(start.Add(5 * time.Second)); len(got) != 0 {
		t.Errorf("said too early: %v", got)
	}
	out := p.Due(start.Add(10 * time.Second))
	if len(out) != 1 {
		t.Fatalf("%v", out)
	}
	const want = `<44>1 2026-10-11T22:14:25.000000Z a rondo - dropped [dropped@32473 count="7" host="a" first="2026-10-11T22:14:15Z" last="2026-10-11T22:14:15Z"] 7 messages of host=a were dropped: more than 2 a second`
	if out[0].Raw != want {
		t.Errorf("\n got %s\nwant %s", out[0].Raw, want)
	}
	if rest := p.Close(start); len(rest) != 0 {
		t.Errorf("said twice: %v", rest)
	}
}

func TestRateLimitIsBounded(t *testing.T) {
	p := pipe(t, Config{RateLimit: &RateLimitConfig{Rate: 1, By: []string{"app"}, MaxKeys: 2}})
	var batch []syslog.Message
	for i := range 10 {
		batch = append(batch, line("<13>Oct 11 22:14:15 h app"+strconv.Itoa(i)+": x"))
	}
	if out := p.Apply(start, batch); len(out) != 3 {
		t.Errorf("%d passed, want 2 and one of the others", len(out))
	}
	out := p.Close(start)
	if len(out) != 1 || !strings.Contains(out[0].Text, "7 messages of keys=other") {
		t.Errorf("%v", out)
	}
	// What is full again gives its place.
	if out := p.Apply(start.Add(2*time.Second), batch[8:]); len(out) != 2 {
		t.Errorf("%d passed, want 2", len(out))
	}
}

func TestSample(t *testing.T) {
	p := pipe(t, Config{Sample: &SampleConfig{OneIn: 10}})
	var batch []syslog.Message
	for range 95 {
		batch = append(batch, line("<13>x"))
	}
	out := p.Apply(start, batch)
	if len(out) != 10 || out[0].SD != `[sampled@32473 one_in="10"]` {
		t.Errorf("%d: %v", len(out), out[0])
	}
	by := pipe(t, Config{Sample: &SampleConfig{OneIn: 4, By: []string{"sd.trace"}}})
	batch = nil
	for i := range 4000 {
		batch = append(batch, line(fmt.Sprintf(`<13>1 - h a - - [x@1 trace="t%d"] span %d`, i/4, i%4)))
	}
	traces := map[string]int{}
	for _, m := range by.Apply(start, batch) {
		traces[filter.Value(&m, "sd.trace")]++
	}
	if len(traces) < 200 || len(traces) > 300 {
		t.Errorf("%d of 1000 traces", len(traces))
	}
	for trace, n := range traces {
		if n != 4 {
			t.Errorf("%d of the 4 lines of %s", n, trace)
		}
	}
}

func TestDedup(t *testing.T) {
	p := pipe(t, Config{Dedup: &DedupConfig{Window: 10 * time.Second}})
	send := func(at time.Duration, text string) {
		t.Helper()
		m := syslog.Parse("<13>Oct 11 22:14:15 h app[7]: "+text, start.Add(at), sender)
		m.Time = start.Add(at)
		for _, out := range p.Apply(start.Add(at), []syslog.Message{m}) {
			if !strings.HasPrefix(out.Text, "message repeated") && out.Text != text {
				t.Errorf("%v", out)
			}
		}
	}
	for i := range 5 {
		send(time.Duration(i)*time.Second, "disk failed")
		send(time.Duration(i)*time.Second, "fan failed "+strconv.Itoa(i))
	}
	out := p.Due(start.Add(10 * time.Second))
	const want = `<13>1 2026-10-11T22:14:19.000000Z h app 7 - [repeated@32473 count="4" first="2026-10-11T22:14:16Z" last="2026-10-11T22:14:19Z"] message repeated 4 times: [disk failed]`
	if len(out) != 1 || out[0].Raw != want {
		t.Errorf("\n got %v\nwant %s", out, want)
	}
	// Behind the window it is a first one again, also without Due in between.
	send(11*time.Second, "disk failed")
	send(12*time.Second, "disk failed")
	m := syslog.Parse("<13>Oct 11 22:14:15 h app[7]: disk failed", start, sender)
	out = p.Apply(start.Add(30*time.Second), []syslog.Message{m})
	if len(out) != 2 || !strings.HasPrefix(out[0].Text, "message repeated 1 times") || out[1].Text != "disk failed" {
		t.Errorf("%v", out)
	}
}

// TestDedupIsExact: first messages and counts add up to what came, whatever
// the order, the clock and the bounds.
func TestDedupIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, err := New([]Config{{Dedup: &DedupConfig{
			Window: time.Duration(rapid.IntRange(1, 5).Draw(t, "window")) * time.Second, MaxKeys: rapid.IntRange(1, 4).Draw(t, "keys"), MaxBytes: 64 << 10,
		}}})
		if err != nil {
			t.Fatal(err)
		}
		texts := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", strings.Repeat("long ", 4000), strings.Repeat("other ", 4000)})
		sent, got := map[string]uint64{}, map[string]uint64{}
		take := func(out []syslog.Message) {
			for i := range out {
				text := out[i].Text
				if count, ok := filter.SDValue(out[i].SD, "count"); ok {
					n, err := strconv.ParseUint(count, 10, 64)
					if err != nil {
						t.Fatal(err)
					}
					_, text, _ = strings.Cut(text, "times: [")
					got[strings.TrimSuffix(text, "]")] += n
					continue
				}
				got[text]++
			}
		}
		now := start
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(-1500, 3000).Draw(t, "ms")) * time.Millisecond)
			var batch []syslog.Message
			for range rapid.IntRange(0, 5).Draw(t, "n") {
				text := texts.Draw(t, "text")
				sent[text]++
				batch = append(batch, syslog.Parse("<13>Oct 11 22:14:15 h app: "+text, now, sender))
			}
			take(p.Apply(now, batch))
			if rapid.Bool().Draw(t, "due") {
				take(p.Due(now))
			}
		}
		take(p.Close(now))
		if diff := cmp.Diff(sent, got); diff != "" {
			t.Fatal(diff)
		}
		c := p.Counts()[0]
		if c.Matched+c.Made != c.Dropped+c.Made+(c.Matched-c.Dropped) {
			t.Fatalf("%+v", c)
		}
	})
}

func TestErrors(t *testing.T) {
	f := func(c Config, want ...string) {
		t.Helper()
		_, err := New([]Config{{Drop: true}, c})
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%v, want %s", err, w)
			}
		}
	}
	f(Config{}, "stage: stages: 2: nothing to do")
	f(Config{Drop: true, Sample: &SampleConfig{OneIn: 2}}, "stages: 2: sample, drop: a stage has one")
	f(Config{Name: "1_drop", Drop: true}, `"1_drop" is there twice`)
	f(Config{Name: "a b", Drop: true}, `name: "a b" is not made of`)
	f(Config{Parse: &ParseConfig{Format: "jsno"}}, `stages: 2: parse: format: "jsno" is none of kv, json, csv, apache, pattern; did you mean json?`)
	f(Config{Parse: &ParseConfig{Format: "kv", From: "txt", MaxFields: 1000}}, `parse: from: "txt" is none of`, "did you mean text?", "parse: max_fields: 1000 is more than 256")
	f(Config{Parse: &ParseConfig{Format: "csv"}}, "columns: want 1 to")
	f(Config{Parse: &ParseConfig{Format: "pattern", Pattern: "x"}}, "pattern: extract: position 1")
	f(Config{Parse: &ParseConfig{Format: "kv", Element: "a b"}}, `element: "a b": want`)
	f(Config{Sample: &SampleConfig{}}, "sample: one_in: want 1 or more")
	f(Config{RateLimit: &RateLimitConfig{By: []string{"hots"}}}, "rate_limit: by:", "did you mean host?", "rate_limit: rate: 0 is no number")
	f(Config{Dedup: &DedupConfig{Window: time.Millisecond}}, "dedup: window: 1ms is not between")
	f(Config{Rewrite: &RewriteConfig{}}, "rewrite: nothing to do")
	f(Config{Rewrite: &RewriteConfig{Set: map[string]string{"severity": "bad", "sender": "x"}}}, "rewrite: set: severity: ", "rewrite: set: sender cannot be set")
	f(Config{Rewrite: &RewriteConfig{Replace: []Replace{{Regex: "("}}}}, "rewrite: replace: 1: regex:")
}

func TestNothingMatchesNothingAllocated(t *testing.T) {
	p := pipe(t,
		Config{Filter: matching(t, "app:other"), Parse: &ParseConfig{Format: "kv"}},
		Config{Filter: matching(t, "severity:debug"), Drop: true},
		Config{RateLimit: &RateLimitConfig{Rate: 1e9}},
		Config{Redact: &RedactConfig{Patterns: patterns()}},
	)
	batch := []syslog.Message{line("<13>Oct 11 22:14:15 h app: x"), line("<13>Oct 11 22:14:15 h app: y")}
	if n := testing.AllocsPerRun(1000, func() { p.Apply(start, batch) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	var none *Pipe
	if out := none.Apply(start, batch); &out[0] != &batch[0] || none.Due(start) != nil || none.Counts() != nil {
		t.Error("the nil pipe does something")
	}
}

// TestOrder: what a stage makes goes through the stages behind it, before the
// message that it was due with.
func TestOrder(t *testing.T) {
	p := pipe(t, Config{Dedup: &DedupConfig{MaxKeys: 1, By: []string{"text"}}}, Config{Rewrite: &RewriteConfig{Set: map[string]string{"app": "late"}}})
	var texts []string
	for _, m := range p.Apply(start, []syslog.Message{line("<13>a"), line("<13>a"), line("<13>b")}) {
		texts = append(texts, m.App+": "+m.Text)
	}
	if diff := cmp.Diff([]string{"late: a", "late: message repeated 1 times: [a]", "late: b"}, texts); diff != "" {
		t.Error(diff)
	}
}

func TestTrace(t *testing.T) {
	p := pipe(t, Config{Parse: &ParseConfig{Format: "kv"}}, Config{Filter: matching(t, "sd.user:7"), Drop: true})
	out, steps := p.Trace(start, line("<13>a: user=7"))
	if len(out) != 0 || len(steps) != 2 || !steps[0].Changed || steps[0].Before.SD != "" || steps[0].After.SD == "" || steps[1].Dropped != Filtered {
		t.Errorf("%v %+v", out, steps)
	}
}
