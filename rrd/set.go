package rrd

import (
	"iter"
	"math"
	"slices"
	"time"

	"rondo/rrd/rpn"
)

// A Set is a .rrd file without its rings: data sources that share a clock,
// and the rows in the making of their archives. It reproduces RRDtool 1.7.2's
// arithmetic to the last bit, from the text of a reading to the row. A Set is
// not safe for concurrent use.
//
// # From readings to primary points
//
// A reading stands for the time since the reading before. It is turned into
// rate*seconds and shared out over the steps that it spans:
//
//	readings     r1        r2                     r3
//	time    -----|----+----|------+---------+-----|---+----   + every step
//	                  '-- primary point --'
//
// A primary point is the mean rate over the known seconds of its step. It is
// unknown if more than half of the step is, or if the reading that closes it
// comes after more than the heartbeat. Since 1.7.2 a reading that spans several
// steps closes the step that it found open by itself; the others share one
// value.
//
// # From primary points to rows
//
// A row that ends at t holds the primary points of (t-row, t]. If more than
// xff*steps of them are unknown, so is the row. The last of a row is its last
// primary point, known or not, whatever xff says.
//
// # Where we differ
//
// A refused reading leaves the Set as it was. RRDtool keeps the text of the
// readings in front of a bad one, and takes differences from it next time.
type Set struct {
	def  SetDefinition
	step int64 // seconds
	last Time

	sources []source
	open    [][]CellState // by archive and data source
	family  *family       // nil: no archive is of the Holt-Winters family

	inputs   []int     // the data sources that take readings
	computes []compute // those that do not
	rpn      rpn.Machine

	fresh  []float64 // rate*seconds of this reading, by data source
	left   []float64 // the part of fresh that closes the step found open
	points []float64 // primary points, by data source
	rows   []SetRow  // emitted by this reading
	values []float64 // that the rows hold
}

// A compute is a data source of type Compute.
type compute struct {
	source  int
	program *rpn.Program
	from    []int     // the data sources of its variables
	values  []float64 // of the variables
}

// A source is the primary point in the making of one data source.
type source struct {
	text    []byte  // the last reading, as it came
	value   float64 // rate*seconds collected; NaN: none
	unknown int64   // seconds
}

// A SetRow is a finished row of one archive, or a run of rows with the same
// values: after a long gap there may be millions.
type SetRow struct {
	Archive int
	End     Time      // of the last one
	Count   int       // of the run, at least 1
	Values  []float64 // by data source; NaN: unknown
	width   Time      // of one row
}

// Ends yields the end of each row of the run, oldest first.
func (r *SetRow) Ends() iter.Seq[Time] {
	return func(yield func(Time) bool) {
		for n := r.Count - 1; n >= 0; n-- {
			if !yield(r.End - Time(n)*r.width) {
				return
			}
		}
	}
}

// lastLen is how much of a reading's text is kept (LAST_DS_LEN, less the NUL).
const lastLen = 29

// NewSet creates a Set whose time begins at start: the first reading stands
// for the time since then.
func NewSet(d SetDefinition, start Time) (*Set, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	s := newSet(d, start)
	sec := int64(start / Second)
	for i := range s.sources {
		s.sources[i] = source{text: []byte("U"), value: math.NaN(), unknown: sec % s.step}
	}
	for a, cells := range s.open {
		steps := int64(d.Archives[a].Steps)
		for i := range cells {
			passed := (sec - s.sources[i].unknown) % (s.step * steps) / s.step
			cells[i] = CellState{Value: math.NaN(), Unknown: passed}
		}
	}
	return s, nil
}

func newSet(d SetDefinition, last Time) *Set {
	n := len(d.Sources)
	s := &Set{
		def: d, step: int64(d.Step / time.Second), last: last,
		sources: make([]source, n), open: make([][]CellState, len(d.Archives)),
		fresh: make([]float64, n), left: make([]float64, n), points: make([]float64, n),
	}
	for a := range s.open {
		s.open[a] = make([]CellState, n)
	}
	s.connect()
	s.family = newFamily(&d)
	return s
}

// Definition returns what the Set was created with.
func (s *Set) Definition() SetDefinition { return s.def }

// Last returns the time of the last reading.
func (s *Set) Last() Time { return s.last }

// connect finds what takes readings, and what computes from what.
func (s *Set) connect() {
	programs, _ := s.def.programs() // the definition is valid
	for i := range s.sources {
		if s.def.Sources[i].Type != Compute {
			s.inputs = append(s.inputs, i)
			continue
		}
		c := compute{source: i, program: programs[i]}
		for _, name := range c.program.Variables() {
			c.from = append(c.from, slices.IndexFunc(s.def.Sources, func(d DataSource) bool { return d.Name == name }))
		}
		c.values = make([]float64, len(c.from))
		s.computes = append(s.computes, c)
		s.fresh[i] = math.NaN()
	}
}
