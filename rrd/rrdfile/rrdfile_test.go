package rrdfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"rondo/rrd"
)

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestDecode reads a file that rrdtool made; the numbers are those that it
// prints.
func TestDecode(t *testing.T) {
	image, err := Decode(testdata(t, "v3.rrd"))
	if err != nil {
		t.Fatal(err)
	}
	nan := math.NaN()
	want := newImage(0, 0)
	want.Definition = rrd.SetDefinition{
		Step: 10 * time.Second,
		Sources: []rrd.DataSource{
			{Name: "v", Type: rrd.Gauge, Heartbeat: 20 * time.Second, Min: nan, Max: nan},
			{Name: "c", Type: rrd.Counter, Heartbeat: 20 * time.Second, Min: 0, Max: 1e6},
		},
		Archives: []rrd.SetArchive{{CF: rrd.Average, Steps: 1, Rows: 5, XFF: 0.5}, {CF: rrd.Max, Steps: 3, Rows: 4, XFF: 0.5}},
	}
	if diff := diffImages(&rrd.SetImage{Definition: want.Definition}, &rrd.SetImage{Definition: image.Definition}); diff != "" {
		t.Error("definition: -want +got\n" + diff)
	}
	if got := image.State.Last; got != 1700000033_250000 {
		t.Errorf("last update %d", got)
	}
	if got := fmt.Sprint(image.Rings[0]); got != "[NaN NaN NaN NaN 3.5 1.4285714285714286 4 1.4285714285714286 NaN NaN]" {
		t.Error("first ring", got)
	}
}

