package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"rondo/rrd"
	"rondo/rrd/seglog"
)

// A record of the log is the updates of one batch that fell to the same
// shards, as they came:
//
//	record = 'U' { id time texts:uvarint { length:uvarint bytes } }
//
// with id and time as in a sampleRecord. It is written before the sets take
// the updates, and has those that are then refused too: a replay refuses them
// again, and also all that the sets have already, since it is not newer.
type updateRecord struct {
	buf    []byte
	id     uint32
	time   rrd.Time
	n      int
	newest rrd.Time
}

const updateRecordKind = 'U'

func (w *updateRecord) reset() {
	*w = updateRecord{buf: append(w.buf[:0], updateRecordKind), newest: noTime}
}

func (w *updateRecord) add(id uint32, u *rrd.SetUpdate) {
	w.buf = appendUvarint(w.buf, zigzag(int64(id)-int64(w.id)))
	w.buf = appendStep(w.buf, int64(u.Time-w.time))
	w.buf = appendUvarint(w.buf, uint64(len(u.Texts)))
	for _, text := range u.Texts {
		w.buf = appendText(w.buf, text)
	}
	w.id, w.time, w.newest = id, u.Time, max(w.newest, u.Time)
	w.n++
}

func appendText(b []byte, s string) []byte {
	return append(appendUvarint(b, uint64(len(s))), s...)
}

// eachUpdate calls f with each update of a record, whose texts are valid until
// it returns.
func eachUpdate(b []byte, f func(id uint32, t rrd.Time, texts []string)) error {
	r := reader{b: b}
	if kind := r.bytes(1); kind == nil || kind[0] != updateRecordKind {
		return errRecord
	}
	id, t := int64(0), rrd.Time(0)
	var texts []string
	for len(r.b) > 0 {
		id += unzigzag(r.uvarint())
		t += rrd.Time(r.step())
		texts = texts[:0]
		for n := r.uvarint(); n > 0 && !r.failed; n-- {
			texts = append(texts, string(r.bytes(r.uvarint())))
		}
		if r.failed || id < 0 || id >= 1<<32-1 {
			return errRecord
		}
		f(uint32(id), t, texts)
	}
	return nil
}

// A setBatch is what a batch of updates needs.
type setBatch struct {
	sets    []*set
	refused []rrd.Refused
	record  updateRecord
	moved   []int           // updates to be tried again
	wait    <-chan struct{} // before that
	limit   rrd.Time        // the store's clock follows no set beyond
	latest  rrd.Time        // no reading may be after
}

func (b *setBatch) refuse(i int, err error) {
	b.sets[i] = nil
	b.refused = append(b.refused, rrd.Refused{Index: i, Reason: rrd.SetRefusal(err), Detail: err.Error(), Err: err})
}

// UpdateSets implements rrd.SetStore.
func (st *Store) UpdateSets(ctx context.Context, batch []rrd.SetUpdate) error {
	b, ok := st.setBatches.Get().(*setBatch)
	if !ok {
		b = new(setBatch)
	}
	defer func() {
		clear(b.sets)
		b.refused = nil
		st.setBatches.Put(b)
	}()
	pos, err := st.updateSets(ctx, batch, b)
	if err == nil {
		err = st.log.Commit(ctx, pos)
	}
	if err != nil {
		return fmt.Errorf("store: update sets: %w", err)
	}
	if len(b.refused) == 0 {
		return nil
	}
	slices.SortFunc(b.refused, func(a, b rrd.Refused) int { return cmp.Compare(a.Index, b.Index) })
	for i := range b.refused {
		b.refused[i].Series = rrd.Key(batch[b.refused[i].Index].Name)
		st.stats.refused(b.refused[i].Reason)
	}
	return &rrd.BatchError{Refused: b.refused}
}

