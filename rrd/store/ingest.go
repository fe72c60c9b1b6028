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

// maxWindowBytes bounds the window of one series. A series that sends so much
// that it does not fit is settled early: the older half leaves the window,
// and later samples among them are too late.
const maxWindowBytes = 16 << 10

// recordBytes is about how large a record of the log may grow.
const recordBytes = 1 << 20

// A batchState is what ingest needs for one batch.
type batchState struct {
	series  []*series
	shards  []uint8 // of each series, noShard where there is none
	refused []rrd.Refused
	late    []lateSample
	now     rrd.Time // our clock when the batch came
	clock   rrd.Time // data clock then
	limit   rrd.Time // samples after this are refused
}

const noShard = uint32(numShards)

func (b *batchState) refuse(i int, reason rrd.Refusal, detail string) {
	b.refused = append(b.refused, rrd.Refused{Index: i, Reason: reason, Detail: detail})
}

// Append implements rrd.Appender: when it returns nil or a *rrd.BatchError,
// every sample that was not refused is on disk.
func (st *Store) Append(ctx context.Context, batch []rrd.Sample) error {
	pos, err := st.write(ctx, batch)
	if err != nil && !isBatchError(err) {
		return err
	}
	if commitErr := st.commit(ctx, pos); commitErr != nil {
		return fmt.Errorf("store: append: %w", commitErr)
	}
	return err
}

// commit waits until the log is durable up to a position, and before it the
// series that it speaks of.
func (st *Store) commit(ctx context.Context, pos seglog.Pos) error {
	if err := st.table.settled(ctx); err != nil {
		return err
	}
	return st.log.Commit(ctx, pos)
}

func isBatchError(err error) bool {
	_, ok := err.(*rrd.BatchError) //nolint:errorlint // ours, never wrapped
	return ok
}

// Write implements rrd.Writer: it takes samples without waiting for the
// device. They survive the death of the process at once, and that of the
// machine within a second, or after Flush. It is for protocols that
// acknowledge nothing.
func (st *Store) Write(ctx context.Context, batch []rrd.Sample) error {
	_, err := st.write(ctx, batch)
	return err
}

// write takes samples into the head and the log, and returns the position of
// the log from which on they are durable.
func (st *Store) write(ctx context.Context, batch []rrd.Sample) (seglog.Pos, error) {
	b, ok := st.batches.Get().(*batchState)
	if !ok {
		b = new(batchState)
	}
	defer func() {
		clear(b.series)
		clear(b.late)
		b.series, b.refused, b.late = b.series[:0], nil, b.late[:0]
		st.batches.Put(b)
	}()
	if err := st.relieve(); err != nil {
		return 0, fmt.Errorf("store: append: %w", err)
	}
	if err := st.find(batch, b); err != nil {
		return 0, fmt.Errorf("store: append: %w", err)
	}
	pos, err := st.apply(batch, b)
	if err != nil {
		return 0, fmt.Errorf("store: append: %w", err)
	}
	if len(b.refused) == 0 {
		return pos, nil
	}
	slices.SortFunc(b.refused, func(a, b rrd.Refused) int { return cmp.Compare(a.Index, b.Index) })
	for i := range b.refused {
		b.refused[i].Series = batch[b.refused[i].Index].Key
		st.stats.refused(b.refused[i].Reason)
	}
	return pos, &rrd.BatchError{Refused: b.refused}
}

// Flush implements rrd.Writer: it waits until all that was written so far is
// on disk.
func (st *Store) Flush(ctx context.Context) error { return st.commit(ctx, st.log.End()) }

// ErrBacklog: closed rows wait in memory because blocks cannot be written, and
// there is no room for more. It goes away by itself when they can.
var ErrBacklog = errors.New("blocks cannot be written, too many rows wait in memory")

// relieve sees to it that closed rows go to disk faster than they come: above
// the limit the background is asked, at twice the limit the writer does it,
// and at four times nothing more is taken. While blocks cannot be written only
// the background tries, at its pace.
func (st *Store) relieve() error {
	staged, limit := st.staged.Load(), st.stageLimit()
	if staged > limit && !st.failing.Load() {
		select {
		case st.poke <- struct{}{}:
		default:
		}
		if staged > 2*limit {
			staged = st.flushStaged()
		}
	}
	if staged > 4*limit {
		return ErrBacklog
	}
	return nil
}

// flushStaged writes closed rows, unless another writer just did, and returns
// the bytes of those that still wait. While a flush is under way there may be
// many more for a moment: it settles windows first.
func (st *Store) flushStaged() int64 {
	st.flushMu.Lock()
	defer st.flushMu.Unlock()
	if st.staged.Load() > 2*st.stageLimit() {
		if err := st.flushDue(); err != nil {
			st.tell(err)
		}
	}
	return st.staged.Load()
}

// find fills b.series, making series that are new.
func (st *Store) find(batch []rrd.Sample, b *batchState) error {
	var missing bool
	if b.series, missing = st.table.resolve(batch, b.series[:0]); !missing {
		return nil
	}
	return st.table.create(batch, b.series, func(i int, reason rrd.Refusal, err error) {
		b.refuse(i, reason, err.Error())
	})
}

// apply takes the samples into the head and the log, shard by shard.
func (st *Store) apply(batch []rrd.Sample, b *batchState) (pos seglog.Pos, err error) {
	var touched [numShards]bool
	b.shards = b.shards[:0]
	for _, s := range b.series {
		shard := noShard
		if s != nil {
			shard = s.id / pageSeries % numShards
			touched[shard] = true
		}
		b.shards = append(b.shards, uint8(shard))
	}
	b.now = rrd.At(st.o.Now())
	b.clock, b.limit = rrd.Time(st.clock.Load()), b.now.Add(st.o.FutureLimit)
	for i := range st.shards {
		if !touched[i] {
			continue
		}
		if pos, err = st.applyShard(i, batch, b); err != nil {
			return 0, err
		}
	}
	if err := st.takeLate(b); err != nil {
		return 0, err
	}
	// A repeated sample is not logged again, but the first may still be on
	// its way to the device.
	return max(pos, st.log.End()), nil
}

