package rrd

// # Late samples
//
// A sample that comes after its slot was settled can still be given its place
// in all rows, where those rows come out as if it had come in time:
//
//   - What a slot held is known only as a row. So a late sample needs an empty
//     slot, or one of which every sample is known by itself; else neither the
//     sum (rounded once) nor the last value could be told.
//   - The total of a counter's increase must be the same in all rows that
//     follow. That is certain where the sample lies between two neighbours of
//     one unbroken rise ([Fold.Slot]).
//   - Each longer row is made anew of its primary rows ([Definition.Consolidate],
//     [Fold.Redo]), which must all be there: as it is, it must be what they make.

// Consolidate makes the row of archive a with an end out of the known primary
// rows in it, oldest first. It says false if that row is unknown.
func (d *Definition) Consolidate(a int, end Time, primary []Row) (Row, bool) {
	if len(primary) == 0 || !d.Archives[a].tolerates(len(primary), d.Archives[a].Steps) {
		return Row{End: end}, false
	}
	r := openRow{end: end}
	for i := range primary {
		p := &primary[i]
		r.add(p.Count, p.Sum, p.Min, p.Max)
	}
	last := &primary[len(primary)-1]
	return r.row(last.Last, last.Total), true
}

// OpenEnd returns the end of the open row of an archive, and false before the
// first sample.
func (f *Fold) OpenEnd(a int) (Time, bool) {
	if len(f.rows) == 0 {
		return 0, false
	}
	return f.rows[a].end, true
}

// Holds says whether the open row of archive a, which is not the first, is
// made of the closed primary rows given and the open one.
func (f *Fold) Holds(a int, primary []Row) bool {
	count := int64(0)
	for i := range primary {
		count += primary[i].Count
	}
	return f.rows[a].points == len(primary) && f.rows[a].count == count
}

// Redo makes the open row of archive a, which is not the first, anew of the
// closed primary rows in it, oldest first, and the open one. A row that must
// remain unknown does.
func (f *Fold) Redo(a int, primary []Row) {
	if f.rows[a].points < 0 {
		return // it remains unknown
	}
	r := openRow{end: f.rows[a].end, points: len(primary)}
	for i := range primary {
		p := &primary[i]
		r.add(p.Count, p.Sum, p.Min, p.Max)
	}
	f.rows[a] = r
}

// Slot returns the primary row that a slot's samples make, given in order of
// time, when all come after the slot was settled. It says false where the
// totals that follow would have been others, had they come in time.
//
// Gauges have no totals. If no value of a counter without limits is below
// zero, totals never fall; so if the total before the slot is above the one at
// the last break, no break came since: the values only grew, and a value
// between its neighbours' leaves the rise as it was. Of all other types too
// little is known.
func (f *Fold) Slot(d *Definition, end Time, ps []Point, n Neighbours) (Row, bool) {
	r := openRow{end: end}
	for _, p := range ps {
		r.add(1, p.Value, p.Value, p.Value)
	}
	last := ps[len(ps)-1].Value
	if d.Type == Gauge {
		return r.row(last, 0), true
	}
	limited := d.Min == d.Min || d.Max == d.Max // NaN: no limit
	if d.Type != Counter || limited || n.BelowZero || n.Before.Count == 0 || !(n.Before.Total > f.base) {
		return Row{}, false
	}
	low := n.Before.Last
	for _, p := range ps {
		if p.Value < low {
			return Row{}, false
		}
		low = p.Value
	}
	return r.row(last, f.base+(last-f.origin)), low <= n.After.Min
}

// Neighbours are what a counter's slot lies between: the known primary rows
// before and after it, which may be the open one, and whether any from the one
// before on has a value below zero.
type Neighbours struct {
	Before, After Row
	BelowZero     bool
}