// updateSets takes updates into the log and the head, and returns the position
// of the log from which on they are durable.
func (st *Store) updateSets(ctx context.Context, batch []rrd.SetUpdate, b *setBatch) (seglog.Pos, error) {
	if err := st.relieve(); err != nil {
		return 0, err
	}
	b.sets = st.table.resolveSets(batch, b.sets[:0])
	if err := st.table.settled(ctx); err != nil {
		return 0, err
	}
	for i, s := range b.sets {
		if s == nil {
			b.refuse(i, rrd.ErrNoSet)
		}
	}
	b.moved, b.wait, b.limit = b.moved[:0], nil, st.future()
	b.latest = st.latest()
	for {
		if err := st.updateFound(batch, b); err != nil {
			return 0, err
		}
		if len(b.moved) == 0 {
			return st.log.End(), nil
		}
		if err := st.findMoved(ctx, batch, b); err != nil {
			return 0, err
		}
	}
}

// updateFound takes the updates whose sets are found. Those are then forgotten.
func (st *Store) updateFound(batch []rrd.SetUpdate, b *setBatch) error {
	var masks [1 << numShards]bool
	for _, s := range b.sets {
		if s != nil {
			masks[s.shards] = true
		}
	}
	for mask, any := range masks {
		if !any {
			continue
		}
		if err := st.updateShards(uint8(mask), batch, b); err != nil {
			return err
		}
	}
	return nil
}

// updateShards takes the updates of the sets that live in just these shards.
func (st *Store) updateShards(mask uint8, batch []rrd.SetUpdate, b *setBatch) error {
	st.lockShards(mask)
	defer st.unlockShards(mask)
	rec := &b.record
	for from := 0; from < len(batch); {
		rec.reset()
		to := from
		for ; to < len(batch) && len(rec.buf) < recordBytes; to++ {
			s := b.sets[to]
			if s == nil || s.shards != mask {
				continue
			}
			if err := st.admitUpdate(s, &batch[to], b.latest); err == errMoved {
				b.postpone(to)
				continue
			} else if err != nil {
				b.refuse(to, err)
				continue
			}
			rec.add(s.id, &batch[to])
		}
		if rec.n > 0 {
			if _, err := st.log.Append(rec.buf); err != nil {
				return err
			}
		}
		for ; from < to; from++ {
			s, u := b.sets[from], &batch[from]
			if s == nil || s.shards != mask {
				continue
			}
			b.sets[from] = nil
			if err := st.updateSet(s, u.Time, u.Texts); err != nil {
				b.refuse(from, err)
				continue
			}
			st.stats.Samples.Add(int64(len(u.Texts)))
		}
		st.advance(min(rec.newest, b.limit)) // a set may say any time
	}
	return nil
}

// admitUpdate says why an update cannot be taken, where that is plain to see: what
// is sent again and again shall not fill the log.
func (st *Store) admitUpdate(s *set, u *rrd.SetUpdate, latest rrd.Time) error {
	switch {
	case s.sealed != nil || s.life.Load() == gone:
		return errMoved
	case !s.there():
		return rrd.ErrNoSet // its state is lost
	case u.Time <= s.last:
		return &rrd.LateError{Time: u.Time, Last: s.last}
	case u.Time > maxSetTime:
		return errSetTime
	case u.Time > latest:
		return st.futureError(u.Time)
	}
	return nil
}

// latest is the time that a set may have at most. A replay asks nobody: what
// was taken once is taken again, whatever the clock says now.
func (st *Store) latest() rrd.Time { return rrd.At(st.o.Now().Add(st.o.SetFutureLimit)) }

func (st *Store) futureError(t rrd.Time) error {
	return fmt.Errorf("%w: %s is more than %s ahead of our clock", rrd.ErrSetFuture, t.Std().UTC().Format(time.RFC3339), FormatSpan(st.o.SetFutureLimit))
}

// updateSet gives a set new readings. The shards are held.
func (st *Store) updateSet(s *set, t rrd.Time, texts []string) error {
	x, err := s.take()
	if err != nil {
		return err
	}
	if s.lost {
		texts = slices.Repeat([]string{"U"}, len(texts))
	}
	rows, err := x.Update(t, texts...)
	if err != nil {
		return err
	}
	for i := range rows {
		row := &rows[i]
		if ring := s.def.ringOf[row.Archive]; ring >= 0 && s.def.owner[ring] == row.Archive {
			st.stageSetRow(s, ring, row)
		}
	}
	if s.lost {
		s.lost = false
		if x, err = doubted(x); err != nil {
			return err
		}
	}
	s.put(x)
	return nil
}

