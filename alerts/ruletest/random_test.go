package ruletest

import (
	"fmt"
	"strings"
	"time"

	"pgregory.net/rapid"

	"rondo/alerts/promrule"
)

// Samples come each 61 s and evaluations each 30 or 60 s, so no sample is ever
// at the edge of a window or of the look back, where version 3 of the language
// is another than version 2: the first multiple of both is the sample 30.
const (
	step       = 61 * time.Second
	maxSamples = 29
	lastTime   = 35 * time.Minute
)

// randomFile is a rule file of up to two groups, in which rules read what
// those before them recorded and raised.
func randomFile(t *rapid.T) promrule.File {
	var rules []promrule.RuleConfig
	for i := range rapid.IntRange(0, 2).Draw(t, "recording") {
		rules = append(rules, promrule.RuleConfig{
			Record: fmt.Sprintf("rec:%d", i),
			Expr:   rapid.SampledFrom(finite).Draw(t, "expr"),
			Labels: rapid.SampledFrom([]map[string]string{nil, {"kind": "made"}, {"i": ""}}).Draw(t, "labels"),
		})
	}
	for i := range rapid.IntRange(1, 4).Draw(t, "alerting") {
		rules = append(rules, randomAlert(t, fmt.Sprintf("R%d", i)))
	}
	if rapid.Bool().Draw(t, "mixed") {
		rules = rapid.Permutation(rules).Draw(t, "rules")
	}
	cut := rapid.IntRange(1, len(rules)).Draw(t, "cut")
	f := promrule.File{Groups: []promrule.GroupConfig{{Name: "first", Rules: rules[:cut]}}}
	if cut < len(rules) {
		f.Groups = append(f.Groups, promrule.GroupConfig{Name: "second", Rules: rules[cut:]})
	}
	return f
}

func randomAlert(t *rapid.T, name string) promrule.RuleConfig {
	r := promrule.RuleConfig{
		Alert: name, Expr: rapid.SampledFrom(conditions).Draw(t, "expr"),
		For:           promrule.Duration(rapid.SampledFrom(holds).Draw(t, "for")),
		KeepFiringFor: promrule.Duration(rapid.SampledFrom(holds).Draw(t, "keep")),
		Labels:        make(map[string]string), Annotations: make(map[string]string),
	}
	r.Expr = strings.ReplaceAll(r.Expr, "%d", fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "threshold")))
	for range rapid.IntRange(0, 2).Draw(t, "labels") {
		r.Labels[rapid.SampledFrom([]string{"severity", "level", "kind"}).Draw(t, "name")] = rapid.SampledFrom(labelTexts).Draw(t, "text")
	}
	if rapid.IntRange(0, 19).Draw(t, "twice") == 0 {
		r.Labels["i"] = "all"
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "annotations") {
		r.Annotations[fmt.Sprintf("text%d", i)] = rapid.SampledFrom(annotationTexts).Draw(t, "text")
	}
	return r
}

var holds = []time.Duration{0, 0, 30 * time.Second, time.Minute, 90 * time.Second, 2 * time.Minute, 3 * time.Minute, 5 * time.Minute, 6*time.Minute + time.Second}

// finite are expressions without values that archives do not keep.
var finite = []string{
	`sum by (i) (a)`, `a > 4`, `count(b)`, `a - on (i) b`, `max(c)`, `changes(a[4m30s])`, `a or b`, `a unless b`,
	`sum(a) by (i) * 2`, `increase(c[5m])`, `count(ALERTS)`, `rec:0 + 1`,
}

