package promrule

import (
	"math"
	"strings"
	"testing"
	"time"

	"rondo/rrd"
)

func expander(t testing.TB) *run {
	t.Helper()
	e := &eval{answers: map[string][]rrd.Value{
		"m":   {value(5, "__name__", "m", "inst", "b:9"), value(7.25, "__name__", "m", "inst", "a:9")},
		"odd": {value(1, "__value__", "x")},
	}}
	return &run{ctx: t.Context(), at: noon, group: &Group{o: Options{Metrics: e, ExternalURL: "http://x/p"}}}
}

var seven = subject{map[string]string{"inst": "a:9"}, map[string]string{"region": "eu"}, "http://x/p", 7.25}

func expand(t testing.TB, r *run, s string) string {
	t.Helper()
	parsed, err := parseText(s)
	if err != nil {
		return "bad: " + err.Error()
	}
	bound, err := r.bind(map[string]text{"": parsed})
	if err != nil {
		t.Fatal(err)
	}
	return r.expand(bound[""], seven)
}

// TestText has what promtool 2.42 says of the same templates, but for errors.
func TestText(t *testing.T) {
	r := expander(t)
	f := func(text, want string) {
		t.Helper()
		if got := expand(t, r, text); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
	f("no template {", "no template {")
	f("{{ $labels.nothing }}|{{ .Labels.inst }}|{{ $value }}|{{ .Value }}", "|a:9|7.25|7.25")
	f("{{ humanize 1234567.0 }} {{ humanize 0.00123 }} {{ humanize 0.0 }} {{ humanize 1e30 }} {{ humanize 999.0}} {{ humanize -1500.0 }} {{humanize 1000000000000000000000000000.0}}",
		"1.235M 1.23m 0 1e+06Y 999 -1.5k 1000Y")
	f("{{ humanize1024 1234567.0 }} {{ humanize1024 0.5 }} {{ humanize1024 1048576.0 }} {{ humanize1024 1e30 }}", "1.177Mi 0.5 1Mi 8.272e+05Yi")
	f("{{ humanizeDuration 0.0 }}|{{ humanizeDuration 0.00123 }}|{{ humanizeDuration 1.5 }}|{{ humanizeDuration 59.0}}|{{ humanizeDuration 60.0 }}|{{ humanizeDuration 3601.0 }}|{{ humanizeDuration 90061.0}}|{{ humanizeDuration -90061.4}}|{{ humanizeDuration 1e-8}}",
		"0s|1.23ms|1.5s|59s|1m 0s|1h 0m 1s|1d 1h 1m 1s|-1d 1h 1m 1s|10ns")
	f(`{{ humanizePercentage 0.1234567 }} {{ humanizePercentage 1.0 }} {{humanizePercentage "0.5"}}`, "12.35% 100% 50%")
	f("{{ humanizeTimestamp 1435065584.128 }} {{ toTime 1435065584.128 }}", "2015-06-23 13:19:44.128 +0000 UTC 2015-06-23 13:19:44.128 +0000 UTC")
	f(`{{ title "aa bB cc" }} {{ toUpper "x" }} {{ toLower "X"}}`, "Aa BB Cc X x")
	f(`{{ reReplaceAll "(a)b" "${1}c" "abab" }} {{ match "a+" "baab" }}`, "acac true")
	f(`{{ range query "m" }}{{ . | label "inst" }}={{ . | value }} {{ end }}{{ query "m" | first | value }}`, "b:9=5 a:9=7.25 5")
	f(`{{ range query "m" | sortByLabel "inst" }}{{ .Labels.inst }}{{ .Value }}{{ end }}`, "a:97.25b:95")
	f(`{{ with args 1 2 }}{{ .arg0 }}{{ .arg1 }}{{end}}`, "12")
	f(`{{ stripPort "a:80" }} {{ stripDomain "a.b.c:80" }} {{ stripDomain "1.2.3.4" }} {{ parseDuration "1h30m" }}`, "a a:80 1.2.3.4 5400")
	f(`{{ graphLink "up" }} {{ tableLink "up" }}`, "/graph?g0.expr=up&g0.tab=0 /graph?g0.expr=up&g0.tab=1")
	f(`{{ printf "%.2f" $value }} {{ $value | printf "%.1f%%" }}`, "7.25 7.2%")
	f(`{{ strvalue (query "odd" | first) }}{{ strvalue (query "m" | first) }}`, "x")
	f(`{{ $externalLabels.region }} {{ $externalURL }} {{ externalURL }} {{ pathPrefix }}`, "eu http://x/p http://x/p /p")
	f(`{{ define "who" }}<{{ . }}>{{ end }}{{ template "who" .Labels.inst }}{{ tmpl "who" 5 }}`, "<a:9><5>")
	f(`{{ toDuration 90 }} {{ now }} {{ safeHtml "<" }} {{ urlQueryEscape "a b" }}`, "1m30s 1.7672688e+09 < a+b")
	f(`{{ humanize "x" }}`, `<error expanding template: text:1:115: executing "text" at <humanize "x">: error calling humanize: strconv.ParseFloat: parsing "x": invalid syntax>`)
	f(`{{ query "nothing" | first }}`, `<error expanding template: text:1:133: executing "text" at <first>: error calling first: there is no first of nothing>`)
}

// TestTextIsBounded: no template runs for ever, or takes all memory.
func TestTextIsBounded(t *testing.T) {
	r := expander(t)
	f := func(text, want string) {
		t.Helper()
		if got := expand(t, r, text); !strings.Contains(got, want) || len(got) > 2*maxText {
			t.Errorf("%s: %.200s", text, got)
		}
	}
	f(`{{ range 1000000000 }}{{ end }}`, "turns of loops")
	f(`{{ range 300 }}{{ range 300 }}{{ end }}{{ end }}`, "turns of loops")
	f(`{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}`, "turns of loops")
	f(`{{ define "a" }}{{ if true }}{{ with 1 }}{{ range 5 }}{{ template "a" }}{{ end }}{{ end }}{{ end }}{{ end }}{{ template "a" }}`, "turns of loops")
	f(`{{ define "a" }}{{ tmpl "a" 1 }}{{ end }}{{ tmpl "a" 1 }}`, "error calling tmpl")
	f(`{{ range 100 }}{{ query "m" }}{{ end }}`, "turns of loops")
	f(`{{ $x := "ab" }}{{ range 40 }}{{ $x = printf "%s%s" $x $x }}{{ end }}`, "bytes")
	f(`{{ $x := "ab" }}{{ range 40 }}{{ $x = print $x $x }}{{ end }}`, "bytes")
	f(`{{ $x := "<" }}{{ range 40 }}{{ $x = html $x }}{{ end }}{{ $x }}`, "&amp;") // grows slowly
	f(`{{ range 40 }}{{ printf "%1000s" "" }}{{ end }}`, "bytes")
	f(`{{ $x := printf "%16000s" "" }}{{ reReplaceAll " " $x $x }}`, "bytes")
	f(`{{ $x := printf "%16000s" "" }}{{ reReplaceAll ".*" "$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0" $x }}`, "bytes")
}

func TestHumanizeWhatIsNoNumber(t *testing.T) {
	for _, f := range []func(float64) string{humanize, humanize1024, humanizeDuration, humanizeTimestamp} {
		for v, want := range map[float64]string{math.Inf(1): "+Inf", math.Inf(-1): "-Inf"} {
			if got := f(v); got != want {
				t.Errorf("%v: %q", v, got)
			}
		}
		if got := f(math.NaN()); got != "NaN" {
			t.Errorf("NaN: %q", got)
		}
	}
	if got := humanizeTimestamp(1e300); got != "1e+300" {
		t.Error(got)
	}
}

// FuzzText: whatever a text says, it ends soon and is bounded.
func FuzzText(f *testing.F) {
	for _, s := range []string{
		"{{ $labels.instance }} is at {{ $value | humanizePercentage }}",
		`{{ with printf "up{job='%s'}" .Labels.job | query }}{{ . | first | value | humanize }}{{ end }}`,
		`{{ range query "m" | sortByLabel "inst" }}{{ .Labels.inst }} {{ break }}{{ end }}`,
		`{{ define "a" }}{{ range $i, $x := .Labels }}{{ template "a" $ }}{{ else }}{{ end }}{{ end }}{{ template "a" . }}`,
		`{{- /* nothing */ -}} {{ if gt .Value 1.0 }}a{{ else if lt .Value 0.5 }}b{{ end }}`,
		`{{ block "b" . }}{{ tmpl "b" . }}{{ end }}`,
		`{{ reReplaceAll "(.*):.*" "$1" .Labels.inst }}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 1<<10 {
			return
		}
		began := time.Now()
		if got := expand(t, expander(t), s); len(got) > 2*maxText+len(s)*4 {
			t.Errorf("%d bytes of %q", len(got), s)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%q took %v", s, took)
		}
	})
}

func BenchmarkExpand(b *testing.B) {
	r := expander(b)
	parsed, err := parseText("{{ $labels.inst }} is at {{ $value | humanizePercentage }}")
	if err != nil {
		b.Fatal(err)
	}
	texts, err := r.bind(map[string]text{"a": parsed})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		r.expand(texts["a"], seven)
	}
}
