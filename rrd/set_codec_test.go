package rrd

import (
	"bytes"
	"math"
	"testing"
	"time"
)

// familyDefinition has one archive of each function, and a Compute.
func familyDefinition() SetDefinition {
	nan := math.NaN()
	season := HoltWinters{Gamma: 0.1, Smoothing: DefaultSmoothing, SmoothRow: 3, Partner: 1}
	return SetDefinition{
		Step: 10 * time.Second,
		Sources: []DataSource{
			{Name: "in", Type: DCounter, Heartbeat: time.Minute, Min: 0, Max: nan},
			{Name: "Größe der Warteschlange im Rechenzentrum", Type: Gauge, Heartbeat: time.Minute, Min: nan, Max: nan},
			{Name: "both", Type: Compute, Min: nan, Max: nan, Expression: "in,1,+"},
		},
		Archives: []SetArchive{
			{CF: Average, Steps: 6, Rows: 100, XFF: 0.5},
			{CF: HWPredict, Steps: 1, Rows: 100, HoltWinters: &HoltWinters{Alpha: 0.1, Beta: 0.0035, Partner: 2}},
			{CF: Seasonal, Steps: 1, Rows: 5, HoltWinters: &season},
			{CF: DevSeasonal, Steps: 1, Rows: 5, HoltWinters: &season},
			{CF: DevPredict, Steps: 1, Rows: 100, HoltWinters: &HoltWinters{Partner: 3}},
			{CF: Failures, Steps: 1, Rows: 5, HoltWinters: &HoltWinters{Partner: 3, DeltaPos: 2, DeltaNeg: 2, Threshold: 7, Window: 9}},
		},
	}
}

// familyState is a state of familyDefinition in which no two numbers are the
// same.
func familyState(d *SetDefinition) SetState {
	n := 0.5
	next := func() float64 { n++; return n }
	st := SetState{
		Last: 1_000_000_000_250_000, HoltWinters: make([][]HoltWintersState, len(d.Archives)), Seasons: make([]Season, len(d.Archives)),
	}
	for range d.Sources {
		st.Sources = append(st.Sources, SourceState{Text: "12.75", Value: next(), Unknown: int64(next())})
	}
	for i, a := range d.Archives {
		var cells []CellState
		for range d.Sources {
			cells = append(cells, CellState{next(), int64(next())})
			if a.HoltWinters != nil {
				st.HoltWinters[i] = append(st.HoltWinters[i], HoltWintersState{
					next(), next(), next(), next(), int64(next()), int64(next()), uint32(next()),
				})
			}
		}
		st.Cells = append(st.Cells, cells)
		if a.season() {
			st.Seasons[i] = Season{Newest: i, Values: make([]float64, a.Rows*len(d.Sources))}
			for j := range st.Seasons[i].Values {
				st.Seasons[i].Values[j] = next()
			}
		}
	}
	return st
}

func TestSetCodec(t *testing.T) {
	d := familyDefinition()
	st := familyState(&d)
	db, sb := d.AppendBinary(nil), st.AppendBinary(nil)
	gotD, rest, err := ReadSetDefinition(append(bytes.Clone(db), "rest"...))
	if err != nil || string(rest) != "rest" || !bytes.Equal(gotD.AppendBinary(nil), db) {
		t.Errorf("definition %+v, %v, %q", gotD, err, rest)
	}
	gotS, rest, err := ReadSetState(&d, append(bytes.Clone(sb), "rest"...))
	if err != nil || string(rest) != "rest" || !bytes.Equal(gotS.AppendBinary(nil), sb) {
		t.Errorf("state %+v, %v, %q", gotS, err, rest)
	}
	for n := range db {
		if _, _, err := ReadSetDefinition(db[:n]); err == nil {
			t.Errorf("%d of %d bytes of a definition were read", n, len(db))
		}
	}
	for n := range sb {
		if _, _, err := ReadSetState(&d, sb[:n]); err == nil {
			t.Errorf("%d of %d bytes of a state were read", n, len(sb))
		}
	}
}

func FuzzReadSetDefinition(f *testing.F) {
	d := familyDefinition()
	f.Add(d.AppendBinary(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, rest, err := ReadSetDefinition(b)
		if err != nil {
			return
		}
		again := d.AppendBinary(nil)
		if e, _, err := ReadSetDefinition(again); err != nil || !bytes.Equal(e.AppendBinary(nil), again) || len(rest) > len(b) {
			t.Fatalf("%+v was written as another one: %v", d, err)
		}
	})
}

func FuzzReadSetState(f *testing.F) {
	d := familyDefinition()
	st := familyState(&d)
	f.Add(st.AppendBinary(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		st, _, err := ReadSetState(&d, b)
		if err != nil {
			return
		}
		again := st.AppendBinary(nil)
		if e, _, err := ReadSetState(&d, again); err != nil || !bytes.Equal(e.AppendBinary(nil), again) {
			t.Fatalf("%+v was written as another one: %v", st, err)
		}
	})
}

func TestSeasonRow(t *testing.T) {
	d := SetDefinition{Step: 10 * time.Second, Sources: []DataSource{{Name: "a"}, {Name: "b"}}}
	s := newSet(d, 104*Second)
	s.family = &family{seasons: []Season{{Newest: 1, Values: []float64{0, 0.5, 1, 1.5, 2, 2.5}}}}
	for end, want := range map[Time]float64{100: 1, 90: 0, 80: 2, 70: -1, 110: -1, 95: -1} {
		got := s.SeasonRow(0, end*Second)
		if want < 0 && got != nil || want >= 0 && (len(got) != 2 || got[0] != want || got[1] != want+0.5) {
			t.Errorf("the row that ends at %d: %v", end, got)
		}
	}
}
