package rrd

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The differential test against the real rrdtool. To repeat a failure:
//
//	go test ./rrd -run TestAgainstRRDtool -rrdtool.seed 123 -rrdtool.runs 1
//
// The comparison is of the doubles in the .rrd file, not of printed text.
func TestAgainstRRDtool(t *testing.T) {
	path, err := exec.LookPath("rrdtool")
	if err != nil {
		t.Skip("NOT COMPARED WITH RRDTOOL: it is not installed")
	}
	first := *rrdtoolSeed
	if first == 0 {
		first = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d, %d runs", first, *rrdtoolRuns)
	tool := startRRDtool(t, path)
	for i := range *rrdtoolRuns {
		seed := first + uint64(i)
		if !compareRun(t, tool, seed) {
			t.Fatalf("seed %d", seed)
		}
	}
}

var (
	rrdtoolSeed = flag.Uint64("rrdtool.seed", 0, "seed of the first run against rrdtool; 0: the clock")
	rrdtoolRuns = flag.Int("rrdtool.runs", 300, "number of runs against rrdtool")
)

// An rrdtool is one process that takes commands from a pipe.
type rrdtool struct {
	t   *testing.T
	dir string
	in  io.WriteCloser
	out *bufio.Reader
}

func startRRDtool(t *testing.T, path string) *rrdtool {
	cmd := exec.Command(path, "-")
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	return &rrdtool{t: t, dir: t.TempDir(), in: in, out: bufio.NewReader(out)}
}

// do runs a command and returns its error, without rrdtool's "ERROR: ".
func (r *rrdtool) do(command string) string {
	_, e := r.ask(command)
	return e
}

// ask runs a command and returns its output too.
func (r *rrdtool) ask(command string) (output []string, e string) {
	if _, err := io.WriteString(r.in, command+"\n"); err != nil {
		r.t.Fatal(err)
	}
	for {
		line, err := r.out.ReadString('\n')
		if err != nil {
			r.t.Fatalf("rrdtool ended at %q: %v", command, err)
		}
		if strings.HasPrefix(line, "OK ") {
			return output, ""
		}
		if e, ok := strings.CutPrefix(line, "ERROR: "); ok {
			return output, strings.TrimSpace(e)
		}
		output = append(output, strings.TrimSpace(line))
	}
}

// compareRun feeds one random sequence to both.
func compareRun(t *testing.T, tool *rrdtool, seed uint64) bool {
	g := &sequence{Rand: rand.New(rand.NewPCG(seed, 0))}
	g.define()
	p := newPair(t, tool, g.def, g.start)
	for range 5 + g.IntN(40) {
		when, texts := g.reading()
		if !p.update(when, texts) {
			return false
		}
		g.now = p.set.Last()
		if g.IntN(10) == 0 {
			p.restore()
		}
	}
	ok := p.compare()
	for i := 0; ok && i < 3; i++ {
		width := int64(g.now/Second) - g.start + 100
		from := g.start - 50 + g.Int64N(width)
		ok = p.fetch(pick(g, Average, Min, Max, Last), from, from+1+g.Int64N(width), pick(g, 1, 7, 60, 600))
	}
	return ok
}

// A pair is a Set and a .rrd file that are fed the same.
type pair struct {
	t     *testing.T
	tool  *rrdtool
	file  string
	def   SetDefinition
	set   *Set
	rings rings
	done  []string // commands, for the report
}

func newPair(t *testing.T, tool *rrdtool, d SetDefinition, start int64) *pair {
	t.Helper()
	set, err := NewSet(d, Time(start)*Second)
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{t: t, tool: tool, file: filepath.Join(tool.dir, "a.rrd"), def: d, set: set, rings: newRings(d)}
	create := createCommand(p.file, d, start)
	if e := tool.do(create); e != "" {
		t.Fatalf("%s: %s", create, e)
	}
	p.done = append(p.done, create)
	return p
}

// update feeds both, and wants the same refusal in the same words, or none.
func (p *pair) update(when string, texts []string) bool {
	command := "update " + p.file + " " + when + ":" + strings.Join(texts, ":")
	p.done = append(p.done, command)
	theirs := p.tool.do(command)
	if _, e, ok := strings.Cut(theirs, p.file+": "); ok {
		theirs = e
	}
	ours := ""
	at, err := ParseUpdateTime(when, 0)
	if err == nil {
		var rows []SetRow
		rows, err = p.set.Update(at, texts...)
		p.rings.put(rows)
	}
	if err != nil {
		ours = err.Error()
	}
	if ours != theirs {
		p.report(fmt.Sprintf("rrdtool says %q, rondo %q", theirs, ours))
	}
	return ours == theirs
}

// restore goes on with a copy of the Set made of its state.
func (p *pair) restore() {
	set, err := RestoreSet(p.def, p.set.State())
	if err != nil {
		p.t.Fatal(err)
	}
	p.set = set
}

// compare wants both to remember the same.
func (p *pair) compare() bool {
	diff := readRRD(p.t, p.file, p.def).compare(p.def, p.set.State(), p.rings)
	if diff != "" {
		p.report(diff)
	}
	return diff == ""
}

// fetch asks both for a time range, and wants the same rows. The values are
// compared as rrdtool prints them; compare has seen their bits.
func (p *pair) fetch(cf CF, from, to int64, resolution int) bool {
	command := fmt.Sprintf("fetch %s %s -s %d -e %d -r %d", p.file, rraName(cf), from, to, resolution)
	p.done = append(p.done, command)
	out, theirs := p.tool.ask(command)
	got, err := p.set.Fetch(cf, Time(from)*Second, Time(to)*Second, time.Duration(resolution)*time.Second)
	if err != nil || theirs != "" {
		if err == nil || err.Error() != theirs {
			p.report(fmt.Sprintf("rrdtool says %q, rondo %v", theirs, err))
			return false
		}
		return true
	}
	var want []string
	for end := got.Start.Add(got.Row); end <= got.End; end = end.Add(got.Row) {
		line := fmt.Sprintf("%d:", end/Second)
		for i := range p.def.Sources {
			line += " " + p.printed(got, end, i)
		}
		want = append(want, line)
	}
	have := strings.ReplaceAll(strings.Join(out[min(2, len(out)):], "\n"), "-nan", "nan")
	if have != strings.Join(want, "\n") {
		p.report(fmt.Sprintf("rrdtool fetched\n%s\nrondo %+v\n%s", have, got, strings.Join(want, "\n")))
		return false
	}
	return true
}

// printed is a value of a fetched row, unknown where the ring has turned.
func (p *pair) printed(r SetRange, end Time, source int) string {
	oldest := floor(p.set.Last(), r.Row).Add(-time.Duration(p.def.Archives[r.Archive].Rows) * r.Row)
	v := math.NaN()
	if row := p.rings[r.Archive][end]; row != nil && end > oldest {
		v = row[source]
	}
	switch {
	case math.IsNaN(v):
		return "nan"
	case math.IsInf(v, 0):
		return strings.ToLower(strings.TrimPrefix(strconv.FormatFloat(v, 'f', 0, 64), "+"))
	}
	return fmt.Sprintf("%.10e", v)
}

func (p *pair) report(what string) {
	p.t.Errorf("%s, after\n%s", what, strings.Join(p.done, "\n"))
}

// A sequence makes definitions and readings.
type sequence struct {
	*rand.Rand
	def      SetDefinition
	start    int64
	now      Time
	counters []string // last reading of each data source
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
}

func createCommand(file string, def SetDefinition, start int64) string {
	return fmt.Sprintf("create %s --start %d --step %d %s", file, start, def.Step/time.Second, strings.Join(def.Arguments(), " "))
}

func rraName(cf CF) string { return strings.ToUpper(cf.String()) }

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

// rings keep the rows of each archive by their end.
type rings []map[Time][]float64

func newRings(d SetDefinition) rings {
	r := make(rings, len(d.Archives))
	for a := range r {
		r[a] = make(map[Time][]float64)
	}
	return r
}

func (r rings) put(rows []SetRow) {
	for _, row := range rows {
		r[row.Archive][row.End] = slices.Clone(row.Values)
	}
}

// An rrdFile is what the bytes of a .rrd file say (rrd_format.h, on a 64-bit
// little-endian machine).
type rrdFile struct {
	state SetState
	rows  rings
}

func readRRD(t *testing.T, file string, d SetDefinition) rrdFile {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	skip := func(n int) []byte { at += n; return raw[at-n : at] }
	number := func(b []byte) int64 { return int64(binary.LittleEndian.Uint64(b)) }
	double := func(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) }
	const head, dsDef, rraDef, liveHead, pdpPrep, cdpPrep, rraPtr = 128, 120, 120, 16, 112, 80, 8
	nds, nrra := len(d.Sources), len(d.Archives)
	skip(head + nds*dsDef + nrra*rraDef)
	var f rrdFile
	live := skip(liveHead)
	f.state.Last = Time(number(live))*Second + Time(number(live[8:]))
	for range d.Sources {
		b := skip(pdpPrep)
		text, _, _ := bytes.Cut(b[:30], []byte{0})
		f.state.Sources = append(f.state.Sources, SourceState{string(text), double(b[40:]), number(b[32:])})
	}
	for range d.Archives {
		var cells []CellState
		for range d.Sources {
			b := skip(cdpPrep)
			cells = append(cells, CellState{double(b), number(b[8:])})
		}
		f.state.Cells = append(f.state.Cells, cells)
	}
	ptrs := skip(nrra * rraPtr)
	for a, archive := range d.Archives {
		newest := int(number(ptrs[8*a:]))
		width := Time(archive.Steps) * Time(d.Step/time.Second) * Second
		end := f.state.Last - f.state.Last%width
		rows := make(map[Time][]float64)
		for i := range archive.Rows {
			var values []float64
			for range d.Sources {
				values = append(values, double(skip(8)))
			}
			age := (newest - i + archive.Rows) % archive.Rows
			rows[end-Time(age)*width] = values
		}
		f.rows = append(f.rows, rows)
	}
	if at != len(raw) {
		t.Fatalf("%d bytes of %d read", at, len(raw))
	}
	return f
}

