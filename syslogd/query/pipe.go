package query

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"rondo/syslogd"
	"rondo/syslogd/extract"
	"rondo/syslogd/filter"
)

// A Pipe makes rows of rows. It is one of the types below.
type Pipe interface {
	String() string // canonical
	schema(in Schema) Schema
	// start returns the stage that does it, before next.
	start(next stage, r *run) stage
}

// compound is a pipe that stands for simpler ones.
type compound interface{ expand() []Pipe }

// Stats makes one row of each group.
type Stats struct {
	Aggs []Agg
	By   []string
	Bin  time.Duration // 0: not by time
}

// An Agg is one column of Stats.
type Agg struct {
	Func  string // count, sum, avg, min, max, uniq or quantile
	Field string // "" counts rows
	P     int    // of quantile, in percent
	As    string
}

// Top is the most frequent values of columns.
type Top struct {
	N  int
	By []string
}

// Patterns is the most frequent patterns, of each combination of By.
type Patterns struct {
	N  int // 0: all
	By []string
}

// Uniq is each combination of values once.
type Uniq struct{ By []string }

// Sort orders rows.
type Sort struct{ Keys []Key }

// A Key is one column that Sort goes by.
type Key struct {
	Name string
	Desc bool
}

// Limit ends after so many rows.
type Limit struct{ N int }

// Fields keeps some columns, in this order.
type Fields struct{ Names []string }

// Where keeps the rows that match.
type Where struct{ Filter *filter.Filter }

// Extract adds what a pattern finds in a column.
type Extract struct {
	Pattern *extract.Pattern
	From    string
}

// JSON adds the fields of an object in a column.
type JSON struct{ From string }

// Logfmt adds the pairs key=value in a column.
type Logfmt struct{ From string }

func (p Stats) String() string {
	aggs := make([]string, len(p.Aggs))
	for i, a := range p.Aggs {
		aggs[i] = a.String()
	}
	by := printNames(p.By)
	if p.Bin > 0 {
		by = append(by, "bin("+span(p.Bin)+")")
	}
	s := "stats " + strings.Join(aggs, ", ")
	if len(by) > 0 {
		s += " by " + strings.Join(by, ", ")
	}
	return s
}

func (a Agg) String() string {
	name := a.Func
	if name == "quantile" {
		name = "p" + strconv.Itoa(a.P)
	}
	s := name + "()"
	if a.Field != "" {
		s = name + "(" + printName(a.Field) + ")"
	}
	if a.As != a.name() {
		s += " as " + printName(a.As)
	}
	return s
}

// name is what the column is called if nobody says otherwise.
func (a Agg) name() string {
	switch {
	case a.Field == "":
		return a.Func
	case a.Func == "quantile":
		return fmt.Sprintf("p%d_%s", a.P, a.Field)
	}
	return a.Func + "_" + a.Field
}

func (p Top) String() string {
	return fmt.Sprintf("top %d %s", p.N, strings.Join(printNames(p.By), ", "))
}
func (p Uniq) String() string   { return "uniq " + strings.Join(printNames(p.By), ", ") }
func (p Limit) String() string  { return "limit " + strconv.Itoa(p.N) }
func (p Fields) String() string { return "fields " + strings.Join(printNames(p.Names), ", ") }
func (p Where) String() string  { return "where " + p.Filter.Canonical() }
func (p Extract) String() string {
	return "extract " + filter.Quote(p.Pattern.String()) + printFrom(p.From)
}
func (p JSON) String() string   { return "json" + printFrom(p.From) }
func (p Logfmt) String() string { return "logfmt" + printFrom(p.From) }
func (p Patterns) String() string {
	s := "patterns"
	if p.N > 0 {
		s += " " + strconv.Itoa(p.N)
	}
	if len(p.By) > 0 {
		s += " by " + strings.Join(printNames(p.By), ", ")
	}
	return s
}

func (p Sort) String() string {
	keys := make([]string, len(p.Keys))
	for i, k := range p.Keys {
		if keys[i] = printName(k.Name); k.Desc {
			keys[i] += " desc"
		}
	}
	return "sort by " + strings.Join(keys, ", ")
}

// span writes a duration as it is read.
func span(d time.Duration) string {
	for _, u := range []struct {
		d    time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if d%u.d == 0 {
			return strconv.FormatInt(int64(d/u.d), 10) + u.name
		}
	}
	return d.String()
}

func printFrom(name string) string {
	if name == "message" {
		return ""
	}
	return " from " + printName(name)
}

func printNames(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = printName(n)
	}
	return out
}

// printName quotes what would not be read as a name.
func printName(name string) string {
	if extract.NameLength(name) < len(name) || name == "" || isKeyword(name) {
		return filter.Quote(name)
	}
	return name
}

func (p Stats) schema(in Schema) Schema {
	var out Schema
	if p.Bin > 0 {
		out.Columns = append(out.Columns, Column{"time", Time.String()})
	}
	for _, name := range p.By {
		out = out.with(Column{name, in.typeOf(name)})
	}
	for _, a := range p.Aggs {
		typ := Number.String()
		if a.Func == "min" || a.Func == "max" {
			if typ = in.typeOf(a.Field); typ == Text.String() {
				typ = anyType
			}
		}
		out = out.with(Column{a.As, typ})
	}
	return out
}

func (p Top) schema(in Schema) Schema      { return schemaOf(p.expand(), in) }
func (p Patterns) schema(in Schema) Schema { return schemaOf(p.expand(), in) }
func (p Uniq) schema(in Schema) Schema     { return schemaOf(p.expand(), in) }
func (p Sort) schema(in Schema) Schema     { return in }
func (p Limit) schema(in Schema) Schema    { return in }
func (p Where) schema(in Schema) Schema    { return in }

func (p Fields) schema(in Schema) Schema {
	var out Schema
	for _, name := range p.Names {
		out = out.with(Column{name, in.typeOf(name)})
	}
	return out
}

func (p Extract) schema(in Schema) Schema {
	for _, name := range p.Pattern.Names() {
		in = in.with(Column{name, Text.String()})
	}
	return in
}

func (p JSON) schema(in Schema) Schema   { in.Open = true; return in }
func (p Logfmt) schema(in Schema) Schema { in.Open = true; return in }

func schemaOf(pipes []Pipe, in Schema) Schema {
	for _, p := range pipes {
		in = p.schema(in)
	}
	return in
}

// countOf is stats count() by.
func countOf(by ...string) Stats {
	return Stats{Aggs: []Agg{{Func: "count", As: "count"}}, By: by}
}

// mostFrequent sorts groups by count, and equal counts by their values.
func mostFrequent(by []string) Sort {
	keys := []Key{{"count", true}}
	for _, name := range by {
		keys = append(keys, Key{Name: name})
	}
	return Sort{keys}
}

func (p Top) expand() []Pipe { return []Pipe{countOf(p.By...), mostFrequent(p.By), Limit{p.N}} }

func (p Patterns) expand() []Pipe {
	by := append([]string{syslogd.Pattern}, p.By...)
	out := []Pipe{countOf(by...), mostFrequent(by)}
	if p.N > 0 {
		out = append(out, Limit{p.N})
	}
	return append(out, Fields{append(append([]string{"count"}, p.By...), syslogd.Pattern)})
}

func (p Uniq) expand() []Pipe { return []Pipe{countOf(p.By...), Fields{p.By}} }

func (p Top) start(next stage, r *run) stage      { return r.chain(p.expand(), next) }
func (p Patterns) start(next stage, r *run) stage { return r.chain(p.expand(), next) }
func (p Uniq) start(next stage, r *run) stage     { return r.chain(p.expand(), next) }
