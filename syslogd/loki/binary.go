package loki

import (
	"maps"
	"math"
	"slices"
)

// binary computes a op b. Series of both sides belong together where their
// labels are the same.
func (e *evaluation) binary(x *binaryExpr, a, b result) (result, error) {
	if a.scalar && b.scalar && precedence(x.op) == 3 && !x.asBool {
		return result{}, badQueryf("comparisons between scalars must use BOOL modifier")
	}
	if a.scalar && b.scalar {
		return result{scalar: true, series: []series{{values: e.zip(x, a.series[0].values, b.series[0].values, true)}}}, nil
	}
	if a.scalar || b.scalar {
		return e.withScalar(x, a, b), nil
	}
	if precedence(x.op) < 3 {
		return e.join(x.op, a, b), nil
	}
	of := map[string]series{}
	for _, s := range b.series {
		of[labelsJSON(s.labels).key()] = s
	}
	var out result
	for _, s := range a.series {
		if o, ok := of[labelsJSON(s.labels).key()]; ok {
			out.series = append(out.series, series{s.labels, e.zip(x, s.values, o.values, x.asBool)})
		}
	}
	return out, nil
}

func (e *evaluation) withScalar(x *binaryExpr, a, b result) result {
	var out result
	for _, s := range a.series {
		if b.scalar {
			out.series = append(out.series, series{s.labels, e.zip(x, s.values, b.series[0].values, x.asBool)})
		}
	}
	if b.scalar {
		return out
	}
	for _, s := range b.series {
		values := e.zip(x, a.series[0].values, s.values, true)
		if precedence(x.op) == 3 && !x.asBool { // the vector's value stays, where it holds
			for i, v := range values {
				if !isAbsent(v) {
					values[i] = s.values[i]
				}
				if v == 0 {
					values[i] = absent()
				}
			}
		}
		out.series = append(out.series, series{s.labels, values})
	}
	return out
}

// zip computes value by value. A comparison is 0 or 1 with asBool; else it
// leaves out where it does not hold.
func (e *evaluation) zip(x *binaryExpr, a, b []float64, asBool bool) []float64 {
	out := make([]float64, e.n)
	for i := range out {
		switch {
		case isAbsent(a[i]) || isAbsent(b[i]):
			out[i] = absent()
		case precedence(x.op) != 3:
			out[i] = calculate(x.op, a[i], b[i])
		case asBool:
			out[i] = float64(boolInt(compare(x.op, a[i], b[i])))
		case compare(x.op, a[i], b[i]):
			out[i] = a[i]
		default:
			out[i] = absent()
		}
	}
	return out
}

func calculate(op string, a, b float64) float64 {
	switch op {
	case "+":
		return a + b
	case "-":
		return a - b
	case "*":
		return a * b
	case "/":
		return a / b
	case "%":
		return math.Mod(a, b)
	}
	return math.Pow(a, b)
}

// join computes and, or, unless.
func (e *evaluation) join(op string, a, b result) result {
	left, right := byKey(a), byKey(b)
	var out result
	for _, k := range slices.Sorted(maps.Keys(left)) {
		s := series{left[k].labels, slices.Clone(left[k].values)}
		for i := range s.values {
			there := false
			if o, ok := right[k]; ok {
				there = !isAbsent(o.values[i])
			}
			switch {
			case op == "and" && !there, op == "unless" && there:
				s.values[i] = absent()
			case op == "or" && isAbsent(s.values[i]) && there:
				s.values[i] = right[k].values[i]
			}
		}
		out.series = append(out.series, s)
	}
	if op == "or" {
		for _, k := range slices.Sorted(maps.Keys(right)) {
			if _, ok := left[k]; !ok {
				out.series = append(out.series, right[k])
			}
		}
	}
	return out
}

func byKey(r result) map[string]series {
	m := make(map[string]series, len(r.series))
	for _, s := range r.series {
		m[labelsJSON(s.labels).key()] = s
	}
	return m
}
