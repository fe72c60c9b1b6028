package rrd

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// parseNumber reads a number as RRDtool does (rrd_strtod), which is not quite
// as strconv does: digits are gathered in a float64 and scaled by powers of
// ten afterwards, so that the result may be off by some units in the last
// place. The rows of a Set depend on it. what begins the error.
func parseNumber(text, what string) (float64, error) {
	v, rest, ok := scanNumber(text)
	switch {
	case ok && rest == "":
		return v, nil
	case ok:
		return 0, fmt.Errorf("%s - Converted '%s' to %f, but cannot convert '%s'", what, text, v, rest)
	}
	if v, ok := specialNumber(text); ok {
		return v, nil
	}
	return 0, fmt.Errorf("%s - Cannot convert '%s' to float", what, text)
}

// specialNumber reads the words for what is no number; what follows the word
// does not matter.
func specialNumber(text string) (float64, bool) {
	begins := func(word string) bool { return len(text) >= len(word) && strings.EqualFold(text[:len(word)], word) }
	switch {
	case begins("nan"), begins("-nan"):
		return math.NaN(), true
	case begins("inf"):
		return math.Inf(1), true
	case begins("-inf"):
		return math.Inf(-1), true
	}
	return 0, false
}

// scanNumber reads the number at the start of text and returns what follows.
func scanNumber(text string) (v float64, rest string, ok bool) {
	s := strings.TrimLeft(text, " \t\n\v\f\r")
	neg, s := sign(s)
	v, n, s := digits(0, s)
	decimals := 0
	if strings.HasPrefix(s, ".") {
		v, decimals, s = digits(v, s[1:])
	}
	if n+decimals == 0 {
		return 0, text, false
	}
	if neg {
		v = -v
	}
	exponent := -decimals
	if s != "" && (s[0] == 'e' || s[0] == 'E') {
		var e int
		e, s = scanExponent(s[1:])
		exponent += e
	}
	if exponent < -1021 || exponent > 1024 {
		return 0, text, false
	}
	return scale(v, exponent), s, true
}

func sign(s string) (neg bool, rest string) {
	if s != "" && (s[0] == '-' || s[0] == '+') {
		return s[0] == '-', s[1:]
	}
	return false, s
}

// digits appends the decimal digits at the start of s to v.
func digits(v float64, s string) (w float64, n int, rest string) {
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		v = float64(v*10) + float64(s[n]-'0')
		n++
	}
	return v, n, s[n:]
}

func scanExponent(s string) (e int, rest string) {
	neg, s := sign(s)
	for s != "" && s[0] >= '0' && s[0] <= '9' {
		e = min(e*10+int(s[0]-'0'), 1e6) // far beyond what is taken
		s = s[1:]
	}
	if neg {
		e = -e
	}
	return e, s
}

// scale multiplies v by a power of ten, one bit of the exponent at a time.
func scale(v float64, exponent int) float64 {
	p := 10.0
	for n := max(exponent, -exponent); n > 0; n >>= 1 {
		switch {
		case n&1 == 0:
		case exponent < 0:
			v /= p
		default:
			v *= p
		}
		p *= p
	}
	return v
}

// ParseUpdateTime reads the time of an update as RRDtool does: seconds since
// the epoch with their fraction cut to microseconds, "N" for now, or a
// negative number of seconds for so long ago.
func ParseUpdateTime(text string, now Time) (Time, error) {
	if text == "N" {
		return now, nil
	}
	v, err := parseNumber(text, "error while parsing time in get_time_from_reading")
	if err != nil {
		return 0, err
	}
	if v < 0 {
		const micro = float64(float32(1e-6)) // RRDtool's constant is a float
		v = float64(now/Second) + float64(float64(now%Second)*micro) + v
	}
	if !(v >= 0 && v < math.MaxInt64/2e6) {
		return 0, fmt.Errorf("time %s is out of range", text)
	}
	sec := math.Floor(v)
	return Time(sec)*Second + Time((v-sec)*1e6), nil
}

