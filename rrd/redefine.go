package rrd

import (
	"math"
	"slices"
	"time"
)

// # Another definition
//
// When a series gets another definition, its history stays: a new archive's
// rows are the old ones where an old archive has rows of that length, and are
// made of shorter ones elsewhere, each row of the first of Sources that has
// all of it. What is younger than the newest settled sample is folded by the
// new definition. A row that nothing covers as a whole is unknown.

// Sources returns the archives whose rows make rows of a length, in the order
// of preference: that of equal rows, then from the finest on those whose rows
// divide it.
func (d *Definition) Sources(row time.Duration) []int {
	var as []int
	for a := range d.Archives {
		switch r := d.Row(a); {
		case r == row:
			as = slices.Insert(as, 0, a)
		case r < row && row%r == 0:
			as = append(as, a)
		}
	}
	return as
}

// A Gathering makes one row of shorter ones, given in order of time. Each
// counts as known for all of its length.
type Gathering struct {
	row         openRow
	known       time.Duration
	last, total float64
}

// Add adds a row of a length.
func (g *Gathering) Add(r *Row, length time.Duration) {
	g.row.add(r.Count, r.Sum, r.Min, r.Max)
	g.known += length
	g.last, g.total = r.Last, r.Total
}

// Empty says whether nothing was added.
func (g *Gathering) Empty() bool { return g.row.count == 0 }

// Row returns the row with an end as archive a of a definition has it, and
// false if too much of it is unknown.
func (g *Gathering) Row(d *Definition, a int, end Time) (Row, bool) {
	unknown := (d.Row(a) - g.known).Seconds() / d.Step.Seconds()
	if g.Empty() || a > 0 && unknown > d.Archives[a].XFF*float64(d.Archives[a].Steps) {
		return Row{}, false
	}
	g.row.end = end
	return g.row.row(g.last, g.total), true
}

// A Part is what an archive's open row is made of when a Fold is redefined.
type Part struct {
	// Source is the archive of the old definition that covers the row from its
	// beginning; -1 if none does, and the row remains unknown.
	Source int
	// Closed has the source's closed rows in the open row; nothing where the
	// source has rows of equal length.
	Closed Gathering
}

// unknownPoints is so much less than none that no XFF tolerates it.
const unknownPoints = -1 << 40

// Redefine returns the fold as it goes on by another definition, with a part
// for each of its archives. A fold without samples has no rows to redefine.
//
// The open primary point belongs to all archives; so where the step changes,
// what the new one has of the closed ones before is taken back out of the
// longer rows, which get it once more when it closes. If it is unknown what
// of the past lies in it, then it comes out unknown, and the longer rows have
// all that was before now.
func (f *Fold) Redefine(from, to *Definition, parts []Part) Fold {
	if len(f.rows) == 0 {
		return Fold{lost: f.lost}
	}
	g := *f
	if from.Type != to.Type {
		g.base, g.origin = f.total, f.last.Value
	}
	g.rows = make([]openRow, len(to.Archives))
	first := f.part(from, to, 0, &parts[0])
	primary := openRow{end: f.last.Time.SlotEnd(to.Step), points: unknownPoints}
	open := f.rows[0]
	if !first.lost {
		primary = first.row
		primary.addRow(&open)
		if parts[0].Source == 0 {
			primary.points = open.points
		}
	}
	g.rows[0] = primary
	for b := 1; b < len(g.rows); b++ {
		p := f.part(from, to, b, &parts[b])
		r := p.row
		switch {
		case p.lost:
			r.points = unknownPoints
		case first.lost:
			r.addRow(&open)
			p.known += primary.end.Sub(open.end) - to.Step + from.Step
			r.points = pointsIn(p.known, to.Step)
		default:
			r.subtract(&first.row)
			r.points = pointsIn(p.known-first.known, to.Step)
		}
		r.end = f.last.Time.SlotEnd(to.Row(b))
		g.rows[b] = r
	}
	return g
}

// pointsIn returns how many primary points a known time is worth.
func pointsIn(known, step time.Duration) int { return max(0, int((known+step-1)/step)) }

// A pastRow is what a new open row has of closed primary points.
type pastRow struct {
	row   openRow
	known time.Duration
	lost  bool // some of it is not known
}

// part returns what the new archive b's open row has of the past, the open
// primary point left out.
func (f *Fold) part(from, to *Definition, b int, p *Part) pastRow {
	out := pastRow{row: openRow{end: f.last.Time.SlotEnd(to.Row(b))}}
	if p.Source < 0 {
		out.lost = true
		return out
	}
	equal := from.Row(p.Source) == to.Row(b)
	out.lost = p.Source == 0 && f.rows[0].points < 0 && !(equal && b == 0) || // the open one is not all there
		b > 0 && out.row.end.Add(-to.Row(b)) < f.lost
	if !p.Closed.Empty() {
		out.row.addRow(&p.Closed.row)
		out.known = p.Closed.known
	}
	if p.Source > 0 {
		r := &f.rows[p.Source]
		out.lost = out.lost || r.points < 0
		out.row.addRow(r)
		out.known += time.Duration(max(r.points, 0)) * from.Step
	}
	return out
}

// addRow adds what another open row has.
func (r *openRow) addRow(o *openRow) {
	if o.count == 0 {
		return
	}
	parts := o.sum.Parts()
	r.add(o.count, 0, o.min, o.max)
	for _, x := range parts {
		r.sum.Add(x)
	}
}

// subtract takes out what another row has, which is part of this one. Minimum
// and maximum stay: the other is to be added again.
func (r *openRow) subtract(o *openRow) {
	if o.count == 0 || math.IsInf(r.sum.Value(), 0) {
		return
	}
	if r.count -= o.count; r.count == 0 {
		*r = openRow{end: r.end}
		return
	}
	for _, x := range o.sum.Parts() {
		r.sum.Add(-x)
	}
}
