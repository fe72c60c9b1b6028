package logstore

import (
	"context"
	"errors"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"rondo/syslogd"
	"rondo/syslogd/logstore/chunk"
)

// minMerge is how many chunks are merged at least.
const minMerge = 4

// mergeTail merges the newest chunks of a key if they are small: a quiet stream
// whose chunks are sealed for their age would leave thousands. It writes one
// chunk at most, in one step, which says which ones it replaces: a crash leaves
// these or that. They stay where they are until their day is dropped, since
// searches may be reading them and since Badger would not give their disk back
// anyway. diskMu is held.
func (s *Store) mergeTail(k key) error {
	run := s.mergeable(k)
	if len(run) == 0 {
		return nil
	}
	b, err := s.join(run)
	if b == nil || err != nil {
		return err
	}
	last := run[len(run)-1]
	s.mu.Lock()
	id := s.nextID[k]
	s.mu.Unlock()
	info, err := s.writeSealed(k, id, b, last.header.End, run)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextID[k] = id + 1
	s.chunks = slices.DeleteFunc(slices.Clone(s.chunks), func(c *chunkInfo) bool { return slices.Contains(run, c) })
	s.addChunk(info)
	return nil
}

// mergeable returns the newest chunks of a key that are to become one: as many
// as fit in one, the oldest no larger than all the others, so that a message is
// not written again and again.
func (s *Store) mergeable(k key) (run []*chunkInfo) {
	if s.o.apart {
		return nil
	}
	s.mu.Lock()
	chunks := s.chunks
	s.mu.Unlock()
	raw, rows := int64(0), 0
	to := 0
	for i, c := range chunks {
		if c.key == k {
			to = i + 1
		}
	}
	for n := 1; n <= to && chunks[to-n].key == k && !chunks[to-n].bad.Load(); n++ {
		h := chunks[to-n].header
		if raw+h.RawBytes > s.o.ChunkBytes || rows+h.Rows > maxChunkRows {
			break
		}
		if n >= minMerge && h.RawBytes <= raw {
			run = chunks[to-n : to]
		}
		raw, rows = raw+h.RawBytes, rows+h.Rows
	}
	return run
}

// errTooHeavy ends a merge that would make too large a chunk.
var errTooHeavy = errors.New("more in messages than in their lines")

// join fills a new chunk with the messages of others; nil if one of them
// cannot be read, which is then in quarantine, or if they say so much beside
// their lines that it would be too large.
func (s *Store) join(run []*chunkInfo) (*chunk.Builder, error) {
	b := chunk.NewBuilder(s.types)
	p := newPlan(syslogd.Query{})
	p.remember(0)
	weight := int64(0)
	for _, info := range run {
		x := &part{s: s, key: info.key, time: p.ofChunk(info.header), info: info}
		c, err := x.look(p)
		if c == nil || err != nil {
			return nil, err
		}
		err = c.each(context.Background().Done(), func(i int) error {
			m, err := c.rows.Message(i)
			if err != nil {
				return err
			}
			if weight += int64(weightOf(&m) - messageWeight); weight > 2*s.o.ChunkBytes {
				return errTooHeavy
			}
			b.Add(&m)
			return nil
		})
		c.close()
		if errors.Is(err, errTooHeavy) {
			return nil, nil
		} else if err != nil || info.bad.Load() {
			return nil, err
		}
	}
	return b, nil
}

// writeSealed writes a chunk, which replaces others or none.
func (s *Store) writeSealed(k key, id uint64, b *chunk.Builder, end uint64, replaced []*chunkInfo) (*chunkInfo, error) {
	encoder, err := chunk.NewEncoder()
	if err != nil {
		return nil, err
	}
	header, parts := encoder.Seal(b, end)
	room := s.claim
	if len(replaced) > 0 {
		room = s.checkSpace // a merge can wait: no day goes for it, which might be its own
	}
	if err := room(header.DiskSize); err != nil {
		return nil, err
	}
	if len(replaced) > 0 {
		header.Replaces = id - replaced[0].id
		for _, c := range replaced {
			header.DiskSize += c.header.DiskSize
		}
		parts.Header = header.Encode()
	}
	s.o.step("before a chunk")
	if err := s.dirs.use(k, true, func(db *badger.DB) error { return writeChunk(db, id, &parts) }); err != nil {
		return nil, err
	}
	s.o.step("after a chunk")
	s.dirs.wrote(k, header.DiskSize)
	return &chunkInfo{key: k, id: id, header: header}, nil
}
