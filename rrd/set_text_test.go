package rrd

import (
	"fmt"
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

// The files testdata/*.rrdtest say, in text, what a Set makes of readings:
//
//	step 10s
//	start 1000000000                     seconds since the epoch
//	ds load gauge heartbeat 20s min 0 max 100
//	archive fine average of 1 rows 10
//	archive peak max of 3 rows 5 xff 0.5
//	update +5 4                          5 s after the start load is 4
//	refuse +5 4: illegal attempt ...     this update must fail in these words
//	mended fine +10 5                    the same of a Set that is Mended
//	expect fine +10 5                    the next row of the archive fine ends at +10
//
// Data sources and archives may also be written as rrdcreate takes them; the
// archives are then called rra1 and so on:
//
//	DS:load:GAUGE:20:0:100
//	RRA:AVERAGE:0.5:3:10
//
// What random sequences that failed are made of is compared with rrdtool only:
//
//	feed +5 4                            taken or refused, but by both
//	restore                              goes on from the state
//	fetch +0 +100 average 60             the same rows, from, to, function, resolution
//
// There is one value for each ds; U is unknown, ” is no text. Numbers must agree to the last
// bit. Archives that are expected from must make no further rows. Text behind
// # is a remark.
type rrdTest struct {
	def    SetDefinition
	start  int64
	names  []string // of the archives
	events []event
}

// An event is a line that feeds or expects.
type event struct {
	line    int
	verb    string // update, refuse, expect
	archive int
	at      string // seconds after the start
	values  []string
	message string
}

func parseRRDTest(text string) (rt rrdTest, err error) {
	n := 0
	defer func() {
		if r := recover(); r != nil { // a word too few
			err = fmt.Errorf("line %d: %v", n, r)
		}
	}()
	for line := range strings.Lines(text) {
		n++
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if err := rt.statement(n, words, line); err != nil {
			return rt, fmt.Errorf("line %d: %w", n, err)
		}
	}
	rt.def.implySmoothing(strings.Contains(text, "smoothing-window="))
	return rt, rt.def.Validate()
}

func (rt *rrdTest) statement(n int, words []string, line string) (err error) {
	switch words[0] {
	case "step":
		rt.def.Step, err = time.ParseDuration(words[1])
	case "start":
		rt.start, err = strconv.ParseInt(words[1], 10, 64)
	case "ds":
		err = rt.source(words[1:])
	case "archive":
		err = rt.archive(words[1:])
	case "restore":
		rt.events = append(rt.events, event{line: n, verb: words[0]})
	case "fetch":
		rt.events = append(rt.events, event{line: n, verb: words[0], at: words[1], values: words[2:]})
	case "update", "refuse", "feed":
		e := event{line: n, verb: words[0], at: words[1]}
		feed, message, _ := strings.Cut(line, ": ")
		e.values, e.message = strings.Fields(feed)[2:], strings.TrimSpace(message)
		for i, v := range e.values {
			e.values[i] = strings.ReplaceAll(v, "''", "")
		}
		rt.events = append(rt.events, e)
	case "expect", "mended":
		e := event{line: n, verb: words[0], archive: slices.Index(rt.names, words[1]), at: words[2], values: words[3:]}
		if e.archive < 0 {
			return fmt.Errorf("no archive %s", words[1])
		}
		rt.events = append(rt.events, e)
	default:
		switch {
		case strings.HasPrefix(words[0], "DS:"):
			err = rt.def.parseSource(words[0][3:])
		case strings.HasPrefix(words[0], "RRA:"):
			err = rt.def.parseArchive(strings.Split(words[0][4:], ":"))
			for len(rt.names) < len(rt.def.Archives) {
				rt.names = append(rt.names, fmt.Sprintf("rra%d", len(rt.names)+1))
			}
		default:
			err = fmt.Errorf("unknown word %q", words[0])
		}
	}
	return err
}

// text writes the test.
func (rt *rrdTest) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "step %v\nstart %d\n%s\n", rt.def.Step, rt.start, strings.Join(rt.def.Arguments(), "\n"))
	for _, e := range rt.events {
		values := strings.Join(e.values, " ")
		if e.verb == "feed" {
			values = ""
			for _, v := range e.values {
				if v == "" {
					v = "''"
				}
				values += " " + v
			}
			values = strings.TrimPrefix(values, " ")
		}
		fmt.Fprintln(&b, strings.TrimSpace(e.verb+" "+rt.relative(e.at)+" "+values))
	}
	return b.String()
}

