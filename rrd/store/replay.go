package store

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	"rondo/rrd"
	"rondo/rrd/seglog"
)

// A replayer applies records of the log at Open, each shard's in their order,
// shards beside each other. Records of sets, which may span shards, wait until
// all that came before is applied.
type replayer struct {
	st      *Store
	records chan logRecord
	pending *sync.WaitGroup
	lost    int    // samples of series that the table has lost
	unknown int    // samples of series that the table's log never had on disk
	beyond  uint32 // ids are below
}

type logRecord struct {
	pos  seglog.Pos
	data *[]byte
}

// replay applies the log from a position on. Samples that the head already
// has are recognised: they are repeated, or too late. Of the others, it counts
// those whose series the table does not know.
func (st *Store) replay(from seglog.Pos) (unknown int, err error) {
	all := make([]replayer, min(runtime.GOMAXPROCS(0), numShards))
	buffers := &sync.Pool{New: func() any { return new([]byte) }}
	var wg, pending sync.WaitGroup
	for i := range all {
		all[i] = replayer{st: st, records: make(chan logRecord, 16), pending: &pending}
		wg.Go(func() { all[i].run(buffers) })
	}
	err = st.dispatch(from, all, buffers)
	for i := range all {
		close(all[i].records)
	}
	wg.Wait()
	var sum replayer
	for i := range all {
		sum.lost, sum.unknown, sum.beyond = sum.lost+all[i].lost, sum.unknown+all[i].unknown, max(sum.beyond, all[i].beyond)
	}
	if sum.beyond > 0 {
		st.table.grow(sum.beyond - 1) // never hand out an id that the log speaks of
	}
	if sum.lost > 0 {
		st.report(fmt.Errorf("%d samples in the log belong to series that the series table has lost", sum.lost))
	}
	if sum.unknown > 0 {
		st.tellUnknown(sum.unknown)
	}
	return sum.unknown, err
}

// leaveBehind makes a checkpoint behind samples whose series are not known.
// Series that come now get higher ids, and the next start would take those in
// between for lost ones.
func (st *Store) leaveBehind() {
	if err := st.writeCheckpoint(); err != nil {
		st.o.Log.Warn("samples of unknown series stay in the log; the next start will speak of damage", "dir", st.dir, "err", err)
	}
}

// tellUnknown tells of samples whose series the table never had, or has no
// more. A sample is acknowledged when its series is on disk. So nobody misses
// it where the table is whole, but who can tell where it is not?
func (st *Store) tellUnknown(samples int) {
	dropped := st.table.log.Stats().Dropped
	if st.table.damaged {
		st.report(fmt.Errorf("%d samples in the log belong to series that the damaged series table does not have", samples))
		return
	}
	text := "none was acknowledged"
	if dropped > 0 {
		text = "none was acknowledged if the table's end, which was cut off and is kept beside it, was torn; if it was damaged, they are lost"
	}
	st.o.Log.Warn("the log has samples of series that were not yet on disk when the last run ended; "+text,
		"dir", st.dir, "samples", samples, "table_dropped_bytes", dropped)
}

// dispatch reads the log and gives each record to who has its shard.
func (st *Store) dispatch(from seglog.Pos, to []replayer, buffers *sync.Pool) error {
	for rec, err := range st.log.Records(from) {
		if _, damage := errors.AsType[*seglog.DamageError](err); damage {
			st.report(err)
			to[0].pending.Wait()
			st.doubtSets()
			continue
		}
		if err != nil {
			return err
		}
		if ofSets(rec.Data) {
			to[0].pending.Wait()
			if err := to[0].applySets(rec.Data); err != nil {
				st.report(err)
			}
			continue
		}
		data := buffers.Get().(*[]byte)
		*data = append((*data)[:0], rec.Data...)
		shard := recordSeries(rec.Data) / pageSeries % numShards
		to[0].pending.Add(1)
		to[int(shard)%len(to)].records <- logRecord{rec.Pos, data}
	}
	return nil
}

