package rrd

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// A sequence makes definitions and readings.
type sequence struct {
	*rand.Rand
	def      SetDefinition
	start    int64
	now      Time     // of the last reading that was taken
	counters []string // last reading of each data source
}

// randomTest makes a definition, readings and fetches.
func randomTest(seed uint64) *rrdTest {
	g := &sequence{Rand: rand.New(rand.NewPCG(seed, 0))}
	g.define()
	rt := &rrdTest{def: g.def, start: g.start}
	for range 5 + g.IntN(40) {
		when, texts := g.reading()
		rt.events = append(rt.events, event{verb: "feed", at: when, values: texts})
		if g.IntN(10) == 0 {
			rt.events = append(rt.events, event{verb: "restore"})
		}
	}
	for range 3 {
		width := int64(g.now/Second) - g.start + 100
		from := g.start - 50 + g.Int64N(width)
		to := from + 1 + g.Int64N(width)
		rt.events = append(rt.events, event{verb: "fetch", at: rt.relative(strconv.FormatInt(from, 10)), values: []string{
			rt.relative(strconv.FormatInt(to, 10)), pick(g, cfNames[:]...), strconv.Itoa(pick(g, 1, 7, 60, 600)),
		}})
	}
	return rt
}

func pick[T any](g *sequence, of ...T) T { return of[g.IntN(len(of))] }

func (g *sequence) define() {
	step := pick(g, 1, 2, 5, 10, 60, 300)
	g.def.Step = time.Duration(step) * time.Second
	g.start = 1_700_000_000 + g.Int64N(100_000)
	g.now = Time(g.start) * Second
	for i := range 1 + g.IntN(3) {
		d := DataSource{
			Name:      fmt.Sprint("ds", i),
			Type:      pick(g, Gauge, Counter, Derive, Absolute, DCounter, DDerive),
			Heartbeat: time.Duration(pick(g, 1, step, 2*step, 3*step+1, 20*step)) * time.Second,
			Min:       math.NaN(), Max: math.NaN(),
		}
		if g.IntN(3) == 0 {
			d.Min = pick(g, 0.0, -50)
		}
		if g.IntN(3) == 0 {
			d.Max = pick(g, 100.0, 1e6)
		}
		if i > 0 && g.IntN(3) == 0 {
			d = DataSource{Name: d.Name, Type: Compute, Min: math.NaN(), Max: math.NaN(), Expression: g.expression(2)}
			// A file can hold 19 words, and rrdtool refuses a lone number.
			for n := strings.Count(d.Expression, ","); n > 18 || n == 0; n = strings.Count(d.Expression, ",") {
				d.Expression = g.expression(2)
			}
		}
		g.def.Sources = append(g.def.Sources, d)
		g.counters = append(g.counters, "0")
	}
	for range 1 + g.IntN(5) {
		g.def.Archives = append(g.def.Archives, SetArchive{
			CF: pick(g, Average, Min, Max, Last), Steps: pick(g, 1, 1, 2, 3, 4, 7, 12),
			Rows: pick(g, 1, 2, 3, 10, 50), XFF: pick(g, 0, 0.25, 0.5, 0.5, 0.9, 0.99),
		})
	}
	for g.IntN(3) == 0 {
		g.family()
	}
}

// family adds archives of the Holt-Winters family, in any order.
func (g *sequence) family() {
	period := pick(g, 2, 3, 5, 8)
	share := func() string { return pick(g, "0.1", "0.5", "0.9", "0.0035") }
	forecast := fmt.Sprintf("RRA:%s:%d:%s:%s:%d", pick(g, "HWPREDICT", "MHWPREDICT"), period+g.IntN(10), share(), share(), period)
	args := []string{forecast}
	if g.IntN(3) > 0 {
		order := g.Perm(5)
		args = make([]string, 5)
		at := func(member int) int { return order[member] + 1 }
		window := func() string {
			return pick(g, "", ":smoothing-window=0.5", ":smoothing-window=1", ":smoothing-window=0.8")
		}
		threshold := 1 + g.IntN(4)
		args[order[0]] = fmt.Sprintf("%s:%d", forecast, at(1))
		args[order[1]] = fmt.Sprintf("RRA:SEASONAL:%d:%s:%d%s", period, share(), at(0), window())
		args[order[2]] = fmt.Sprintf("RRA:DEVSEASONAL:%d:%s:%d%s", period, share(), at(0), window())
		args[order[3]] = fmt.Sprintf("RRA:DEVPREDICT:%d:%d", 1+g.IntN(20), at(2))
		args[order[4]] = fmt.Sprintf("RRA:FAILURES:%d:%d:%d:%d", 1+g.IntN(20), threshold, threshold+g.IntN(6), at(2))
	}
	d, err := ParseSetDefinition(g.def.Step, append([]string{"DS:x:GAUGE:1:U:U"}, args...))
	if err != nil {
		panic(err)
	}
	before := len(g.def.Archives)
	for _, a := range d.Archives {
		a.HoltWinters.Partner += before
		g.def.Archives = append(g.def.Archives, a)
	}
}

