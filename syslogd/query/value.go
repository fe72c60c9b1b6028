package query

import (
	"cmp"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// A Kind is what a Value is.
type Kind uint8

// The kinds. None is the value of a column that a row does not have.
const (
	None Kind = iota
	Text
	Number
	Time
)

// String is the name of the kind in a schema.
func (k Kind) String() string { return [...]string{"none", "text", "number", "time"}[k] }

// A Value is one cell of a row.
type Value struct {
	kind Kind
	text string
	num  float64
	at   time.Time
}

func textOf(s string) Value    { return Value{kind: Text, text: s} }
func numberOf(f float64) Value { return Value{kind: Number, num: f} }
func timeOf(t time.Time) Value { return Value{kind: Time, at: t} }

// textOrNone is None for the empty text.
func textOrNone(s string) Value {
	if s == "" {
		return Value{}
	}
	return textOf(s)
}

// Kind tells what the value is.
func (v Value) Kind() Kind { return v.kind }

// At is the time of a Time.
func (v Value) At() time.Time { return v.at }

// String is the value for people; "" for None.
func (v Value) String() string {
	switch v.kind {
	case Text:
		return v.text
	case Number:
		return strconv.FormatFloat(v.num, 'f', -1, 64)
	case Time:
		return v.at.UTC().Format(time.RFC3339Nano)
	}
	return ""
}

// Number is the value as a finite number, if it is one or reads as one.
func (v Value) Number() (float64, bool) {
	switch v.kind {
	case Number:
		return v.num, true
	case Text:
		if v.text == "" || v.text[0] > '9' {
			return 0, false
		}
		f, err := strconv.ParseFloat(v.text, 64)
		return f, err == nil && !math.IsInf(f, 0) && !math.IsNaN(f)
	}
	return 0, false
}

// compare orders values: none, then numbers, then times, then text.
func (v Value) compare(o Value) int {
	a, isNumber := v.Number()
	b, both := o.Number()
	switch {
	case isNumber && both:
		return cmp.Compare(a, b)
	case isNumber || both || v.kind != o.kind:
		return cmp.Compare(v.rank(isNumber), o.rank(both))
	case v.kind == Time:
		return v.at.Compare(o.at)
	}
	return strings.Compare(v.text, o.text)
}

func (v Value) rank(isNumber bool) int {
	switch {
	case v.kind == None:
		return 0
	case isNumber:
		return 1
	case v.kind == Time:
		return 2
	}
	return 3
}

// bytes is about how much memory the value takes.
func (v Value) bytes() int64 { return 64 + int64(len(v.text)) }

// appendJSON appends the value. A number that JSON has not is null.
func (v Value) appendJSON(dst []byte) []byte {
	switch v.kind {
	case Text:
		return appendString(dst, v.text)
	case Number:
		if math.IsInf(v.num, 0) || math.IsNaN(v.num) {
			return append(dst, "null"...)
		}
		return strconv.AppendFloat(dst, v.num, 'f', -1, 64)
	case Time:
		return append(v.at.UTC().AppendFormat(append(dst, '"'), time.RFC3339Nano), '"')
	}
	return append(dst, "null"...)
}

// appendString appends a text as JSON; bytes that are not UTF-8 become U+FFFD.
func appendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x80 || c == '"' || c == '\\' {
			var b strings.Builder
			enc := json.NewEncoder(&b)
			enc.SetEscapeHTML(false)
			_ = enc.Encode(s) // a string can be encoded, and a Builder written
			return append(dst, strings.TrimSuffix(b.String(), "\n")...)
		}
	}
	return append(append(append(dst, '"'), s...), '"')
}
