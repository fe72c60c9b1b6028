package rrdfile

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"rondo/rrd"
	"rondo/rrd/rrdtest"
)

// TestFromSeries makes a file of a Graphite path, which rrdtool goes on with.
func TestFromSeries(t *testing.T) {
	const start = 1_700_000_000
	define := func(key rrd.Key, kind rrd.Type) rrd.Definition {
		nan := math.NaN()
		if key == "hits" {
			kind = rrd.Counter
		}
		return rrd.Definition{
			Type: kind, Step: 10 * time.Second, Heartbeat: 30 * time.Second, Min: nan, Max: nan,
			Archives: []rrd.Archive{{Steps: 1, Rows: 5, XFF: 0.5}, {Steps: 3, Rows: 4, XFF: 0.5, CFs: []rrd.CF{rrd.Average, rrd.Max}}},
		}
	}
	now := func() time.Time { return time.Unix(start+1000, 0) }
	m := rrdtest.NewMem(rrdtest.Options{Define: define, Now: now})
	labelled, err := rrd.NewKey("rack.load", rrd.Label{Name: "host", Value: "a"})
	if err != nil {
		t.Fatal(err)
	}
	var batch []rrd.Sample
	for i := range 10 {
		at := rrd.Time(start+10*i+5) * rrd.Second
		batch = append(batch, rrd.Sample{Key: "rack.load", Time: at, Value: float64(i), Type: rrd.Gauge},
			rrd.Sample{Key: labelled, Time: at, Value: -1, Type: rrd.Gauge}, rrd.Sample{Key: "hits", Time: at, Value: float64(i)})
	}
	if err := m.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	s := WithSeries{rrdtest.NewMemSets(rrdtest.Options{}), m}
	image, err := s.ExportSet(t.Context(), "rack.load")
	if err != nil {
		t.Fatal(err)
	}
	// The row that ends at +100 is open: the last sample is at +95. It has a
	// place in the ring already.
	if got := image.State.Last; got != (start+90)*rrd.Second {
		t.Errorf("last %d", got/rrd.Second)
	}
	for a, want := range []string{"[NaN 5 6 7 8]", "[NaN 5 6 7 8]", "[NaN 5 6 7 8]", "[NaN 5 6 7 8]", "[NaN NaN 2 5]", "[NaN NaN 3 6]"} {
		if got := fmt.Sprint(image.Rings[a]); got != want {
			t.Errorf("archive %d %v: %s", a, image.Definition.Archives[a], got)
		}
	}
	for name, want := range map[string]string{"hits": "is a counter: want a gauge", "nosuch": rrd.ErrNoSet.Error()} {
		if _, err := s.ExportSet(t.Context(), name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	tool := startRRDtool(t)
	file := tool.path("rack.load.rrd")
	writeFile(t, file, image)
	tool.do("update %s %d:20", file, start+100)
	if got := readFile(t, file).Rings[0]; fmt.Sprint(got) != "[5 6 7 8 20]" {
		t.Error("continued", got)
	}
}
