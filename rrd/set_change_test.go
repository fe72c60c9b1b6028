package rrd

import (
	"fmt"
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

	"pgregory.net/rapid"
)

// imageOf is a set that was given n readings, one a step.
func imageOf(t testing.TB, d SetDefinition, start Time, texts [][]string) *SetImage {
	t.Helper()
	s, err := NewSet(d, start)
	if err != nil {
		t.Fatal(err)
	}
	made := newRings(d)
	for k, reading := range texts {
		rows, err := s.Update(start+Time(k+1)*Time(d.Step/time.Microsecond), reading...)
		if err != nil {
			t.Fatal(err)
		}
		made.put(rows)
	}
	image := &SetImage{Definition: d, State: s.State()}
	for a := range d.Archives {
		width := Time(d.row(a) / time.Microsecond)
		ring := unknowns(d.Archives[a].Rows * len(d.Sources))
		for r := range d.Archives[a].Rows {
			copy(ring[r*len(d.Sources):], made[a][s.Last()-s.Last()%width-Time(d.Archives[a].Rows-1-r)*width])
		}
		if d.Archives[a].season() {
			ring = nil
		}
		image.Rings = append(image.Rings, ring)
	}
	return image
}

// TestChangeImage: an archive that is added later is what it would have been
// from the begin, to the last bit, where the primary points reach; what stays
// stays; and the set goes on as one that was always so.
func TestChangeImage(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		archive := func(label string) SetArchive {
			return SetArchive{
				CF: CF(rapid.IntRange(0, 3).Draw(r, label)), Steps: rapid.IntRange(1, 7).Draw(r, label+" steps"),
				Rows: rapid.IntRange(1, 30).Draw(r, label+" rows"), XFF: rapid.SampledFrom([]float64{0, 0.3, 0.5, 0.9}).Draw(r, label+" xff"),
			}
		}
		gauge := func(name string) DataSource {
			return DataSource{Name: name, Type: Gauge, Heartbeat: 20 * time.Second, Min: math.NaN(), Max: math.NaN()}
		}
		primary := SetArchive{CF: Average, Steps: 1, Rows: rapid.IntRange(1, 80).Draw(r, "primary rows"), XFF: 0.5}
		old := SetDefinition{Step: 10 * time.Second, Sources: []DataSource{gauge("a"), gauge("b")}, Archives: []SetArchive{primary, archive("old")}}
		full := old
		full.Archives = append(slices.Clone(old.Archives), archive("new"))
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(r, "seed"), 0))
		texts := make([][]string, rapid.IntRange(0, 150).Draw(r, "readings"))
		for k := range texts {
			texts[k] = []string{randomText(rng), randomText(rng)}
		}
		start := Time(1_700_000_000+rapid.IntRange(0, 300).Draw(r, "start")*10) * Second
		want, image := imageOf(t, full, start, texts), imageOf(t, old, start, texts)
		got, lost, err := ChangeImage(image, &SetPlan{Definition: full, Sources: []int{0, 1}, Archives: []int{0, 1, -1}})
		if err != nil || lost.Rows[0]+lost.Rows[1] > 0 {
			r.Fatal(lost, err)
		}
		for a := range 2 {
			if !slices.EqualFunc(got.Rings[a], want.Rings[a], sameNumber) {
				r.Fatalf("archive %d has changed", a)
			}
		}
		width := Time(full.row(2) / time.Microsecond)
		last := want.State.Last - want.State.Last%(10*Second)
		points := primary.Rows
		if other := old.Archives[1]; other.Steps == 1 {
			points = max(points, other.Rows)
		}
		reach := last - Time(points)*10*Second
		for k := range full.Archives[2].Rows {
			begin := want.State.Last - want.State.Last%width - Time(full.Archives[2].Rows-k)*width
			for i := range 2 {
				v, w := got.Rings[2][2*k+i], want.Rings[2][2*k+i]
				if begin < reach && !math.IsNaN(v) || begin >= max(reach, start) && !sameNumber(v, w) {
					r.Fatalf("row %d of %d, source %d: %v, want %v", k, full.Archives[2].Rows, i, v, w)
				}
			}
		}
		if begin := want.State.Last - want.State.Last%width; begin >= max(reach, start) && full.Archives[2].Steps > 1 {
			sameFuture(r, got, want)
		}
		if back, _, err := ChangeImage(got, &SetPlan{Definition: old, Sources: []int{0, 1}, Archives: []int{0, 1}}); err != nil ||
			!slices.EqualFunc(back.Rings[1], image.Rings[1], sameNumber) {
			r.Fatal("there and back is another set", err)
		}
	})
}

