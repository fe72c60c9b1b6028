package gelf

import (
	"bytes"
	"container/list"
	"net/netip"
	"time"
)

// A chunk is a datagram with this header and a part of the payload:
//
//	1e 0f | message id 8 | number 1 | count 1
const (
	chunkHeader = 12
	maxChunks   = 128
)

// Chunks puts the parts of messages together again. The zero value is ready
// for use and has the default limits. It is not safe for concurrent use.
//
// It is bounded in three ways. When a limit is reached, the oldest message
// that is not complete has to go, that of the same sender where the limit is
// the sender's, so that one that sends nothing but beginnings spares others.
type Chunks struct {
	MaxAge       time.Duration // how long parts may be missing; 0 means 5 s, as the specification has it
	MaxBytes     int           // of all messages that are not complete; 0 means 32 MiB
	MaxPerSender int           // messages that are not complete; 0 means 64

	partial map[chunkID]*list.Element
	senders map[netip.Addr]int
	oldest  list.List // of *partial, in the order of their first chunks
	bytes   int
}

// chunkID tells messages apart. The sender's address belongs to it, because
// anyone may send chunks with another's number.
type chunkID struct {
	from netip.Addr
	id   [8]byte
}

type partial struct {
	chunkID
	parts   [][]byte
	missing int
	size    int
	began   time.Time
}

// Add takes a datagram and returns what is finished by it: a message that is
// not chunked is, at once, and so is one that is now complete. Those that had
// to be given up come with an Err and the parts that there are. A packet with
// an Err of BadChunk is returned as received.
//
// The packet is not retained; a payload that was not chunked is the packet.
func (c *Chunks) Add(packet []byte, from netip.Addr, now time.Time) []Payload {
	done := c.Expire(now)
	if len(packet) < 2 || packet[0] != 0x1e || packet[1] != 0x0f {
		return append(done, Payload{Data: packet, From: from, Received: now})
	}
	if len(packet) < chunkHeader || packet[11] == 0 || packet[11] > maxChunks || packet[10] >= packet[11] {
		return append(done, Payload{Data: packet, From: from, Received: now, Err: BadChunk})
	}
	key := chunkID{from: from, id: [8]byte(packet[2:10])}
	el, known := c.partial[key]
	if !known {
		done = c.makeRoom(done, from)
		el = c.begin(key, int(packet[11]), now)
	}
	p := el.Value.(*partial)
	switch n := packet[10]; {
	case int(packet[11]) != len(p.parts):
		return append(done, Payload{Data: packet, From: from, Received: now, Err: BadChunk})
	case p.parts[n] == nil:
		p.parts[n] = append([]byte{}, packet[chunkHeader:]...)
		p.size += len(packet) - chunkHeader
		c.bytes += len(packet) - chunkHeader
		p.missing--
	} // else the network has sent it twice
	if p.missing == 0 {
		return append(done, c.take(el, nil))
	}
	for c.bytes > orDefault(c.MaxBytes, 32<<20) {
		done = append(done, c.take(c.oldest.Front(), TooMany))
	}
	return done
}

func orDefault[T int | time.Duration](v, byDefault T) T {
	if v <= 0 {
		return byDefault
	}
	return v
}

// begin notes a message of which nothing was known.
func (c *Chunks) begin(key chunkID, count int, now time.Time) *list.Element {
	if c.partial == nil {
		c.partial, c.senders = map[chunkID]*list.Element{}, map[netip.Addr]int{}
	}
	el := c.oldest.PushBack(&partial{chunkID: key, parts: make([][]byte, count), missing: count, began: now, size: partialSize})
	c.partial[key] = el
	c.senders[key.from]++
	c.bytes += partialSize
	return el
}

// partialSize stands for what a message costs before it has any data.
const partialSize = 4 << 10

// makeRoom gives up the oldest message of a sender that has too many.
func (c *Chunks) makeRoom(done []Payload, from netip.Addr) []Payload {
	if c.senders[from] < orDefault(c.MaxPerSender, 64) {
		return done
	}
	for el := c.oldest.Front(); el != nil; el = el.Next() {
		if el.Value.(*partial).from == from {
			return append(done, c.take(el, TooMany))
		}
	}
	return done
}

// Expire returns the messages whose parts were missing for too long. It is
// for times when nothing arrives; Add does it too.
func (c *Chunks) Expire(now time.Time) []Payload {
	var gone []Payload
	for el := c.oldest.Front(); el != nil; el = c.oldest.Front() {
		if now.Sub(el.Value.(*partial).began) < orDefault(c.MaxAge, 5*time.Second) {
			break
		}
		gone = append(gone, c.take(el, Incomplete))
	}
	return gone
}

// Close returns all that is not complete.
func (c *Chunks) Close() []Payload {
	var gone []Payload
	for el := c.oldest.Front(); el != nil; el = c.oldest.Front() {
		gone = append(gone, c.take(el, Incomplete))
	}
	return gone
}

// take removes a message and joins its parts.
func (c *Chunks) take(el *list.Element, err error) Payload {
	p := c.oldest.Remove(el).(*partial)
	delete(c.partial, p.chunkID)
	if c.senders[p.from]--; c.senders[p.from] == 0 {
		delete(c.senders, p.from)
	}
	c.bytes -= p.size
	return Payload{Data: bytes.Join(p.parts, nil), From: p.from, Received: p.began, Err: err}
}
