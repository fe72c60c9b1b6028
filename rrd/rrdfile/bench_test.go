package rrdfile

import (
	"bytes"
	"io"
	"math"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"rondo/rrd"
)

// classic is a file as a Cacti or Munin has thousands of: one data source,
// four spans, three functions, 200 KB.
func classic(b *testing.B) []byte {
	nan := math.NaN()
	d := rrd.SetDefinition{
		Step:    time.Minute,
		Sources: []rrd.DataSource{{Name: "value", Type: rrd.Gauge, Heartbeat: 2 * time.Minute, Min: nan, Max: nan}},
	}
	for _, cf := range []rrd.CF{rrd.Average, rrd.Min, rrd.Max} {
		for _, a := range [][2]int{{1, 1440}, {5, 2016}, {30, 1488}, {120, 4380}} {
			d.Archives = append(d.Archives, rrd.SetArchive{CF: cf, Steps: a[0], Rows: a[1], XFF: 0.5})
		}
	}
	s, err := rrd.NewSet(d, 1_700_000_000*rrd.Second)
	if err != nil {
		b.Fatal(err)
	}
	image := &rrd.SetImage{Definition: d, State: s.State()}
	for _, a := range d.Archives {
		ring := make([]float64, a.Rows)
		for i := range ring {
			ring[i] = 100 * math.Sin(float64(i)/300)
		}
		image.Rings = append(image.Rings, ring)
	}
	raw, err := Append(nil, image)
	if err != nil {
		b.Fatal(err)
	}
	return raw
}

func BenchmarkDecode(b *testing.B) {
	raw := classic(b)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	raw := classic(b)
	image, err := Decode(raw)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if raw, err = Append(raw[:0], image); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadXML(b *testing.B) {
	image, err := Decode(classic(b))
	if err != nil {
		b.Fatal(err)
	}
	text := encodeXML(b, image)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ReadXML(bytes.NewReader(text)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWriteXML(b *testing.B) {
	image, err := Decode(classic(b))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := WriteXML(io.Discard, image); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRRDtoolDump is the peer of a conversion: one process that dumps the
// same file.
func BenchmarkRRDtoolDump(b *testing.B) {
	if _, err := exec.LookPath("rrdtool"); err != nil {
		b.Skip("NOT COMPARED WITH RRDTOOL: it is not installed")
	}
	image, err := Decode(classic(b))
	if err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(b.TempDir(), "a.rrd")
	writeFile(b, file, image)
	tool := startRRDtool(b)
	for b.Loop() {
		tool.do("dump %s", file)
	}
}
