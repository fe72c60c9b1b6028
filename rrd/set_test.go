package rrd

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
)

func gaugeSet(t testing.TB, archives ...SetArchive) *Set {
	t.Helper()
	s, err := NewSet(SetDefinition{
		Step:     10 * time.Second,
		Sources:  []DataSource{{Name: "v", Type: Gauge, Heartbeat: time.Minute, Min: math.NaN(), Max: math.NaN()}},
		Archives: archives,
	}, 1_000_000_000*Second)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSetDefinitionValidate(t *testing.T) {
	f := func(change func(*SetDefinition), want string) {
		t.Helper()
		d := SetDefinition{
			Step:     10 * time.Second,
			Sources:  []DataSource{{Name: "v", Type: Gauge, Heartbeat: time.Minute}},
			Archives: []SetArchive{{CF: Average, Steps: 1, Rows: 10, XFF: 0.5}},
		}
		change(&d)
		if _, err := NewSet(d, 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	f(func(d *SetDefinition) { d.Step = 1500 * time.Millisecond }, "step 1.5s")
	f(func(d *SetDefinition) { d.Sources = nil }, "needs a data source")
	f(func(d *SetDefinition) { d.Archives = nil }, "needs a data source")
	f(func(d *SetDefinition) { d.Sources = append(d.Sources, d.Sources[0]) }, "no name of its own")
	f(func(d *SetDefinition) { d.Sources[0].Type = Unset }, "has no type")
	f(func(d *SetDefinition) { d.Sources[0].Heartbeat = 0 }, "heartbeat")
	f(func(d *SetDefinition) { d.Archives[0].Steps = 0 }, "archive 0")
	f(func(d *SetDefinition) { d.Archives[0].XFF = 1 }, "archive 0")
	f(func(d *SetDefinition) { d.Archives[0].XFF = math.NaN() }, "archive 0")
}

func TestUpdateErrors(t *testing.T) {
	s := gaugeSet(t, SetArchive{CF: Average, Steps: 1, Rows: 10})
	_, err := s.Update(s.Last(), "1")
	if late, ok := errors.AsType[*LateError](err); !ok || late.Last != s.Last() {
		t.Errorf("error %v", err)
	}
	if _, err := s.Update(s.Last()+1, "1", "2"); err == nil || err.Error() != "found extra data on update argument: 2" {
		t.Errorf("error %v", err)
	}
	if _, err := s.Update(1_000_000_001_500_000); err == nil || err.Error() != "expected 1 data source readings (got 0) from 1000000001.5" {
		t.Errorf("error %v", err)
	}
	if _, err := RestoreSet(s.Definition(), SetState{}); err == nil {
		t.Error("a state without data sources was restored")
	}
}

// TestRowsOfOneUpdate keeps all rows of an update apart, also where one
// reading closes steps twice.
func TestRowsOfOneUpdate(t *testing.T) {
	s := gaugeSet(t, SetArchive{CF: Average, Steps: 1, Rows: 10}, SetArchive{CF: Max, Steps: 2, Rows: 10})
	if _, err := s.Update(s.Last()+5*Second, "4"); err != nil {
		t.Fatal(err)
	}
	rows, err := s.Update(s.Last()+35*Second, "6")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range rows {
		for end := range r.Ends() {
			got = append(got, strconv.Itoa(r.Archive)+":"+strconv.FormatInt(int64(end/Second-1_000_000_000), 10)+"="+strconv.FormatFloat(r.Values[0], 'g', -1, 64))
		}
	}
	if want := "0:10=5 0:20=6 0:30=6 0:40=6 1:20=6 1:40=6"; strings.Join(got, " ") != want {
		t.Errorf("rows %v, want %v", got, want)
	}
}

func TestParseUpdateTime(t *testing.T) {
	now := Time(1_000_000_000_250_000)
	f := func(text string, want Time) {
		t.Helper()
		got, err := ParseUpdateTime(text, now)
		if err != nil || got != want {
			t.Errorf("%q: %d, %v, want %d", text, got, err, want)
		}
	}
	f("N", now)
	f("1000000000", 1_000_000_000_000_000)
	f("1000000000.5", 1_000_000_000_500_000)
	f("1700000000.1", 1_700_000_000_099_999) // cut off, not rounded
	f("-10", 999_999_990_250_000)
	f("1e9", 1_000_000_000_000_000)
	for _, text := range []string{"", "x", "12x", "nan", "inf", "1e30", "-2e9"} {
		if got, err := ParseUpdateTime(text, now); err == nil {
			t.Errorf("%q was read as %d", text, got)
		}
	}
}

func TestParseNumber(t *testing.T) {
	for text, want := range map[string]float64{
		"0": 0, "1": 1, "-1.5": -1.5, "+2": 2, ".5": .5, "5.": 5, " 7": 7, "1e3": 1000, "1E-2": .01, "25e": 25,
		"inf": math.Inf(1), "-Infinity": math.Inf(-1), "0.1": 0.1,
		"0.123": 0.12300000000000001, // rounded twice: 123 / 10 / 100
	} {
		if got, err := parseNumber(text, "test"); err != nil || got != want {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	if got, err := parseNumber("-NaN", "test"); err != nil || !math.IsNaN(got) {
		t.Errorf("-NaN: %v, %v", got, err)
	}
}

// FuzzSetUpdate feeds hostile texts and times: errors are fine, and rows keep
// coming in order.
func FuzzSetUpdate(f *testing.F) {
	f.Add("1000000010 5\n1000000020.5 U\n1000000300 -1e300\n1000000301 x")
	f.Add("9e12 1\n99999999999 1")
	f.Fuzz(func(t *testing.T, script string) {
		s, err := NewSet(SetDefinition{
			Step: 10 * time.Second,
			Sources: []DataSource{
				{Name: "g", Type: Gauge, Heartbeat: time.Minute, Min: 0, Max: math.NaN()},
				{Name: "c", Type: Counter, Heartbeat: time.Minute, Min: math.NaN(), Max: 1e9},
				{Name: "d", Type: Derive, Heartbeat: time.Minute, Min: math.NaN(), Max: math.NaN()},
			},
			Archives: []SetArchive{
				{CF: Average, Steps: 1, Rows: 5}, {CF: Min, Steps: 3, Rows: 5, XFF: 0.5}, {CF: Last, Steps: 7, Rows: 2, XFF: 0.9},
			},
		}, 1_000_000_000*Second)
		if err != nil {
			t.Fatal(err)
		}
		newest := make([]Time, 3)
		for line := range strings.Lines(script) {
			when, text, _ := strings.Cut(strings.TrimSpace(line), " ")
			at, err := ParseUpdateTime(when, 1_000_000_000*Second)
			if err != nil {
				continue
			}
			before := s.State()
			rows, err := s.Update(at, text, text, text)
			if err != nil && (s.Last() != before.Last || s.State().Sources[0].Text != before.Sources[0].Text) {
				t.Fatalf("a refused update changed the set: %v", err)
			}
			for _, r := range rows {
				for end := range r.Ends() {
					if end <= newest[r.Archive] || end > at || len(r.Values) != 3 {
						t.Fatalf("row %+v at %d after %d", r, at, newest[r.Archive])
					}
					newest[r.Archive] = end
				}
			}
		}
	})
}

// BenchmarkSetUpdate is one reading a minute into the classic archives:
// average, minimum and maximum at 1, 5, 30 and 120 minutes.
func BenchmarkSetUpdate(b *testing.B) {
	d := SetDefinition{
		Step:    time.Minute,
		Sources: []DataSource{{Name: "v", Type: Gauge, Heartbeat: 2 * time.Minute, Min: math.NaN(), Max: math.NaN()}},
	}
	for _, cf := range []CF{Average, Min, Max} {
		for _, steps := range []int{1, 5, 30, 120} {
			d.Archives = append(d.Archives, SetArchive{CF: cf, Steps: steps, Rows: 1000, XFF: 0.5})
		}
	}
	f := func(name, text string) {
		b.Run(name, func(b *testing.B) {
			s, err := NewSet(d, 0)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for at := 7 * Second; b.Loop(); at += 60 * Second {
				if _, err := s.Update(at, text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	f("known", "42.17")
	f("unknown", "U")
}
