package rrd

import (
	"errors"
	"math"
	"slices"
)

// A SourceState is the primary point in the making of a data source.
type SourceState struct {
	Text    string  // the last reading: pdp_prep.last_ds
	Value   float64 // rate*seconds: pdp_prep.val
	Unknown int64   // seconds: pdp_prep.unkn_sec_cnt
}

// A CellState is the row in the making of an archive and data source.
type CellState struct {
	Value   float64 // sum, minimum, maximum or last of the known points: cdp_prep.val
	Unknown int64   // primary points: cdp_prep.unkn_pdp_cnt
}

// A SetState is all that a Set remembers between readings: what a .rrd keeps
// beside its definition and its rings. What a .rrd has of the newest rows in
// cdp_prep (primary_value, secondary_value) is no memory: nothing depends on
// it.
type SetState struct {
	Last    Time
	Sources []SourceState
	Cells   [][]CellState // by archive and data source
	// HoltWinters and Seasons are nil where no archive is of that family, else
	// they have an element for each archive, empty for those that keep nothing
	// of the kind.
	HoltWinters [][]HoltWintersState // by archive and data source
	Seasons     []Season             // by archive
}

// State returns a copy of the state.
func (s *Set) State() SetState {
	st := SetState{
		Last: s.last, Sources: make([]SourceState, len(s.sources)), Cells: clone2(s.open),
	}
	if s.family != nil {
		st.HoltWinters, st.Seasons = clone2(s.family.cells), slices.Clone(s.family.seasons)
	}
	for i, src := range s.sources {
		st.Sources[i] = SourceState{string(src.text), src.value, src.unknown}
	}
	for i := range st.Seasons {
		st.Seasons[i].Values = slices.Clone(st.Seasons[i].Values)
	}
	return st
}

func clone2[T any](from [][]T) [][]T {
	to := slices.Clone(from)
	for i := range to {
		to[i] = slices.Clone(to[i])
	}
	return to
}

// RestoreSet makes a Set go on from a state. It keeps nothing of st.
func RestoreSet(d SetDefinition, st SetState) (*Set, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	if err := st.fits(&d); err != nil {
		return nil, err
	}
	s := newSet(d, st.Last)
	for i, src := range st.Sources {
		s.sources[i] = source{[]byte(src.Text[:min(len(src.Text), lastLen)]), src.Value, src.Unknown}
	}
	for a, cells := range st.Cells {
		copy(s.open[a], cells)
	}
	if f := s.family; f != nil {
		for a := range f.cells {
			copy(f.cells[a], st.HoltWinters[a])
			f.seasons[a].Newest = st.Seasons[a].Newest
			copy(f.seasons[a].Values, st.Seasons[a].Values)
		}
	}
	return s, nil
}

var errState = errors.New("rrd: the state is of another definition")

// fits says whether st is a state of a Set defined by d.
func (st *SetState) fits(d *SetDefinition) error {
	if len(st.Sources) != len(d.Sources) || len(st.Cells) != len(d.Archives) {
		return errState
	}
	if st.Last < 0 || st.Last > math.MaxInt64/2 {
		return errors.New("rrd: the state's time is out of range")
	}
	for _, cells := range st.Cells {
		if len(cells) != len(d.Sources) {
			return errState
		}
	}
	if !d.family() {
		return nil
	}
	if len(st.HoltWinters) != len(d.Archives) || len(st.Seasons) != len(d.Archives) {
		return errState
	}
	for i := range d.Archives {
		a, season := &d.Archives[i], st.Seasons[i]
		if a.HoltWinters != nil && len(st.HoltWinters[i]) != len(d.Sources) {
			return errState
		}
		if a.season() && (len(season.Values) != a.Rows*len(d.Sources) || season.Newest < 0 || season.Newest >= a.Rows) {
			return errState
		}
	}
	return nil
}
