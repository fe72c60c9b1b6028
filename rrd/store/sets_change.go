package store

import (
	"context"
	"errors"
	"fmt"

	"rondo/rrd"
)

// ErrSetChanging says that a set is being changed already.
var ErrSetChanging = errors.New("the set is being changed already")

var errDoubted = errors.New("readings of it were lost; it can be changed after the next one")

// A SetChange is what became of a set, or would.
type SetChange struct {
	Changed bool          `json:"changed"` // false: it is so already
	Lost    []SetRowsLost `json:"lost"`    // history that the new definition has no room for
	Values  int           `json:"values"`  // in all rings, afterwards; each up to 8 bytes on disk
	Before  int           `json:"before"`  // the same, before
}

// SetRowsLost is how many known rows of an archive go.
type SetRowsLost struct {
	Archive string `json:"archive"` // as rrdcreate has it
	Rows    int    `json:"rows"`
}

// ChangeSet gives a set another definition, see rrd.SetEdit; dry only says
// what would be. The history and all readings that were taken go with it:
//
//	seal     updates of the set wait from here on
//	import   the changed set, as any import: pending, with ids of its own
//	reveal   it has the name, and the old one ends: one record, durable
//	unseal   updates that waited find the new one
//
// A crash leaves the old set or the new one, whole. Where another client drops
// or replaces the set meanwhile, that stands, and this is rrd.ErrNoSet.
func (st *Store) ChangeSet(ctx context.Context, name string, e *rrd.SetEdit, dry bool) (SetChange, error) {
	c, err := st.changeSet(ctx, name, e, dry)
	if err != nil {
		return SetChange{}, fmt.Errorf("store: change set %s: %w", name, err)
	}
	return c, nil
}

// EditSet implements rrd.SetStore.
func (st *Store) EditSet(ctx context.Context, name string, e *rrd.SetEdit) error {
	_, err := st.ChangeSet(ctx, name, e, false)
	return err
}

func (st *Store) changeSet(ctx context.Context, name string, e *rrd.SetEdit, dry bool) (out SetChange, err error) {
	s, err := st.hold(name)
	if err != nil {
		return out, err
	}
	plan, changed, err := e.Plan(s.def.SetDefinition)
	if err == nil && changed && !dry {
		err = s.seal()
	}
	st.unlockShards(s.shards)
	out = SetChange{Before: ringValues(&s.def.SetDefinition), Values: ringValues(&s.def.SetDefinition), Lost: []SetRowsLost{}}
	if err != nil || !changed {
		return out, err
	}
	if !dry {
		defer st.unseal(s)
	}
	image, err := st.exportSet(ctx, name)
	if err != nil {
		return out, err
	}
	if err := checkSet(&plan.Definition); err != nil {
		return out, err
	}
	next, lost, err := rrd.ChangeImage(image, plan)
	if err != nil {
		return out, err
	}
	out.Changed, out.Values = true, ringValues(&plan.Definition)
	arguments := image.Definition.Arguments()[len(image.Definition.Sources):]
	for a, rows := range lost.Rows {
		if rows > 0 {
			out.Lost = append(out.Lost, SetRowsLost{arguments[a], rows})
		}
	}
	if dry {
		return out, nil
	}
	return out, st.takeOver(ctx, name, next, true, s)
}

// ringValues is how many values the rings of a set have.
func ringValues(d *rrd.SetDefinition) (n int) {
	for _, a := range d.Archives {
		n += a.Rows * len(d.Sources)
	}
	return n
}

// seal makes updates wait. The shards are held.
func (s *set) seal() error {
	switch {
	case s.sealed != nil:
		return ErrSetChanging
	case s.lost:
		return errDoubted
	}
	s.sealed = make(chan struct{})
	return nil
}

// unseal lets those go on that wait.
func (st *Store) unseal(s *set) {
	st.lockShards(s.shards)
	defer st.unlockShards(s.shards)
	close(s.sealed)
	s.sealed = nil
}

// errMoved says that an update must look for its set again: it is sealed, or
// another one has its name.
var errMoved = errors.New("the set has moved")

// postpone notes an update to be tried again.
func (b *setBatch) postpone(i int) {
	if s := b.sets[i]; s.sealed != nil {
		b.wait = s.sealed
	}
	b.sets[i] = nil
	b.moved = append(b.moved, i)
}

// findMoved waits for a set that is being changed, and then finds the sets of
// the updates that were postponed.
func (st *Store) findMoved(ctx context.Context, batch []rrd.SetUpdate, b *setBatch) error {
	if b.wait != nil {
		select {
		case <-b.wait:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-st.ctx.Done():
			return context.Cause(st.ctx)
		}
	}
	for _, i := range b.moved {
		if b.sets[i] = st.table.set(batch[i].Name); b.sets[i] == nil {
			b.refuse(i, rrd.ErrNoSet)
		}
	}
	b.wait, b.moved = nil, b.moved[:0]
	return st.table.settled(ctx)
}
