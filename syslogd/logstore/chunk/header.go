package chunk

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"

	"rondo/syslogd/syslog"
)

// Limits of a chunk; a writer seals long before them.
const (
	MaxRows    = 1 << 20
	maxOrigins = MaxRows
	maxPart    = 64 << 20 // bytes of a part when decompressed
	maxHours   = 8192     // entries of Header.Hours
	maxValues  = 1 << 24  // of a column

	// Lines without digits but for ever new words would make a type each. When
	// a chunk has so many types, or so many bytes of their keys, the rest of
	// its lines have types without constants but the application, and, when
	// there are so many of these, without any.
	maxTypes    = 2048
	maxBlurred  = 256
	maxTyped    = 512 << 10
	nanosInHour = 3600e9
)

// Version is the format of the chunks that Seal writes. That of headers without
// a version was 1, which is read as well.
const Version = 2

// A Header says what a chunk holds, so that most searches need no more of it.
type Header struct {
	Version  int
	Rows     int
	RawBytes int64 // length of all lines
	DiskSize int64 // length of all parts, and of what it replaces
	// Replaces is how many numbers of chunks before its own stand for chunks
	// that were merged into this one.
	Replaces uint64
	// End is the writer's position in its log: all before it is in this
	// chunk or in earlier ones.
	End                      uint64
	MinWhen, MaxWhen         int64 // Unix ns of Message.When
	MinReceived, MaxReceived int64
	// Hours counts the messages by hour of When and severity, sorted. It is
	// nil if the messages lie in too many hours.
	Hours []HourCount
}

// An HourCount is how many messages of one severity were in one hour.
type HourCount struct {
	Hour     int32 // since 1970
	Severity syslog.Severity
	Count    uint32
}

// hourCount collects Header.Hours; most neighbours are in the same hour.
type hourCounts struct {
	counts map[HourCount]uint32
	last   HourCount
	run    uint32
}

func (c *hourCounts) add(when int64, s syslog.Severity) {
	k := HourCount{Hour: int32(FloorDiv(when, nanosInHour)), Severity: s}
	if k != c.last {
		c.flush()
		c.last = k
	}
	c.run++
}

func (c *hourCounts) flush() {
	if c.run > 0 {
		c.counts[c.last] += c.run
	}
	c.run = 0
}

func (c *hourCounts) sorted() []HourCount {
	c.flush()
	if len(c.counts) > maxHours {
		return nil
	}
	out := make([]HourCount, 0, len(c.counts))
	for k, n := range c.counts {
		k.Count = n
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b HourCount) int {
		if a.Hour != b.Hour {
			return int(a.Hour) - int(b.Hour)
		}
		return int(a.Severity) - int(b.Severity)
	})
	return out
}

// Encode returns the header part.
func (h *Header) Encode() []byte { return seal(h.append(nil)) }

func (h *Header) append(dst []byte) []byte {
	if h.Version > 1 {
		dst = append(dst, 0, byte(h.Version)) // no chunk of version 1 has 0 rows
		dst = binary.AppendUvarint(dst, h.Replaces)
	}
	for _, v := range []uint64{
		uint64(h.Rows), uint64(h.RawBytes), uint64(h.DiskSize), h.End,
		zigzag(h.MinWhen), uint64(h.MaxWhen - h.MinWhen), zigzag(h.MinReceived), uint64(h.MaxReceived - h.MinReceived),
		uint64(len(h.Hours)),
	} {
		dst = binary.AppendUvarint(dst, v)
	}
	hour := int32(0)
	for _, c := range h.Hours {
		dst = binary.AppendUvarint(dst, zigzag(int64(c.Hour-hour)))
		dst = binary.AppendUvarint(append(dst, byte(c.Severity)), uint64(c.Count))
		hour = c.Hour
	}
	return dst
}

// ParseHeader reads a header.
func ParseHeader(b []byte) (*Header, error) {
	b, err := unseal(b)
	if err != nil {
		return nil, err
	}
	r := reader{b: b}
	h := &Header{Version: 1, Rows: r.count(MaxRows)}
	if h.Rows == 0 && r.err == nil {
		if h.Version = int(r.byte()); r.err == nil && h.Version != Version {
			return nil, r.fail(fmt.Sprintf("version %d, of a newer program", h.Version))
		}
		h.Replaces = r.uvarint()
		h.Rows = r.count(MaxRows)
	}
	h.RawBytes, h.DiskSize, h.End = int64(r.uvarint()), int64(r.uvarint()), r.uvarint()
	h.MinWhen = r.varint()
	h.MaxWhen = h.MinWhen + int64(r.uvarint())
	h.MinReceived = r.varint()
	h.MaxReceived = h.MinReceived + int64(r.uvarint())
	hour := int32(0)
	for range r.count(maxHours) {
		hour += int32(r.varint())
		h.Hours = append(h.Hours, HourCount{hour, syslog.Severity(r.byte()), uint32(r.uvarint())})
	}
	if r.err == nil && (h.Rows == 0 || h.RawBytes < 0 || h.DiskSize < 0 || h.MaxWhen < h.MinWhen || h.MaxReceived < h.MinReceived) {
		r.fail("impossible header")
	}
	return h, r.err
}

// Every part ends with its CRC-32C: Badger does not check what it reads.
func seal(part []byte) []byte {
	return binary.LittleEndian.AppendUint32(part, crc32.Checksum(part, crc32.MakeTable(crc32.Castagnoli)))
}

func unseal(b []byte) ([]byte, error) {
	r := reader{b: b}
	part := r.take(len(b) - 4)
	if r.err == nil && binary.LittleEndian.Uint32(r.b) != crc32.Checksum(part, crc32.MakeTable(crc32.Castagnoli)) {
		r.fail("wrong checksum")
	}
	return part, r.err
}
