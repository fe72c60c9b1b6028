package rpn

import (
	"cmp"
	"math"
	"slices"
)

// An operator takes values from the top of the stack and gives others. A set
// operator takes counts literals (the number of values n, and for ROLL by how
// many), then take values, then n.
type operator struct {
	name       string
	take, give int
	counts     int
	// run works on the values taken, in place, and puts what it gives at their
	// beginning. There is room for what it gives.
	run func(v []float64, in *instruction)
}

// givesSet is how many values a set operator of n values gives.
func (op *operator) givesSet(n int) int {
	switch op.name {
	case "SORT", "REV", "ROLL":
		return n
	case "COPY":
		return 2 * n
	case "INDEX":
		return n + 1
	}
	return 1
}

func lookup(name string) *operator {
	for _, table := range [][]operator{constants(), unary(), binary(), others(), sets()} {
		for i := range table {
			if table[i].name == name {
				return &table[i]
			}
		}
	}
	return nil
}

func constants() []operator {
	constant := func(name string, c float64) operator {
		return operator{name: name, give: 1, run: func(v []float64, _ *instruction) { v[0] = c }}
	}
	return []operator{
		constant("UNKN", math.NaN()), constant("INF", math.Inf(1)), constant("NEGINF", math.Inf(-1)),
		{name: "NOW", give: 1},   // Eval knows
		{name: "DEPTH", give: 1}, // Eval knows
	}
}

