package loki

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"strconv"

	"rondo/syslogd"
)

// An evaluation computes a metric query at some instants.
type evaluation struct {
	logs  syslogd.Searcher
	start int64 // of the first instant, in Unix ns
	step  int64 // between two, in ns
	n     int   // how many
	stats queryStats
}

// at is the i-th instant.
func (e *evaluation) at(i int) int64 { return e.start + int64(i)*e.step }

// A series is a label set with a value at each instant, absent where there is
// none.
type series struct {
	labels []label
	values []float64
}

// absent stands for no value. It is a NaN that no calculation makes.
func absent() float64 { return math.Float64frombits(0x7ff0000000000bad) }

func isAbsent(v float64) bool { return math.Float64bits(v) == 0x7ff0000000000bad }

// A result is the value of a metric query. A scalar is one series without
// labels that is never absent.
type result struct {
	scalar bool
	series []series
}

// eval computes an expression.
func (e *evaluation) eval(ctx context.Context, x expr) (result, error) {
	switch x := x.(type) {
	case *number:
		s := series{values: make([]float64, e.n)}
		for i := range s.values {
			s.values[i] = x.value
		}
		return result{scalar: !x.vector, series: []series{s}}, nil
	case *rangeExpr:
		return e.overTime(ctx, x, nil)
	case *vectorExpr:
		return e.aggregate(ctx, x)
	case *binaryExpr:
		a, err := e.eval(ctx, x.a)
		if err != nil {
			return result{}, err
		}
		b, err := e.eval(ctx, x.b)
		if err != nil {
			return result{}, err
		}
		return e.binary(x, a, b)
	}
	return result{}, errors.New("loki: unknown expression")
}

// aggregate computes sum by (...) and its like. A sum of counts by labels is
// counted by these at once, which is what makes it cheap.
func (e *evaluation) aggregate(ctx context.Context, x *vectorExpr) (result, error) {
	var by *[]string
	if x.op == "sum" && !x.without {
		by = &x.labels
	}
	var of result
	var err error
	if r, ok := x.of.(*rangeExpr); ok {
		of, err = e.overTime(ctx, r, by)
	} else {
		of, err = e.eval(ctx, x.of)
	}
	if err != nil {
		return result{}, err
	}
	groups := map[string][]series{}
	names := map[string][]label{}
	for _, s := range of.series {
		labels := x.group(s.labels)
		k := labelsJSON(labels).key()
		groups[k], names[k] = append(groups[k], s), labels
	}
	var out result
	for _, k := range slices.Sorted(maps.Keys(groups)) {
		if x.op == "topk" || x.op == "bottomk" {
			out.series = append(out.series, e.most(x, groups[k])...)
		} else {
			out.series = append(out.series, series{names[k], e.combine(x.op, groups[k])})
		}
	}
	return out, nil
}

// group is the label set that a series is aggregated into.
func (x *vectorExpr) group(labels []label) []label {
	var out []label
	for _, l := range labels {
		if x.grouped && slices.Contains(x.labels, l.name) != x.without {
			out = append(out, l)
		}
	}
	return out
}

// combine aggregates series instant by instant.
func (e *evaluation) combine(op string, list []series) []float64 {
	out := make([]float64, e.n)
	for i := range out {
		n, sum, least, most := 0, 0.0, math.Inf(1), math.Inf(-1)
		for _, s := range list {
			if v := s.values[i]; !isAbsent(v) {
				n, sum, least, most = n+1, sum+v, min(least, v), max(most, v)
			}
		}
		switch {
		case n == 0:
			out[i] = absent()
		case op == "sum":
			out[i] = sum
		case op == "avg":
			out[i] = sum / float64(n)
		case op == "count":
			out[i] = float64(n)
		case op == "min":
			out[i] = least
		default:
			out[i] = most
		}
	}
	return out
}

// most keeps, at each instant, the k series of the largest or smallest values.
func (e *evaluation) most(x *vectorExpr, list []series) []series {
	out := make([]series, len(list))
	for i, s := range list {
		out[i] = series{s.labels, make([]float64, e.n)}
	}
	order := make([]int, len(list))
	for i := range e.n {
		for j := range list {
			order[j], out[j].values[i] = j, absent()
		}
		slices.SortStableFunc(order, func(a, b int) int { return x.rank(list[a].values[i], list[b].values[i]) })
		for _, j := range order[:min(x.k, len(order))] {
			out[j].values[i] = list[j].values[i]
		}
	}
	if e.n == 1 { // the first comes first
		slices.SortStableFunc(out, func(a, b series) int { return x.rank(a.values[0], b.values[0]) })
	}
	return slices.DeleteFunc(out, series.empty)
}

// rank orders values so that those that are wanted come first.
func (x *vectorExpr) rank(a, b float64) int {
	switch {
	case isAbsent(a) || isAbsent(b):
		return boolInt(isAbsent(a)) - boolInt(isAbsent(b))
	case a == b:
		return 0
	case (a > b) == (x.op == "topk"):
		return -1
	}
	return 1
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// empty reports whether a series has no value at all.
func (s series) empty() bool {
	return !slices.ContainsFunc(s.values, func(v float64) bool { return !isAbsent(v) })
}

// A point is an instant in Unix ns and a value: [seconds, "value"].
type point struct {
	at    int64
	value float64
}

// MarshalJSON writes the instant to the millisecond, as Loki does.
func (p point) MarshalJSON() ([]byte, error) {
	b := strconv.AppendFloat([]byte{'['}, float64(p.at/1e6)/1e3, 'f', -1, 64)
	b = append(b, `,"`...)
	b = strconv.AppendFloat(b, p.value, 'f', -1, 64)
	return append(b, `"]`...), nil
}

// sample is a series in a vector, or in a matrix.
type sample struct {
	Metric labelsJSON `json:"metric"`
	Value  *point     `json:"value,omitempty"`
	Values []point    `json:"values,omitempty"`
}

func (e *evaluation) vector(r result) []sample {
	list := []sample{}
	for _, s := range r.series {
		if !s.empty() {
			list = append(list, sample{Metric: s.labels, Value: &point{e.start, s.values[0]}})
		}
	}
	return list
}

func (e *evaluation) matrix(r result) []sample {
	list := []sample{}
	for _, s := range r.series {
		one := sample{Metric: s.labels}
		for i, v := range s.values {
			if !isAbsent(v) {
				one.Values = append(one.Values, point{e.at(i), v})
			}
		}
		if len(one.Values) > 0 {
			list = append(list, one)
		}
	}
	return list
}

// room refuses more series than an answer may have.
func (e *evaluation) room(n int) error {
	if n > maxSeries {
		return badQueryf("maximum of series (%d) reached for a single query", maxSeries)
	}
	if n*e.n > maxCells {
		return badQueryf("%d series of %d points: more than %d points in all; try a larger step, or group by fewer labels", n, e.n, maxCells)
	}
	return nil
}

func isTooMany(err error) bool { return errors.Is(err, syslogd.ErrTooManyGroups) }