func randomText(rng *rand.Rand) string {
	if rng.IntN(4) == 0 {
		return "U"
	}
	return strconv.FormatFloat(rng.NormFloat64()*100, 'g', -1, 64)
}

// sameFuture gives two sets some more readings.
func sameFuture(r *rapid.T, got, want *SetImage) {
	x, err1 := RestoreSet(got.Definition, got.State)
	y, err2 := RestoreSet(want.Definition, want.State)
	if err1 != nil || err2 != nil {
		r.Fatal(err1, err2)
	}
	for k := range 20 {
		at, text := got.State.Last+Time(10*k+10)*Second, strconv.Itoa(k)
		a, err1 := x.Update(at, text, text)
		b, err2 := y.Update(at, text, text)
		if err1 != nil || err2 != nil || !slices.EqualFunc(a, b, sameRow) {
			r.Fatalf("update %d: %v, want %v, %v %v", k, a, b, err1, err2)
		}
	}
}

// TestChangeAgainstRRDtool: what rrdtune and rrdresize can do too comes out as
// theirs, and takes the same readings on.
func TestChangeAgainstRRDtool(t *testing.T) {
	path, err := exec.LookPath("rrdtool")
	if err != nil {
		t.Skip("NOT TESTED WITH RRDTOOL: it is not installed")
	}
	create := []string{"DS:in:COUNTER:120:0:U", "DS:out:GAUGE:120:U:U", "RRA:AVERAGE:0.5:1:20", "RRA:MAX:0.5:5:10", "RRA:MIN:0.5:3:8"}
	for _, c := range []struct {
		name string
		edit SetEdit
		tool [][]string
	}{
		{"limits", SetEdit{Heartbeat: []string{"in:300"}, Min: []string{"out:-5"}, Max: []string{"in:1e6", "out:30"}},
			[][]string{{"tune", "-h", "in:300", "-i", "out:-5", "-a", "in:1e6", "-a", "out:30"}}},
		{"rename", SetEdit{Rename: []string{"in=bytes"}, Heartbeat: []string{"bytes:5m"}}, [][]string{{"tune", "-r", "in:bytes"}, {"tune", "-h", "bytes:300"}}},
		{"remove source", SetEdit{RemoveSource: []string{"in"}}, [][]string{{"tune", "DEL:in"}}},
		{"add source", SetEdit{Add: []string{"DS:new:GAUGE:120:U:U"}}, [][]string{{"tune", "DS:new:GAUGE:120:U:U"}}},
		{"remove archive", SetEdit{RemoveArchive: []string{"min:3"}}, [][]string{{"tune", "DELRRA:2"}}},
		{"grow", SetEdit{Resize: []string{"AVERAGE:1=33"}}, [][]string{{"resize", "0", "GROW", "13"}}},
		{"shrink", SetEdit{Resize: []string{"max:5:10=4"}}, [][]string{{"resize", "1", "SHRINK", "6"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "x.rrd")
			rrdtool := func(args ...string) {
				t.Helper()
				cmd := exec.Command(path, args...)
				cmd.Dir = dir
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", args, out)
				}
			}
			d, err := ParseSetDefinition(time.Minute, create)
			if err != nil {
				t.Fatal(err)
			}
			const start = 1_700_000_000 - 1_700_000_000%60 + 23
			rrdtool(append([]string{"create", file, "--start", fmt.Sprint(start), "--step", "60"}, create...)...)
			var texts [][]string
			update := []string{"update", file}
			for k := range 67 {
				texts = append(texts, []string{strconv.Itoa(k * k), strconv.Itoa(k % 13)})
				update = append(update, fmt.Sprintf("%d:%s", start+60*(k+1), strings.Join(texts[k], ":")))
			}
			rrdtool(update...)
			for _, args := range c.tool {
				rrdtool(append([]string{args[0], file}, args[1:]...)...)
				if args[0] == "resize" {
					if err := os.Rename(filepath.Join(dir, "resize.rrd"), file); err != nil {
						t.Fatal(err)
					}
				}
			}
			plan, changed, err := c.edit.Plan(d)
			if err != nil || !changed {
				t.Fatal(changed, err)
			}
			image, _, err := ChangeImage(imageOf(t, d, start*Second, texts), plan)
			if err != nil {
				t.Fatal(err)
			}
			if _, again, err := c.edit.Plan(image.Definition); err != nil || again {
				t.Errorf("a second time: changed %v, %v", again, err)
			}
			compareImage(t, file, image)
			x, err := RestoreSet(image.Definition, image.State)
			if err != nil {
				t.Fatal(err)
			}
			more := slices.Repeat([]string{"4600"}, len(plan.Sources))
			rows, err := x.Update((start+60*69+17)*Second, more...)
			if err != nil {
				t.Fatal(err)
			}
			rrdtool("update", file, fmt.Sprintf("%d:%s", start+60*69+17, strings.Join(more, ":")))
			f, r := readRRD(t, file, image.Definition), newRings(image.Definition)
			r.put(rows)
			for a := range r {
				for end, values := range r[a] {
					if !slices.EqualFunc(values, f.rows[a][end], sameNumber) {
						t.Errorf("afterwards, archive %d at %d: %v, rrdtool %v", a, end, values, f.rows[a][end])
					}
				}
			}
		})
	}
}

