package spool

import (
	"encoding/binary"
	"errors"
	"time"
	"unsafe"

	"rondo/rrd/seglog"
	"rondo/syslogd/syslog"
)

// A record is a batch of messages, or a part of one:
//
//	record  | version 1 | base varint ms | message | ... | tail | length of the tail uint16 |
//	message | length uint32 | queues uvarint | zone varint s | message as syslog.AppendBinary writes it |
//	tail    | time varint ms | number uvarint | messages uvarint | queues uvarint | queue | ... |
//	queue   | id uvarint | ordinal uvarint | bytes uvarint | count uvarint | size uvarint |
//
// Integers are little endian; length counts what follows it. Receptions are
// counted from base. A message's queues are a set of bits, each the place of
// a queue in the tail. The tail is where it is because it is written under the
// lock, and the messages are not. It has, of each queue, how many messages and
// bytes went to it before this record, and how many of this one do: so any record says all about what lies between it and a cursor.
const recordVersion = 1

const (
	maxPart    = 128 << 10 // about how many bytes of messages a record has at most
	lengthSize = 4
	tailSize   = 2
)

// MaxQueues is how many queues a batch can be for.
const MaxQueues = 64

// A Set is a set of queues, by their places in the list that Append is given.
type Set uint64

// With is s and the queue at place i.
func (s Set) With(i int) Set { return s | 1<<i }

// Has reports whether the queue at place i is in s.
func (s Set) Has(i int) bool { return s&(1<<i) != 0 }

// An amount is how much of something goes to a queue.
type amount struct{ count, bytes uint64 }

func (a amount) plus(b amount) amount { return amount{a.count + b.count, a.bytes + b.bytes} }

// A part of a batch becomes one record.
type part struct {
	buf     []byte
	count   int               // messages
	amounts [MaxQueues]amount // for each queue of the list
}

// An encoding is the parts of one batch. Its memory is used again.
type encoding struct {
	parts []part
	n     int // parts in use
}

// next returns an empty part whose receptions are counted from base.
func (e *encoding) next(base int64) *part {
	if e.n == len(e.parts) {
		e.parts = append(e.parts, part{})
	}
	p := &e.parts[e.n]
	e.n++
	p.buf = binary.AppendVarint(append(p.buf[:0], recordVersion), base)
	p.count, p.amounts = 0, [MaxQueues]amount{}
	return p
}

// encode writes the messages that are for any queue.
func (e *encoding) encode(batch []syslog.Message, to []Set, queues int) {
	e.n = 0
	var p *part
	var base int64
	for i := range batch {
		if to[i] == 0 {
			continue
		}
		if p == nil || len(p.buf) >= maxPart {
			base = batch[i].Received.UnixMilli()
			p = e.next(base)
		}
		p.add(&batch[i], to[i], base, queues)
	}
}

func (p *part) add(m *syslog.Message, to Set, base int64, queues int) {
	start := len(p.buf)
	p.buf = append(p.buf, 0, 0, 0, 0)
	p.buf = binary.AppendUvarint(p.buf, uint64(to))
	p.buf = binary.AppendVarint(p.buf, zoneOf(m))
	p.buf = syslog.AppendBinary(p.buf, m, base)
	size := len(p.buf) - start
	binary.LittleEndian.PutUint32(p.buf[start:], uint32(size-lengthSize))
	p.count++
	for i := range queues {
		if to.Has(i) {
			p.amounts[i] = p.amounts[i].plus(amount{1, uint64(size)})
		}
	}
}

// zoneOf is how far the message's time is ahead of UTC where it was received,
// in seconds. RFC 3164 has no zone, so whoever writes it must know.
func zoneOf(m *syslog.Message) int64 {
	where := m.Received.Location()
	if where == time.UTC {
		return 0
	}
	_, ahead := m.When().In(where).Zone()
	return int64(ahead)
}

// A tail is the end of a record.
type tail struct {
	at     int64 // when it was written, Unix ms
	number uint64
	count  uint64 // messages
	queues []entry
}

// An entry says what a queue has of a record, and had before it.
type entry struct {
	id    uint64
	place place // pos is not part of the record
	amount
}

// end is the queue's place behind the record.
func (e entry) end() place {
	return place{e.place.pos, e.place.ordinal + e.count, e.place.bytes + e.bytes}
}

// of returns the queue's entry and its place in the list.
func (t *tail) of(id uint64) (e entry, i int, ok bool) {
	for i, e := range t.queues {
		if e.id == id {
			return e, i, true
		}
	}
	return entry{}, 0, false
}

