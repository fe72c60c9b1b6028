package store

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"rondo/rrd"
	"rondo/rrd/seglog"
)

// A checkpoint is the head on disk: what the log would have to be replayed
// from its beginning for. It stands for a position of the log and may hold
// more than what was before that position, since replaying a sample twice
// changes nothing.
//
// The checkpoint before the last is kept too, and the log from its position
// on: what is damaged in one is taken from the other and the log. Series of
// which both are damaged begin anew, and the rows that may have lost samples
// are unknown from then on.
//
//	file  = "rondockp" frame(head) { frame(page) }
//	frame = length:4 crc32c:4 bytes
//	head  = version position clock pages (uvarint, varint for the clock)
//	page  = id:uvarint { index+1:uvarint state } 0:uvarint [ corrected ]
//	        (of sets: see sets_checkpoint.go)
const (
	checkpointMagic   = "rondockp"
	checkpointVersion = 3
	maxFrame          = 1 << 30
)

// writeCheckpoint writes the head to disk and cuts the log at the position of
// the checkpoint before. The caller holds flushMu.
func (st *Store) writeCheckpoint() error {
	// Every record before this position is in the head when its shard is
	// locked below: a writer holds the shard until its record is logged.
	pos := st.log.End()
	logged := st.failures()
	path := filepath.Join(st.dir, "checkpoint")
	size, err := st.writeHead(path+".tmp", pos)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	// A checkpoint beyond the durable end of the log would, after a power cut,
	// hide the records that are then written below its position.
	if err := st.commit(context.Background(), pos); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if err := os.Rename(path, path+".old"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if err := seglog.SyncDir(st.dir); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	before := st.checkpoint
	st.checkpoint, st.ckptSize = pos, size
	st.saved(logged)
	st.stats.Checkpoints.Add(1)
	return st.log.Cut(before)
}

// failures returns how many records of each shard the log has refused.
func (st *Store) failures() (n [numShards]int) {
	for i := range st.shards {
		sh := &st.shards[i]
		sh.mu.Lock()
		n[i] = sh.failed
		sh.mu.Unlock()
	}
	return n
}

// saved notes that a durable checkpoint has what the log refused before it.
func (st *Store) saved(failures [numShards]int) {
	for i := range st.shards {
		sh := &st.shards[i]
		sh.mu.Lock()
		sh.saved = failures[i]
		sh.mu.Unlock()
	}
}

func (st *Store) writeHead(path string, pos seglog.Pos) (size int64, err error) {
	if err := st.room(2 * st.ckptSize); err != nil {
		return 0, err
	}
	if err := ignoreMissing(st.o.FS.Remove(path)); err != nil {
		return 0, err
	}
	f, err := st.o.FS.Open(path, true)
	if err != nil {
		return 0, err
	}
	w := bufio.NewWriterSize(io.NewOffsetWriter(f, 0), 1<<20)
	head := appendUvarint(nil, checkpointVersion)
	head = appendUvarint(head, uint64(pos))
	head = appendVarint(head, st.clock.Load())
	pages := st.table.pageList()
	head = appendUvarint(head, uint64(len(pages)))
	_, err = w.WriteString(checkpointMagic)
	err = errors.Join(err, writeFrame(w, head))
	var buf []byte
	for _, pg := range pages {
		buf = st.appendPage(buf[:0], pg)
		err = errors.Join(err, writeFrame(w, buf))
		size += int64(len(buf))
	}
	return size, errors.Join(err, w.Flush(), f.Sync(), f.Close())
}

func writeFrame(w io.Writer, b []byte) error {
	if len(b) > maxFrame {
		return fmt.Errorf("a page has %d bytes, at most %d can be read again", len(b), maxFrame)
	}
	var head [8]byte
	binary.LittleEndian.PutUint32(head[:], uint32(len(b)))
	binary.LittleEndian.PutUint32(head[4:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	if _, err := w.Write(head[:]); err != nil {
		return err
	}
	_, err := w.Write(b)
	return err
}

func (st *Store) appendPage(b []byte, pg *page) []byte {
	sh := st.shard(pg.id * pageSeries)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	b = appendUvarint(b, uint64(pg.id))
	all := pg.all()
	for i := range all {
		s := &all[i]
		if s.def == nil || s.stale() {
			continue
		}
		b = appendUvarint(b, uint64(i+1))
		if s.of != nil {
			b = st.appendOfSet(b, s)
			continue
		}
		b = appendState(b, s.def, pg.begins[s.id], &s.win, s.packed)
	}
	return pg.appendCorrected(appendUvarint(b, 0))
}

// catchUp replaces checkpoints that stand beyond the end of the log: of the
// log more is lost than of the checkpoint, and records would now be written at
// positions that a replay leaves out. Both are replaced, the older one too.
func (st *Store) catchUp() error {
	if st.checkpoint <= st.log.End() {
		return nil
	}
	st.report(fmt.Errorf("the log ends at %d, before the checkpoint at %d", st.log.End(), st.checkpoint))
	st.checkpoint = 0
	return errors.Join(st.writeCheckpoint(), st.writeCheckpoint())
}

// loadCheckpoint restores the head and returns the position from which to
// replay the log.
func (st *Store) loadCheckpoint() (seglog.Pos, error) {
	loaded := map[uint64]bool{}
	path := filepath.Join(st.dir, "checkpoint")
	pos, ok, err := st.loadFile(path, loaded)
	if ok || err != nil {
		return pos, err
	}
	if pos, ok, err = st.loadFile(path+".old", loaded); ok || err != nil {
		return pos, err
	}
	if st.log.First() > 0 {
		return st.log.First(), st.lose(loaded)
	}
	return 0, nil // the log holds everything
}

// loadFile restores the pages of a checkpoint that are not loaded yet. It is
// ok if all of its pages are now.
func (st *Store) loadFile(path string, loaded map[uint64]bool) (pos seglog.Pos, ok bool, err error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	pos, pages, err := st.loadHead(r)
	if err != nil {
		st.report(fmt.Errorf("%s: %w", path, err))
		return 0, false, nil
	}
	return pos, st.loadPages(r, path, pages, pos, loaded), nil
}

// loadPages restores the pages of a checkpoint that are not loaded yet, on all
// cores, and says whether all of its pages are now.
func (st *Store) loadPages(r io.Reader, path string, pages uint64, pos seglog.Pos, loaded map[uint64]bool) bool {
	type pageFrame struct {
		page uint64
		b    *[]byte
	}
	ok := true
	var mu sync.Mutex // guards ok and loaded
	done := func(page uint64, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			loaded[page] = true
			return
		}
		st.report(fmt.Errorf("%s: page %d: %w", path, page, err))
		ok = ok && loaded[page]
	}
	buffers := sync.Pool{New: func() any { return new([]byte) }}
	frames := make(chan pageFrame, 4)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for f := range frames {
				done(f.page, st.loadPage(f.page, pos, *f.b))
				buffers.Put(f.b)
			}
		})
	}
	for page := range pages {
		mu.Lock()
		known := loaded[page]
		mu.Unlock()
		b := buffers.Get().(*[]byte)
		switch err := readFrame(r, b); {
		case err != nil:
			done(page, err)
		case !known:
			frames <- pageFrame{page, b}
		}
	}
	close(frames)
	wg.Wait()
	return ok
}

