package spool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"rondo/rrd/seglog"
	"rondo/syslogd/syslog"
)

// Options of a Spool. The zero value of each means its default.
type Options struct {
	SegmentBytes int64     // of the log, which is removed in segments; 8 MiB
	SlackBytes   int64     // how much longer the log may be than all queues together; 64 MiB
	FS           seglog.FS // of the log; the real one
	Log          *slog.Logger
}

// reserve is how much of the disk the spool leaves free: twice what the stores
// do, so that a disk that fills up stops the queues before it stops them.
const reserve = 128 << 20

// A Spool is the log that all queues share. Its methods may be called
// concurrently.
//
// Three locks, always taken in this order: keeping is held while cursors are
// written; mu while records are; each queue has one of its own.
type Spool struct {
	o    Options
	dir  string
	log  *seglog.Log
	stop chan struct{}
	wg   sync.WaitGroup

	keeping sync.Mutex
	stored  []byte // the cursors as they are in the file

	mu     sync.Mutex
	id     string // names the log for ever
	number uint64 // of the next message
	lastID uint64 // of queues
	queues []*Queue
	marks  marks

	full      bool // the disk is
	encodings sync.Pool
}

// Open opens the spool in dir, or makes it. The error is a *seglog.LockedError
// if another process has it open.
func Open(dir string, o Options) (*Spool, error) {
	if o.SegmentBytes == 0 {
		o.SegmentBytes = 8 << 20
	}
	if o.SlackBytes == 0 {
		o.SlackBytes = 64 << 20
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Spool{o: o, dir: dir, stop: make(chan struct{})}
	var err error
	s.log, err = seglog.Open(filepath.Join(dir, "log"), seglog.Options{
		SegmentBytes: o.SegmentBytes, ReserveBytes: reserve, FS: o.FS, Log: o.Log,
	})
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	if err := s.recover(); err != nil {
		return nil, fmt.Errorf("spool: %w", errors.Join(err, s.log.Close()))
	}
	s.wg.Go(s.keepUp)
	return s, nil
}

// Close writes the cursors and closes the log. No queue may run any more.
func (s *Spool) Close() error {
	close(s.stop)
	s.wg.Wait()
	err := errors.Join(s.keep(context.Background()), s.log.Close())
	if err != nil {
		return fmt.Errorf("spool: close: %w", err)
	}
	return nil
}

// Queues returns the queues of these names, which are made if there are none.
// The others are orphans from now on; see the package.
func (s *Spool) Queues(configs []QueueConfig) ([]*Queue, error) {
	if len(configs) > MaxQueues {
		return nil, fmt.Errorf("spool: %d queues are more than %d", len(configs), MaxQueues)
	}
	for _, c := range configs {
		if err := c.Validate(); err != nil {
			return nil, fmt.Errorf("spool: queue %s: %w", c.Name, err)
		}
	}
	list, made := s.configure(configs)
	err := s.keep(context.Background())
	if err != nil && made { // a name is on disk before a record has its number
		return nil, fmt.Errorf("spool: %w", err)
	}
	if err != nil {
		s.o.Log.Error("the cursors of the queues cannot be written", "err", err)
	}
	return list, nil
}

// configure also reports whether queues were made.
func (s *Spool) configure(configs []QueueConfig) (list []*Queue, made bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range configs {
		i := slices.IndexFunc(s.queues, func(q *Queue) bool { return q.name == c.Name })
		if i < 0 {
			i, made = len(s.queues), true
			s.lastID++
			s.queues = append(s.queues, s.newQueue(s.lastID, c.Name))
		}
		s.queues[i].configure(c.Limits.withDefaults())
		list = append(list, s.queues[i])
	}
	for _, q := range s.queues {
		if !slices.Contains(list, q) {
			q.orphan(time.Now(), s.o.Log)
		}
	}
	return list, made
}

func (s *Spool) newQueue(id uint64, name string) *Queue {
	return &Queue{
		spool: s, id: id, name: name, more: make(chan struct{}, 1), room: make(chan struct{}),
		dropped: map[Reason]uint64{}, limits: Limits{}.withDefaults(), head: place{pos: s.log.End()},
	}
}

func (q *Queue) configure(l Limits) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.limits, q.left = l, time.Time{}
	q.taken()
}

// Stats are those of all queues, orphans included.
func (s *Spool) Stats() []QueueStats {
	s.mu.Lock()
	queues := slices.Clone(s.queues)
	s.mu.Unlock()
	all := make([]QueueStats, len(queues))
	for i, q := range queues {
		all[i] = q.Stats()
	}
	return all
}

// Bytes is how much of the disk the log takes.
func (s *Spool) Bytes() int64 { return int64(s.log.End() - s.log.First()) }

// Append writes the messages of a batch to the queues that to says, each a set
// of places in the list of queues. It retains nothing. They are then in the
// page cache; Commit waits until all before the position that it returns is on
// the device.
//
// What cannot be written is dropped and counted. Append waits only for queues
// whose policy is Block, and fails only if one of these cannot take its
// messages before ctx ends.
func (s *Spool) Append(ctx context.Context, queues []*Queue, batch []syslog.Message, to []Set) (seglog.Pos, error) {
	e, ok := s.encodings.Get().(*encoding)
	if !ok {
		e = &encoding{}
	}
	defer s.encodings.Put(e)
	e.encode(batch, to, len(queues))
	var end seglog.Pos
	for i := range e.n {
		pos, err := s.appendPart(ctx, queues, &e.parts[i])
		if err != nil {
			return end, fmt.Errorf("spool: %w", err)
		}
		end = max(end, pos)
	}
	return end, nil
}

