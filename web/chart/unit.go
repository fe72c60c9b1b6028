package chart

import (
	"math"
	"strconv"
	"strings"
)

// A Unit says how a number is written.
type Unit string

// The units. Bytes are written by 1024 (IEC), all else by 1000 (SI).
const (
	Number      Unit = ""
	Percent     Unit = "%"
	Bytes       Unit = "B"
	BytesPerSec Unit = "B/s"
	PerSecond   Unit = "/s"
	Seconds     Unit = "s"
)

// UnitOf guesses the unit of an expression or metric by the endings that names
// have here.
func UnitOf(expr string) Unit {
	perSecond := strings.Contains(expr, "rate(") || strings.Contains(expr, "deriv(")
	switch {
	case strings.Contains(expr, "_bytes") && perSecond:
		return BytesPerSec
	case strings.Contains(expr, "_bytes"):
		return Bytes
	case perSecond:
		return PerSecond
	case strings.Contains(expr, "_percent"):
		return Percent
	case strings.Contains(expr, "_seconds"):
		return Seconds
	}
	return Number
}

// A prefix is a power and the letters that stand for it.
type prefix struct {
	factor float64
	text   string
}

// prefixFor chooses the prefix under which v is written.
func (u Unit) prefixFor(v float64) prefix {
	v = math.Abs(v)
	switch u {
	case Percent:
		return prefix{1, " %"}
	case Seconds:
		return secondsPrefix(v)
	case Bytes, BytesPerSec:
		return power(v, 1024, "KMGTPE", func(p string) string {
			if p != "" {
				p += "i"
			}
			return " " + p + string(u)
		})
	}
	return power(v, 1000, "kMGTPE", func(p string) string { return p + string(u) })
}

func power(v, base float64, letters string, text func(string) string) prefix {
	factor, letter := 1.0, ""
	for i := 0; i < len(letters) && v >= factor*base; i++ {
		factor, letter = factor*base, letters[i:i+1]
	}
	return prefix{factor, text(letter)}
}

func secondsPrefix(v float64) prefix {
	switch {
	case v == 0:
		return prefix{1, " s"}
	case v < 1e-3:
		return prefix{1e-6, " µs"}
	case v < 1:
		return prefix{1e-3, " ms"}
	case v < 120:
		return prefix{1, " s"}
	case v < 2*3600:
		return prefix{60, " min"}
	case v < 2*86400:
		return prefix{3600, " h"}
	}
	return prefix{86400, " d"}
}

// Format writes a value with three significant digits or more: 0.25, 1.5k, 2.25 GiB.
// An unknown one is a dash.
func Format(v float64, u Unit) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case math.IsInf(v, 0):
		return strings.Replace(strconv.FormatFloat(v, 'g', -1, 64), "Inf", "∞", 1)
	}
	p := u.prefixFor(v)
	v /= p.factor
	abs := math.Abs(v)
	switch {
	case abs >= 1e6 || abs != 0 && abs < 1e-3:
		return strconv.FormatFloat(v, 'g', 3, 64) + p.text
	case abs >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64) + p.text
	case abs >= 10:
		return trimZeros(strconv.FormatFloat(v, 'f', 1, 64)) + p.text
	case abs >= 1:
		return trimZeros(strconv.FormatFloat(v, 'f', 2, 64)) + p.text
	}
	return trimZeros(strconv.FormatFloat(v, 'f', 3, 64)) + p.text
}

// trimZeros shortens 1.50 to 1.5 and 2.00 to 2.
func trimZeros(s string) string {
	if !strings.Contains(s, ".") {
		return s
	}
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}
