package text

import (
	"encoding/json"
	html "html/template"
	"math"
	"regexp"
	"strconv"
	"strings"
	"text/template"
	"time"
	"unicode"

	"rondo/alerts"
	"rondo/alerts/notify"
)

// functions are what templates may call besides Go's own.
func functions(r *run) template.FuncMap {
	return template.FuncMap{
		step: r.step, enter: r.enter, leave: r.leave,
		"toUpper":   strings.ToUpper,
		"toLower":   strings.ToLower,
		"title":     title,
		"trimSpace": strings.TrimSpace,
		// The separator comes first, so that join stands at the end of a pipe.
		"join":             func(sep string, list []string) string { return strings.Join(list, sep) },
		"match":            regexp.MatchString,
		"reReplaceAll":     replaceAll,
		"stringSlice":      func(list ...string) []string { return list },
		"safeHtml":         func(s string) html.HTML { return html.HTML(s) }, // #nosec: who writes the template says that it is HTML
		"date":             func(layout string, t time.Time) string { return t.Format(layout) },
		"tz":               inZone,
		"since":            func(t time.Time) time.Duration { return time.Since(t).Round(time.Second) },
		"humanizeDuration": humanizeDuration,
		"number":           number,
		"toJson":           toJSON,
		"other":            func(shown, more int) int { return shown - 1 + more },
	}
}

// title makes the first letter of every word a capital.
func title(s string) string {
	before := ' '
	return strings.Map(func(r rune) rune {
		start := unicode.IsSpace(before) || before == '-'
		before = r
		if start {
			return unicode.ToTitle(r)
		}
		return r
	}, s)
}

func replaceAll(pattern, replacement, s string) (string, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return "", err
	}
	return re.ReplaceAllString(s, replacement), nil
}

func inZone(name string, t time.Time) (time.Time, error) {
	zone, err := time.LoadLocation(name)
	if err != nil {
		return t, err
	}
	return t.In(zone), nil
}

func toJSON(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

// number writes a value for people, with four digits.
func number(v float64) string {
	if a := math.Abs(v); a >= 1000 && a < 1e9 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// humanizeDuration writes a duration, or seconds, as 1d 2h 3m 4s.
func humanizeDuration(v any) string {
	var d time.Duration
	switch v := v.(type) {
	case time.Duration:
		d = v
	case float64:
		d = time.Duration(v * float64(time.Second))
	case int:
		d = time.Duration(v) * time.Second
	}
	var out []string
	const day = 24 * time.Hour
	for _, u := range []struct {
		name string
		size time.Duration
	}{{"d", day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}} {
		if n := d / u.size; n > 0 {
			out = append(out, strconv.FormatInt(int64(n), 10)+u.name)
			d -= n * u.size
		}
	}
	if len(out) == 0 {
		return "0s"
	}
	return strings.Join(out, " ")
}

// example is a notice as templates are checked over.
func example(at time.Time) notify.Notice {
	n := notify.OfTransition(alerts.Transition{
		ID: "load-0-1-1", Rule: "load", Labels: alerts.NewLabels(map[string]string{"host": "web-1", "job": "node", "instance": "web-1:9100", "team": "ops"}),
		To: alerts.Critical, Since: at, At: at.Add(time.Minute), Value: 137, Text: "run_queue is 137", Expr: "run_queue > 10",
		Annotations: map[string]string{"description": "an example", "runbook_url": "https://example.com/"},
	}, "example", "https://rondo.example.com")
	n.GroupKey = notify.GroupKey("{}", n.GroupLabels)
	return n
}