// doubted returns a set of which readings are lost: the point and the rows
// that it was making then will be unknown.
func doubted(x *rrd.Set) (*rrd.Set, error) {
	d, state := x.Definition(), x.State()
	for i := range state.Sources {
		state.Sources[i].Unknown = int64(d.Step / time.Second)
	}
	for a, cells := range state.Cells {
		for i := range cells {
			cells[i].Unknown += int64(d.Archives[a].Steps)
		}
	}
	return rrd.RestoreSet(d, state)
}

// doubtSets notes that readings of any set may be lost at this place of the
// log.
func (st *Store) doubtSets() {
	for _, s := range st.table.setList() {
		s.lost = true
	}
}

func (st *Store) stageSetRow(s *set, ring int, row *rrd.SetRow) {
	for i, v := range row.Values {
		if math.IsNaN(v) {
			continue // a run may have millions
		}
		for end := range row.Ends() {
			st.stageValue(s.series[i], ring, end, v)
		}
	}
}

// A series of a set has no samples that may still change. Its window's buffer
// has the rows that are not packed yet, since that takes longer than a row
// takes to come:
//
//	row = number(8: the ring) end:uvarint      in rows since 1970
const ringBits = 8

// maxFresh is how many bytes of rows may wait to be packed, or a quarter of
// what is packed, if that is more: each time all of it is copied, and a gap or
// an import may bring millions of rows.
const maxFresh = 128

// stageValue stages what is one row of a data source. The shards are held.
func (st *Store) stageValue(s *series, ring int, end rrd.Time, v float64) {
	if math.IsNaN(v) {
		return
	}
	w := &s.win
	var buf [maxEntry]byte
	row := numberOf(v).append(buf[:0], 0, uint64(ring), ringBits)
	row = appendUvarint(row, uint64(end/s.def.rings[ring].row))
	w.buf = st.shard(s.id).windowOf(s).add(w.buf, row)
	if len(w.buf) > max(maxFresh, len(s.packed)/4) {
		st.packRows(s)
	}
}

// packRows packs the rows that wait. Those that are there already, which a
// replay makes again, are left out. The series' shard is held.
func (st *Store) packRows(s *series) {
	if len(s.win.buf) == 0 {
		return
	}
	st.change(st.shard(s.id), s, func(x *state) {
		for r := (reader{b: s.win.buf}); len(r.b) > 0; {
			v, ring := r.number(0, ringBits)
			row := s.def.rings[ring].row
			end := rrd.Time(r.uvarint()) * row
			if q := &x.staged[ring]; q.empty() || end > q.last {
				q.push(row, true, &rrd.Row{End: end, Count: 1, Last: v})
			}
		}
	})
	s.win.buf = s.win.buf[:0]
	st.shard(s.id).tidy()
}

// replayUpdates applies the updates of a record. lost is told of those whose
// set the table does not have.
func (st *Store) replayUpdates(b []byte, lost func(id uint32)) error {
	return eachUpdate(b, func(id uint32, t rrd.Time, texts []string) {
		ser := st.table.at(id)
		if ser == nil || ser.of == nil {
			lost(id)
			return
		}
		s := ser.of
		if s.life.Load() != live {
			return
		}
		if !s.there() && st.revive(s) != nil {
			return
		}
		if st.updateSet(s, t, texts) == nil {
			st.stats.Replayed.Add(1)
		}
		st.advance(min(t, st.future()))
	})
}

// future is the time beyond which the store's clock follows nobody.
func (st *Store) future() rrd.Time { return rrd.At(st.o.Now().Add(st.o.FutureLimit)) }

// revive gives a set whose state is lost a new one. All that is known is when
// its time began; the next reading says how it goes on, and nothing about the
// time before.
func (st *Store) revive(s *set) error {
	state, err := rrd.NewSet(s.def.SetDefinition, s.start)
	if err != nil {
		return err // a definition that was checked
	}
	s.put(state)
	s.lost = true
	return nil
}

// reviveSets revives the sets that neither a checkpoint nor the log knows.
func (st *Store) reviveSets() (err error) {
	for _, s := range st.table.setList() {
		if s.there() {
			continue
		}
		st.report(fmt.Errorf("the state of set %s is lost", s.name))
		err = errors.Join(err, st.revive(s))
	}
	return err
}
