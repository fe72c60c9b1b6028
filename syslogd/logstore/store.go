package logstore

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"rondo/rrd/seglog"
	"rondo/syslogd/logstore/chunk"
	"rondo/syslogd/syslog"
)

// ErrClosed is returned by a store that was closed.
var ErrClosed = errors.New("logstore: closed")

// A Store is an open log store. It implements syslogd.Marker and
// syslogd.Searcher, and is safe for concurrent use.
type Store struct {
	o       Options
	log     *seglog.Log
	dirs    *dirs
	types   *chunk.Types
	decoder *chunk.Decoder
	tails   tailHub
	cache   *catalogueCache
	marks   *marks
	scratch sync.Pool // of *writing
	stop    chan struct{}
	wake    chan struct{} // there is something to seal
	wg      sync.WaitGroup

	// diskMu is held while chunks are written, days dropped and the log is
	// cut. It is taken before mu.
	diskMu sync.Mutex
	inVain time.Time // a day was dropped and gave no room; diskMu is held

	// mu guards all below it. It is held while a batch is appended to the
	// log and to its head, so that both have the same order.
	mu      sync.Mutex
	closed  bool
	heads   map[key]*head
	backlog []*head                   // full heads, oldest first, being sealed
	sealed  chan struct{}             // closed and replaced when the backlog gets shorter
	chunks  []*chunkInfo              // copied when changed
	full    map[string]*chunk.Builder // by class: the last that got full
	nextID  map[key]uint64
	sealErr error // of the last try

	quarantined, unreadable, dropped atomic.Int64 // see Stats
}

// head is the open chunk of a key.
type head struct {
	key        key
	builder    *chunk.Builder
	weight     int64      // of its messages, each less messageWeight
	start, end seglog.Pos // of its records in the log
	opened     time.Time
	touched    time.Time
	when       span
	received   span
}

// chunkInfo is what is always in memory of a sealed chunk.
type chunkInfo struct {
	key    key
	id     uint64
	header *chunk.Header
	bad    atomic.Bool // quarantined
	// filtered says that the filter was found sound.
	filtered atomic.Bool
}

// Open opens the store in dir, or makes it, and replays what was not yet in
// chunks. The error is a *seglog.LockedError if another process has it open.
func Open(dir string, o Options) (*Store, error) {
	s := &Store{
		o: o.withDefaults(), stop: make(chan struct{}), wake: make(chan struct{}, 1), sealed: make(chan struct{}),
		heads: map[key]*head{}, nextID: map[key]uint64{}, full: map[string]*chunk.Builder{}, cache: newCatalogueCache(maxCatalogue), types: chunk.NewTypes(),
	}
	s.marks = newMarks(&s.o)
	root := filepath.Join(dir, "chunks")
	if err := seglog.MakeDir(root); err != nil {
		return nil, fmt.Errorf("logstore: open: %w", err)
	}
	s.dirs = newDirs(root, s.o.Log)
	var err error
	if s.decoder, err = chunk.NewDecoder(s.types); err != nil {
		return nil, fmt.Errorf("logstore: open: %w", err)
	}
	s.log, err = seglog.Open(filepath.Join(dir, "log"), seglog.Options{SegmentBytes: s.o.SegmentBytes, ReserveBytes: s.o.ReserveBytes, FS: s.o.FS, Log: s.o.Log})
	if err != nil {
		return nil, fmt.Errorf("logstore: open: %w", err)
	}
	if err := s.recover(); err != nil {
		s.dirs.closeAll()
		return nil, errors.Join(fmt.Errorf("logstore: open: %w", err), s.log.Close())
	}
	s.wg.Go(s.sealLoop)
	s.wg.Go(s.tickLoop)
	return s, nil
}

// Close syncs the log and stops the store. What is not in chunks stays in the
// log: the next Open reads it back.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	s.closed = true
	close(s.stop)
	s.mu.Unlock()
	s.tails.close()
	s.wg.Wait()
	err := s.log.Close()
	s.dirs.closeAll()
	return err
}

