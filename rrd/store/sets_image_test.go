package store

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rondo/rrd"
	"rondo/rrd/rrdtest"
)

// TestImages: whatever is imported comes out again, bit for bit, at once and
// after each restart.
func TestImages(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(base, "")
		if err != nil {
			rt.Fatal(err)
		}
		o := Options{Now: late2033, Every: time.Hour, FS: &lossyFS{synced: map[string]int64{}}, StageBytes: 4000, CheckpointBytes: 8000}
		st, err := Open(filepath.Join(dir, "store"), o)
		if err != nil {
			rt.Fatal(err)
		}
		defer func() {
			if err := errors.Join(st.kill(), os.RemoveAll(dir)); err != nil {
				rt.Error(err)
			}
		}()
		want := rrdtest.NewMemSets(rrdtest.Options{})
		names := []string{"a/b"}
		same := func(when string) {
			for _, name := range names {
				if d := rrdtest.DiffSet(t.Context(), want, st, name); d != "" {
					rt.Fatalf("%s, %s (-want +got):\n%s", name, when, d)
				}
			}
		}
		for _, name := range names {
			image := drawImage(rt)
			if err := errors.Join(want.ImportSet(t.Context(), name, image, false), st.ImportSet(t.Context(), name, image, false)); err != nil {
				rt.Fatalf("%v: %v", image.Definition.Arguments(), err)
			}
		}
		same("imported")
		restarts := 0 // too few for one from a snapshot
		for range 2 {
			if rapid.Bool().Draw(rt, "maintain") {
				if err := st.maintain(); err != nil {
					rt.Fatal(err)
				}
			}
			clean := rapid.Bool().Draw(rt, "clean")
			if st, err = reborn(st, &restarts, clean, nil); err != nil {
				rt.Fatal(err)
			}
			same(fmt.Sprintf("after a restart, clean %v", clean))
		}
	})
}

// drawImage makes a set that readings came to, and fills its rings with
// whatever a file may hold.
func drawImage(t *rapid.T) *rrd.SetImage {
	d := drawSetDefinition(t)
	set, err := rrd.NewSet(d, rrdtest.T0)
	if err != nil {
		t.Fatal(err)
	}
	at, inputs := rrdtest.T0, 0
	for _, s := range d.Sources {
		if s.Type != rrd.Compute {
			inputs++
		}
	}
	for range rapid.IntRange(0, 6).Draw(t, "readings") {
		at += rrd.Time(rapid.Int64Range(1, 900_000_000).Draw(t, "after"))
		texts := make([]string, inputs)
		for i := range texts {
			texts[i] = strconv.Itoa(rapid.IntRange(0, 1e9).Draw(t, "reading"))
		}
		if _, err := set.Update(at, texts...); err != nil {
			t.Fatal(err)
		}
	}
	image := &rrd.SetImage{Definition: d, State: set.State(), Rings: make([][]float64, len(d.Archives))}
	value := rapid.OneOf(
		rapid.Map(rapid.IntRange(-1e6, 1e6), func(n int) float64 { return float64(n) / 100 }),
		rapid.Map(rapid.Uint64(), math.Float64frombits),
		rapid.Just(math.NaN()),
	)
	for a, archive := range d.Archives {
		if isSeason(&archive) {
			continue
		}
		few := rapid.SliceOfN(value, 1, 12).Draw(t, "values")
		ring := make([]float64, archive.Rows*len(d.Sources))
		for i := range ring {
			ring[i] = few[(i*7+i/13)%len(few)]
		}
		image.Rings[a] = ring
	}
	return image
}

func drawSetDefinition(t *rapid.T) rrd.SetDefinition {
	var args []string
	for i := range rapid.IntRange(1, 4).Draw(t, "sources") {
		kind := rapid.SampledFrom([]string{"GAUGE:900:U:U", "COUNTER:900:0:1e9", "DERIVE:900:U:U", "ABSOLUTE:900:0:U", "DCOUNTER:900:U:U"}).Draw(t, "source")
		args = append(args, fmt.Sprintf("DS:s%d:%s", i, kind))
	}
	if rapid.Bool().Draw(t, "compute") {
		args = append(args, "DS:sum:COMPUTE:s0,2,*")
	}
	for range rapid.IntRange(1, 4).Draw(t, "archives") {
		args = append(args, fmt.Sprintf("RRA:%s:0.5:%d:%d", rapid.SampledFrom([]string{"AVERAGE", "MIN", "MAX", "LAST"}).Draw(t, "function"),
			rapid.SampledFrom([]int{1, 1, 1, 3, 60}).Draw(t, "steps"), rapid.SampledFrom([]int{1, 10, 10, 33, 300}).Draw(t, "rows")))
	}
	if rapid.Bool().Draw(t, "family") {
		args = append(args, fmt.Sprintf("RRA:HWPREDICT:%d:0.1:0.0035:10", rapid.IntRange(10, 40).Draw(t, "rows")))
	}
	d, err := rrd.ParseSetDefinition(time.Duration(rapid.SampledFrom([]int{1, 60, 300}).Draw(t, "step"))*time.Second, args)
	if err != nil {
		t.Fatal(args, err)
	}
	return d
}