// ofSets says whether a record is about sets.
func ofSets(b []byte) bool {
	return len(b) > 0 && (b[0] == updateRecordKind || b[0] == rowsRecord || b[0] == stateRecord)
}

// applySets applies a record about sets while no other is being applied.
func (r *replayer) applySets(b []byte) error {
	if b[0] == updateRecordKind {
		return r.st.replayUpdates(b, r.miss)
	}
	return r.st.replayImport(b, r.miss)
}

// recordSeries returns the id of a record's first series, which tells its
// shard: a record of samples or changes is of one shard only.
func recordSeries(b []byte) uint32 {
	r := reader{b: b}
	kind := r.bytes(1)
	id := r.uvarint()
	if kind != nil && kind[0] != changeRecord && kind[0] != lateRecord {
		id = uint64(unzigzag(id))
	}
	return uint32(id)
}

func (r *replayer) run(buffers *sync.Pool) {
	for rec := range r.records {
		if err := r.apply(rec.pos, *rec.data); err != nil {
			r.st.report(err)
		}
		buffers.Put(rec.data)
		r.pending.Done()
	}
}

// apply applies one record.
func (r *replayer) apply(pos seglog.Pos, data []byte) error {
	if len(data) > 0 && data[0] == changeRecord {
		return r.st.replayChange(pos, data[1:])
	}
	if len(data) > 0 && data[0] == lateRecord {
		return r.st.replayCorrection(pos, data[1:])
	}
	var held *shard
	newest := noTime
	err := eachSample(data, func(id uint32, p rrd.Point) {
		s := r.st.table.at(id)
		if s == nil || s.of != nil {
			r.miss(id)
			return
		}
		if sh := r.st.shard(id); sh != held {
			if held != nil {
				held.mu.Unlock()
			}
			sh.mu.Lock()
			held = sh
		}
		if r.st.replaySample(held, s, p) {
			r.st.stats.Replayed.Add(1)
		}
		newest = max(newest, p.Time)
	})
	if held != nil {
		held.tidy()
		held.mu.Unlock()
	}
	r.st.advance(newest)
	return err
}

// replaySample applies one sample, and says whether it is new to the head. One
// that came late, yet newer than all that was settled, was settled.
func (st *Store) replaySample(sh *shard, s *series, p rrd.Point) bool {
	switch st.offer(sh, s, p, numberOf(p.Value)) {
	case rrd.Taken, rrd.Replaced:
		return true
	case rrd.TooLate:
		st.settleDue(sh, s)
		if p.Time > s.win.settled {
			st.settleLate(sh, s, []rrd.Point{p})
			return true
		}
	}
	return false
}

// miss counts a sample whose series is not known.
func (r *replayer) miss(id uint32) {
	if id < r.st.table.loaded {
		r.lost++
	} else {
		r.unknown++
	}
	r.beyond = max(r.beyond, id+1)
}

// The log has, between the samples, the state that a change of definition has
// made of a series:
//
//	record = 'C' { id:uvarint state }      of one page
//
// so that a replay gives the same rows as the first time: what came before was
// folded by the old definition, and what comes behind by the new one.
const changeRecord = 'C'

// replayChange applies a record of changes.
func (st *Store) replayChange(pos seglog.Pos, b []byte) error {
	for r := (reader{b: b}); len(r.b) > 0; {
		id := r.uvarint()
		s := st.table.at(uint32(id))
		if r.failed || s == nil {
			return fmt.Errorf("change of series %d: %w", id, errRecord)
		}
		if err := st.replayState(pos, s, &r); err != nil {
			return fmt.Errorf("change of series %d: %w", id, err)
		}
	}
	return nil
}

func (st *Store) replayState(pos seglog.Pos, s *series, r *reader) error {
	sh := st.shard(s.id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if pos >= st.table.page(s.id).from {
		return st.loadState(s, r)
	}
	// The checkpoint is younger; only find the next one.
	_, _, err := st.table.readState(r, &sh.loading)
	return err
}