// lose begins the series of all pages that could not be loaded anew. Samples
// up to the newest of the time when the log was cut may be missing; where no
// checkpoint tells that time, it is taken from the log's first samples.
func (st *Store) lose(loaded map[uint64]bool) error {
	until := rrd.Time(st.clock.Load())
	if until == noTime {
		for rec, err := range st.log.Records(st.log.First()) {
			if err == nil && eachSample(rec.Data, func(_ uint32, p rrd.Point) { until = max(until, p.Time) }) == nil {
				until = until.Add(st.o.FutureLimit) + st.late
				break
			}
		}
	}
	lost := 0
	for _, pg := range st.table.pageList() {
		if loaded[uint64(pg.id)] {
			continue
		}
		all := pg.all()
		for i := range all {
			s := &all[i]
			switch {
			case s.def == nil:
				continue
			case s.of != nil:
				st.loseOfSet(s)
			default:
				st.shard(s.id).windowOf(s).release(s.win.buf)
				s.win = newWindow()
				s.win.settled = slotEnd(until, s.def.rings[0].row)
				st.change(st.shard(s.id), s, func(x *state) {
					x.fold.Lose(s.win.settled)
					clear(x.staged)
				})
			}
			lost++
		}
	}
	st.report(fmt.Errorf("the state of %d series is lost; they go on after %s", lost, until.Std()))
	return nil
}

// loadHead reads the first frame and returns the log's position and how many
// pages follow.
func (st *Store) loadHead(f io.Reader) (pos seglog.Pos, pages uint64, err error) {
	magic := make([]byte, len(checkpointMagic))
	if _, err := io.ReadFull(f, magic); err != nil || string(magic) != checkpointMagic {
		return 0, 0, errors.New("no checkpoint")
	}
	var b []byte
	if err := readFrame(f, &b); err != nil {
		return 0, 0, err
	}
	r := reader{b: b}
	version, at, clock, pages := r.uvarint(), r.uvarint(), r.varint(), r.uvarint()
	if r.failed || version != checkpointVersion || pages > 1<<32/pageSeries {
		return 0, 0, fmt.Errorf("version %d: %w", version, errRecord)
	}
	if pages > 0 {
		st.table.grow(uint32(pages*pageSeries - 1)) // never again hand out an id that was lost
	}
	st.advance(rrd.Time(clock))
	st.checkpoint = max(st.checkpoint, seglog.Pos(at))
	return seglog.Pos(at), pages, nil
}

// readFrame reads the next frame's bytes into b; after an error the next frame
// can be tried.
func readFrame(f io.Reader, b *[]byte) error {
	var head [8]byte
	if _, err := io.ReadFull(f, head[:]); err != nil {
		return err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n > maxFrame {
		return errors.New("impossible length")
	}
	*b = slices.Grow((*b)[:0], int(n))[:n]
	if _, err := io.ReadFull(f, *b); err != nil {
		return io.ErrUnexpectedEOF
	}
	if crc32.Checksum(*b, crc32.MakeTable(crc32.Castagnoli)) != binary.LittleEndian.Uint32(head[4:]) {
		return errRecord
	}
	return nil
}

func (st *Store) loadPage(page uint64, from seglog.Pos, b []byte) error {
	r := reader{b: b}
	if r.uvarint() != page {
		return errRecord
	}
	sh := st.shard(uint32(page * pageSeries))
	sh.mu.Lock()
	defer sh.mu.Unlock()
	st.table.pages[page].from = from
	for {
		i := r.uvarint()
		if r.failed || i > pageSeries {
			return errRecord
		}
		if i == 0 {
			return st.loadCorrected(st.table.pages[page], &r)
		}
		s := st.table.at(uint32(page*pageSeries + i - 1))
		if s == nil {
			return fmt.Errorf("the series table has lost series %d", i-1)
		}
		var err error
		if s.of != nil {
			err = st.loadOfSet(s, &r)
		} else {
			err = st.loadState(s, &r)
		}
		if err != nil {
			return fmt.Errorf("series %d: %w", i-1, err)
		}
	}
}
