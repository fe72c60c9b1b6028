package pages

import (
	"net/url"
	"strings"
)

// A RangeLink is the same page over another time.
type RangeLink struct {
	Label, URL string
	Current    bool
}

// presets are offered on every page.
var presets = []string{"-5m", "-15m", "-1h", "-3h", "-6h", "-12h", "-24h", "-2d", "-7d", "-30d", "-90d", "-1y"}

// here is the URL of this page over another range.
func (f Frame) here(r Range) string {
	var b strings.Builder
	b.WriteString((&url.URL{Path: f.Path}).EscapedPath() + "?")
	for _, k := range f.Keep {
		b.WriteString(url.QueryEscape(k.Name) + "=" + url.QueryEscape(k.Value) + "&")
	}
	return b.String() + r.Query()
}

// Presets are the usual ranges.
func (f Frame) Presets() []RangeLink {
	out := make([]RangeLink, len(presets))
	for i, from := range presets {
		out[i] = RangeLink{"Last " + from[1:], f.here(Range{From: from, To: "now"}), f.Range.Live() && f.Range.From == from}
	}
	return out
}

// Earlier, Later and Out move the range by half and widen it.
func (f Frame) Earlier() string { return f.here(f.Range.Moved(-0.5)) }

// Later moves towards now, and follows it once it is reached.
func (f Frame) Later() string {
	r := f.Range.Moved(0.5)
	if r.End.After(f.Now) {
		return f.Follow()
	}
	return f.here(r)
}

// Follow is a range of the same length that ends now and follows it.
func (f Frame) Follow() string {
	if f.Range.Live() {
		return f.here(f.Range)
	}
	return f.here(Range{From: relative(f.Range.Span()), To: "now"})
}

// Out is twice the range.
func (f Frame) Out() string { return f.here(f.Range.Wider()) }

// An Entry is one page in the navigation.
type Entry struct {
	Label, URL, Key string
	Current         bool
	Count           int // problems, on the alerts' entry
	Class           string
}

// Entries are the pages, over the same range.
func (f Frame) Entries() []Entry {
	q := "?" + f.Range.Query()
	es := []Entry{
		{Label: "Overview", URL: "/" + q, Key: "o"}, {Label: "Explore", URL: "/explore" + q, Key: "e"},
		{Label: "Logs", URL: "/logs" + q, Key: "l"}, {Label: "Alerts", URL: "/alerts" + q, Key: "a"},
		{Label: "Autoscale", URL: "/autoscale" + q, Key: "s"},
	}
	for i := range es {
		es[i].Current = strings.EqualFold(es[i].Label, f.Page)
		if es[i].Key == "a" {
			es[i].Count, es[i].Class = f.Problems.Hard, f.Problems.Worst.Class
		}
	}
	return es
}
