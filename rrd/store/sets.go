package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"rondo/rrd"
)

// A set is RRDtool's file: data sources that share a clock, each a series of
// the table, with neighbouring ids.
type set struct {
	id     uint32 // of the first series
	name   string
	def    *setDefinition
	start  rrd.Time  // of its time; of an imported one, the last reading
	series []*series // by data source
	shards uint8     // a bit for each shard that has one of the series
	life   atomic.Int32
	next   atomic.Pointer[set] // whose update came after this one's last time

	// Guarded by the shards. The rows that the set has made are with its series.
	last   rrd.Time      // of the last reading; noTime: there is no state, while it is imported and after its end
	packed []byte        // the state, see rrd.Set.AppendState
	whole  *rrd.Set      // the state, where it is too large to be packed each time
	lost   bool          // readings may be missing before the next one
	sealed chan struct{} // not nil: it is being changed, and updates wait until it is closed
}

// The life of a set. One that is pending has no name yet: its rows are being
// imported, and it never was if that does not end well.
const (
	pending int32 = iota
	live
	gone
)

// visible says whether queries see a series.
func (s *series) visible() bool { return s.of == nil || s.of.life.Load() == live }

// there says whether a set has a state.
func (s *set) there() bool { return s.last != noTime }

// take returns the set to work with, until the shards are let go.
func (s *set) take() (x *rrd.Set, err error) {
	if s.whole != nil {
		return s.whole, nil
	}
	work := &s.def.work[s.id/pageSeries%numShards]
	if *work == nil {
		if *work, err = rrd.NewSet(s.def.SetDefinition, 0); err != nil {
			return nil, err
		}
	}
	return *work, (*work).Resume(s.packed)
}

// put keeps what x remembers. Only that of the Holt-Winters family, with all
// of its seasons, stays as it is.
func (s *set) put(x *rrd.Set) {
	s.last = x.Last()
	if s.def.family {
		s.whole = x
		return
	}
	b := x.AppendState(s.packed[:0])
	if len(b) > cap(s.packed) {
		b = append(make([]byte, 0, len(b)+8), b...)
	}
	s.packed = b
}

// forget ends a set's state.
func (s *set) forget() { s.last, s.packed, s.whole = noTime, nil, nil }

// newest is the time of the newest sample, or noTime. The shard is held.
func (s *series) newest() rrd.Time {
	if s.of != nil {
		return s.of.last
	}
	return s.win.newest
}

// lockShards locks the shards of a mask, in the order that all keep.
func (st *Store) lockShards(mask uint8) {
	for i := range st.shards {
		if mask>>i&1 != 0 {
			st.shards[i].mu.Lock()
		}
	}
}

func (st *Store) unlockShards(mask uint8) {
	for i := range st.shards {
		if mask>>i&1 != 0 {
			st.shards[i].mu.Unlock()
		}
	}
}

// CreateSet implements rrd.SetStore.
func (st *Store) CreateSet(ctx context.Context, name string, d rrd.SetDefinition, start rrd.Time, replace bool) error {
	err := st.createSet(ctx, name, d, start, replace)
	if err != nil {
		return fmt.Errorf("store: create set %s: %w", name, err)
	}
	return nil
}

func (st *Store) createSet(ctx context.Context, name string, d rrd.SetDefinition, start rrd.Time, replace bool) error {
	if start < 0 || start > maxSetTime {
		return errSetTime
	}
	if start > st.latest() {
		return st.futureError(start)
	}
	if err := checkSet(&d); err != nil {
		return err // before there is memory for its seasons
	}
	b := &setBirth{name: name, def: cloneDefinition(d), start: start, shared: true, replace: replace}
	state, err := rrd.NewSet(b.def, start)
	if err != nil {
		return err
	}
	b.state = state
	_, old, err := st.table.addSet(b)
	if err != nil {
		return err
	}
	st.bury(old)
	return st.table.settled(ctx)
}

// cloneDefinition makes a copy that the caller cannot change.
func cloneDefinition(d rrd.SetDefinition) rrd.SetDefinition {
	d.Sources, d.Archives = slices.Clone(d.Sources), slices.Clone(d.Archives)
	return d
}

