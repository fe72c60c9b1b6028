package rpn

import (
	"math"
	"strings"
	"testing"
)

func TestEval(t *testing.T) {
	f := func(text string, want float64) {
		t.Helper()
		p, err := Parse(text, []string{"a", "b", "3", "INF"})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			return
		}
		var values []float64
		for _, name := range p.Variables() {
			values = append(values, map[string]float64{"a": 5, "b": 7, "3": 11, "INF": 13}[name])
		}
		var m Machine
		if got := m.Eval(p, values, 1_000_000_000); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	f("a", 5)
	f("b,a,-", 2)
	f("a,8,*,", 40)
	f("3,a,+", 8)             // a number before a variable
	f("INF,a,+", math.Inf(1)) // an operator before a variable
	f("NOW,a,+", 1_000_000_005)
	f("4,3,22.1,1,4,SORT,POP,POP,POP", 1)
	f("1,2,3,4,3,1,ROLL,POP,POP,EXC,POP", 4) // 1,4,2,3: as the manual says
	f("1,2,3,4,3,-1,ROLL,EXC,POP,EXC,POP,EXC,POP", 2)
	f("-7.5,ABS,ROUND", 8)
	f("a,b,DEPTH,AVG", 6)
}

func TestParseErrors(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if _, err := Parse(text, []string{"a"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
	f("", `"" is no number`)
	f("a,,+", `"" is no number`)
	f("a,b,+", `"b" is no number`)
	f("a,0x10,+", `"0x10" is no number`)
	f("a,add", `"add" is no number`)
	f("a,a", "RPN final stack size != 1")
	f("a,POP", "RPN final stack size != 1")
	f("+", "RPN stack underflow")
	f("a,+", "word 2, +: RPN stack underflow")
	f("a,3,SORT", "RPN stack underflow")
	f("a,0,SORT", "RPN stack underflow")
	f("a,-1,SORT", "RPN stack underflow")
	f("a,a,AVG", "as a whole number")
	f("a,1.5,AVG", "as a whole number")
	f("a,1e300,AVG", "as a whole number")
	f("a,PREV,+", "not supported with DS COMPUTE")
	f("PREV(a)", "not supported with DS COMPUTE")
	f(strings.Repeat("a,", MaxWords+1), "want at most")
}

// FuzzParse: what was parsed can be computed.
func FuzzParse(f *testing.F) {
	f.Add("a,b,+", 1.0, 2.0)
	f.Add("a,b,a,2,COPY,5,SORT,5,REV,3,-1,ROLL,2,INDEX,90,6,PERCENT", math.Inf(1), math.NaN())
	f.Add("a,b,LT,a,b,IF,0,100,LIMIT,DUP,EXC,DEPTH,AVG", -1.0, 1e300)
	f.Fuzz(func(t *testing.T, text string, a, b float64) {
		p, err := Parse(text, []string{"a", "b"})
		if err != nil {
			return
		}
		var m Machine
		m.Eval(p, []float64{a, b}, 0)
		m.Eval(p, []float64{b, a}, 0)
	})
}

func BenchmarkEval(b *testing.B) {
	p, err := Parse("a,b,+,8,*,0,1e9,LIMIT", []string{"a", "b"})
	if err != nil {
		b.Fatal(err)
	}
	var m Machine
	values := []float64{1e6, 2e6}
	b.ReportAllocs()
	for b.Loop() {
		m.Eval(p, values, 0)
	}
}
