package rrd

import "math"

// consolidate hands elapsed equal primary points, from slot on, to archive a.
func (s *Set) consolidate(a int, slot, elapsed int64) {
	d := &s.def.Archives[a]
	steps := int64(d.Steps)
	fits := steps - slot%steps // points until the open row is full
	if fits > elapsed {
		for i, p := range s.points {
			if c := &s.open[a][i]; steps > 1 {
				c.add(d.CF, p, elapsed)
			}
		}
		return
	}
	// The first row holds the open one; those behind it hold nothing but the
	// points given. More than the ring holds are not made, and then it is the
	// oldest of those made that takes the open row's value: so does RRDtool.
	rows := min((elapsed-fits)/steps+1, int64(d.Rows))
	first, others := s.row(), s.points
	for i, p := range s.points {
		if steps == 1 {
			first[i] = p
			continue
		}
		c := &s.open[a][i]
		first[i] = c.full(d, p, fits)
		c.carry(d.CF, p, (elapsed-fits)%steps)
	}
	if rows > 1 {
		others = s.row()
		copy(others, s.points)
	}
	width := Time(steps*s.step) * Second
	end := Time((slot+elapsed)/steps)*width - Time(rows-1)*width
	s.rows = append(s.rows, SetRow{a, end, 1, first, width})
	if rows > 1 {
		s.rows = append(s.rows, SetRow{a, end + Time(rows-1)*width, int(rows - 1), others, width})
	}
}

// row makes room for a row's values. Rows made before keep theirs, also where
// the room is moved.
func (s *Set) row() []float64 {
	n := len(s.values)
	s.values = append(s.values, s.points...)
	return s.values[n:len(s.values):len(s.values)]
}

// add takes n equal points that do not fill the row.
func (c *CellState) add(cf CF, p float64, n int64) {
	switch {
	case math.IsNaN(p):
		c.Unknown += n
	case math.IsNaN(c.Value) && cf == Average:
		c.Value = p * float64(n)
	case math.IsNaN(c.Value):
		c.Value = p
	case cf == Average:
		c.Value += float64(p * float64(n))
	case cf == Min && c.Value <= p, cf == Max && c.Value >= p:
	default:
		c.Value = p
	}
}

// full is the row's value once n more points of value p have filled it.
func (c *CellState) full(d *SetArchive, p float64, n int64) float64 {
	if math.IsNaN(p) {
		c.Unknown += n
	}
	if float64(c.Unknown) > float64(d.Steps)*d.XFF {
		return math.NaN()
	}
	switch d.CF {
	case Average:
		sum := knownOr(c.Value, 0) + float64(knownOr(p, 0)*float64(n))
		return sum / float64(int64(d.Steps)-c.Unknown)
	case Min:
		return least(knownOr(c.Value, math.Inf(1)), knownOr(p, math.Inf(1)))
	case Max:
		return -least(-knownOr(c.Value, math.Inf(-1)), -knownOr(p, math.Inf(-1)))
	}
	return p
}

// carry begins the next row with n points of value p.
func (c *CellState) carry(cf CF, p float64, n int64) {
	c.Unknown = 0
	if math.IsNaN(p) {
		c.Unknown = n
	}
	if n > 0 && !math.IsNaN(p) {
		c.Value = p
		if cf == Average {
			c.Value = p * float64(n)
		}
		return
	}
	switch cf {
	case Average:
		c.Value = 0
	case Min:
		c.Value = math.Inf(1)
	case Max:
		c.Value = math.Inf(-1)
	case Last:
		c.Value = math.NaN()
	}
}

// knownOr is v, or instead where v is unknown.
func knownOr(v, instead float64) float64 {
	if math.IsNaN(v) {
		return instead
	}
	return v
}

// least is the smaller one; of equal ones, which may differ in the sign of
// zero, the first.
func least(first, second float64) float64 {
	if second < first {
		return second
	}
	return first
}
