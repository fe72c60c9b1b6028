package rrd

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// A SetPlan is what a set is to become, and what of it is there already. An
// archive can only come from one of equal function and steps.
type SetPlan struct {
	Definition SetDefinition
	Sources    []int // by data source: which one it was; -1: it is new
	Archives   []int // by archive: which one it was; -1: it is new
}

// SetLost is the history that a changed set has not: rows by archive of the
// old definition, of which at least one value was known.
type SetLost struct {
	Rows []int
}

// ChangeImage makes an image that goes on as p says. Of an archive that stays
// the newest rows are kept. A new one of AVERAGE, MIN, MAX or LAST gets the
// rows that the primary points, of which the longest archive of single steps
// is the record, make today: to the last bit what they would have made one by
// one, where they reach back to the begin of the row; else unknown. What is
// new otherwise begins at the last reading. All this is as rrdtune(1) does it, but
// that it leaves new archives empty, and that 1.7.2 misplaces the rows of the
// archives behind one that it removes. The image that
// is given stays as it is.
func ChangeImage(image *SetImage, p *SetPlan) (*SetImage, SetLost, error) {
	old := &image.Definition
	fail := func(err error) (*SetImage, SetLost, error) { return nil, SetLost{}, err }
	if err := p.fits(old); err != nil {
		return fail(err)
	}
	fresh, err := NewSet(p.Definition, image.State.Last)
	if err != nil {
		return fail(err)
	}
	c := &setChange{SetPlan: p, old: image, lost: SetLost{Rows: make([]int, len(old.Archives))}}
	c.image = &SetImage{Definition: p.Definition, State: fresh.State(), Rings: make([][]float64, len(p.Archives))}
	for i, from := range p.Sources {
		c.image.State.Sources[i].Value = 0 // so does rrdtune, and rrdcreate not
		if from >= 0 {
			c.image.State.Sources[i] = c.source(i, from)
		}
	}
	for a, from := range p.Archives {
		switch archive := &p.Definition.Archives[a]; {
		case from >= 0:
			c.keep(a, from)
		case archive.CF <= Last:
			err = c.fill(a)
		case !archive.season():
			c.image.Rings[a] = unknowns(archive.Rows * len(p.Sources))
		}
		if err != nil {
			return fail(err)
		}
	}
	for a := range old.Archives {
		if !slices.Contains(p.Archives, a) {
			c.lost.Rows[a] = c.known(a, old.Archives[a].Rows)
		}
	}
	return c.image, c.lost, nil
}

// fits says why p is no plan for a set of definition old.
func (p *SetPlan) fits(old *SetDefinition) error {
	d := &p.Definition
	if d.Step != old.Step || len(p.Sources) != len(d.Sources) || len(p.Archives) != len(d.Archives) {
		return errors.New("rrd: the plan is of another definition")
	}
	for a, from := range p.Archives {
		if from < 0 {
			continue
		}
		if from >= len(old.Archives) {
			return fmt.Errorf("rrd: archive %d: there was no archive %d", a, from)
		}
		is, was := &d.Archives[a], &old.Archives[from]
		if is.CF != was.CF || is.Steps != was.Steps || is.season() && is.Rows != was.Rows {
			return fmt.Errorf("rrd: archive %d cannot come from a %s of %d steps and %d rows", a, was.CF, was.Steps, was.Rows)
		}
	}
	for i, from := range p.Sources {
		if from >= len(old.Sources) {
			return fmt.Errorf("rrd: data source %s: there was no data source %d", d.Sources[i].Name, from)
		}
	}
	return nil
}

// A setChange is a change that is being made.
type setChange struct {
	*SetPlan
	old, image *SetImage
	lost       SetLost
}

// source is the state of a data source that stays. The text of a reading means
// nothing to another type.
func (c *setChange) source(i, from int) SourceState {
	s := c.old.State.Sources[from]
	if c.Definition.Sources[i].Type != c.old.Definition.Sources[from].Type {
		s.Text = "U"
	}
	return s
}