// difference is what a counter or derive has grown by since its last text:
// NaN where one of them is no number. Texts are subtracted as whole numbers of
// any length, and only the difference is rounded.
func difference(text string, last []byte, t Type, mended bool) (float64, error) {
	number := text
	if t == Derive {
		number = strings.TrimPrefix(number, "-")
	}
	if strings.Trim(number, "0123456789") != "" {
		kind := "unsigned"
		if t == Derive {
			kind = "signed"
		}
		return 0, fmt.Errorf("not a simple %s integer: '%s'", kind, text)
	}
	if len(last) > 0 && last[0] == 'U' {
		return math.NaN(), nil
	}
	if diff, ok := wrapped(text, string(last)); ok && mended && t == Counter {
		return diff, nil
	}
	diff := subtract(text, string(last))
	if t == Counter {
		// Wraps of 32 and of 64 bits, with RRDtool's constants. The first is
		// one too small, and of the second's sum little is left but rounding:
		// a small step over the wrap of a 64-bit counter comes out as 0.
		if diff < 0 {
			diff += math.MaxUint32
		}
		if diff < 0 {
			diff += 18446744069414584320 // 2^64 - 2^32
		}
	}
	return diff, nil
}

// wrapped is the step of a counter that has wrapped at 32 or at 64 bits.
func wrapped(text, last string) (float64, bool) {
	now, err := strconv.ParseUint(text, 10, 64)
	before, err2 := strconv.ParseUint(last, 10, 64)
	switch {
	case err != nil || err2 != nil || now >= before:
		return 0, false
	case before <= math.MaxUint32:
		return float64(1<<32 - before + now), true
	}
	return float64(now - before), true // of whole numbers of 64 bits
}

// realDifference is what a DCounter or DDerive has grown by since its last
// text. A DCounter may count up, or down from 0; a step back towards 0 is a
// reset, and unknown.
func realDifference(text string, last []byte, t Type) (float64, error) {
	if len(last) > 0 && last[0] == 'U' {
		return math.NaN(), nil
	}
	// After a silence, or unknown, RRDtool keeps a reading without looking at
	// it: then it is here that it turns out to be no number.
	what := "Function update_pdp_prep, case DST_" + strings.ToUpper(t.String())
	v, err := parseNumber(text, what)
	if err != nil {
		return 0, err
	}
	old, err := parseNumber(string(last), what)
	if err != nil {
		return 0, err
	}
	if t == DCounter && (v > 0 && old > v || v < 0 && old < v) {
		return math.NaN(), nil
	}
	return v - old, nil
}

// subtract returns a - b (rrd_diff).
func subtract(a, b string) float64 {
	aNeg, a := wholeNumber(a)
	bNeg, b := wholeNumber(b)
	if a == "" || b == "" || aNeg != bNeg || max(len(a), len(b)) > lastLen+1 {
		return math.NaN()
	}
	diff := magnitudes(a, b)
	if aNeg {
		return -diff
	}
	return diff
}

// wholeNumber finds the first run of digits, and whether a minus is in front.
func wholeNumber(s string) (neg bool, number string) {
	isDigit := func(c byte) bool { return c >= '0' && c <= '9' }
	start := 0
	for start < len(s) && !isDigit(s[start]) {
		neg = neg || s[start] == '-'
		start++
	}
	end := start
	for end < len(s) && isDigit(s[end]) {
		end++
	}
	return neg, s[start:end]
}

// magnitudes subtracts two numbers without a sign.
func magnitudes(a, b string) float64 {
	if len(a) <= 18 && len(b) <= 18 {
		x, _ := strconv.ParseInt(a, 10, 64)
		y, _ := strconv.ParseInt(b, 10, 64)
		if d := x - y; d > -1<<53 && d < 1<<53 {
			return float64(d)
		}
	}
	var x, y big.Int
	x.SetString(a, 10)
	y.SetString(b, 10)
	x.Sub(&x, &y)
	neg := x.Sign() < 0
	v, _, _ := digits(0, x.Abs(&x).String())
	if neg {
		return -v
	}
	return v
}