// relative is a time as seconds after the start.
func (rt *rrdTest) relative(at string) string {
	sec, frac, ok := strings.Cut(at, ".")
	n, err := strconv.ParseInt(sec, 10, 64)
	if err != nil || strings.HasPrefix(at, "+") {
		return at
	}
	text := fmt.Sprintf("%+d", n-rt.start)
	if ok {
		text += "." + frac
	}
	return text
}

func (rt *rrdTest) source(words []string) (err error) {
	d := DataSource{Name: words[0], Min: math.NaN(), Max: math.NaN()}
	if err := d.Type.UnmarshalText([]byte(words[1])); err != nil {
		return err
	}
	for i := 2; i < len(words) && err == nil; i += 2 {
		switch words[i] {
		case "heartbeat":
			d.Heartbeat, err = time.ParseDuration(words[i+1])
		case "min":
			d.Min, err = strconv.ParseFloat(words[i+1], 64)
		case "max":
			d.Max, err = strconv.ParseFloat(words[i+1], 64)
		}
	}
	rt.def.Sources = append(rt.def.Sources, d)
	return err
}

func (rt *rrdTest) archive(words []string) (err error) {
	var a SetArchive
	if err := a.CF.UnmarshalText([]byte(words[1])); err != nil {
		return err
	}
	for i := 2; i < len(words) && err == nil; i += 2 {
		switch words[i] {
		case "of":
			a.Steps, err = strconv.Atoi(words[i+1])
		case "rows":
			a.Rows, err = strconv.Atoi(words[i+1])
		case "xff":
			a.XFF, err = strconv.ParseFloat(words[i+1], 64)
		}
	}
	rt.names = append(rt.names, words[0])
	rt.def.Archives = append(rt.def.Archives, a)
	return err
}

// absolute is a time in the form that rrdtool takes.
func (rt *rrdTest) absolute(at string) string {
	if !strings.HasPrefix(at, "+") && !strings.HasPrefix(at, "-") {
		return at
	}
	sec, frac, ok := strings.Cut(strings.TrimPrefix(at, "+"), ".")
	n, err := strconv.ParseInt(sec, 10, 64)
	if err != nil {
		return at
	}
	text := strconv.FormatInt(rt.start+n, 10)
	if ok {
		text += "." + frac
	}
	return text
}

// run feeds a Set and checks what it makes.
func (rt *rrdTest) run(t *testing.T) {
	rt.runAs(t, "expect")
	if slices.ContainsFunc(rt.events, func(e event) bool { return e.verb == "mended" }) {
		mended := *rt
		mended.def.Mended = true
		mended.runAs(t, "mended")
	}
}

func (rt *rrdTest) runAs(t *testing.T, expectation string) {
	t.Helper()
	set, err := NewSet(rt.def, Time(rt.start)*Second)
	if err != nil {
		t.Fatal(err)
	}
	made := make([][]SetRow, len(rt.names)) // and not yet expected
	expected := make([]bool, len(rt.names))
	for _, e := range rt.events {
		switch e.verb {
		case "feed", "fetch", "restore": // for rrdtool
			continue
		}
		at, err := ParseUpdateTime(rt.absolute(e.at), 0)
		if err != nil {
			t.Fatalf("line %d: %v", e.line, err)
		}
		if e.verb == "expect" || e.verb == "mended" {
			if e.verb != expectation {
				continue
			}
			expected[e.archive] = true
			made[e.archive] = rt.expect(t, e, at, made[e.archive])
			continue
		}
		rows, err := set.Update(at, e.values...)
		if got := fmt.Sprint(err); e.verb == "refuse" && got != e.message || e.verb == "update" && err != nil {
			t.Errorf("line %d: %s", e.line, got)
		}
		for _, r := range rows {
			for end := range r.Ends() {
				made[r.Archive] = append(made[r.Archive], SetRow{Archive: r.Archive, End: end, Values: slices.Clone(r.Values)})
			}
		}
	}
	for a, rows := range made {
		if expected[a] && len(rows) > 0 {
			t.Errorf("archive %s made %d rows that are not expected, the first is +%d %v",
				rt.names[a], len(rows), int64(rows[0].End/Second)-rt.start, rows[0].Values)
		}
	}
}

func (rt *rrdTest) expect(t *testing.T, e event, end Time, made []SetRow) (rest []SetRow) {
	if len(made) == 0 {
		t.Errorf("line %d: no such row", e.line)
		return nil
	}
	row := made[0]
	ok := row.End == end && len(row.Values) == len(e.values)
	for i := 0; ok && i < len(e.values); i++ {
		want, err := strconv.ParseFloat(strings.Replace(e.values[i], "U", "nan", 1), 64)
		ok = err == nil && sameNumber(want, row.Values[i])
	}
	if !ok {
		t.Errorf("line %d: the next row is +%d %v", e.line, int64(row.End/Second)-rt.start, row.Values)
	}
	return made[1:]
}