// expression makes one over the data sources that there are, of words that
// give the same bits everywhere.
func (g *sequence) expression(depth int) string {
	if depth == 0 || g.IntN(4) == 0 {
		if g.IntN(4) == 0 {
			return pick(g, "0", "1", "-3", "1000", "UNKN", "INF", "NEGINF", "DEPTH")
		}
		return pick(g, g.def.Sources...).Name
	}
	sub := func() string { return g.expression(depth - 1) }
	switch g.IntN(8) {
	case 0:
		return sub() + "," + pick(g, "ABS", "FLOOR", "CEIL", "UN", "ISINF", "DEG2RAD", "RAD2DEG", "SQRT", "DUP,POP", "1,COPY,POP", "1,INDEX,EXC,POP")
	case 1:
		return sub() + "," + sub() + "," + sub() + "," + pick(g, "IF", "LIMIT", "3,AVG", "3,SMIN", "3,SMAX", "3,MEDIAN", "3,STDEV",
			"3,SORT,POP,POP", "3,REV,-,+", "50,3,PERCENT", "2,COPY,+,-,+,-")
	}
	return sub() + "," + sub() + "," + pick(g, "+", "-", "*", "/", "%", "ADDNAN", "MIN", "MAX", "MINNAN", "MAXNAN",
		"LT", "LE", "GT", "GE", "EQ", "NE", "EXC,-", "2,AVG", "2,SMAX", "2,STDEV", "90,2,PERCENT")
}

// reading makes the time and the texts of an update, some of them bad.
func (g *sequence) reading() (when string, texts []string) {
	step := Time(g.def.Step/time.Second) * Second
	at := g.now
	switch g.IntN(20) {
	case 0:
		at += -Time(g.IntN(3)) * Second // late
	case 1, 2, 3:
		at += Time(g.Int64N(int64(20 * step))) // a gap, with a fraction
	case 4:
		at += Time(1+g.IntN(200)) * step / 2
	case 5, 6, 7, 8:
		at += 1 + Time(g.Int64N(int64(2*step)))
	case 9, 10:
		at += step - at%step // on the boundary
	default:
		at += Time(1+g.Int64N(int64(2*step/Second))) * Second
	}
	when = at.text()
	g.now = max(g.now, at)
	for i, d := range g.def.Sources {
		if d.Type != Compute {
			texts = append(texts, g.value(i, d.Type))
		}
	}
	return when, texts
}

func (g *sequence) value(i int, t Type) string {
	switch g.IntN(25) {
	case 0, 1:
		return pick(g, "U", "U", "UNKNOWN")
	case 2:
		// RRDtool keeps the text of what stands in front of a bad reading; we do not.
		if len(g.def.Sources) == 1 {
			return pick(g, "x", "12x", "1.5.5", "-", "1e5000", "")
		}
	}
	switch t {
	case Counter:
		return g.counter(i)
	case Derive:
		return pick(g, "", "", "-") + g.counter(i)
	}
	if (t == DCounter || t == DDerive) && g.IntN(4) > 0 {
		return g.realCounter(i)
	}
	v := (g.Float64() - 0.3) * math.Pow(10, float64(g.IntN(9)-2))
	switch g.IntN(10) {
	case 0:
		return pick(g, "0", "-0", "nan", "inf", "-inf", "1e300", "1.7e-310", "+3", "5.", ".5")
	case 1:
		return strconv.FormatFloat(v, 'e', -1, 64)
	case 2:
		return strconv.FormatFloat(v, 'f', 17, 64)
	case 3, 4, 5:
		return strconv.FormatFloat(math.Round(v), 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'f', g.IntN(8), 64)
}

// counter makes counters that grow, wrap, start anew, and are too long.
func (g *sequence) counter(i int) string {
	last, _ := strconv.ParseUint(g.counters[i], 10, 64)
	next := last
	switch g.IntN(12) {
	case 0:
		next = g.Uint64N(1000)
	case 1:
		next = math.MaxUint32 - g.Uint64N(100)
	case 2:
		next = math.MaxUint64 - g.Uint64N(100)
	case 3:
		next = g.Uint64()
	case 4:
		return fmt.Sprintf("%d%d", g.Uint64(), g.Uint64())
	default:
		next += g.Uint64N(10_000)
	}
	g.counters[i] = strconv.FormatUint(next, 10)
	return g.counters[i]
}

// realCounter makes counters that go up, or down from 0, and start anew.
func (g *sequence) realCounter(i int) string {
	last, _ := strconv.ParseFloat(g.counters[i], 64)
	switch g.IntN(12) {
	case 0:
		last = g.Float64() * 10
	case 1:
		last = -last
	default:
		last += math.Copysign(g.Float64()*100, last)
	}
	g.counters[i] = strconv.FormatFloat(last, 'f', g.IntN(6), 64)
	return g.counters[i]
}
