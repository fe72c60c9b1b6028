package rrdtest

import (
	"cmp"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rondo/rrd"
)

// accepted appends samples to a store and returns those that it took.
func accepted(t *rapid.T, s rrd.Appender, batch []rrd.Sample) (taken []rrd.Sample) {
	refused := Reasons(s.Append(t.Context(), batch))
	for i := range batch {
		if refused[i] == "" {
			taken = append(taken, batch[i])
		}
	}
	return taken
}

// arrivals draws samples of one series in batches, in any order and with
// gaps: some in time, some late by up to half an hour.
func arrivals(t *rapid.T) [][]rrd.Sample {
	typ := rapid.SampledFrom([]rrd.Type{rrd.Gauge, rrd.Gauge, rrd.Counter, rrd.Derive, rrd.Absolute}).Draw(t, "type")
	var batches [][]rrd.Sample
	now := T0
	value := func(at rrd.Time) float64 {
		if typ == rrd.Counter { // near a steady rise, with a reset now and then
			return float64((at-T0)%(3000*rrd.Second)/rrd.Second) + rapid.SampledFrom([]float64{0, 0, 0, 0.25, 1.0 / 3, -40, 900}).Draw(t, "off")
		}
		return rapid.SampledFrom([]float64{0, 1, -2, 0.1, 0.2, 1.0 / 3, 1e16, 1e300, 5e-324}).Draw(t, "value")
	}
	for range rapid.IntRange(1, 30).Draw(t, "batches") {
		var batch []rrd.Sample
		late := rapid.IntRange(0, 2).Draw(t, "late") == 0
		for range rapid.IntRange(1, 12).Draw(t, "samples") {
			at := now
			if late {
				at -= rrd.Time(rapid.IntRange(600, 1900).Draw(t, "ago")) * rrd.Second
			} else {
				now += rrd.Time(rapid.SampledFrom([]int{4, 10, 30, 100, 400}).Draw(t, "gap")) * rrd.Second
			}
			batch = append(batch, rrd.Sample{Key: "x", Time: max(at, rrd.Second), Value: value(at), Type: typ})
		}
		batches = append(batches, batch)
	}
	return batches
}

// TestLateIsAsInTime: whatever comes late, all rows are bit for bit those of
// the samples that were taken, had they come in order.
func TestLateIsAsInTime(t *testing.T) {
	corrected := 0
	rapid.Check(t, func(t *rapid.T) {
		o := Options{Define: SmallByName, Now: func() time.Time { return (T0 + 1e6*rrd.Second).Std() }}
		got := NewMem(o)
		var taken []rrd.Sample
		for _, batch := range arrivals(t) {
			taken = append(taken, accepted(t, got, batch)...)
			if len(got.series["x"].late) > 0 {
				corrected++
			}
		}
		// The last value that came for a time is the one that counts.
		slices.SortStableFunc(taken, func(a, b rrd.Sample) int { return cmp.Compare(a.Time, b.Time) })
		want := NewMem(o)
		for i, s := range taken {
			if i+1 < len(taken) && taken[i+1].Time == s.Time {
				continue
			}
			if len(accepted(t, want, []rrd.Sample{s})) != 1 {
				t.Fatalf("refused in order: %+v", s)
			}
		}
		for _, row := range []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute} {
			q := rrd.Query{End: math.MaxInt64, Row: row, Columns: allColumns}
			if d := Diff(t.Context(), want, got, q); d != "" {
				t.Fatalf("rows of %s (-in order +late):\n%s", row, d)
			}
		}
	})
	if corrected == 0 {
		t.Error("nothing was ever corrected")
	}
}
