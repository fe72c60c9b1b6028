package agent

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"rondo/collectors"
	"rondo/rrd"
	"rondo/rrd/seglog"
	"rondo/syslogd/syslog"
)

// WhenFull is what a spool does with more than it may hold.
type WhenFull string

// The policies: the oldest goes, some of it at once; what comes is not taken;
// whoever brings it waits. DropOldest is the default.
const (
	DropOldest WhenFull = "drop-oldest"
	DropNewest WhenFull = "drop-newest"
	Block      WhenFull = "block"
)

// SpoolConfig is how much may wait for the server, of what cannot be read again.
type SpoolConfig struct {
	Bytes    int64         `yaml:"bytes"`     // on disk; 256 MiB
	Age      time.Duration `yaml:"age"`       // what is older is dropped; 0: nothing is too old
	WhenFull WhenFull      `yaml:"when_full"` // drop-oldest, drop-newest, block
}

// DefaultSpoolConfig is what holds where the file says nothing.
func DefaultSpoolConfig() SpoolConfig {
	return SpoolConfig{Bytes: 256 << 20, Age: 7 * 24 * time.Hour, WhenFull: DropOldest}
}

const minSpool = 8 << 20

// Validate says what is wrong, with its key.
func (c SpoolConfig) Validate() error {
	switch {
	case c.Bytes < minSpool:
		return fmt.Errorf("bytes: %d is less than %d", c.Bytes, minSpool)
	case c.Age < 0:
		return errors.New("age: less than zero")
	case c.WhenFull != DropOldest && c.WhenFull != DropNewest && c.WhenFull != Block:
		return fmt.Errorf("when_full: %q is none of %s, %s, %s", c.WhenFull, DropOldest, DropNewest, Block)
	}
	return nil
}

// A record of a spool:
//
//	version 1 | kind 1 | ms since 1970 varint | number of messages | payload of a frame
const (
	spoolVersion = 1
	spoolPrefix  = "spool-"
)

// A Spool is the queue on disk of what an agent cannot read again: messages of
// sockets, and samples. Its position at the server is one in its log, so that it
// needs no note of its own of what was sent.
type Spool struct {
	dir  string
	c    SpoolConfig
	log  *slog.Logger
	seg  *seglog.Log
	name string // the source, as the server knows it
	more chan struct{}

	full   collectors.Notice
	failed collectors.Notice

	mu      sync.Mutex
	taken   seglog.Pos    // the server has all before
	room    chan struct{} // closed and replaced when there is more
	buf     []byte
	dropped map[string]uint64
	sent    uint64
}

// OpenSpool opens the spool in dir, or makes it.
func OpenSpool(dir string, c SpoolConfig, log *slog.Logger) (*Spool, error) {
	s := &Spool{dir: dir, c: c, log: log, more: make(chan struct{}, 1), room: make(chan struct{}), dropped: map[string]uint64{}}
	var err error
	if s.seg, err = seglog.Open(dir, seglog.Options{SegmentBytes: min(4<<20, c.Bytes/8), MaxRecord: maxBatch, Log: log}); err != nil {
		return nil, fmt.Errorf("agent: spool: %w", err)
	}
	if s.name, err = spoolName(dir); err != nil {
		return nil, errors.Join(fmt.Errorf("agent: spool: %w", err), s.seg.Close())
	}
	s.taken = s.seg.First()
	return s, nil
}

