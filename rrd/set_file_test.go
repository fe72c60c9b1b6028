package rrd

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

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
		for end := range row.Ends() {
			r[row.Archive][end] = slices.Clone(row.Values)
		}
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
	for _, a := range d.Archives {
		var cells []CellState
		var hw []HoltWintersState
		for range d.Sources {
			b := skip(cdpPrep)
			cells = append(cells, CellState{double(b), number(b[8:])})
			h := HoltWintersState{double(b[16:]), double(b[24:]), double(b[32:]), double(b[40:]), number(b[48:]), number(b[56:]), 0}
			if a.CF == Failures {
				h = HoltWintersState{}
				for i, violation := range b[:a.HoltWinters.Window] {
					h.Violations |= uint32(violation) << i
				}
			}
			hw = append(hw, h)
		}
		f.state.Cells = append(f.state.Cells, cells)
		f.state.HoltWinters = append(f.state.HoltWinters, hw)
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
		season := Season{}
		if archive.season() {
			season.Newest = newest
			for i := range archive.Rows {
				age := (newest - i + archive.Rows) % archive.Rows
				season.Values = append(season.Values, rows[end-Time(age)*width]...)
			}
			rows = nil
		}
		f.state.Seasons = append(f.state.Seasons, season)
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
		if d.Archives[a].HoltWinters != nil {
			if diff := f.compareFamily(d, s, a); diff != "" {
				return diff
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

// compareFamily compares what archive a of the Holt-Winters family remembers.
func (f rrdFile) compareFamily(d SetDefinition, s SetState, a int) string {
	for i, want := range f.state.HoltWinters[a] {
		got := s.HoltWinters[a][i]
		ok := true
		switch d.Archives[a].CF {
		case HWPredict, MHWPredict:
			ok = sameNumber(got.Level, want.Level) && sameNumber(got.LastLevel, want.LastLevel) && sameNumber(got.Slope, want.Slope) &&
				sameNumber(got.LastSlope, want.LastSlope) && got.Count == want.Count && got.LastCount == want.LastCount
		case Seasonal, DevSeasonal:
			ok = sameNumber(got.Level, want.Level) && sameNumber(got.LastLevel, want.LastLevel) && got.Count == want.Count
		case Failures:
			ok = got.Violations == want.Violations
		}
		if !ok {
			return fmt.Sprintf("%s, archive %d, data source %d: rrdtool %+v, rondo %+v", d.Archives[a].CF, a, i, want, got)
		}
	}
	theirs, ours := f.state.Seasons[a], s.Seasons[a]
	if theirs.Newest != ours.Newest || !slices.EqualFunc(theirs.Values, ours.Values, sameNumber) {
		return fmt.Sprintf("%s, archive %d: rrdtool %+v, rondo %+v", d.Archives[a].CF, a, theirs, ours)
	}
	return ""
}
