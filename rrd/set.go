package rrd

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// A DataSource is one number of a Set.
type DataSource struct {
	Name      string
	Type      Type
	Heartbeat time.Duration // a longer silence is unknown; whole seconds
	Min, Max  float64       // of the rate; NaN: no limit
}

// A SetArchive is one ring of a Set: what rrdcreate calls an RRA. Every row
// has a value for each data source.
type SetArchive struct {
	CF    CF
	Steps int     // primary points per row
	Rows  int     // in the ring
	XFF   float64 // 0 <= XFF < 1: the share of Steps that may be unknown
}

// A SetDefinition is what is fixed when a Set is created.
type SetDefinition struct {
	Step     time.Duration // of a primary point; whole seconds
	Sources  []DataSource
	Archives []SetArchive
}

// Validate says why no Set can be made of d.
func (d *SetDefinition) Validate() error {
	if !wholeSeconds(d.Step) {
		return fmt.Errorf("rrd: step %v: want whole seconds, at least one", d.Step)
	}
	if len(d.Sources) == 0 || len(d.Archives) == 0 {
		return errors.New("rrd: a set needs a data source and an archive")
	}
	names := make(map[string]bool)
	for _, s := range d.Sources {
		if s.Name == "" || names[s.Name] {
			return fmt.Errorf("rrd: data source %q has no name of its own", s.Name)
		}
		names[s.Name] = true
		if s.Type == Unset || int(s.Type) >= len(typeNames) {
			return fmt.Errorf("rrd: data source %s has no type", s.Name)
		}
		if !wholeSeconds(s.Heartbeat) {
			return fmt.Errorf("rrd: data source %s: heartbeat %v: want whole seconds, at least one", s.Name, s.Heartbeat)
		}
	}
	for i, a := range d.Archives {
		if a.Steps < 1 || a.Rows < 1 || int(a.CF) >= len(cfNames) || !(a.XFF >= 0 && a.XFF < 1) {
			return fmt.Errorf("rrd: archive %d: want steps and rows from 1, and 0 <= xff < 1", i)
		}
	}
	return nil
}

func wholeSeconds(d time.Duration) bool { return d >= time.Second && d%time.Second == 0 }

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

	fresh  []float64 // rate*seconds of this reading, by data source
	left   []float64 // the part of fresh that closes the step found open
	points []float64 // primary points, by data source
	rows   []SetRow  // emitted by this reading
	values []float64 // that the rows hold
}

// A source is the primary point in the making of one data source.
type source struct {
	text    []byte  // the last reading, as it came
	value   float64 // rate*seconds collected; NaN: none
	unknown int64   // seconds
}

// A SetRow is a finished row of one archive.
type SetRow struct {
	Archive int
	End     Time
	Values  []float64 // by data source; NaN: unknown
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
	return s
}

// Definition returns what the Set was created with.
func (s *Set) Definition() SetDefinition { return s.def }

// Last returns the time of the last reading.
func (s *Set) Last() Time { return s.last }

// A SourceState is the primary point in the making of a data source.
type SourceState struct {
	Text    string  // the last reading: pdp_prep.last_ds
	Value   float64 // pdp_prep.val
	Unknown int64   // seconds: pdp_prep.unkn_sec_cnt
}

// A CellState is the row in the making of an archive and data source.
type CellState struct {
	Value   float64 // sum, minimum, maximum or last of the known points: cdp_prep.val
	Unknown int64   // primary points: cdp_prep.unkn_pdp_cnt
}

// A SetState is all that a Set remembers between readings: what a .rrd keeps
// beside its definition and its rings.
type SetState struct {
	Last    Time
	Sources []SourceState
	Cells   [][]CellState // by archive and data source
}

// State returns a copy of the state.
func (s *Set) State() SetState {
	st := SetState{Last: s.last, Sources: make([]SourceState, len(s.sources)), Cells: make([][]CellState, len(s.open))}
	for i, src := range s.sources {
		st.Sources[i] = SourceState{string(src.text), src.value, src.unknown}
	}
	for a, cells := range s.open {
		st.Cells[a] = slices.Clone(cells)
	}
	return st
}

// RestoreSet makes a Set go on from a state.
func RestoreSet(d SetDefinition, st SetState) (*Set, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	if len(st.Sources) != len(d.Sources) || len(st.Cells) != len(d.Archives) {
		return nil, errors.New("rrd: the state is of another definition")
	}
	s := newSet(d, st.Last)
	for i, src := range st.Sources {
		s.sources[i] = source{[]byte(src.Text[:min(len(src.Text), lastLen)]), src.Value, src.Unknown}
	}
	for a, cells := range st.Cells {
		if len(cells) != len(d.Sources) {
			return nil, errors.New("rrd: the state is of another definition")
		}
		copy(s.open[a], cells)
	}
	return s, nil
}
