package rrd

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"
)

// TestResume: a Set that packs itself after each reading, and another one that
// resumes, make the same rows.
func TestResume(t *testing.T) {
	d := SetDefinition{Step: 10 * time.Second}
	for i, typ := range []Type{Gauge, Counter, Derive, Absolute} {
		d.Sources = append(d.Sources, DataSource{
			Name: strconv.Itoa(i), Type: typ, Heartbeat: time.Minute, Min: math.NaN(), Max: math.NaN(),
		})
	}
	for cf := range Last + 1 {
		d.Archives = append(d.Archives, SetArchive{CF: cf, Steps: 1, Rows: 9}, SetArchive{CF: cf, Steps: 7, Rows: 9, XFF: 0.5})
	}
	want, err := NewSet(d, T0)
	if err != nil {
		t.Fatal(err)
	}
	got, err := NewSet(d, 0)
	if err != nil {
		t.Fatal(err)
	}
	packed := want.AppendState(nil)
	at := T0
	for i := range 500 {
		at += Time(1+i%23)*Second + Time(i%7)*1000
		text := strconv.Itoa(i * i % 9973)
		if i%19 == 0 {
			text = "U"
		}
		if err := got.Resume(packed); err != nil {
			t.Fatal(err)
		}
		a, err1 := want.Update(at, text, text, text, text)
		b, err2 := got.Update(at, text, text, text, text)
		if err1 != nil || err2 != nil || !slices.EqualFunc(a, b, sameRow) {
			t.Fatalf("reading %d: %v, %v; rows %v, want %v", i, err1, err2, b, a)
		}
		packed = got.AppendState(packed[:0])
		if st := want.State(); !bytes.Equal(packed, st.AppendBinary(nil)) {
			t.Fatalf("reading %d: packed otherwise than the state", i)
		}
	}
	for n := range packed {
		if got.Resume(packed[:n]) == nil {
			t.Fatalf("%d of %d bytes are enough", n, len(packed))
		}
	}
}

// T0 is a start that is no boundary of rows.
const T0 = 1_000_000_003 * Second

func sameRow(a, b SetRow) bool {
	return a.Archive == b.Archive && a.End == b.End && a.Count == b.Count && slices.EqualFunc(a.Values, b.Values, func(x, y float64) bool {
		return math.Float64bits(x) == math.Float64bits(y) || math.IsNaN(x) && math.IsNaN(y)
	})
}