// compareImage compares rings and state with a file.
func compareImage(t *testing.T, file string, image *SetImage) {
	t.Helper()
	d, n := image.Definition, len(image.Definition.Sources)
	f, r := readRRD(t, file, d), newRings(d)
	for a, ring := range image.Rings {
		width := Time(d.row(a) / time.Microsecond)
		for k := range d.Archives[a].Rows {
			r[a][image.State.Last-image.State.Last%width-Time(d.Archives[a].Rows-1-k)*width] = ring[k*n : (k+1)*n]
		}
	}
	if diff := f.compare(d, image.State, r); diff != "" {
		t.Error(diff)
	}
}

// TestSetEdit: what an edit cannot do it says.
func TestSetEdit(t *testing.T) {
	d, err := ParseSetDefinition(time.Minute, []string{"DS:in:GAUGE:120:U:U", "DS:twice:COMPUTE:in,2,*", "RRA:AVERAGE:0.5:1:60", "RRA:HWPREDICT:60:0.1:0.0035:20"})
	if err != nil {
		t.Fatal(err)
	}
	family := []string{"hwpredict:1", "seasonal:1", "devseasonal:1", "devpredict:1", "failures:1"}
	for _, c := range []struct {
		edit SetEdit
		want string // of the error; else all arguments
	}{
		{SetEdit{Rename: []string{"in=rx"}, RemoveArchive: family}, "DS:rx:GAUGE:120:U:U DS:twice:COMPUTE:rx,2,* RRA:AVERAGE:0.5:1:60"},
		{SetEdit{RemoveArchive: []string{"max:9"}, RemoveSource: []string{"gone"}}, strings.Join(d.Arguments(), " ")},
		{SetEdit{RemoveArchive: []string{"seasonal:1"}}, "remove archive: hwpredict:1:60 would be left without the one it works with: archives of the holt-winters family"},
		{SetEdit{RemoveSource: []string{"in"}}, "in"},
		{SetEdit{Heartbeat: []string{"twice:60"}}, "heartbeat twice:60: twice is computed"},
		{SetEdit{Heartbeat: []string{"in:0"}}, "heartbeat in:0: value must be positive"},
		{SetEdit{Heartbeat: []string{"60"}}, "heartbeat 60: want NAME:VALUE"},
		{SetEdit{Min: []string{"in:9"}, Max: []string{"in:3"}}, "max in:3: min 9 must be less than max 3"},
		{SetEdit{Max: []string{"in:x"}}, "max in:x: it - Cannot convert 'x' to float"},
		{SetEdit{Rename: []string{"x=y"}}, `rename x=y: no data source "x"`},
		{SetEdit{Rename: []string{"in=twice"}}, `rename in=twice: there is a data source "twice" already`},
		{SetEdit{Resize: []string{"seasonal:1=9"}}, "resize seasonal:1=9: a SEASONAL cannot be resized"},
		{SetEdit{Resize: []string{"max:5=9"}}, "resize max:5=9: no such archive"},
		{SetEdit{Resize: []string{"5=9"}}, "resize 5=9: want FUNCTION:STEPS"},
		{SetEdit{Add: []string{"DS:in:GAUGE:60:U:U"}}, "add DS:in:GAUGE:60:U:U: there is DS:in:GAUGE:120:U:U already"},
		{SetEdit{AddArchive: []string{"RRA:MHWPREDICT:60:0.1:0.0035:20:1"}}, "add archive RRA:MHWPREDICT:60:0.1:0.0035:20:1: a MHWPREDICT cannot be added"},
	} {
		p, _, err := c.edit.Plan(d)
		got := fmt.Sprint(err)
		if err == nil {
			got = strings.Join(p.Definition.Arguments(), " ")
		}
		if !strings.Contains(strings.ToLower(got), strings.ToLower(c.want)) {
			t.Errorf("%+v: %s, want %s", c.edit, got, c.want)
		}
	}
	if d.Archives[1].HoltWinters.Partner != 2 {
		t.Error("an edit has changed the definition that it was given")
	}
}