// DropSet implements rrd.SetStore.
func (st *Store) DropSet(ctx context.Context, name string) error {
	s, err := st.table.dropSet(name)
	if err == nil {
		st.bury(s)
		err = st.table.settled(ctx)
	}
	if err != nil {
		return fmt.Errorf("store: drop set %s: %w", name, err)
	}
	return nil
}

// bury gives back the memory of a set that has no name any more. What it has
// on disk turns out of the rings.
func (st *Store) bury(s *set) {
	if s == nil {
		return
	}
	st.lockShards(s.shards)
	defer st.unlockShards(s.shards)
	s.life.Store(gone)
	s.forget()
	for _, ser := range s.series {
		st.dropRows(ser)
	}
}

// dropRows forgets all rows that a series has in memory. Its shard is held.
func (st *Store) dropRows(s *series) {
	st.change(st.shard(s.id), s, func(x *state) {
		for i := range x.staged {
			x.staged[i].buf = x.staged[i].buf[:0]
		}
	})
	sh := st.shard(s.id)
	sh.stateOf(s).release(s.packed)
	sh.windowOf(s).release(s.win.buf)
	s.packed, s.win = nil, newWindow()
}

// ListSets implements rrd.SetStore.
func (st *Store) ListSets(prefix string) []string {
	return slices.Clone(withPrefix(st.table.setNames(), prefix))
}

// CountSets implements rrd.SetStore.
func (st *Store) CountSets() int { return st.table.countSets() }

// DescribeSet implements rrd.SetStore.
func (st *Store) DescribeSet(name string) (rrd.SetDefinition, rrd.SetState, error) {
	s, err := st.hold(name)
	if err != nil {
		return rrd.SetDefinition{}, rrd.SetState{}, err
	}
	defer st.unlockShards(s.shards)
	x, err := s.take()
	if err != nil {
		return rrd.SetDefinition{}, rrd.SetState{}, err
	}
	return cloneDefinition(s.def.SetDefinition), x.State(), nil
}

// Schema implements rrd.SetStore.
func (st *Store) Schema(name string) rrd.Definition { return st.table.schema(rrd.Key(name), rrd.Unset) }

const (
	maxSetSources  = 4096
	maxSetArchives = 1 << ringBits
	// maxSetValues bounds the rings of one set, 8 bytes a value.
	maxSetValues = 1 << 27
	// maxSeasonRows bounds the rows of a set's seasons, which are in memory and
	// in every checkpoint; of more than a page of data sources, the values.
	// maxSeasons bounds the values of all sets, 8 bytes each.
	maxSeasonRows = 1 << 18
	maxSeasons    = 1 << 27
	// maxSetTime is the year 3000: blocks have numbers of 32 bits.
	maxSetTime = 32_503_680_000 * rrd.Second
)

var errSetTime = errors.New("the time is before 1970 or after 2999")

// checkSet refuses sets that the store cannot keep.
func checkSet(d *rrd.SetDefinition) error {
	if err := d.Validate(); err != nil {
		return err
	}
	if len(d.Sources) > maxSetSources || len(d.Archives) > maxSetArchives {
		return fmt.Errorf("%d data sources, %d archives: want at most %d and %d",
			len(d.Sources), len(d.Archives), maxSetSources, maxSetArchives)
	}
	if seasonValues(d) > maxSeasonRows*min(len(d.Sources), pageSeries) {
		return fmt.Errorf("the seasons have %d values: want at most %d for each of up to %d data sources", seasonValues(d), maxSeasonRows, pageSeries)
	}
	values := 0
	for i, a := range d.Archives {
		if a.Rows > maxRows {
			return fmt.Errorf("archive %d: %d rows: want at most %d", i, a.Rows, maxRows)
		}
		if values += a.Rows * len(d.Sources); values > maxSetValues {
			return fmt.Errorf("more than %d values in all rings", maxSetValues)
		}
	}
	return nil
}

// seasonValues is how many values the seasons of a set have.
func seasonValues(d *rrd.SetDefinition) (n int) {
	for i := range d.Archives {
		if isSeason(&d.Archives[i]) {
			n += min(d.Archives[i].Rows, maxRows) * len(d.Sources)
		}
	}
	return n
}