// conditions take a threshold, or have their own.
var conditions = []string{
	`a > %d`, `a < %d`, `a == %d`, `a != %d`, `b >= %d`, `n > %d`, `n`, `n == n`, `c > 2000000`,
	`a > bool %d`, `-a < -%d`, `2 ^ a > %d`, `a % 3 == 1`, `a / on (i) b > %d`, `a{i=~"0|2"} > %d`, `a{i!="1"} <= %d`,
	`absent(a)`, `absent(a{i="1"})`, `absent(b) or absent(a)`, `absent(sum(n))`, `absent_over_time(b[3m])`, `absent_over_time(b{i="0"}[4m])`,
	`sum by (i) (a) > %d`, `sum without (i) (a) > %d`, `count(a) < %d`, `max(a) - min(a) > %d`, `group(a) > 0`, `count_values("v", b) > %d`,
	`a and on (i) b > %d`, `a unless b`, `a or b`, `a > on (i) b`, `a > on (i) group_left b`, `a + ignoring (i) group_left () c > 2000000`, `sum(a) > ignoring (i) sum(b)`,
	`changes(a[4m30s]) > 1`, `resets(c[5m]) > 0`, `increase(c[5m]) > %d.5`, `rate(c[4m]) * 60 > %d.5`, `irate(c[3m]) > 0`, `delta(b[5m]) < 0`,
	`count_over_time(a[5m]) < 3`, `max_over_time(a[3m]) > %d`, `min_over_time(a[3m]) > %d`, `sum_over_time(b[4m]) > %d`, `last_over_time(a[7m]) > %d`, `present_over_time(b[6m])`,
	`max_over_time((a > %d)[170s:1m])`, `count_over_time(absent(b)[170s:30s]) > 2`, `a offset 3m > %d`, `a > a offset 2m`, `a @ 610 > %d`, `a offset -3m > %d`, `a > a @ end()`, `increase(c[3m] offset 2m) > %d.5`,
	`rec:0 > %d`, `rec:1 < %d`, `rec:0 > rec:1`, `absent(rec:0)`, `rec:0 unless rec:1`, `{__name__=~"rec:.*"} > %d`, `rec:0 offset 2m > %d`,
	`ALERTS{alertstate="firing"} == 1`, `count(ALERTS) > 1`, `absent(ALERTS{alertname="R0"})`, `ALERTS{alertname="R0",alertstate="pending"}`, `sum by (alertstate) (ALERTS) > 1`,
	`label_replace(a, "j", "x-$1", "i", "(.*)") > %d`, `label_join(b, "j", "-", "i", "i") > %d`, `clamp_max(a, 5) > %d`, `abs(-b) > %d`, `sgn(a - 5) < 0`,
	`vector(time()) % 600 > 300`, `time() > bool 900`, `vector(scalar(a{i="0"})) > %d`, `minute() > %d`, `sort(a) > %d`, `timestamp(b) % 600 > 300`,
}

var labelTexts = []string{
	"page", "warning", "", "{{ $value }}", `{{ if gt $value 5.0 }}high{{ else }}low{{ end }}`, "{{ $labels.i }}-x", "{{ $labels.nosuch }}",
	"{{ $externalLabels.region }}", "{{ .Labels.i | toUpper }}{{ .Value }}",
}

var annotationTexts = []string{
	"plain", "", "{{ $value }}", "{{ $labels.i }} at {{ $value | printf \"%.2f\" }}", "{{ $labels }}", "{{ $value | humanize }} {{ humanize1024 $value }}",
	"{{ $value | humanizeDuration }} {{ humanizePercentage $value }}", "{{ range query \"a\" | sortByLabel \"i\" }}{{ .Labels.i }}={{ .Value }} {{ end }}",
	`{{ with query "b{i='0'}" }}{{ . | first | value | humanize }}{{ else }}none{{ end }}`, `{{ range $i, $s := query "sum(a)" }}{{ $i }}:{{ $s | value }}{{ end }}`,
	"{{ $externalURL }} {{ $externalLabels }}", `{{ "some words here" | title }} {{ reReplaceAll "[0-9]+" "<$0>" $labels.i }}`,
	`{{ if match "^[02]$" $labels.i }}even{{ else if $labels.i }}odd{{ end }}`, `{{ graphLink "a > 3" }} {{ tableLink "up" }}`, `{{ humanizeTimestamp $value }}`,
	`{{ define "x" }}[{{ . }}]{{ end }}{{ template "x" $value }}`, `{{ with $labels.i }}{{ . }}{{ end }}`, `{{ len $labels }} {{ index $labels "i" }}`, `{{ (args 1 "b").arg1 }} {{ stripPort "host:80" }}`,
}