func appendTail(dst []byte, t *tail) []byte {
	start := len(dst)
	dst = binary.AppendVarint(dst, t.at)
	dst = binary.AppendUvarint(dst, t.number)
	dst = binary.AppendUvarint(dst, t.count)
	dst = binary.AppendUvarint(dst, uint64(len(t.queues)))
	for _, e := range t.queues {
		dst = binary.AppendUvarint(dst, e.id)
		dst = binary.AppendUvarint(dst, e.place.ordinal)
		dst = binary.AppendUvarint(dst, e.place.bytes)
		dst = binary.AppendUvarint(dst, e.count)
		dst = binary.AppendUvarint(dst, e.bytes)
	}
	return binary.LittleEndian.AppendUint16(dst, uint16(len(dst)-start))
}

var errRecord = errors.New("spool: a record is not what was written")

// readTail reads the tail of a record into t, and returns what is before it.
func readTail(rec []byte, pos seglog.Pos, t *tail) (body []byte, err error) {
	n := len(rec) - tailSize
	if n < 1 || rec[0] != recordVersion {
		return nil, errRecord
	}
	from := n - int(binary.LittleEndian.Uint16(rec[n:]))
	if from < 1 {
		return nil, errRecord
	}
	r := syslog.NewBinaryReader(string(rec[from:n]))
	t.at, t.number, t.count = r.Varint(), r.Uvarint(), r.Uvarint()
	queues := r.Uvarint()
	if queues > MaxQueues {
		return nil, errRecord
	}
	t.queues = t.queues[:0]
	for range queues {
		e := entry{id: r.Uvarint()}
		e.place = place{pos: pos, ordinal: r.Uvarint(), bytes: r.Uvarint()}
		e.amount = amount{r.Uvarint(), r.Uvarint()}
		t.queues = append(t.queues, e)
	}
	if r.Err() != nil || r.Len() != 0 {
		return nil, errRecord
	}
	return rec[1:from], nil
}

// A bodyReader yields the messages of a record that are for one queue.
//
// The strings of the messages lie in memory that is used again for the next
// batch: a session retains none (package outtest sees to that).
type bodyReader struct {
	memory []byte
	rest   string
	base   int64
	bit    int
	index  uint64 // of the next message in the record
	zones  map[int64]*time.Location
}

// forget makes what was read so far invalid.
func (b *bodyReader) forget() {
	if cap(b.memory) > maxMemory {
		b.memory = nil
	}
	b.memory = b.memory[:0]
}

// maxMemory is how much is kept for the next batch.
const maxMemory = 4 << 20

// reset makes it read the body of a record for the queue at place bit.
func (b *bodyReader) reset(body []byte, bit int) {
	start := len(b.memory)
	b.memory = append(b.memory, body...) // what moves stays where it was for those who have it
	head := syslog.NewBinaryReader(unsafe.String(unsafe.SliceData(b.memory[start:]), len(body)))
	b.base = head.Varint()
	b.rest, b.bit, b.index = head.Rest(), bit, 0
}

// next reads the next message of the queue, and returns its index in the
// record and its size. It reports false at the end.
func (b *bodyReader) next(m *syslog.Message) (index uint64, size int, ok bool, err error) {
	for len(b.rest) > 0 {
		if len(b.rest) < lengthSize {
			return 0, 0, false, errRecord
		}
		size = lengthSize + int(uint32(b.rest[0])|uint32(b.rest[1])<<8|uint32(b.rest[2])<<16|uint32(b.rest[3])<<24)
		if size > len(b.rest) {
			return 0, 0, false, errRecord
		}
		r := syslog.NewBinaryReader(b.rest[lengthSize:size])
		b.rest = b.rest[size:]
		index = b.index
		b.index++
		if !Set(r.Uvarint()).Has(b.bit) {
			continue
		}
		zone := r.Varint()
		r.Message(m, b.base)
		m.Received = m.Received.In(b.location(zone))
		return index, size, true, r.Err()
	}
	return 0, 0, false, nil
}

// location keeps the zones it has met: there are few.
func (b *bodyReader) location(ahead int64) *time.Location {
	if ahead == 0 || ahead < -maxZone || ahead > maxZone {
		return time.UTC
	}
	l := b.zones[ahead]
	if l == nil {
		if b.zones == nil || len(b.zones) > 100 {
			b.zones = map[int64]*time.Location{}
		}
		l = time.FixedZone("", int(ahead))
		b.zones[ahead] = l
	}
	return l
}

const maxZone = 24 * 60 * 60 // seconds
