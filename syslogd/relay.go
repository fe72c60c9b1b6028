package syslogd

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"rondo/rrd/seglog"
	"rondo/syslogd/syslog"
)

// A Relay sends the messages that its filter lets through to another syslog
// server, over TCP. They wait in a queue on disk, as they will go over the
// wire, each behind its number:
//
//	record   | number uint64, big endian | message |
//
// Numbers have no gaps when they are written, so that a gap that is read says
// how many were dropped.
type Relay struct {
	cfg   RelayConfig
	stats *Stats
	log   *slog.Logger
	queue *seglog.Log
	path  string        // of the cursor's file
	more  chan struct{} // something was queued

	mu     sync.Mutex
	number uint64 // of the next message to be queued
	buf    []byte
	ends   []int
	recs   [][]byte

	cursor cursor // what has been delivered

	// Of Run:
	stored  cursor // as in the file
	counted uint64 // gaps before this number are counted as dropped
}

// OpenRelay opens the relay's queue, in a folder of its name below dir.
func OpenRelay(cfg RelayConfig, dir string, stats *Stats, log *slog.Logger) (*Relay, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("syslogd: relay: %w", err)
	}
	cfg = cfg.withDefaults()
	dir = filepath.Join(dir, cfg.Name)
	log = log.With("relay", cfg.Name)
	queue, err := seglog.Open(dir, seglog.Options{SegmentBytes: segmentBytes(cfg.QueueBytes), Log: log})
	if err != nil {
		return nil, fmt.Errorf("syslogd: relay %s: %w", cfg.Name, err)
	}
	r := &Relay{
		cfg: cfg, stats: stats, log: log, queue: queue,
		path: filepath.Join(dir, "cursor"), more: make(chan struct{}, 1),
	}
	if err := r.recover(); err != nil {
		queue.Close()
		return nil, fmt.Errorf("syslogd: relay %s: %w", cfg.Name, err)
	}
	return r, nil
}

// segmentBytes makes a segment the part of the queue that is dropped at once.
func segmentBytes(queue int64) int64 { return min(queue/8, 64<<20) }

// recover finds where the last run stopped, and the number to go on with.
func (r *Relay) recover() error {
	c, found, err := readCursor(r.path)
	if err != nil {
		return err
	}
	c.pos = min(c.pos, r.queue.End())
	r.number = c.number
	for rec, err := range r.queue.Records(c.pos) {
		if err != nil || len(rec.Data) < numberSize {
			continue // told when it is to be sent
		}
		r.number = binary.BigEndian.Uint64(rec.Data) + 1
		if !found {
			c.number, found = r.number-1, true
		}
	}
	r.cursor, r.stored = c, c
	// From now on there is one: a gap in front of the first record means that
	// messages were dropped, not that the file is new.
	return c.write(r.path)
}

// Close closes the queue. Run must have returned, and nothing be queued any
// more.
func (r *Relay) Close() error { return r.queue.Close() }

// Waiting is how many messages are queued and not yet delivered.
func (r *Relay) Waiting() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.number - r.cursor.number
}

// Snapshot makes dir a copy of the queue and its cursor, of which nothing may
// be written to: a relay opened on a copy of it delivers what had not been
// delivered, and perhaps some messages again. dir must be on the same file
// system.
func (r *Relay) Snapshot(dir string) error {
	// The queue first: what is cut off before the cursor is read lies before
	// the cursor.
	err := r.queue.Snapshot(dir, 0, r.queue.End())
	if err == nil {
		err = os.Link(r.path, filepath.Join(dir, filepath.Base(r.path)))
	}
	if err != nil {
		return fmt.Errorf("syslogd: relay %s: snapshot: %w", r.cfg.Name, err)
	}
	return nil
}

// Name is the relay's name in the configuration, and of its folder.
func (r *Relay) Name() string { return r.cfg.Name }

const (
	numberSize = 8
	maxCount   = 24 // digits of an octet count, and more
)

func (r *Relay) count(what string, n int) { r.stats.Add("relay_"+r.cfg.Name+"_"+what, n) }

// enqueue writes the messages that match to the queue. It never fails and
// never waits for the destination: what the disk cannot take is dropped and
// counted.
func (r *Relay) enqueue(batch []syslog.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.encode(batch)
	r.count("filtered", len(batch)-len(r.ends))
	if len(r.ends) == 0 {
		return
	}
	r.recs = r.recs[:0]
	start := 0
	for _, end := range r.ends {
		r.recs = append(r.recs, r.buf[start:end])
		start = end
	}
	if _, err := r.queue.Append(r.recs...); err != nil {
		r.count("dropped_disk_full", len(r.recs))
		return
	}
	r.number += uint64(len(r.recs))
	r.count("queued", len(r.recs))
	r.trim()
	select {
	case r.more <- struct{}{}:
	default:
	}
}

// encode writes the records of a batch into buf, one after the other.
func (r *Relay) encode(batch []syslog.Message) {
	r.buf, r.ends = r.buf[:0], r.ends[:0]
	for i := range batch {
		if !r.cfg.Filter.Match(&batch[i]) {
			continue
		}
		r.buf = binary.BigEndian.AppendUint64(r.buf, r.number+uint64(len(r.ends)))
		r.buf = r.appendWire(r.buf, &batch[i])
		r.ends = append(r.ends, len(r.buf))
	}
}

// appendWire writes a message with its framing.
func (r *Relay) appendWire(dst []byte, m *syslog.Message) []byte {
	start := len(dst)
	switch r.cfg.Format {
	case WireRFC3164:
		dst = syslog.AppendRFC3164(dst, m)
	case WireRaw:
		dst = append(dst, m.Raw...)
	default:
		dst = syslog.AppendRFC5424(dst, m)
	}
	if r.cfg.Framing == FramingOctets {
		var digits [maxCount]byte
		head := append(strconv.AppendInt(digits[:0], int64(len(dst)-start), 10), ' ')
		dst = append(dst, head...)
		copy(dst[start+len(head):], dst[start:])
		copy(dst[start:], head)
		return dst
	}
	if bytes.IndexByte(dst[start:], '\n') >= 0 {
		dst = append(dst[:start], bytes.ReplaceAll(dst[start:], []byte("\n"), []byte("#012"))...)
	}
	return append(dst, '\n')
}

// trim drops the oldest segments of a queue that has become too long. Their
// messages are counted when the gap is read.
func (r *Relay) trim() {
	end := r.queue.End()
	if int64(end-r.queue.First()) <= r.cfg.QueueBytes {
		return
	}
	keep := seglog.Pos(r.cfg.QueueBytes - segmentBytes(r.cfg.QueueBytes))
	if err := r.queue.Cut(end - keep); err != nil {
		r.log.Warn("the queue cannot be shortened", "err", err)
	}
}

// sync waits until all that was queued is on the device.
func (r *Relay) sync(ctx context.Context) error {
	if err := r.queue.Commit(ctx, r.queue.End()); err != nil {
		return fmt.Errorf("syslogd: relay %s: %w", r.cfg.Name, err)
	}
	return nil
}