// Commit waits until all before a position is on the device.
func (s *Spool) Commit(ctx context.Context, p seglog.Pos) error {
	if err := s.log.Commit(ctx, p); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

// diskPause is how long senders wait for a disk that is full before they try
// again.
const diskPause = 200 * time.Millisecond

// appendPart writes one record, once all queues that block have room.
func (s *Spool) appendPart(ctx context.Context, queues []*Queue, p *part) (seglog.Pos, error) {
	for {
		end, full, err := s.tryAppend(queues, p)
		switch {
		case full != nil:
			if err := full.wait(ctx, p.amounts[slices.Index(queues, full)]); err != nil {
				return 0, fmt.Errorf("queue %s is full: %w", full.name, err)
			}
		case err == nil:
			return end, nil
		case !errors.Is(err, seglog.ErrFull):
			return 0, err
		default:
			select {
			case <-time.After(diskPause):
			case <-ctx.Done():
				return 0, err
			}
		}
	}
}

// tryAppend writes one record, unless a queue that blocks has no room: then it
// returns that. It fails if there is one that blocks, and the disk is at fault.
func (s *Spool) tryAppend(queues []*Queue, p *part) (end seglog.Pos, full *Queue, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var takers, blocking []int
	for i, q := range queues {
		if p.amounts[i].count == 0 {
			continue
		}
		fits, policy := q.admits(p.amounts[i])
		if policy == Block && !fits {
			return 0, q, nil
		}
		if policy == Block {
			blocking = append(blocking, i)
		}
		if fits || policy == DropOldest {
			takers = append(takers, i)
		}
	}
	at := s.log.End()
	if len(takers) > 0 {
		end, err = s.log.Append(s.seal(queues, takers, p, at))
	}
	s.tellDisk(err)
	if err != nil && len(blocking) > 0 {
		return 0, nil, err
	}
	s.account(queues, takers, p, at, end, err)
	return end, nil, nil
}

// admits reports whether the queue has room, and its policy. Nobody waits for
// an orphan: nothing is taken away from it.
func (q *Queue) admits(a amount) (bool, Policy) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.limits.WhenFull == Block && !q.left.IsZero() {
		return q.fits(a), DropNewest
	}
	return q.fits(a), q.limits.WhenFull
}

// seal writes the record's tail: what only those who hold the lock know.
func (s *Spool) seal(queues []*Queue, takers []int, p *part, at seglog.Pos) []byte {
	now := time.Now()
	t := tail{at: now.UnixMilli(), number: s.number, count: uint64(p.count)}
	for i, q := range queues {
		e := q.entry()
		if slices.Contains(takers, i) {
			e.amount = p.amounts[i]
		}
		t.queues = append(t.queues, e)
	}
	if s.marks.due(at, now) {
		s.marks = s.marks.add(mark{pos: at, at: now, places: s.places(at)})
	}
	return appendTail(p.buf, &t)
}

// entry says what the queue has so far.
func (q *Queue) entry() entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	return entry{id: q.id, place: q.total}
}

// places are those of all queues before a record at pos.
func (s *Spool) places(pos seglog.Pos) []entry {
	var all []entry
	for _, q := range s.queues {
		e := q.entry()
		e.place.pos = pos
		all = append(all, e)
	}
	return all
}

// account gives the queues what was written, and counts what was not.
func (s *Spool) account(queues []*Queue, takers []int, p *part, at, end seglog.Pos, err error) {
	for i, q := range queues {
		a := p.amounts[i]
		switch {
		case a.count == 0:
		case err != nil && errors.Is(err, seglog.ErrFull):
			q.lose(DiskFull, a.count)
		case err != nil:
			q.lose(DiskError, a.count)
		case !slices.Contains(takers, i):
			q.lose(QueueFull, a.count)
		default:
			q.add(at, a)
			q.shrink(s.marks, end)
		}
	}
	if err == nil && len(takers) > 0 {
		s.number += uint64(p.count)
	}
}

// tellDisk tells when the log ceases to take records, and when it does again.
func (s *Spool) tellDisk(err error) {
	if (err != nil) == s.full {
		return
	}
	s.full = err != nil
	if s.full {
		s.o.Log.Error("the queues cannot be written: what is for destinations is dropped and counted", "err", err)
		return
	}
	s.o.Log.Info("the queues can be written again")
}

// tellEvery is how often it is told that senders wait: behind a slow
// destination they do all the time.
const tellEvery = time.Minute

// wait waits until something is taken away from a queue that has no room for
// more. It looks again first: what was taken away before it waits tells nobody.
func (q *Queue) wait(ctx context.Context, more amount) error {
	q.mu.Lock()
	if q.fits(more) {
		q.mu.Unlock()
		return nil
	}
	room := q.room
	q.senders++
	if now := time.Now(); now.Sub(q.told) >= tellEvery {
		q.told = now
		q.spool.o.Log.Warn("the queue is full: senders wait", "destination", q.name)
	}
	q.mu.Unlock()
	defer func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.senders--
	}()
	select {
	case <-room:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
