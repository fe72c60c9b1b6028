package rrd

import (
	"fmt"
	"math"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// computes are expressions over a, b and c: each operator, and with those that
// take several values some that are unknown.
const computes = `
a,b,+ a,b,- a,b,* a,b,/ a,b,% a,0,% a,b,ADDNAN
a,b,MIN a,b,MAX a,b,MINNAN a,b,MAXNAN
a,b,LT a,b,LE a,b,GT a,b,GE a,b,EQ a,b,NE
a,b,c,IF a,b,c,LIMIT a,UN a,ISINF UNKN INF NEGINF
a,ABS a,FLOOR a,CEIL a,SQRT a,DEG2RAD a,RAD2DEG
a,DUP,+ a,b,POP a,b,EXC,- a,b,c,DEPTH,+,+,+ a,b,c,DEPTH,AVG
a,1,COPY,+ a,b,2,COPY,-,-,- a,b,c,1,INDEX,-,-,- a,b,c,2,INDEX,-,-,- a,b,c,3,INDEX,-,-,-
a,b,c,3,SORT,POP,POP a,b,c,3,SORT,POP,EXC,POP a,b,c,3,SORT,EXC,POP,EXC,POP
a,b,c,3,REV,-,- a,1,AVG a,b,c,3,AVG a,b,c,3,SMIN a,b,c,3,SMAX a,b,c,3,MEDIAN a,b,2,MEDIAN a,b,c,a,4,MEDIAN
a,1,STDEV a,b,2,STDEV a,b,c,3,STDEV
a,b,c,33,3,PERCENT a,b,c,34,3,PERCENT a,b,c,50,3,PERCENT a,b,c,67,3,PERCENT a,b,c,100,3,PERCENT
a,b,c,a,25,4,PERCENT a,b,c,a,75,4,PERCENT a,b,c,a,76,4,PERCENT
`

// rounded are expressions whose last bits depend on the library of C.
const rounded = `a,SIN a,COS a,ATAN a,b,ATAN2 a,LOG a,EXP a,b,POW`

// TestComputes compares each expression with rrdtool, bit by bit where that is
// promised.
func TestComputes(t *testing.T) {
	path, err := exec.LookPath("rrdtool")
	if err != nil {
		t.Skip("NOT COMPARED WITH RRDTOOL: it is not installed")
	}
	tool := startRRDtool(t, path)
	values := [][]string{
		{"1", "2", "3"}, {"3", "2", "1"}, {"2", "2", "2"}, {"-7.25", "2.5", "0"}, {"0.1", "0.7", "-0.3"}, {"0", "-0", "0"},
		{"U", "5", "6"}, {"5", "U", "6"}, {"5", "6", "U"}, {"U", "U", "4"}, {"U", "U", "U"},
		{"inf", "1", "2"}, {"1", "-inf", "2"}, {"1", "2", "inf"}, {"inf", "-inf", "U"}, {"inf", "inf", "inf"}, {"90", "-180", "1e6"},
	}
	for _, e := range strings.Fields(computes + rounded) {
		exact := !strings.Contains(rounded, e)
		for _, v := range values {
			theirs, ours := computeBoth(t, tool, e, v)
			if !sameNumber(theirs, ours) && (exact || math.Abs(theirs-ours) > 1e-14*math.Abs(theirs)) {
				t.Errorf("%s with %v: rrdtool %v, rondo %v", e, v, theirs, ours)
			}
		}
	}
}

func computeBoth(t *testing.T, tool *rrdtool, expression string, values []string) (theirs, ours float64) {
	t.Helper()
	d := SetDefinition{Step: 10 * time.Second, Archives: []SetArchive{{CF: Last, Steps: 1, Rows: 1}}}
	for _, name := range []string{"a", "b", "c"} {
		d.Sources = append(d.Sources, DataSource{Name: name, Type: Gauge, Heartbeat: 10 * time.Second, Min: math.NaN(), Max: math.NaN()})
	}
	d.Sources = append(d.Sources, DataSource{Name: "x", Type: Compute, Expression: expression})
	p := newPair(t, tool, d, 1_000_000_000)
	if diff := p.update(fmt.Sprint(1_000_000_010), values); diff != "" {
		t.Fatal(expression, diff)
	}
	end := p.set.Last()
	return readRRD(t, p.file, d).rows[0][end][3], p.rings[0][end][3]
}