// readDefinition reads what rrdtool has made of the arguments of create. How
// expressions are coded is not looked at.
func readDefinition(t *testing.T, file string) SetDefinition {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	skip := func(n int) []byte { at += n; return raw[at-n : at] }
	number := func(b []byte) int { return int(binary.LittleEndian.Uint64(b)) }
	double := func(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) }
	text := func(b []byte) string { b, _, _ = bytes.Cut(b[:20], []byte{0}); return string(b) }
	head := skip(128)
	version := head[7] - '0'
	d := SetDefinition{Step: time.Duration(number(head[40:])) * time.Second}
	for range number(head[24:]) {
		b := skip(120)
		s := DataSource{Name: text(b), Min: math.NaN(), Max: math.NaN()}
		if err := s.Type.UnmarshalText([]byte(strings.ToLower(text(b[20:])))); err != nil {
			t.Fatal(err)
		}
		if s.Type != Compute {
			s.Heartbeat = time.Duration(number(b[40:])) * time.Second
			s.Min, s.Max = double(b[48:]), double(b[56:])
		}
		d.Sources = append(d.Sources, s)
	}
	for range number(head[32:]) {
		b := skip(120)
		a := SetArchive{Rows: number(b[24:]), Steps: number(b[32:])}
		if err := a.CF.UnmarshalText([]byte(strings.ToLower(text(b)))); err != nil {
			t.Fatal(err)
		}
		par := func(i int) []byte { return b[40+8*i:] }
		if a.CF > Last {
			a.HoltWinters = &HoltWinters{Partner: number(par(3))}
		}
		switch h := a.HoltWinters; a.CF {
		case HWPredict, MHWPredict:
			h.Alpha, h.Beta = double(par(1)), double(par(2))
		case Seasonal, DevSeasonal:
			h.Gamma, h.Smoothing, h.SmoothRow = double(par(1)), DefaultSmoothing, number(par(4))
			if version > 3 {
				h.Smoothing = double(par(2))
			}
		case Failures:
			h.DeltaPos, h.DeltaNeg, h.Window, h.Threshold = double(par(1)), double(par(2)), number(par(4)), number(par(5))
		case DevPredict:
		default:
			a.XFF = double(par(0))
		}
		d.Archives = append(d.Archives, a)
	}
	return d
}

