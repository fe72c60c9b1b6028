// Package extract finds named values in the text of log messages.
//
//	Pattern  "user=<user> took <ms> ms"    what stands between constants
//	JSON     {"user":"ann","req":{"ms":7}} fields of an object: user, req.ms
//	Logfmt   user=ann msg="timed out"      pairs of key and value
//	CSV      ann,"a, b",17                 columns, named by who asks
//	Apache   10.0.0.7 - ann [11/Oct/...    the access logs of Apache and nginx
//
// All of them are total: a text that is not of the form yields nothing, and
// whoever called keeps the text. Values are text as it stood there, without
// quotes and escapes; who wants numbers reads them as such.
//
// Everything is bounded: at most MaxFields values come of a text, and JSON
// deeper than MaxDepth stays the text that it is.
package extract

// Bounds of what one text yields.
const (
	MaxFields = 256
	MaxDepth  = 8
)

// A Yield takes one value; it returns false to end.
type Yield func(name, value string) bool

// bounded hands on at most MaxFields values.
func bounded(yield Yield) Yield {
	n := 0
	return func(name, value string) bool {
		n++
		return n <= MaxFields && yield(name, value)
	}
}