// TestForeign makes files of other machines out of one of ours.
func TestForeign(t *testing.T) {
	ours := testdata(t, "v3.rrd")
	bigEndian := slices.Clone(ours)
	for i := 16; i < len(bigEndian)-8; i += 8 {
		slices.Reverse(bigEndian[i : i+8])
	}
	longs := func(cookie int, order binary.ByteOrder) []byte {
		b := make([]byte, 500)
		copy(b, ours[:9])
		order.PutUint64(b[cookie:], math.Float64bits(floatCookie))
		for i, n := range []uint32{2, 2, 10} {
			order.PutUint32(b[cookie+8+4*i:], n)
		}
		return b
	}
	for name, raw := range map[string][]byte{
		"64-bit big-endian": bigEndian,
		"32-bit x86":        longs(12, binary.LittleEndian),
		"32-bit ARM":        longs(16, binary.LittleEndian),
		"32-bit SPARC":      longs(16, binary.BigEndian),
		"32-bit PowerPC":    longs(12, binary.BigEndian),
	} {
		if _, err := Decode(raw); !errors.Is(err, ErrForeign) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRefused breaks a good file at one place, or cuts it.
func TestRefused(t *testing.T) {
	put := func(at int, n uint64) func([]byte) []byte {
		return func(b []byte) []byte { binary.LittleEndian.PutUint64(b[at:], n); return b }
	}
	text := func(at int, s string) func([]byte) []byte {
		return func(b []byte) []byte { copy(b[at:], s); return b }
	}
	const ds, rra, live = headSize, headSize + 2*dsSize, headSize + 4*dsSize
	for want, breaks := range map[string]func([]byte) []byte{
		"is no .rrd file":                      text(0, "RRX"),
		`version "0002"`:                       text(4, "0002"),
		"float cookie":                         text(20, "x"),
		"cut short: it has 100 bytes":          func(b []byte) []byte { return b[:100] },
		"do not hold the headers":              func(b []byte) []byte { return b[:1000] },
		"do not hold archive 1":                func(b []byte) []byte { return b[:len(b)-1] },
		"of 4000000000 data sources":           put(24, 4e9),
		"no data source or no archive":         put(24, 0),
		"step of 9300000000 s":                 put(40, 93e8),
		`data source type "GAUGEX" is not`:     text(ds+nameSize, "GAUGEX"),
		"heartbeat 0s":                         put(ds+2*nameSize, 0),
		"heartbeat of 18446744073709551615 s":  put(ds+2*nameSize, math.MaxUint64),
		`data source "v" has no name`:          text(ds+dsSize, "v"),
		`function "AVERAGEX" is not`:           text(rra, "AVERAGEX"),
		"archive 0 has no rows":                put(rra+24, 0),
		"archive 0 reaches back":               put(rra+32, 1<<40),
		"0 <= xff < 1":                         put(rra+40, math.Float64bits(1)),
		"last update at 18446744073709551615":  put(live, math.MaxUint64),
		"last update at 1700000033.1000000":    put(live+8, 1e6),
		"was unknown for -1 s":                 put(live+liveSize+32, math.MaxUint64),
		"archive 1 has a negative number":      put(live+liveSize+2*pdpSize+2*cdpSize+8, math.MaxUint64),
		"archive 1 has 4 rows, and row 4 is":   put(live+liveSize+2*pdpSize+4*cdpSize+8, 4),
		"archive 0 has 5 rows, and row 184467": put(live+liveSize+2*pdpSize+4*cdpSize, math.MaxUint64),
	} {
		_, err := Decode(breaks(testdata(t, "v3.rrd")))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestRefusedXML(t *testing.T) {
	good := string(testdata(t, "v3.xml"))
	for want, r := range map[string][2]string{
		"begins with <html>":                 {"<rrd>", "<html>"},
		`version "0006"`:                     {"0003", "0006"},
		`"ten" is no count`:                  {"<step>10<", "<step>ten<"},
		`"-10" is no count`:                  {"<step>10<", "<step>-10<"},
		`"10.5" is no count`:                 {"<step>10<", "<step>10.5<"},
		`last update "x" is no time`:         {"<lastupdate>1700000033<", "<lastupdate>x<"},
		`data source "v": data source type`:  {"GAUGE", "COLOUR"},
		`value "1,5" is no number`:           {"<min>NaN<", "<min>1,5<"},
		`archive 1: consolidation function`:  {"<cf>MAX<", "<cf>BEST<"},
		"archive 1: row 3 has 1 values":      {"<v>NaN</v></row>\n\t\t</database>\n\t</rra>\n</rrd>", "</row></database></rra></rrd>"},
		"<cdp_prep> is of 0 data sources":    {"cdp_prep>", "other>"},
		"archive 0: want steps and rows":     {"database>", "other>"},
		"archive 0: it would reach back":     {"<pdp_per_row>1<", "<pdp_per_row>100000000000<"},
		"<b> where a value should be":        {"<step>10<", "<step><b>10</b><"},
		"a data source behind the archives":  {"</rrd>", "<ds></ds></rrd>"},
		"syntax error":                       {"</rra>", "</rro>"},
		"unexpected EOF":                     {"</rrd>", ""},
		"this is no dump of an .rrd: there":  {good, ""},
		"invalid character entity &horror;":  {"<name> v ", "<name> &horror; "},
		"heartbeat of 9300000000 s":          {"heartbeat>20<", "heartbeat>9300000000<"},
		"a set needs a data source and an a": {"rra>", "rrb>"},
	} {
		_, err := ReadXML(strings.NewReader(strings.ReplaceAll(good, r[0], r[1])))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// TestForeignXML reads what other writers than rrdtool 1.7 print.
func TestForeignXML(t *testing.T) {
	for file, want := range map[string]string{
		"v1.xml":  "[speed counter] 920808900.0 [0.01 NaN]",
		"xen.xml": "[vbd_xvda_read_latency_of_a_long_name gauge memory & swap derive] 1384445340.5 [0.1 NaN 0.30000000000000004 NaN NaN 12]",
	} {
		image, err := ReadXML(bytes.NewReader(testdata(t, file)))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		var sources []any
		for _, d := range image.Definition.Sources {
			sources = append(sources, d.Name, d.Type)
		}
		if got := fmt.Sprintf("%v %.1f %v", sources, image.State.Last.Seconds(), image.Rings[0]); got != want {
			t.Errorf("%s: %s", file, got)
		}
	}
}

// TestNames says which names a .rrd has no place for.
func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"nineteen_bytes_long":  "",
		"twenty_bytes_long_is": `rrdfile: data source "twenty_bytes_long_is": a name in a .rrd has at most 19 bytes; XML takes longer ones`,
		"größe":                `rrdfile: data source "größe": a name in a .rrd has letters, digits, _ and - only; XML takes others`,
	} {
		image, err := Decode(testdata(t, "v3.rrd"))
		if err != nil {
			t.Fatal(err)
		}
		image.Definition.Sources[1].Name = name
		got := ""
		if err := Write(io.Discard, image); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s", name, got)
		}
		again, err := ReadXML(bytes.NewReader(encodeXML(t, image)))
		if err != nil || again.Definition.Sources[1].Name != name {
			t.Errorf("%s: over XML: %v", name, err)
		}
	}
}

// TestMemory reads files that claim much and hold little.
func TestMemory(t *testing.T) {
	raw := testdata(t, "v3.rrd")
	binary.LittleEndian.PutUint64(raw[headSize+2*dsSize+24:], 1<<30)
	many := "<rrd><version>0003</version><step>1</step><lastupdate>1</lastupdate>" + strings.Repeat("<ds></ds>", 10_000) +
		strings.Repeat("<rra><cdp_prep></cdp_prep></rra>", 10_000) + "</rrd>"
	for name, read := range map[string]func() error{
		"rows": func() error { _, err := Decode(raw); return err },
		"xml":  func() error { _, err := ReadXML(strings.NewReader(many)); return err },
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if read() == nil {
			t.Errorf("%s: no error", name)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 64*uint64(len(raw)+len(many)) {
			t.Errorf("%s: %d bytes allocated", name, n)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, file := range []string{"v3.rrd", "v4.rrd", "v5.rrd"} {
		f.Add(testdata(f, file))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		image, err := Decode(raw)
		if err != nil {
			return
		}
		again, err := Append(nil, image)
		if err != nil {
			return // a name that is only read
		}
		image2, err := Decode(again)
		if err != nil {
			t.Fatal(err)
		}
		if diff := diffImages(image, image2); diff != "" {
			t.Error(diff)
		}
	})
}

func FuzzReadXML(f *testing.F) {
	for _, file := range []string{"v1.xml", "v3.xml", "v5.xml", "xen.xml"} {
		f.Add(testdata(f, file))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		image, err := ReadXML(bytes.NewReader(text))
		if err != nil {
			return
		}
		asXML(image)
		again, err := ReadXML(bytes.NewReader(encodeXML(t, image)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := diffImages(image, again); diff != "" {
			t.Error(diff)
		}
	})
}