func (st *Store) applyShard(i int, batch []rrd.Sample, b *batchState) (seglog.Pos, error) {
	sh := &st.shards[i]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	defer sh.tidy()
	rec := &sh.record
	rec.reset()
	newest := noTime
	for j, shard := range b.shards {
		if int(shard) != i {
			continue
		}
		s := b.series[j]
		p := rrd.Point{Time: batch[j].Time, Value: batch[j].Value}
		if reason, detail := st.admit(s, p, b); reason != "" {
			b.refuse(j, reason, detail)
			continue
		}
		x, was := numberOf(p.Value), before{s.win.newest, s.win.value}
		switch st.offer(sh, s, p, x) {
		case rrd.TooLate:
			b.late = append(b.late, lateSample{index: j, series: s, point: p})
			continue
		case rrd.Repeated:
			st.stats.Repeated.Add(1)
			if !sh.unlogged() {
				continue
			}
		}
		if sh.watching != nil {
			sh.watch(s, was, p, b.now)
		}
		newest = max(newest, p.Time)
		if rec.add(s.id, p.Time, x); len(rec.buf) > recordBytes {
			if err := st.logRecord(sh); err != nil {
				return 0, err
			}
		}
	}
	st.advance(newest)
	return st.log.End(), st.logRecord(sh)
}

// logRecord appends a shard's record, if it has samples, and begins it anew.
// On an error its samples are in the head and not in the log. The client is
// told, and comes again: until a checkpoint has them, samples that seem
// repeated are logged too.
func (st *Store) logRecord(sh *shard) error {
	rec := &sh.record
	if rec.n == 0 {
		return nil
	}
	if _, err := st.log.Append(rec.buf); err != nil {
		sh.failed++
		return err
	}
	st.stats.Samples.Add(int64(rec.n))
	rec.reset()
	return nil
}

// admit says why a sample cannot be taken, whatever the head holds.
func (st *Store) admit(s *series, p rrd.Point, b *batchState) (rrd.Refusal, string) {
	switch {
	case s.of != nil:
		return rrd.RefusedSet, "the series belongs to a set, which takes updates of all its data sources only"
	case math.IsNaN(p.Value) || math.IsInf(p.Value, 0):
		return rrd.RefusedValue, fmt.Sprintf("%v is no finite number", p.Value)
	case p.Time > b.limit:
		return rrd.RefusedFuture, fmt.Sprintf("%s is more than %s ahead", p.Time.Std().Format(time.RFC3339), st.o.FutureLimit)
	case p.Time <= 0 || p.Time <= b.clock-s.def.span && p.Time <= s.def.reach(b.clock):
		return rrd.RefusedLate, p.Time.Std().Format(time.RFC3339) + " is before all archives"
	case !s.def.Allowed(p.Value):
		return rrd.RefusedLimit, fmt.Sprintf("%v is outside of %v to %v", p.Value, s.def.Min, s.def.Max)
	}
	return "", ""
}

func lateDetail(newest, t rrd.Time) string {
	return fmt.Sprintf("%s is %s older than the newest sample", t.Std().Format(time.RFC3339), newest.Sub(t))
}

// reach is the time before which no archive keeps anything.
func (d *definition) reach(clock rrd.Time) rrd.Time {
	if clock == noTime {
		return noTime
	}
	edge := rrd.Time(math.MaxInt64)
	for _, r := range d.rings {
		edge = min(edge, r.edge(clock))
	}
	return edge
}

// offer puts a point, whose value is x, into its series' window, and settles
// what has become too old for it. That is done half a window late, many points
// at a time.
func (st *Store) offer(sh *shard, s *series, p rrd.Point, x number) rrd.Offer {
	result := s.win.offer(sh.windowOf(s), p, x, st.late, &sh.points)
	w := &s.win
	if w.newest-w.oldest > st.late+st.late/2 || len(w.buf) > maxWindowBytes {
		st.settle(sh, s, w.newest-st.late)
	}
	// Only what is left now, which does not depend on when the window was
	// settled before, may decide: a replay must come to the same end.
	if len(w.buf) > maxWindowBytes {
		st.settle(sh, s, w.oldest+(w.newest-w.oldest)/2)
		st.stats.SettledEarly.Add(1)
	}
	return result
}

// settleDue settles what is older than the window.
func (st *Store) settleDue(sh *shard, s *series) {
	if s.win.n > 0 && s.win.oldest <= s.win.newest-st.late {
		st.settle(sh, s, s.win.newest-st.late)
	}
}

// settle folds the points up to a time, and stages the rows that this closes.
func (st *Store) settle(sh *shard, s *series, upTo rrd.Time) {
	st.change(sh, s, func(x *state) {
		s.win.settle(sh.windowOf(s), upTo, func(p rrd.Point) { x.add(sh, p) })
	})
}

// add folds a point, and stages the rows that this closes.
func (x *state) add(sh *shard, p rrd.Point) {
	sh.closed = x.fold.Add(&x.def.Definition, p, sh.closed[:0])
	for i := range sh.closed {
		c := &sh.closed[i]
		x.staged[c.Archive].push(x.def.rings[c.Archive].row, x.def.gauge, &c.Row)
	}
}
