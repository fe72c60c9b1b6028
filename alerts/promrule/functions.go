package promrule

import (
	"cmp"
	"errors"
	"fmt"
	"html"
	"math"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"
	"unicode"
)

// A sample is one element of what a template's query found.
type sample struct {
	Labels map[string]string
	Value  float64
}

// functions are those of Prometheus' templates
// (prometheus.io/docs/prometheus/latest/configuration/template_reference).
// Texts that grow are bounded: in a loop they would double at every turn.
func functions() template.FuncMap {
	return template.FuncMap{
		"first":       first,
		"label":       func(name string, s sample) string { return s.Labels[name] },
		"value":       func(s sample) float64 { return s.Value },
		"strvalue":    func(s sample) string { return s.Labels["__value__"] },
		"sortByLabel": sortByLabel,
		"args":        args,

		"humanize":           number(humanize),
		"humanize1024":       number(humanize1024),
		"humanizeDuration":   number(humanizeDuration),
		"humanizePercentage": number(func(v float64) string { return short(v*100) + "%" }),
		"humanizeTimestamp":  number(humanizeTimestamp),
		"toTime":             toTime,
		"toDuration":         toDuration,
		"parseDuration":      parseSeconds,

		"title":          title,
		"toUpper":        strings.ToUpper,
		"toLower":        strings.ToLower,
		"match":          regexp.MatchString,
		"reReplaceAll":   replaceAll,
		"stripPort":      stripPort,
		"stripDomain":    stripDomain,
		"safeHtml":       func(s string) string { return s },
		"graphLink":      func(expr string) string { return linkTo(expr, 0) },
		"tableLink":      func(expr string) string { return linkTo(expr, 1) },
		"urlQueryEscape": func(s string) (string, error) { return bounded(url.QueryEscape(s)) },

		"print":    func(a ...any) (string, error) { return bounded(fmt.Sprint(a...)) },
		"println":  func(a ...any) (string, error) { return bounded(fmt.Sprintln(a...)) },
		"printf":   func(f string, a ...any) (string, error) { return bounded(fmt.Sprintf(f, a...)) },
		"html":     func(a ...any) (string, error) { return bounded(html.EscapeString(fmt.Sprint(a...))) },
		"js":       func(a ...any) (string, error) { return bounded(template.JSEscapeString(fmt.Sprint(a...))) },
		"urlquery": func(a ...any) (string, error) { return bounded(url.QueryEscape(fmt.Sprint(a...))) },
	}
}

func bounded(s string) (string, error) {
	if len(s) > maxText {
		return "", errTooLong
	}
	return s, nil
}

func first(all []sample) (sample, error) {
	if len(all) == 0 {
		return sample{}, errors.New("there is no first of nothing")
	}
	return all[0], nil
}

func sortByLabel(name string, all []sample) []sample {
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b sample) int { return cmp.Compare(a.Labels[name], b.Labels[name]) })
	return sorted
}

func args(all ...any) map[string]any {
	m := make(map[string]any, len(all))
	for i, a := range all {
		m["arg"+strconv.Itoa(i)] = a
	}
	return m
}

// number makes a function of numbers take what templates have for one.
func number(f func(float64) string) func(any) (string, error) {
	return func(x any) (string, error) {
		v, err := toFloat(x)
		if err != nil {
			return "", err
		}
		return f(v), nil
	}
}

func toFloat(x any) (float64, error) {
	switch v := reflect.ValueOf(x); v.Kind() {
	case reflect.Float32, reflect.Float64:
		return v.Float(), nil
	case reflect.String:
		return strconv.ParseFloat(v.String(), 64)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return float64(v.Int()), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return float64(v.Uint()), nil
	}
	return 0, fmt.Errorf("%T is no number", x)
}

// short writes four digits.
func short(v float64) string { return fmt.Sprintf("%.4g", v) }

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// scale divides v by base as often as it takes, with a letter for each time.
func scale(v, base float64, letters []string) string {
	letter := ""
	for _, l := range letters {
		if math.Abs(v) < base {
			break
		}
		letter, v = l, v/base
	}
	return short(v) + letter
}

