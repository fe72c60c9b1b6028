package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"rondo/rrd"
	"rondo/rrd/seglog"
)

// Options of a Store. The zero value of each means its default.
type Options struct {
	Schemas []Schema // first match wins; none matches: rrd.DefaultDefinition
	// Define replaces Schemas.
	Define      func(rrd.Key, rrd.Type) rrd.Definition
	MaxSeries   int           // 2,000,000
	LateWindow  time.Duration // how late a sample may be; 10 m
	FutureLimit time.Duration // how far ahead of Now a sample may be; 10 m
	// SetFutureLimit is how far ahead of Now a set's time may be, in which one
	// reading that comes too early refuses all until then; 1 day.
	SetFutureLimit time.Duration
	// Now is the clock that the two refer to. Nothing else in the data
	// depends on a clock: all goes by the samples' own times.
	Now             func() time.Time
	Every           time.Duration // how often blocks and retention are looked after; 10 s
	CheckpointBytes int64         // of log, after which a checkpoint is due; 64 MiB
	StageBytes      int64         // of closed rows in memory, after which all go to disk; 256 MiB, more from 100,000 series on
	PieceSeries     int           // with how many series closed rows are written before their block is due; 1,000
	ReserveBytes    int64         // refuse to write below this much free disk; 64 MiB. Negative: none
	// FS is the file system of the two logs; the real one. Tests give one
	// that loses what was not synced.
	FS  seglog.FS
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	o.MaxSeries = cmp.Or(o.MaxSeries, 2_000_000)
	o.LateWindow = cmp.Or(o.LateWindow, 10*time.Minute)
	o.FutureLimit = cmp.Or(o.FutureLimit, 10*time.Minute)
	o.SetFutureLimit = cmp.Or(o.SetFutureLimit, 24*time.Hour)
	o.Every = cmp.Or(o.Every, 10*time.Second)
	o.CheckpointBytes = cmp.Or(o.CheckpointBytes, 64<<20)
	o.StageBytes = cmp.Or(o.StageBytes, 256<<20)
	o.PieceSeries = cmp.Or(o.PieceSeries, 1000)
	o.ReserveBytes = cmp.Or(o.ReserveBytes, 64<<20)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Define == nil {
		schemas := o.Schemas
		o.Define = func(k rrd.Key, t rrd.Type) rrd.Definition { return define(schemas, k, t) }
	}
	if o.FS == nil {
		o.FS = seglog.OS{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// numShards is how many locks the head is divided by. More than cores, so
// that two writers seldom meet.
const numShards = 8

// A shard guards the series of each eighth page. A writer holds it from
// applying samples until they are in the log, so that the log has the samples
// of a series in the order in which they were applied.
type shard struct {
	mu      sync.Mutex
	states  arena // what series have packed
	windows arena
	closed  []rrd.ClosedRow // scratch
	points  []rrd.Point     // scratch
	state   state           // scratch
	packed  []byte          // scratch
	record  sampleRecord    // scratch
	editor  editor          // scratch

	watching   *watching // nil: nobody watches
	watched    []watchedSeries
	watchLists map[string]*watchList // by their watches

	loading state // scratch of Open

	failed int // records that the log refused, of samples that the head has
	saved  int // of those, how many are in a durable checkpoint
}

func (sh *shard) stateOf(s *series) owner  { return owner{&sh.states, s.id} }
func (sh *shard) windowOf(s *series) owner { return owner{&sh.windows, s.id} }

// tidy moves packed states and windows: slices of them are not valid any more.
func (sh *shard) tidy() {
	sh.states.tidy()
	sh.windows.tidy()
}

// unlogged says whether the head may have samples that are nowhere on disk.
func (sh *shard) unlogged() bool { return sh.failed > sh.saved }

// A Store is a round-robin store in a directory. It implements rrd.Appender,
// rrd.Querier, rrd.Index and rrd.SetStore; its methods may be called
// concurrently.
type Store struct {
	o      Options
	dir    string
	late   rrd.Time // late window
	log    *seglog.Log
	table  *table
	vault  *vault
	behind map[uint32]uint64 // at Open: series whose definition in the table is another, and its id
	shards [numShards]shard
	stats  Stats

	batches    sync.Pool // of *batchState
	setBatches sync.Pool // of *setBatch

	clock  atomic.Int64 // newest sample's time
	staged atomic.Int64 // bytes of closed rows in memory

	moving    sync.RWMutex // held while late samples are taken, a history is moved, or epochs are removed
	auditMu   sync.Mutex   // one line of the audit at a time
	lateKnown atomic.Int64 // late samples known by themselves, see corrected

	failing atomic.Bool // the last maintenance went wrong

	ringsMu sync.Mutex
	rings   []*ring

	flushMu    sync.Mutex // one flush or checkpoint at a time
	checkpoint seglog.Pos // position of the last one
	ckptSize   int64

	jobMu sync.Mutex
	job   *job // the change that runs, or did last; nil: none

	poke chan struct{}
	stop chan struct{}
	ctx  context.Context // ends when the store is closed
	end  context.CancelFunc
	wg   sync.WaitGroup
}

// Open opens the store in dir, or makes it, and replays what the last run
// left in the log. Damage is reported to Options.Log and counted; the rest is
// kept. The error is a *seglog.LockedError if another process has it open.
func Open(dir string, o Options) (*Store, error) {
	st := &Store{o: o.withDefaults(), dir: dir, behind: map[uint32]uint64{}, poke: make(chan struct{}, 1), stop: make(chan struct{})}
	st.ctx, st.end = context.WithCancel(context.Background())
	st.late = rrd.Time(st.o.LateWindow.Microseconds())
	st.clock.Store(int64(noTime))
	st.vault = newVault(st.o.Log)
	if err := st.open(); err != nil {
		st.end()
		return nil, errors.Join(fmt.Errorf("store: open: %w", err), st.closeFiles())
	}
	if err := st.resumeChange(); err != nil {
		st.end()
		st.wg.Wait()
		return nil, errors.Join(fmt.Errorf("store: open: %w", err), st.closeFiles())
	}
	st.wg.Go(st.background)
	return st, nil
}

func (st *Store) open() (err error) {
	// Segments are what the log is cut by.
	lo := seglog.Options{FS: st.o.FS, Log: st.o.Log, ReserveBytes: st.o.ReserveBytes, SegmentBytes: st.o.CheckpointBytes / 4}
	if st.log, err = seglog.Open(filepath.Join(st.dir, "log"), lo); err != nil {
		return err
	}
	series, err := seglog.Open(filepath.Join(st.dir, "series"), lo)
	if err != nil {
		return err
	}
	st.table = newTable(series, st)
	for i := range st.shards {
		st.shards[i].states.piece = func(id uint32) *[]byte { return &st.table.place(id).packed }
		st.shards[i].windows.piece = func(id uint32) *[]byte { return &st.table.place(id).win.buf }
	}
	if err := st.table.load(st.report); err != nil {
		return err
	}
	for _, r := range st.rings {
		if err := st.vault.load(r, st.report); err != nil {
			return err
		}
		if r.young != nil {
			if err := st.vault.load(r.young, st.report); err != nil {
				return err
			}
		}
		for _, g := range r.kept {
			n, err := usage(epochDir(r, g))
			if err != nil {
				return err
			}
			r.keptBytes += n
		}
	}
	from, err := st.loadCheckpoint()
	if err != nil {
		return err
	}
	unknown, err := st.replay(from)
	if err != nil {
		return err
	}
	if err := st.table.redefine(st.behind, st.definitionOf); err != nil {
		return err
	}
	if err := errors.Join(st.reviveSets(), st.catchUp()); err != nil {
		return err
	}
	if unknown > 0 {
		st.leaveBehind()
	}
	return nil
}

// report tells of damage that was found and left out.
func (st *Store) report(err error) {
	st.stats.Damaged.Add(1)
	st.o.Log.Error("damage found, the rest is kept", "dir", st.dir, "err", err)
}

// advance brings the data clock up to t.
func (st *Store) advance(t rrd.Time) {
	for {
		old := st.clock.Load()
		if int64(t) <= old || st.clock.CompareAndSwap(old, int64(t)) {
			return
		}
	}
}

func (st *Store) shard(id uint32) *shard { return &st.shards[id/pageSeries%numShards] }

// ringsOf returns the rings of a definition's archives; equal shapes share.
func (st *Store) ringsOf(d *rrd.Definition) []*ring {
	st.ringsMu.Lock()
	defer st.ringsMu.Unlock()
	out := make([]*ring, len(d.Archives))
	for a, archive := range d.Archives {
		row := rrd.Time(d.Row(a).Microseconds())
		i := slices.IndexFunc(st.rings, func(r *ring) bool { return r.row == row && r.rows == archive.Rows && !r.exact })
		if i < 0 {
			i = len(st.rings)
			st.rings = append(st.rings, slotRing(filepath.Join(st.dir, "blocks"), d.Row(a), archive.Rows))
		}
		out[a] = st.rings[i]
	}
	return out
}

// setRing returns the ring of archive a of a set.
func (st *Store) setRing(d *rrd.SetDefinition, a, nth int) *ring {
	st.ringsMu.Lock()
	defer st.ringsMu.Unlock()
	archive := &d.Archives[a]
	fresh := newSetRing(filepath.Join(st.dir, "blocks"), archive.CF, d.Step*time.Duration(archive.Steps), archive.Rows, nth)
	if i := slices.IndexFunc(st.rings, func(r *ring) bool { return r.dir == fresh.dir }); i >= 0 {
		return st.rings[i]
	}
	st.rings = append(st.rings, fresh)
	return fresh
}

func (st *Store) ringList() []*ring {
	st.ringsMu.Lock()
	defer st.ringsMu.Unlock()
	return slices.Clone(st.rings)
}

// background looks after blocks, retention and checkpoints until Close.
func (st *Store) background() {
	tick := time.NewTicker(st.o.Every)
	defer tick.Stop()
	for {
		select {
		case <-st.stop:
			return
		case <-tick.C:
		case <-st.poke:
		}
		st.tell(st.maintain())
	}
}

// tell logs how maintenance went, once per change.
func (st *Store) tell(err error) {
	switch failed := st.failing.Swap(err != nil); {
	case err != nil && !failed:
		st.o.Log.Error("blocks cannot be written, trying again", "dir", st.dir, "err", err)
	case err == nil && failed:
		st.o.Log.Info("blocks are written again", "dir", st.dir)
	}
}

// maintain does what is due. Each part is tried, whatever became of the
// others: a block that cannot be written must not let the log grow.
func (st *Store) maintain() error {
	st.flushMu.Lock()
	defer st.flushMu.Unlock()
	err := errors.Join(st.flushDue(), st.expire(), st.dropRings())
	st.forgetLate()
	// As much log as the checkpoint is large: replaying takes about ten times
	// as long as loading, and a million series have a checkpoint of 0.7 GB.
	if size := int64(st.log.End() - st.checkpoint); size > max(st.o.CheckpointBytes, st.ckptSize) {
		err = errors.Join(err, st.writeCheckpoint())
	}
	return errors.Join(err, st.vault.closeIdle(time.Now().Add(-idleEpoch)))
}

// Close makes a checkpoint, so that the next Open is quick, and closes all.
func (st *Store) Close() error {
	close(st.stop)
	st.end()
	st.wg.Wait()
	st.flushMu.Lock()
	defer st.flushMu.Unlock()
	return errors.Join(st.writeCheckpoint(), st.closeFiles())
}

func (st *Store) closeFiles() error {
	err := st.vault.closeIdle(time.Now())
	if st.table != nil {
		err = errors.Join(err, st.table.log.Close())
	}
	if st.log != nil {
		err = errors.Join(err, st.log.Close())
	}
	return err
}

// Series returns how many series there are.
func (st *Store) Series() int { return st.table.count() }