// randomTest is series with their histories.
func randomTest(t *rapid.T) Test {
	out := Test{
		Interval: promrule.Duration(step), ExternalURL: "http://rondo.example/base",
		ExternalLabels: map[string]string{"region": "eu"},
	}
	add := func(name string, random func(*rapid.T) string) {
		if rapid.IntRange(0, 6).Draw(t, "there") > 0 {
			out.InputSeries = append(out.InputSeries, Series{name, "_ " + random(t)})
		}
	}
	for _, name := range []string{`a{i="0"}`, `a{i="1"}`, `a{i="2"}`, `b{i="0"}`, `b{i="1"}`} {
		add(name, randomGauge)
	}
	add("c", randomCounter)
	add(`n{i="0"}`, func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"NaN", "Inf", "-Inf", "1", "7", "_", "stale", "0"}), 1, maxSamples).Draw(t, "values"), " ")
	})
	return out
}

// randomGauge stays, is not there, ends, climbs or falls, for a while each.
func randomGauge(t *rapid.T) string {
	var out []string
	for left := maxSamples; left > 0; {
		n := rapid.IntRange(1, min(left, 9)).Draw(t, "length")
		v := rapid.IntRange(0, 9).Draw(t, "value")
		switch rapid.IntRange(0, 9).Draw(t, "phase") {
		case 0:
			out = append(out, fmt.Sprintf("_x%d", n))
		case 1:
			out, n = append(out, "stale"), 1
		case 2:
			out = append(out, fmt.Sprintf("%d%+dx%d", v, rapid.SampledFrom([]int{-2, -1, 1, 3}).Draw(t, "slope"), n-1))
		case 3:
			return strings.Join(out, " ") + " 0"
		default:
			out = append(out, fmt.Sprintf("%dx%d", v, n-1))
		}
		left -= n
	}
	return strings.Join(out, " ")
}

// randomCounter counts, and starts again at a small part of what it had, but
// never near 0: how far a rate reaches back towards it was changed between the
// versions.
func randomCounter(t *rapid.T) string {
	var out []string
	count := 1_000_000_000
	for left := maxSamples; left > 0; {
		n := rapid.IntRange(1, min(left, 9)).Draw(t, "length")
		if rapid.IntRange(0, 5).Draw(t, "gap") == 0 {
			out = append(out, fmt.Sprintf("_x%d", n))
		} else {
			slope := rapid.IntRange(0, 5).Draw(t, "slope")
			out = append(out, fmt.Sprintf("%d+%dx%d", count, slope, n-1))
			count += n * slope
		}
		if left -= n; count > 1_000_000 && rapid.IntRange(0, 2).Draw(t, "reset") == 0 {
			count /= 1000
		}
	}
	return strings.Join(out, " ")
}

// randomRun is a rule file and tests of it that ask for nothing yet.
func randomRun(t *rapid.T) (File, promrule.File) {
	interval := rapid.SampledFrom([]time.Duration{30 * time.Second, time.Minute}).Draw(t, "interval")
	rules := randomFile(t)
	f := File{RuleFiles: []string{"random.rules.yml"}, EvaluationInterval: promrule.Duration(interval)}
	for _, g := range rules.Groups {
		f.GroupEvalOrder = append(f.GroupEvalOrder, g.Name)
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "tests") {
		one := randomTest(t)
		one.Name = fmt.Sprint("history ", i)
		f.Tests = append(f.Tests, one)
	}
	return f, rules
}