func unary() []operator {
	f := func(name string, f func(float64) float64) operator {
		return operator{name: name, take: 1, give: 1, run: func(v []float64, _ *instruction) { v[0] = f(v[0]) }}
	}
	return []operator{
		f("ABS", math.Abs), f("FLOOR", math.Floor), f("CEIL", math.Ceil), f("SQRT", math.Sqrt),
		f("ROUND", math.Round), // RRDtool from 1.8 on
		f("SIN", math.Sin), f("COS", math.Cos), f("ATAN", math.Atan), f("LOG", math.Log), f("EXP", math.Exp),
		f("DEG2RAD", func(x float64) float64 { return x * 0.0174532952 }),
		f("RAD2DEG", func(x float64) float64 { return x * 57.29577951 }),
		f("UN", func(x float64) float64 { return truth(math.IsNaN(x)) }),
		f("ISINF", func(x float64) float64 { return truth(math.IsInf(x, 0)) }),
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func binary() []operator {
	f := func(name string, f func(a, b float64) float64) operator {
		return operator{name: name, take: 2, give: 1, run: func(v []float64, _ *instruction) { v[0] = f(v[0], v[1]) }}
	}
	// Nothing can be said of a comparison with unknown.
	compare := func(name string, holds func(a, b float64) bool) operator {
		return f(name, func(a, b float64) float64 { return orUnknown(a, b, truth(holds(a, b))) })
	}
	return []operator{
		f("+", func(a, b float64) float64 { return a + b }), f("-", func(a, b float64) float64 { return a - b }),
		f("*", func(a, b float64) float64 { return a * b }), f("/", func(a, b float64) float64 { return a / b }),
		f("%", math.Mod), f("POW", math.Pow), f("ATAN2", math.Atan2),
		f("ADDNAN", func(a, b float64) float64 { return either(a, b, a+b) }),
		f("MIN", func(a, b float64) float64 { return orUnknown(a, b, lesser(a, b)) }),
		f("MAX", func(a, b float64) float64 { return orUnknown(a, b, greater(a, b)) }),
		f("MINNAN", func(a, b float64) float64 { return either(a, b, lesser(a, b)) }),
		f("MAXNAN", func(a, b float64) float64 { return either(a, b, greater(a, b)) }),
		compare("LT", func(a, b float64) bool { return a < b }), compare("LE", func(a, b float64) bool { return a <= b }),
		compare("GT", func(a, b float64) bool { return a > b }), compare("GE", func(a, b float64) bool { return a >= b }),
		compare("EQ", func(a, b float64) bool { return a == b }), compare("NE", func(a, b float64) bool { return a != b }),
	}
}

// lesser is the smaller one, and the first of equal ones, which may differ in
// the sign of zero.
func lesser(a, b float64) float64 {
	if b < a {
		return b
	}
	return a
}

func greater(a, b float64) float64 {
	if b > a {
		return b
	}
	return a
}

// orUnknown is v, or unknown if a or b is.
func orUnknown(a, b, v float64) float64 {
	if math.IsNaN(a) || math.IsNaN(b) {
		return math.NaN()
	}
	return v
}

// either is the one of a and b that is known, or v if both are.
func either(a, b, v float64) float64 {
	switch {
	case math.IsNaN(a):
		return b
	case math.IsNaN(b):
		return a
	}
	return v
}

func others() []operator {
	return []operator{
		{name: "DUP", take: 1, give: 2, run: func(v []float64, _ *instruction) { v[1] = v[0] }},
		{name: "POP", take: 1, run: func([]float64, *instruction) {}},
		{name: "EXC", take: 2, give: 2, run: func(v []float64, _ *instruction) { v[0], v[1] = v[1], v[0] }},
		{name: "IF", take: 3, give: 1, run: func(v []float64, _ *instruction) {
			// An unknown condition is false: the manual knows only 0.
			if v[0] == 0 || math.IsNaN(v[0]) {
				v[1] = v[2]
			}
			v[0] = v[1]
		}},
		{name: "LIMIT", take: 3, give: 1, run: func(v []float64, _ *instruction) {
			if !(v[0] >= v[1] && v[0] <= v[2]) {
				v[0] = math.NaN()
			}
		}},
	}
}

func sets() []operator {
	// fold makes one value of those that are known.
	fold := func(name string, f func(known []float64) float64) operator {
		return operator{name: name, counts: 1, run: func(v []float64, _ *instruction) { v[0] = f(known(v)) }}
	}
	return []operator{
		fold("AVG", mean), fold("STDEV", deviation), fold("MEDIAN", median),
		fold("SMIN", func(v []float64) float64 { return reduce(v, lesser) }),
		fold("SMAX", func(v []float64) float64 { return reduce(v, greater) }),
		{name: "SORT", counts: 1, run: func(v []float64, _ *instruction) { mergeSort(v) }},
		{name: "REV", counts: 1, run: func(v []float64, _ *instruction) { slices.Reverse(v) }},
		{name: "COPY", counts: 1, run: func(v []float64, in *instruction) { copy(v[in.n:2*in.n], v) }},
		{name: "INDEX", counts: 1, run: func(v []float64, in *instruction) { v[:in.n+1][in.n] = v[0] }},
		{name: "ROLL", counts: 2, run: func(v []float64, in *instruction) { roll(v, in.m) }},
		// The percentage is beneath the count, and above the values.
		{name: "PERCENT", counts: 1, take: 1, run: func(v []float64, in *instruction) { v[0] = percent(v[:in.n], v[in.n]) }},
	}
}

// known moves the known values to the front, in their order.
func known(v []float64) []float64 { return slices.DeleteFunc(v, math.IsNaN) }

// order is the comparison of RRDtool's sort: unknown comes first, and the
// others by size. It is wrong about infinity: whatever +Inf is compared with is
// after it, whichever comes first, and -Inf likewise before. What comes of that
// depends on the way of sorting: mergeSort.
func order(a, b float64) int {
	switch {
	case math.IsNaN(a):
		return -1
	case math.IsNaN(b):
		return 1
	case math.IsInf(a, 0):
		return int(math.Copysign(1, a))
	case math.IsInf(b, 0):
		return int(math.Copysign(1, b))
	}
	return cmp.Compare(a, b)
}

// mergeSort sorts as the qsort of the GNU C library does.
func mergeSort(v []float64) {
	if len(v) < 2 {
		return
	}
	first, second := slices.Clone(v[:len(v)/2]), v[len(v)/2:]
	mergeSort(first)
	mergeSort(second)
	for i := range v {
		switch {
		case len(first) == 0:
			return // the rest of second is in its place
		case len(second) == 0 || order(first[0], second[0]) <= 0:
			v[i], first = first[0], first[1:]
		default:
			v[i], second = second[0], second[1:]
		}
	}
}

func reduce(v []float64, f func(a, b float64) float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	r := v[len(v)-1]
	for _, x := range slices.Backward(v[:len(v)-1]) {
		r = f(r, x)
	}
	return r
}

// mean adds from the top of the stack downwards.
func mean(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	sum := 0.0
	for _, x := range slices.Backward(v) {
		sum += x
	}
	return sum / float64(len(v))
}

// deviation is the standard deviation of a sample, in one pass (Welford's).
func deviation(v []float64) float64 {
	if len(v) < 2 {
		return math.NaN()
	}
	mean, squares, n := 0.0, 0.0, 0.0
	for _, x := range slices.Backward(v) {
		n++
		d := x - mean
		mean += d / n
		squares += float64(d * (x - mean))
	}
	return math.Sqrt(squares / (n - 1))
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	mergeSort(v)
	mid := len(v) / 2
	if len(v)%2 == 1 {
		return v[mid]
	}
	return (v[mid-1] + v[mid]) / 2
}

// percent is the value that p percent of the values are not above. RRDtool
// reads what is in front of the values where that is none of them.
func percent(v []float64, p float64) float64 {
	mergeSort(v)
	i := math.Round(p*float64(len(v))/100) - 1
	if !(i > 0) {
		i = 0
	}
	return v[int(min(i, float64(len(v)-1)))]
}

// roll turns the values by m places, upwards if it is positive.
func roll(v []float64, m int) {
	m = ((m % len(v)) + len(v)) % len(v)
	turned := slices.Concat(v[len(v)-m:], v[:len(v)-m])
	copy(v, turned)
}
