package pages

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// number writes v with a unit, short and of a steady width: three or four
// digits that matter.
func number(v float64, unit string) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case math.IsInf(v, 0):
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	switch unit {
	case "B", "B/s":
		return scaled(v, 1024, []string{" ", " Ki", " Mi", " Gi", " Ti", " Pi"}) + unit
	case "s":
		if math.Abs(v) >= 120 {
			return span(time.Duration(min(v, 1e9) * float64(time.Second)))
		}
		return digits(v) + " s"
	case "%":
		return digits(v) + " %"
	case "":
		return scaled(v, 1000, []string{"", " k", " M", " G", " T", " P"})
	}
	return scaled(v, 1000, []string{" ", " k", " M", " G", " T", " P"}) + unit
}

// scaled divides v by the base until it is short.
func scaled(v, base float64, prefixes []string) string {
	i := 0
	limit := base
	if base == 1000 {
		limit = 10000 // 1,234 reads better than 1.234 k
	}
	for math.Abs(v) >= limit && i < len(prefixes)-1 {
		v /= base
		i, limit = i+1, base
	}
	return digits(v) + prefixes[i]
}

// digits writes v with a precision that fits its size.
func digits(v float64) string {
	a := math.Abs(v)
	prec := 0
	switch {
	case a == math.Trunc(a):
	case a < 0.01:
		return strconv.FormatFloat(v, 'g', 3, 64)
	case a < 10:
		prec = 2
	case a < 100:
		prec = 1
	}
	return strconv.FormatFloat(v, 'f', prec, 64)
}

// bytes writes a size.
func bytes(n int64) string { return number(float64(n), "B") }

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

// unitOf tells a metric's unit by its name, as the names of rondo's own
// collectors and Prometheus' conventions have it.
func unitOf(name string) string {
	switch {
	case strings.HasSuffix(name, "_percent"):
		return "%"
	case strings.HasSuffix(name, "_bytes"), strings.HasSuffix(name, ".bytes"):
		return "B"
	case strings.HasSuffix(name, "_ms"):
		return "ms"
	case strings.HasSuffix(name, "_per_second"):
		return "/s"
	case strings.HasSuffix(name, "_seconds"):
		return "s"
	}
	return ""
}
