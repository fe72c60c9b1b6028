package pages

import (
	"math"
	"strconv"
	"strings"
	"time"

	"rondo/web/chart"
)

// number writes v with a unit. Milliseconds are written as what they are of
// seconds, so that long ones stay short.
func number(v float64, unit string) string {
	if unit == millis {
		return chart.Format(v/1000, chart.Seconds)
	}
	return chart.Format(v, chart.Unit(unit))
}

// fixed writes v with a steady number of decimals, for columns that are
// compared from row to row.
func fixed(v float64, decimals int, unit string) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return number(v, unit)
	}
	s := strconv.FormatFloat(v, 'f', decimals, 64)
	if unit != "" {
		s += " " + unit
	}
	return s
}

// bytes writes a size.
func bytes(n int64) string { return chart.Format(float64(n), chart.Bytes) }

// count writes a whole number with thousands apart.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// span writes a duration in its one or two largest units.
func span(d time.Duration) string {
	if d < 0 {
		return "-" + span(-d)
	}
	if d > 0 && d < time.Second {
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	}
	s := int64(d / time.Second)
	pair := func(a int64, ua string, b int64, ub string) string {
		if b == 0 {
			return strconv.FormatInt(a, 10) + " " + ua
		}
		return strconv.FormatInt(a, 10) + " " + ua + " " + strconv.FormatInt(b, 10) + " " + ub
	}
	switch {
	case s < 60:
		return strconv.FormatInt(s, 10) + " s"
	case s < 3600:
		return pair(s/60, "m", s%60, "s")
	case s < 86400:
		return pair(s/3600, "h", s%3600/60, "m")
	}
	return pair(s/86400, "d", s%86400/3600, "h")
}

// ago writes how long before now t was.
func ago(now, t time.Time) string {
	switch d := now.Sub(t); {
	case t.IsZero():
		return "never"
	case d < time.Second:
		return "now"
	default:
		return span(d) + " ago"
	}
}

// clock writes a time of day, with its date where that is not today's.
func clock(now, t time.Time) string {
	t, now = t.UTC(), now.UTC()
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format(time.TimeOnly)
	}
	return t.Format("01-02 15:04:05")
}

// millis is the unit of names that end in _ms.
const millis = "ms"

// unitOf tells the unit of a metric or an expression by the endings that names
// have here.
func unitOf(expr string) string {
	if u := chart.UnitOf(expr); u != chart.Number {
		return string(u)
	}
	switch {
	case strings.Contains(expr, "_ms"):
		return millis
	case strings.Contains(expr, "_per_second"):
		return string(chart.PerSecond)
	}
	return ""
}