// shrunk multiplies v by 1000 until it is one or more.
func shrunk(v float64) string {
	letter := ""
	for _, l := range []string{"m", "u", "n", "p", "f", "a", "z", "y"} {
		if math.Abs(v) >= 1 {
			break
		}
		letter, v = l, v*1000
	}
	return short(v) + letter
}

func humanize(v float64) string {
	switch {
	case v == 0 || !finite(v):
		return short(v)
	case math.Abs(v) < 1:
		return shrunk(v)
	}
	return scale(v, 1000, []string{"k", "M", "G", "T", "P", "E", "Z", "Y"})
}

func humanize1024(v float64) string {
	if math.Abs(v) <= 1 || !finite(v) {
		return short(v)
	}
	return scale(v, 1024, []string{"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"})
}

func humanizeDuration(v float64) string {
	sign, n := "", int64(math.Abs(v))
	if v < 0 {
		sign = "-"
	}
	switch s, m, h, d := n%60, n/60%60, n/3600%24, n/86400; {
	case !finite(v):
		return short(v)
	case v != 0 && math.Abs(v) < 1:
		return shrunk(v) + "s"
	case d > 0:
		return fmt.Sprintf("%s%dd %dh %dm %ds", sign, d, h, m, s)
	case h > 0:
		return fmt.Sprintf("%s%dh %dm %ds", sign, h, m, s)
	case m > 0:
		return fmt.Sprintf("%s%dm %ds", sign, m, s)
	}
	return short(v) + "s"
}

func humanizeTimestamp(v float64) string {
	if t, err := timeOf(v); err == nil {
		return t.String()
	}
	return short(v)
}

func timeOf(v float64) (time.Time, error) {
	if !finite(v) || math.Abs(v) > math.MaxInt64/1e9 {
		return time.Time{}, fmt.Errorf("%v is no time", v)
	}
	return time.UnixMilli(int64(v * 1000)).UTC(), nil
}

func toTime(x any) (*time.Time, error) {
	v, err := toFloat(x)
	if err != nil {
		return nil, err
	}
	t, err := timeOf(v)
	return &t, err
}

func toDuration(x any) (*time.Duration, error) {
	v, err := toFloat(x)
	if err != nil {
		return nil, err
	}
	if !finite(v) || math.Abs(v) > math.MaxInt64/1e9 {
		return nil, fmt.Errorf("%v is no duration", v)
	}
	return new(time.Duration(v * 1e9)), nil
}

func parseSeconds(s string) (float64, error) {
	var d Duration
	err := d.UnmarshalText([]byte(s))
	return time.Duration(d).Seconds(), err
}

// title makes the first letter of every word large.
func title(s string) string {
	before := ' '
	return strings.Map(func(r rune) rune {
		inWord := unicode.IsLetter(before) || unicode.IsDigit(before) || before == '_' || before > unicode.MaxASCII && !unicode.IsSpace(before)
		before = r
		if inWord {
			return r
		}
		return unicode.ToTitle(r)
	}, s)
}

// replaceAll bounds its result before it is made: every place in the text may
// be replaced, and a replacement may name the whole match many times.
func replaceAll(pattern, replacement, s string) (string, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return "", err
	}
	places := len(re.FindAllStringIndex(s, -1))
	if places*len(replacement)+strings.Count(replacement, "$")*len(s) > 16*maxText {
		return "", errTooLong
	}
	return bounded(re.ReplaceAllString(s, replacement))
}

func stripPort(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return hostport
}

func stripDomain(hostport string) string {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		host, port = hostport, ""
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return hostport
	}
	host, _, _ = strings.Cut(host, ".")
	if port != "" {
		return net.JoinHostPort(host, port)
	}
	return host
}

// linkTo is the path of Prometheus' page of an expression.
func linkTo(expr string, tab int) string {
	return fmt.Sprintf("/graph?g0.expr=%s&g0.tab=%d", url.QueryEscape(expr), tab)
}

func pathOf(external string) string {
	if u, err := url.Parse(external); err == nil {
		return u.Path
	}
	return ""
}