// spoolName is random, so that a disk that was lost, or was put back, is told
// from the one that the server knows.
func spoolName(dir string) (string, error) {
	file := filepath.Join(dir, "name")
	b, err := os.ReadFile(file)
	if name := strings.TrimSpace(string(b)); err == nil && isName(name) && strings.HasPrefix(name, spoolPrefix) {
		return name, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return newSpoolName(dir)
}

func newSpoolName(dir string) (string, error) {
	name := spoolPrefix + rand.Text()[:16]
	return name, seglog.Replace(filepath.Join(dir, "name"), []byte(name+"\n"))
}

// Close syncs and closes the spool.
func (s *Spool) Close() error { return s.seg.Close() }

// Put implements syslogd.Sink: messages that the spool has no room for are
// counted, and no error.
func (s *Spool) Put(ctx context.Context, batch []syslog.Message) error {
	if err := s.Write(ctx, batch); err != nil {
		return err
	}
	return s.seg.Commit(ctx, s.seg.End())
}

// Write implements syslogd.Writer.
func (s *Spool) Write(ctx context.Context, batch []syslog.Message) error {
	for len(batch) > 0 {
		n := portionOf(batch)
		err := s.add(ctx, framePortion, n, func(dst []byte) []byte { return appendMessages(dst, batch[:n]) })
		if err != nil {
			return err
		}
		batch = batch[n:]
	}
	return nil
}

// Append implements rrd.Appender.
func (s *Spool) Append(ctx context.Context, batch []rrd.Sample) error {
	for len(batch) > 0 {
		n := min(len(batch), maxSamples/4)
		if err := s.add(ctx, frameSamples, 0, func(dst []byte) []byte { return appendSamples(dst, batch[:n]) }); err != nil {
			return err
		}
		batch = batch[n:]
	}
	return nil
}

// recordBytes is about how large a record of messages may be.
const recordBytes = 256 << 10

// portionOf is how many messages go into one record; one at least.
func portionOf(batch []syslog.Message) int {
	size := 0
	for i := range batch {
		if size += len(batch[i].Raw) + len(batch[i].SD) + len(batch[i].Text); size > recordBytes && i > 0 {
			return i
		}
	}
	return min(len(batch), maxMessages/4)
}

// add appends a record, when there is room or as the policy says.
func (s *Spool) add(ctx context.Context, kind byte, messages int, payload func([]byte) []byte) error {
	for {
		s.mu.Lock()
		s.buf = append(s.buf[:0], spoolVersion, kind)
		s.buf = binary.AppendVarint(binary.AppendVarint(s.buf, time.Now().UnixMilli()), int64(messages))
		s.buf = payload(s.buf)
		wait, err := s.append(messages)
		if cap(s.buf) > keepBytes {
			s.buf = nil
		}
		s.mu.Unlock()
		if wait == nil {
			return err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// append appends the record in buf. Where the policy is to wait, it returns for
// what. s.mu is held.
func (s *Spool) append(messages int) (wait chan struct{}, err error) {
	for {
		reason := "full"
		if s.size()+int64(len(s.buf)) <= s.c.Bytes {
			_, err := s.seg.Append(s.buf)
			if err == nil {
				s.wake()
				return nil, nil
			}
			if !errors.Is(err, seglog.ErrFull) {
				s.drop("failed", messages)
				return nil, fmt.Errorf("agent: spool: %w", err)
			}
			reason = "disk_full"
		}
		s.full.Warn(s.log, "the spool is full", "bytes", s.size(), "reason", reason, "policy", s.c.WhenFull)
		switch {
		case s.c.WhenFull == Block:
			return s.room, nil
		case s.c.WhenFull == DropOldest && s.cutOldest(reason):
		default:
			s.drop(reason, messages)
			return nil, nil
		}
	}
}

func (s *Spool) size() int64 { return int64(s.seg.End() - s.seg.First()) }

func (s *Spool) wake() {
	select {
	case s.more <- struct{}{}:
	default:
	}
}

func (s *Spool) drop(reason string, messages int) { s.dropped[reason] += uint64(messages) }

// cutOldest drops the oldest segment, and counts what the server does not have
// of it. The one that is written to stays. s.mu is held.
func (s *Spool) cutOldest(reason string) bool {
	first, messages := s.seg.First(), 0
	for r, err := range s.seg.Records(first) {
		if base := s.seg.AfterCut(r.Pos); err == nil && base > first {
			s.drop(reason, messages)
			return s.cut(base)
		}
		if err != nil || r.Pos < s.taken {
			continue
		}
		if x, err := readSpooled(string(r.Data)); err == nil {
			messages += x.messages
		}
	}
	return false
}

func (s *Spool) cut(before seglog.Pos) bool {
	err := s.seg.Cut(before)
	if err != nil {
		s.failed.Warn(s.log, "the spool cannot be cut", "err", err)
	}
	return err == nil
}

// spooled is a record.
type spooled struct {
	kind     byte
	at       time.Time
	messages int
	payload  *syslog.BinaryReader
}

func readSpooled(b string) (x spooled, err error) {
	r := syslog.NewBinaryReader(b)
	if v := r.Byte(); v != spoolVersion {
		return x, fmt.Errorf("agent: spool: record of version %d", v)
	}
	x.kind = r.Byte()
	x.at = time.UnixMilli(r.Varint())
	x.messages = int(r.Varint())
	x.payload = r
	return x, r.Err()
}
