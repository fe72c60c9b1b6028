package rrd

import (
	"math"
	"slices"
)

// A Point is a value of a known series at a time.
type Point struct {
	Time  Time
	Value float64
}

// A Fold turns one series' samples, given in order of time, into the rows of
// all its archives. It is a pure state machine: the same samples always give
// the same rows, bit for bit. A Fold is small, and Clone makes an independent
// one, which is how open rows are read: the samples that may still change are
// folded into a clone.
//
// # Primary points and rows
//
// A slot (end-step, end] with at least one sample is a known primary point. A
// row of an archive is made of the primary points in it: its count is the sum
// of their counts, its sum the true sum of their sums. It is unknown if more
// than XFF of its primary points are unknown; those that have not come yet do
// not count as unknown in a row that is still open.
//
// # Increase
//
// For counters the increase between neighbouring samples is their difference,
// or the new value where it is smaller (a reset, as Prometheus has it); for
// derives their difference; for absolutes the value itself. There is none
// across a gap longer than the heartbeat, and none where its rate lies outside
// Min and Max: then it is not known. Total is the sum of all that is known.
type Fold struct {
	last Point
	// total is base + (value - origin): one subtraction since the last break,
	// so that rounding errors do not pile up over the years.
	base, origin, total float64
	rows                []openRow // one per archive; empty before the first sample
	// Samples up to here may be missing: rows that begin before are unknown.
	lost Time
}

// A ClosedRow is a row that can no longer change, and its archive's index.
type ClosedRow struct {
	Archive int
	Row     Row
}

// Last returns the newest sample, and false if there was none.
func (f *Fold) Last() (Point, bool) { return f.last, len(f.rows) > 0 }

// Clone returns an independent copy.
func (f *Fold) Clone() Fold {
	c := *f
	c.rows = slices.Clone(f.rows) // a Sum's parts are never changed in place
	return c
}

// Lose begins the fold anew after samples up to a time were lost: the rows
// that they may have belonged to come out unknown, not wrong. All samples to
// come must be newer than the slot that holds the time.
func (f *Fold) Lose(until Time) { *f = Fold{lost: until} }

// Add folds a sample that is newer than all before it, and appends the rows
// that it closes to dst.
func (f *Fold) Add(d *Definition, p Point, dst []ClosedRow) []ClosedRow {
	if len(f.rows) == 0 {
		f.start(d, p)
	} else {
		if p.Time > f.rows[0].end {
			dst = f.turn(d, p.Time, dst)
		}
		f.increase(d, p)
	}
	f.last = p
	f.rows[0].add(1, p.Value, p.Value, p.Value)
	return dst
}

func (f *Fold) start(d *Definition, p Point) {
	f.rows = append(f.rows[:0], make([]openRow, len(d.Archives))...)
	for a := range f.rows {
		f.rows[a].end = p.Time.SlotEnd(d.Row(a))
		if a > 0 && f.rows[a].end.Add(-d.Row(a)) < f.lost {
			f.rows[a].points = unknownPoints
		}
	}
	f.origin = p.Value
	if d.Type == Absolute && inLimits(d, p.Value/d.Step.Seconds()) {
		f.total = p.Value // no interval is known: taken as one step
	}
	if d.Type == Gauge {
		f.origin = 0
	}
}

// turn closes the primary point, hands it to all archives, and closes the
// rows that t lies behind.
func (f *Fold) turn(d *Definition, t Time, dst []ClosedRow) []ClosedRow {
	primary := f.rows[0].row(f.last.Value, f.total)
	if f.rows[0].points >= 0 {
		dst = append(dst, ClosedRow{0, primary})
	}
	f.rows[0] = openRow{end: t.SlotEnd(d.Step)}
	for a := 1; a < len(f.rows); a++ {
		r := &f.rows[a]
		r.addPrimary(&primary)
		if t <= r.end {
			continue
		}
		if d.Archives[a].tolerates(r.points, d.Archives[a].Steps) {
			dst = append(dst, ClosedRow{a, r.row(f.last.Value, f.total)})
		}
		*r = openRow{end: t.SlotEnd(d.Row(a))}
	}
	return dst
}

// tolerates applies the xff rule to a row of which passed primary points are
// over and points are known.
func (a *Archive) tolerates(points, passed int) bool {
	return float64(passed-points) <= a.XFF*float64(a.Steps)
}

// increase brings the total up to p.
func (f *Fold) increase(d *Definition, p Point) {
	if d.Type == Gauge {
		return
	}
	gap := p.Time.Sub(f.last.Time)
	inc := p.Value
	switch d.Type {
	case Counter:
		if p.Value >= f.last.Value {
			inc = p.Value - f.last.Value
		}
	case Derive:
		inc = p.Value - f.last.Value
	}
	if gap > d.Heartbeat || !inLimits(d, inc/gap.Seconds()) {
		f.base, f.origin = f.total, p.Value
		return
	}
	switch {
	case d.Type == Absolute:
		f.total += p.Value
		return
	case d.Type == Counter && p.Value < f.last.Value:
		f.base, f.origin = f.total, 0
	}
	f.total = f.base + (p.Value - f.origin)
}

// inLimits says whether x lies in the data source's limits.
func inLimits(d *Definition, x float64) bool {
	return !(x < d.Min) && !(x > d.Max) // NaN is no limit
}

// Allowed says whether a sample's value is within the data source's limits;
// types other than gauge are limited in their rate instead, by the Fold.
func (d *Definition) Allowed(v float64) bool { return d.Type != Gauge || inLimits(d, v) }

// Open returns the open row of an archive with the time of its newest sample,
// and false if it is unknown so far.
func (f *Fold) Open(d *Definition, a int) (Row, Time, bool) {
	if len(f.rows) == 0 {
		return Row{}, 0, false
	}
	primary := f.rows[0].row(f.last.Value, f.total)
	if a == 0 {
		return primary, f.last.Time, f.rows[0].points >= 0
	}
	r := f.rows[a]
	r.addPrimary(&primary)
	left := int(r.end.Sub(f.rows[0].end) / d.Step)
	if !d.Archives[a].tolerates(r.points, d.Archives[a].Steps-left) {
		return Row{}, 0, false
	}
	return r.row(f.last.Value, f.total), f.last.Time, true
}

// An openRow is a row in the making. What the open rows of all archives have
// in common, the last value and the total, is in the Fold.
type openRow struct {
	end      Time
	count    int64
	points   int // known primary points; below 0 it remains unknown
	sum      Sum
	min, max float64
}

func (r *openRow) add(count int64, sum, lo, hi float64) {
	if r.count == 0 {
		r.min, r.max = lo, hi
	} else {
		r.min, r.max = math.Min(r.min, lo), math.Max(r.max, hi)
	}
	r.count += count
	r.sum.Add(sum)
}

// addPrimary adds a known primary point. It is empty where all that was in it
// went into the longer rows when the series was redefined.
func (r *openRow) addPrimary(p *Row) {
	if r.points++; p.Count > 0 {
		r.add(p.Count, p.Sum, p.Min, p.Max)
	}
}

func (r *openRow) row(last, total float64) Row {
	return Row{End: r.end, Count: r.count, Sum: r.sum.Value(), Min: r.min, Max: r.max, Last: last, Total: total}
}
