package loki

import (
	"regexp"
	"time"
)

// A logQuery selects lines: a stream selector, and stages that each line
// passes one by one.
type logQuery struct {
	matchers []matcher
	stages   []stage
}

// A stage is a step of a pipeline: *lineFilter, parser, labelFilter, *format,
// *pick.
type stage any

// A lineFilter wants a text in the line: |= != |~ !~, any of the texts.
type lineFilter struct {
	op    string
	texts []string
	res   []*regexp.Regexp // of |~ and !~
}

// A parser makes labels out of the line: json, logfmt.
type parser struct{ name string }

// A labelFilter wants something of the labels: *labelMatch, *labelNumber,
// *labelAnd, *labelOr.
type labelFilter any

type (
	labelMatch struct{ matcher }
	// labelNumber compares numbers, durations in seconds, and sizes in bytes.
	labelNumber struct {
		name, op string
		unit     unit
		value    float64
	}
	labelAnd struct{ a, b labelFilter }
	labelOr  struct{ a, b labelFilter }
)

// A unit is what a label is compared as.
type unit uint8

const (
	plain unit = iota
	duration
	size
)

// A format makes the line anew out of texts and labels: line_format.
type format struct{ parts []part }

// A part is a text, or the label that stands there.
type part struct {
	text  string
	label string
}

// A pick leaves labels out, or all but these: drop, keep.
type pick struct {
	keep  bool
	names []string
}

// An expr is a metric query: *rangeExpr, *vectorExpr, *binaryExpr, *number.
type expr any

// A rangeExpr counts lines within a time before each step.
type rangeExpr struct {
	op     string // count_over_time, rate, bytes_over_time, bytes_rate
	query  *logQuery
	window time.Duration
	offset time.Duration
}

// A vectorExpr aggregates series: sum by (host) (...).
type vectorExpr struct {
	op      string
	k       int // of topk and bottomk
	grouped bool
	without bool
	labels  []string
	of      expr
}

// A binaryExpr calculates, compares or joins.
type binaryExpr struct {
	op     string
	asBool bool
	a, b   expr
}

// A number is a scalar, or vector(n).
type number struct {
	value  float64
	vector bool
}
