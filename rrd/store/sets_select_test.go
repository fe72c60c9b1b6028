package store

import (
	"fmt"
	"testing"
	"time"

	"rondo/rrd"
	"rondo/rrd/rrdtest"
)

// TestSetColumns: a column is answered by an archive that has it, the finest
// that covers the start, and by no other. Point k of the set, which ends k
// steps of a minute after its start, is k.
func TestSetColumns(t *testing.T) {
	t.Parallel()
	archives := func(specs ...string) (as []rrd.SetArchive) {
		for _, s := range specs {
			a := rrd.SetArchive{XFF: 0.5}
			var cf string
			if _, err := fmt.Sscanf(s, "%s %d %d", &cf, &a.Steps, &a.Rows); err != nil {
				t.Fatal(err)
			}
			if err := a.CF.UnmarshalText([]byte(cf)); err != nil {
				t.Fatal(err)
			}
			as = append(as, a)
		}
		return as
	}
	sets := map[string][]rrd.SetArchive{
		"maxlong":   archives("average 1 288", "max 12 400"),
		"maxfine":   archives("max 1 360", "average 6 100"),
		"minbeyond": archives("average 1 20", "min 6 100"),
		"shortmax":  archives("average 6 100", "max 6 10", "max 12 100"),
		"maxima":    archives("max 6 100"),
		"averages":  archives("average 6 100"),
	}
	p := newSetPair(t, Options{Now: late2033, Every: time.Hour})
	defer func() { closeStore(t, p.st) }()
	const last = 600
	start := rrdtest.T0 - rrdtest.T0%(12*60*rrd.Second)
	for name, as := range sets {
		p.create(name, setOf(as...), start)
		var batch []rrd.SetUpdate
		for k := 1; k <= last; k++ {
			batch = append(batch, rrd.SetUpdate{Name: name, Time: start + rrd.Time(k)*60*rrd.Second, Texts: []string{fmt.Sprint(k)}})
		}
		p.both(func(s rrd.SetStore) error { return s.UpdateSets(t.Context(), batch) })
	}
	for _, c := range []struct {
		set      string
		from, to int
		main     rrd.Column
		want     string // row's length, number of rows, first and last value; of the columns average, min, max
	}{
		{"maxlong", 12, 120, rrd.ColAverage, "none"},
		{"maxlong", 12, 120, rrd.ColSum, "none"},
		{"maxlong", 12, 120, rrd.ColMin, "none"},
		{"maxlong", 12, 120, rrd.ColMax, "12m0s 9: NaN NaN, NaN NaN, 24 120"},
		{"maxlong", 312, 600, rrd.ColMax, "1m0s 288: 313 600, 313 600, 313 600"},
		{"maxlong", 12, 600, rrd.ColCount, "1m0s 288: 313 600, 313 600, 313 600"},
		{"maxfine", 594, 600, rrd.ColAverage, "1m0s 6: 595 600, 595 600, 595 600"},
		{"maxfine", 12, 60, rrd.ColAverage, "6m0s 8: 15.5 57.5, NaN NaN, NaN NaN"},
		{"maxfine", 12, 60, rrd.ColMax, "none"},
		{"minbeyond", 560, 600, rrd.ColAverage, "1m0s 20: 581 600, 581 600, 581 600"},
		{"minbeyond", 540, 600, rrd.ColMin, "6m0s 10: NaN NaN, 541 595, NaN NaN"},
		{"minbeyond", 540, 570, rrd.ColAverage, "none"},
		{"shortmax", 480, 600, rrd.ColMax, "12m0s 10: NaN NaN, NaN NaN, 492 600"},
		{"shortmax", 480, 600, rrd.ColAverage, "6m0s 20: 483.5 597.5, NaN NaN, NaN 600"},
		{"maxima", 480, 600, rrd.ColAverage, "none"},
		{"maxima", 480, 600, rrd.ColMin, "none"},
		{"averages", 540, 600, rrd.ColMax, "6m0s 10: 543.5 597.5, NaN NaN, NaN NaN"},
	} {
		got, err := rrdtest.Collect(t.Context(), p.st, rrd.Query{
			Matchers: []rrd.Matcher{{Label: rrd.NameLabel, Value: c.set}, {Label: "ds", Value: "v"}},
			Start:    start + rrd.Time(c.from)*60*rrd.Second, End: start + rrd.Time(c.to)*60*rrd.Second,
			Main: c.main, Columns: []rrd.Column{rrd.ColAverage, rrd.ColMin, rrd.ColMax},
		})
		if err != nil {
			t.Fatal(err)
		}
		text := "none"
		for _, s := range got {
			n := len(s.Times)
			text = fmt.Sprintf("%v %d:", s.Row(), n)
			for i, col := range []rrd.Column{rrd.ColAverage, rrd.ColMin, rrd.ColMax} {
				text += fmt.Sprint([]string{" ", ", ", ", "}[i], s.Values[col][0], " ", s.Values[col][n-1])
			}
		}
		if text != c.want {
			t.Errorf("%s, %d to %d, %v: %s, want %s", c.set, c.from, c.to, c.main, text, c.want)
		}
	}
}