// keep takes over an archive: its state, and as many of its rows as it is to
// have.
func (c *setChange) keep(a, from int) {
	now, was := &c.image.State, &c.old.State
	for i, source := range c.Sources {
		if source < 0 {
			continue
		}
		now.Cells[a][i] = was.Cells[from][source]
		if c.Definition.Archives[a].HoltWinters != nil {
			now.HoltWinters[a][i] = was.HoltWinters[from][source]
		}
	}
	if c.Definition.Archives[a].season() {
		now.Seasons[a].Newest = was.Seasons[from].Newest
		c.copyRows(now.Seasons[a].Values, was.Seasons[from].Values)
		return
	}
	c.image.Rings[a] = unknowns(c.Definition.Archives[a].Rows * len(c.Sources))
	c.copyRows(c.image.Rings[a], c.old.Rings[from])
	c.lost.Rows[from] = c.known(from, c.old.Definition.Archives[from].Rows-c.Definition.Archives[a].Rows)
}

// copyRows copies the newest rows of an old ring to the end of a new one.
func (c *setChange) copyRows(to, from []float64) {
	n, m := len(c.Sources), len(c.old.Definition.Sources)
	rows := min(len(to)/n, len(from)/m)
	to, from = to[len(to)-rows*n:], from[len(from)-rows*m:]
	for r := range rows {
		for i, source := range c.Sources {
			if source >= 0 {
				to[r*n+i] = from[r*m+source]
			}
		}
	}
}

// fill makes the rows of a new archive, and the one that is open, of the
// primary points.
func (c *setChange) fill(a int) error {
	archive := c.Definition.Archives[a]
	ring := unknowns(archive.Rows * len(c.Sources))
	c.image.Rings[a] = ring
	primary := c.primary()
	if primary < 0 {
		return nil
	}
	n, step := len(c.Sources), int64(c.Definition.Step.Seconds())
	points := unknowns(c.old.Definition.Archives[primary].Rows * n)
	c.copyRows(points, c.old.Rings[primary])
	end := int64(c.old.State.Last/Second) / step // points since 1970
	first := max(end-int64(len(points)/n), 0)
	d := c.Definition
	d.Archives = []SetArchive{archive}
	s, err := NewSet(d, Time(first*step)*Second)
	if err != nil {
		return err
	}
	steps := int64(archive.Steps)
	whole := (first + steps - 1) / steps // rows since 1970 that began before the points
	for slot := first; slot < end; slot++ {
		s.rows, s.values = s.rows[:0], s.values[:0]
		copy(s.points, points[len(points)-int(end-slot)*n:])
		s.consolidate(0, slot, 1)
		row := (slot + 1) / steps
		if back := end/steps - row; len(s.rows) > 0 && row > whole && back < int64(archive.Rows) {
			copy(ring[len(ring)-int(back+1)*n:], s.rows[0].Values)
		}
	}
	copy(c.image.State.Cells[a], s.open[0])
	return nil
}

// primary is the old archive that has the most primary points, or -1.
func (c *setChange) primary() int {
	best := -1
	for a, archive := range c.old.Definition.Archives {
		if archive.Steps == 1 && archive.CF <= Last && (best < 0 || archive.Rows > c.old.Definition.Archives[best].Rows) {
			best = a
		}
	}
	return best
}

// known counts the rows of which a value is known among the oldest rows of an
// old archive.
func (c *setChange) known(a, rows int) (known int) {
	m, ring := len(c.old.Definition.Sources), c.old.Rings[a]
	for r := range min(rows, len(ring)/m) {
		if slices.ContainsFunc(ring[r*m:(r+1)*m], func(v float64) bool { return !math.IsNaN(v) }) {
			known++
		}
	}
	return known
}

func unknowns(n int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = math.NaN()
	}
	return values
}