func sameNumber(a, b float64) bool {
	return math.Float64bits(a) == math.Float64bits(b) || math.IsNaN(a) && math.IsNaN(b)
}

// compare says where the file and we differ.
func (f rrdFile) compare(d SetDefinition, s SetState, r rings) string {
	if f.state.Last != s.Last {
		return fmt.Sprintf("last update: rrdtool %d, rondo %d", f.state.Last, s.Last)
	}
	for i, want := range f.state.Sources {
		if got := s.Sources[i]; got.Text != want.Text || got.Unknown != want.Unknown || !sameNumber(got.Value, want.Value) {
			return fmt.Sprintf("data source %d: rrdtool %+v, rondo %+v", i, want, got)
		}
	}
	for a := range f.rows {
		// RRDtool keeps nothing in the making where a row is one point.
		for i, want := range f.state.Cells[a] {
			if got := s.Cells[a][i]; d.Archives[a].Steps > 1 && (got.Unknown != want.Unknown || !sameNumber(got.Value, want.Value)) {
				return fmt.Sprintf("open row of archive %d, data source %d: rrdtool %+v, rondo %+v", a, i, want, got)
			}
		}
		for end, want := range f.rows[a] {
			for i := range want {
				got := math.NaN()
				if row := r[a][end]; row != nil {
					got = row[i]
				}
				if !sameNumber(got, want[i]) {
					return fmt.Sprintf("archive %d, row %d, data source %d: rrdtool %v, rondo %v", a, end/Second, i, want[i], got)
				}
			}
		}
	}
	return ""
}