// Put stores messages. When it returns nil they are on the device; all can be
// searched even before. If it fails, some of them may be stored all the same.
func (s *Store) Put(ctx context.Context, batch []syslog.Message) error {
	end, err := s.write(ctx, batch)
	if err != nil {
		return fmt.Errorf("logstore: put: %w", err)
	}
	if err := s.log.Commit(ctx, end); err != nil {
		return fmt.Errorf("logstore: put: %w", err)
	}
	return nil
}

// Write stores messages without waiting for the device: they survive the
// death of the process at once, and that of the machine within a second. It
// is for senders that are told nothing anyway.
func (s *Store) Write(ctx context.Context, batch []syslog.Message) error {
	if _, err := s.write(ctx, batch); err != nil {
		return fmt.Errorf("logstore: write: %w", err)
	}
	return nil
}

// write appends to the log and to the heads, as much at a time as records and
// chunks may have.
func (s *Store) write(ctx context.Context, batch []syslog.Message) (end seglog.Pos, err error) {
	for {
		n := portion(batch)
		if end, err = s.writePortion(ctx, batch[:n]); err != nil || n == len(batch) {
			return end, err
		}
		batch = batch[n:]
	}
}

func (s *Store) writePortion(ctx context.Context, batch []syslog.Message) (seglog.Pos, error) {
	w, now := s.writing(), time.Now()
	defer s.written(w)
	w.prepare(&s.o.Config, batch, now)
	return s.writeInto(ctx, w, now)
}

// writeInto appends what was prepared, when there is room for it.
func (s *Store) writeInto(ctx context.Context, w *writing, now time.Time) (seglog.Pos, error) {
	if err := s.waitForRoom(ctx); err != nil {
		return 0, err
	}
	end, err := s.append(w, now)
	for try := 0; try < 3 && errors.Is(err, seglog.ErrFull) && s.makeRoom(); try++ {
		end, err = s.append(w, now)
	}
	return end, err
}

func (s *Store) append(w *writing, now time.Time) (seglog.Pos, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, ErrClosed
	}
	start := s.log.End()
	end, err := s.log.Append(w.records...)
	if err != nil {
		return 0, err
	}
	s.marks.set(w.marks, start)
	for _, r := range w.runs {
		s.add(r, start, end, now)
	}
	// Only now: a chunk claims all of the log before its end.
	for _, r := range w.runs {
		s.detachFull(r.key)
	}
	s.tails.publish(w.own)
	return end, nil
}

// add puts a run into its head. s.mu is held.
func (s *Store) add(r run, start, end seglog.Pos, now time.Time) {
	h := s.heads[r.key]
	if h == nil {
		h = &head{key: r.key, builder: s.newBuilder(r.key.class), start: start, opened: now}
		s.heads[r.key] = h
	}
	for i := range r.batch {
		m := &r.batch[i]
		first := h.builder.Len() == 0
		h.when.add(m.When().UnixNano(), first)
		h.received.add(m.Received.UnixNano(), first)
		h.builder.Add(m)
		h.weight += int64(weightOf(m) - messageWeight)
	}
	h.end, h.touched = end, now
}

// newBuilder makes a chunk with room for what the last one of its class held.
// s.mu is held.
func (s *Store) newBuilder(class string) *chunk.Builder {
	if last := s.full[class]; last != nil {
		delete(s.full, class)
		return last.Next()
	}
	return chunk.NewBuilder(s.types)
}

// detachFull queues the head of a key if it is full. s.mu is held.
func (s *Store) detachFull(k key) {
	h := s.heads[k]
	if h != nil && (h.weight >= s.o.ChunkBytes || h.builder.Len() >= maxChunkRows) {
		s.full[h.key.class] = h.builder
		s.detach(h)
	}
}

// detach takes a head out of use and queues it. s.mu is held.
func (s *Store) detach(h *head) {
	delete(s.heads, h.key)
	s.backlog = append(s.backlog, h)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// waitForRoom holds writers back while too many chunks wait to be sealed.
func (s *Store) waitForRoom(ctx context.Context) error {
	for {
		s.mu.Lock()
		full, sealed, err := len(s.backlog) >= maxBacklog, s.sealed, s.sealErr
		s.mu.Unlock()
		if !full {
			return nil
		}
		if err != nil {
			return fmt.Errorf("chunks cannot be written: %w", err)
		}
		select {
		case <-sealed:
		case <-s.stop:
			return ErrClosed
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