// TestFiles runs each file through a Set, and through rrdtool where it is
// installed.
func TestFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*.rrdtest")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".rrdtest"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			rt, err := parseRRDTest(string(text))
			if err != nil {
				t.Fatal(err)
			}
			rt.run(t)
			if path, err := exec.LookPath("rrdtool"); err == nil {
				rt.runRRDtool(t, startRRDtool(t, path))
			}
		})
	}
}

func (rt *rrdTest) runRRDtool(t *testing.T, tool *rrdtool) {
	if diff := rt.compare(t, tool, true); diff != "" {
		t.Error(diff)
	}
}

// compare runs the test through a Set and through rrdtool and says where they
// differ. With often it looks after each reading.
func (rt *rrdTest) compare(t *testing.T, tool *rrdtool, often bool) (diff string) {
	t.Helper()
	p := newPair(t, tool, rt.def, rt.start)
	compared := false
	for _, e := range rt.events {
		switch e.verb {
		case "restore":
			p.restore()
		case "fetch":
			if !compared {
				diff, compared = p.compare(), true
			}
			if diff == "" {
				diff = rt.fetch(p, e)
			}
		case "update", "refuse", "feed":
			diff, compared = p.update(rt.absolute(e.at), e.values), false
			if diff == "" && often {
				diff = p.compare()
			}
		}
		if diff != "" {
			return diff
		}
	}
	return p.compare()
}

func (rt *rrdTest) fetch(p *pair, e event) (diff string) {
	seconds := func(text string) int64 {
		n, err := strconv.ParseInt(rt.absolute(text), 10, 64)
		if err != nil {
			p.t.Fatal(err)
		}
		return n
	}
	var cf CF
	if err := cf.UnmarshalText([]byte(e.values[1])); err != nil {
		p.t.Fatal(err)
	}
	resolution, err := strconv.Atoi(e.values[2])
	if err != nil {
		p.t.Fatal(err)
	}
	return p.fetch(cf, seconds(e.at), seconds(e.values[0]), resolution)
}

// shrink removes events, archives and data sources as long as both differ.
func (rt *rrdTest) shrink(t *testing.T, tool *rrdtool, diff string) (*rrdTest, string) {
	t.Helper()
	try := func(smaller *rrdTest) bool {
		if smaller.def.Validate() != nil {
			return false
		}
		d := smaller.compare(t, tool, true)
		if d != "" {
			rt, diff = smaller, d
		}
		return d != ""
	}
	for again := true; again; {
		again = false
		for n := max(1, len(rt.events)/2); n > 0; n /= 2 {
			for i := len(rt.events) - n; i >= 0; i-- {
				smaller := *rt
				smaller.events = slices.Concat(rt.events[:i], rt.events[min(i+n, len(rt.events)):])
				again = try(&smaller) || again
				i = min(i, len(rt.events))
			}
		}
		for i := len(rt.def.Archives) - 1; i >= 0; i-- {
			again = try(rt.withoutArchive(i)) || again
		}
		for i := len(rt.def.Sources) - 1; i >= 0; i-- {
			again = try(rt.withoutSource(i)) || again
		}
	}
	return rt, diff
}

func (rt *rrdTest) withoutArchive(i int) *rrdTest {
	smaller := *rt
	smaller.def.Archives = slices.Delete(slices.Clone(rt.def.Archives), i, i+1)
	for j, a := range smaller.def.Archives {
		if a.HoltWinters == nil {
			continue
		}
		h := *a.HoltWinters
		switch {
		case h.Partner == i:
			h.Partner = -1 // not valid
		case h.Partner > i:
			h.Partner--
		}
		smaller.def.Archives[j].HoltWinters = &h
	}
	return &smaller
}

func (rt *rrdTest) withoutSource(i int) *rrdTest {
	smaller := *rt
	smaller.def.Sources = slices.Delete(slices.Clone(rt.def.Sources), i, i+1)
	if rt.def.Sources[i].Type == Compute {
		return &smaller
	}
	input := 0
	for _, s := range rt.def.Sources[:i] {
		if s.Type != Compute {
			input++
		}
	}
	smaller.events = slices.Clone(rt.events)
	for j, e := range smaller.events {
		if e.verb == "feed" && input < len(e.values) {
			smaller.events[j].values = slices.Delete(slices.Clone(e.values), input, input+1)
		}
	}
	return &smaller
}
