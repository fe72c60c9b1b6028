package store

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"rondo/rrd"
	"rondo/rrd/seglog"
)

// A checkpoint is the head on disk: what the log would have to be replayed
// from its beginning for. It stands for a position of the log and may hold
// more than what was before that position, since replaying a sample twice
// changes nothing.
//
//	file  = "rondockp" frame(head) { frame(page) }
//	frame = length:4 crc32c:4 bytes
//	head  = version position clock ids (uvarint, varint for the clock)
//	page  = id:uvarint { index+1:uvarint window fold queues } 0:uvarint
const (
	checkpointMagic   = "rondockp"
	checkpointVersion = 1
	maxFrame          = 256 << 20
)

// writeCheckpoint writes the head to disk and cuts the log. The caller holds
// flushMu.
func (st *Store) writeCheckpoint() error {
	// Every record before this position is in the head when its shard is
	// locked below: a writer holds the shard until its record is logged.
	pos := st.log.End()
	path := filepath.Join(st.dir, "checkpoint")
	size, err := st.writeHead(path+".tmp", pos)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if err := syncDir(st.dir); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	st.checkpoint, st.ckptSize = pos, size
	st.stats.Checkpoints.Add(1)
	return st.log.Cut(pos)
}

func (st *Store) writeHead(path string, pos seglog.Pos) (size int64, err error) {
	if st.o.ReserveBytes >= 0 {
		if free, err := freeBytes(st.dir); err != nil || free-2*st.ckptSize < st.o.ReserveBytes/2 {
			return 0, errors.Join(seglog.ErrFull, err)
		}
	}
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	head := appendUvarint(nil, checkpointVersion)
	head = appendUvarint(head, uint64(pos))
	head = appendVarint(head, st.clock.Load())
	pages := st.table.pageList()
	head = appendUvarint(head, uint64(len(pages)*pageSeries))
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
		if s.def == nil || s.win.newest == noTime {
			continue
		}
		b = appendUvarint(b, uint64(i+1))
		b = s.win.appendBinary(b)
		b = s.fold.AppendBinary(b)
		for a := range s.def.rings {
			if s.staged == nil {
				b = appendUvarint(b, 0)
			} else {
				b = s.staged[a].appendBinary(b)
			}
		}
	}
	return appendUvarint(b, 0)
}

// loadCheckpoint restores the head and returns the position from which to
// replay the log. A checkpoint that is missing or damaged costs what it held,
// not the start.
func (st *Store) loadCheckpoint() (seglog.Pos, error) {
	f, err := os.Open(filepath.Join(st.dir, "checkpoint"))
	if errors.Is(err, os.ErrNotExist) {
		return st.log.First(), nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	pos, err := st.loadHead(r)
	if err != nil {
		st.report(fmt.Errorf("checkpoint: %w", err))
		return st.log.First(), nil
	}
	for {
		b, err := readFrame(r)
		switch {
		case errors.Is(err, io.EOF):
			return pos, nil
		case errors.Is(err, errRecord):
			st.report(fmt.Errorf("checkpoint: a page is damaged: %w", err))
			continue
		case err != nil:
			st.report(fmt.Errorf("checkpoint: %w", err))
			return pos, nil
		}
		st.ckptSize += int64(len(b))
		if err := st.loadPage(b); err != nil {
			st.report(fmt.Errorf("checkpoint: %w", err))
		}
	}
}

func (st *Store) loadHead(f io.Reader) (seglog.Pos, error) {
	magic := make([]byte, len(checkpointMagic))
	if _, err := io.ReadFull(f, magic); err != nil || string(magic) != checkpointMagic {
		return 0, errors.New("no checkpoint")
	}
	b, err := readFrame(f)
	if err != nil {
		return 0, err
	}
	r := reader{b: b}
	version, pos, clock, ids := r.uvarint(), r.uvarint(), r.varint(), r.uvarint()
	if r.failed || version != checkpointVersion || ids > 1<<32 {
		return 0, fmt.Errorf("version %d: %w", version, errRecord)
	}
	if ids > 0 {
		st.table.grow(uint32(ids - 1)) // never again hand out an id that was lost
	}
	st.clock.Store(clock)
	st.checkpoint = seglog.Pos(pos)
	return st.checkpoint, nil
}

// readFrame returns the next frame's bytes; errRecord if they are damaged and
// the next frame can be tried.
func readFrame(f io.Reader) ([]byte, error) {
	var head [8]byte
	if _, err := io.ReadFull(f, head[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n > maxFrame {
		return nil, errors.New("impossible length")
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, io.ErrUnexpectedEOF
	}
	if crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) != binary.LittleEndian.Uint32(head[4:]) {
		return nil, errRecord
	}
	return b, nil
}

func (st *Store) loadPage(b []byte) error {
	r := reader{b: b}
	page := r.uvarint()
	for {
		i := r.uvarint()
		if r.failed || i > pageSeries || page > 1<<32/pageSeries {
			return errRecord
		}
		if i == 0 {
			return nil
		}
		s := st.table.at(uint32(page*pageSeries + i - 1))
		if s == nil {
			return fmt.Errorf("page %d: the series table has lost series %d", page, i-1)
		}
		if err := st.loadSeries(s, &r); err != nil {
			return fmt.Errorf("page %d, series %d: %w", page, i-1, err)
		}
	}
}

func (st *Store) loadSeries(s *series, r *reader) error {
	win := readWindow(r)
	if r.failed {
		return errRecord
	}
	fold, rest, err := rrd.ReadFold(&s.def.Definition, r.b)
	if err != nil {
		return err
	}
	r.b = rest
	staged, bytes := make([]rowQueue, len(s.def.rings)), 0
	for a, ring := range s.def.rings {
		staged[a] = readRowQueue(r, ring.row, s.def.gauge)
		bytes += len(staged[a].buf)
	}
	if r.failed {
		return errRecord
	}
	s.win, s.fold = win, fold
	if bytes > 0 {
		s.staged = staged
		st.staged.Add(int64(bytes))
	}
	return nil
}
