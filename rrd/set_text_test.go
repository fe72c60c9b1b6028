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
//	expect fine +10 5                    the next row of the archive fine ends at +10
//
// There is one value for each ds; U is unknown. Numbers must agree to the last
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
	case "update", "refuse":
		e := event{line: n, verb: words[0], at: words[1]}
		feed, message, _ := strings.Cut(line, ": ")
		e.values, e.message = strings.Fields(feed)[2:], strings.TrimSpace(message)
		rt.events = append(rt.events, e)
	case "expect":
		e := event{line: n, verb: "expect", archive: slices.Index(rt.names, words[1]), at: words[2], values: words[3:]}
		if e.archive < 0 {
			return fmt.Errorf("no archive %s", words[1])
		}
		rt.events = append(rt.events, e)
	default:
		err = fmt.Errorf("unknown word %q", words[0])
	}
	return err
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
	set, err := NewSet(rt.def, Time(rt.start)*Second)
	if err != nil {
		t.Fatal(err)
	}
	made := make([][]SetRow, len(rt.names)) // and not yet expected
	expected := make([]bool, len(rt.names))
	for _, e := range rt.events {
		at, err := ParseUpdateTime(rt.absolute(e.at), 0)
		if err != nil {
			t.Fatalf("line %d: %v", e.line, err)
		}
		if e.verb == "expect" {
			expected[e.archive] = true
			made[e.archive] = rt.expect(t, e, at, made[e.archive])
			continue
		}
		rows, err := set.Update(at, e.values...)
		if got := fmt.Sprint(err); e.verb == "refuse" && got != e.message || e.verb == "update" && err != nil {
			t.Errorf("line %d: %s", e.line, got)
		}
		for _, r := range rows {
			made[r.Archive] = append(made[r.Archive], SetRow{r.Archive, r.End, slices.Clone(r.Values)})
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
	p := newPair(t, tool, rt.def, rt.start)
	for _, e := range rt.events {
		if e.verb != "expect" && !p.update(rt.absolute(e.at), e.values) {
			return
		}
	}
	p.compare()
}
