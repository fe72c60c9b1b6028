package rrd

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"math"
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
	rrdtoolRuns = flag.Int("rrdtool.runs", 3000, "number of runs against rrdtool")
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
	cmd.Env = append(os.Environ(), "LC_ALL=C")
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
	rt := randomTest(seed)
	diff := rt.compare(t, tool, false)
	if diff == "" {
		return true
	}
	rt, diff = rt.shrink(t, tool, diff)
	t.Errorf("%s, after\n%s", diff, rt.text())
	return false
}

// A pair is a Set and a .rrd file that are fed the same. Its methods say where
// they differ.
type pair struct {
	t     *testing.T
	tool  *rrdtool
	file  string
	def   SetDefinition
	set   *Set
	rings rings
}

func newPair(t *testing.T, tool *rrdtool, d SetDefinition, start int64) *pair {
	t.Helper()
	p := &pair{t: t, tool: tool, file: filepath.Join(tool.dir, "a.rrd"), def: d, rings: newRings(d)}
	create := fmt.Sprintf("create %s --start %d --step %d %s", p.file, start, d.Step/time.Second, strings.Join(d.Arguments(), " "))
	if e := tool.do(create); e != "" {
		t.Fatalf("%s: %s", create, e)
	}
	p.begin(start)
	return p
}

// begin makes the Set. Where in its ring a season begins, and where it is
// smoothed, is what rrdtool has drawn by lot.
func (p *pair) begin(start int64) {
	set, err := NewSet(p.def, Time(start)*Second)
	if err != nil {
		p.t.Fatal(err)
	}
	p.set = set
	st := set.State()
	if st.Seasons == nil {
		return
	}
	theirs := readDefinition(p.t, p.file)
	p.def.Archives = slices.Clone(p.def.Archives)
	for i := range theirs.Archives {
		if p.def.Archives[i].season() {
			h := *p.def.Archives[i].HoltWinters
			h.SmoothRow = theirs.Archives[i].HoltWinters.SmoothRow
			p.def.Archives[i].HoltWinters = &h
		}
	}
	f := readRRD(p.t, p.file, p.def)
	for i := range st.Seasons {
		st.Seasons[i].Newest = f.state.Seasons[i].Newest
	}
	if p.set, err = RestoreSet(p.def, st); err != nil {
		p.t.Fatal(err)
	}
}

// update feeds both, and wants the same refusal in the same words, or none.
func (p *pair) update(when string, texts []string) (diff string) {
	theirs := p.tool.do("update " + p.file + " " + when + ":" + strings.Join(texts, ":"))
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
		return fmt.Sprintf("rrdtool says %q, rondo %q", theirs, ours)
	}
	return ""
}

// restore goes on with a copy of the Set made of its state, as bytes.
func (p *pair) restore() {
	st := p.set.State()
	st, _, err := ReadSetState(&p.def, st.AppendBinary(nil))
	if err != nil {
		p.t.Fatal(err)
	}
	if p.set, err = RestoreSet(p.def, st); err != nil {
		p.t.Fatal(err)
	}
}

// compare wants both to remember the same.
func (p *pair) compare() (diff string) {
	return readRRD(p.t, p.file, p.def).compare(p.def, p.set.State(), p.rings)
}

// fetch asks both for a time range, and wants the same rows. The values are
// compared as rrdtool prints them; compare has seen their bits.
func (p *pair) fetch(cf CF, from, to int64, resolution int) (diff string) {
	out, theirs := p.tool.ask(fmt.Sprintf("fetch %s %s -s %d -e %d -r %d", p.file, rraName(cf), from, to, resolution))
	got, err := p.set.Fetch(cf, Time(from)*Second, Time(to)*Second, time.Duration(resolution)*time.Second)
	if err != nil || theirs != "" {
		if err == nil || err.Error() != theirs {
			return fmt.Sprintf("rrdtool says %q, rondo %v", theirs, err)
		}
		return ""
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
		return fmt.Sprintf("rrdtool fetched\n%s\nrondo %+v\n%s", have, got, strings.Join(want, "\n"))
	}
	return ""
}

// printed is a value of a fetched row, unknown where the ring has turned.
func (p *pair) printed(r SetRange, end Time, source int) string {
	oldest := floor(p.set.Last(), r.Row).Add(-time.Duration(p.def.Archives[r.Archive].Rows) * r.Row)
	v := math.NaN()
	if p.def.Archives[r.Archive].season() {
		if row := p.set.SeasonRow(r.Archive, end); row != nil {
			v = row[source]
		}
	} else if row := p.rings[r.Archive][end]; row != nil && end > oldest {
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

func rraName(cf CF) string { return strings.ToUpper(cf.String()) }
