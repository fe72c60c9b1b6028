package chunk

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/zeebo/xxh3"

	"rondo/syslogd/filter"
	"rondo/syslogd/syslog"
)

// An Origin is where a message came from.
type Origin struct {
	Host   string     // Message.Host
	Sender netip.Addr // Message.Sender
}

// A Builder is an open chunk. It is not safe for concurrent use, but what
// Rows returns is never changed by it.
type Builder struct {
	scan       scanner
	table      *Types
	byKey      map[string]uint32
	types      []*Type
	typed      int        // bytes of their keys
	values     [][]uint64 // by type, row-major
	counts     []uint32
	byOrigin   map[Origin]uint32
	origins    []Origin
	lastOrigin uint32
	rows       []row
	raw        int64
	sizes      map[string]int // values that the types of the last chunk had
}

// row is what each message has of its own, beside the values of its slots.
type row struct {
	when, received int64 // Unix ns
	origin, typ    uint32
	ord            uint32 // its place among the rows of its type
}

// NewBuilder returns an empty chunk, which shares its types with others.
func NewBuilder(types *Types) *Builder { return newBuilder(types, 0, 0, 0, nil) }

// Next returns an empty chunk with room for one like b: growing while it is
// filled costs more than filling.
func (b *Builder) Next() *Builder {
	sizes := make(map[string]int, len(b.types))
	for i, t := range b.types {
		sizes[t.key] = len(b.values[i])
	}
	return newBuilder(b.table, len(b.rows), len(b.scan.tokens.list), len(b.scan.strings.ends), sizes)
}

func newBuilder(types *Types, rows, tokens, strings int, sizes map[string]int) *Builder {
	more := func(n int) int { return n + n/8 }
	b := &Builder{
		table: types, byKey: make(map[string]uint32, len(sizes)), byOrigin: map[Origin]uint32{},
		rows: make([]row, 0, more(rows)), sizes: sizes,
	}
	b.scan.tokens = newTokenSet(more(tokens))
	b.scan.strings = &stringTable{byHash: make(map[uint64]uint32, more(strings)), ends: make([]uint32, 0, more(strings))}
	return b
}

// Len is the number of messages.
func (b *Builder) Len() int { return len(b.rows) }

// RawBytes is the length of their lines.
func (b *Builder) RawBytes() int64 { return b.raw }

// MinTime and MaxTime bound the times of messages: Unix nanoseconds in 64
// bits.
var (
	MinTime = time.Unix(0, -1<<63).UTC()
	MaxTime = time.Unix(0, 1<<63-1).UTC()
)

// Add appends a message; it keeps nothing of it. Received must lie between
// MinTime and MaxTime, and so must Time unless it is zero.
func (b *Builder) Add(m *syslog.Message) {
	r := row{when: m.When().UnixNano(), received: m.Received.UnixNano(), origin: b.origin(m)}
	b.scan.now = r.when
	b.scan.line(m)
	if len(b.types) >= maxTypes || b.typed >= maxTyped {
		b.blur(m)
	}
	r.typ = b.typeOf()
	r.ord = b.counts[r.typ]
	b.counts[r.typ]++
	b.values[r.typ] = append(b.values[r.typ], b.scan.values...)
	b.rows = append(b.rows, r)
	b.raw += int64(len(m.Raw))
}

// blur scans a line again, without constants, if it would be of a new type.
// The name of the application stays one, so that counts by it need no rows,
// unless there are ever new names too.
func (b *Builder) blur(m *syslog.Message) {
	if _, known := b.byKey[string(b.scan.key)]; known {
		return
	}
	b.scan.coarse, b.scan.nameless = true, false
	b.scan.line(m)
	if _, known := b.byKey[string(b.scan.key)]; !known && len(b.types) >= maxTypes+maxBlurred {
		b.scan.nameless = true
		b.scan.line(m)
	}
	b.scan.coarse = false
}

func (b *Builder) origin(m *syslog.Message) uint32 {
	if len(b.origins) > 0 {
		if o := &b.origins[b.lastOrigin]; o.Host == m.Host && o.Sender == m.Sender {
			return b.lastOrigin
		}
	}
	id, ok := b.byOrigin[Origin{m.Host, m.Sender}]
	if !ok {
		id = uint32(len(b.origins))
		o := Origin{string(append([]byte(nil), m.Host...)), m.Sender}
		b.origins = append(b.origins, o)
		b.byOrigin[o] = id
	}
	b.lastOrigin = id
	return id
}

// typeOf finds or makes the type of the line that was scanned.
func (b *Builder) typeOf() uint32 {
	if id, ok := b.byKey[string(b.scan.key)]; ok {
		return id
	}
	t, _, err := b.table.get(b.scan.key)
	if err != nil {
		// Cannot be: the key was just written by the same rules.
		panic("chunk: " + err.Error())
	}
	id := uint32(len(b.types))
	b.byKey[t.key] = id
	b.types = append(b.types, t)
	b.typed += len(t.key)
	n := b.sizes[t.key]
	b.values = append(b.values, make([]uint64, 0, n+n/8))
	b.counts = append(b.counts, 0)
	for _, h := range t.hashes {
		b.scan.tokens.add(h)
	}
	return id
}

// Rows returns all messages added so far.
func (b *Builder) Rows() *Rows {
	return &Rows{
		Types: b.types[:len(b.types):len(b.types)], Origins: b.origins[:len(b.origins):len(b.origins)],
		rows: b.rows[:len(b.rows):len(b.rows)], counts: slices.Clone(b.counts),
		source: &builderValues{values: slices.Clone(b.values), strings: b.scan.strings.snapshot(), types: b.types},
	}
}

// builderValues are the values of an open chunk, as far as it was filled.
type builderValues struct {
	values  [][]uint64
	strings stringTable
	types   []*Type
}

func (v *builderValues) value(typ uint32, sub int, ord uint32) uint64 {
	return v.values[typ][int(ord)*v.types[typ].subs+sub]
}

func (v *builderValues) text(typ uint32, sub int, ord uint32) string {
	return v.strings.get(uint32(v.value(typ, sub, ord)))
}

func (v *builderValues) err() error { return nil }

// fail is never called: only the bytes of a sealed chunk can be wrong.
func (v *builderValues) fail(error) {}

// stringTable keeps strings once.
type stringTable struct {
	byHash map[uint64]uint32
	buf    []byte
	ends   []uint32
}

// intern returns the number of s. A string whose hash is taken by another one
// is kept twice rather than compared with many.
func (t *stringTable) intern(s string) uint32 {
	h := xxh3.HashString(s)
	id, taken := t.byHash[h]
	if taken && t.at(id) == s {
		return id
	}
	id = uint32(len(t.ends))
	t.buf = append(t.buf, s...)
	t.ends = append(t.ends, uint32(len(t.buf)))
	if !taken {
		t.byHash[h] = id
	}
	return id
}

func (t *stringTable) bytes(id uint32) []byte {
	start := uint32(0)
	if id > 0 {
		start = t.ends[id-1]
	}
	return t.buf[start:t.ends[id]]
}

func (t *stringTable) at(id uint32) string { return view(t.bytes(id)) }

func (t *stringTable) get(id uint32) string { return string(t.bytes(id)) }

func (t *stringTable) snapshot() stringTable {
	return stringTable{buf: t.buf[:len(t.buf):len(t.buf)], ends: t.ends[:len(t.ends):len(t.ends)]}
}

// originTokens are the hashes of the hosts' names, for the filter.
func (b *Builder) originTokens() []uint64 {
	seen := map[uint64]bool{}
	for _, o := range b.origins {
		m := syslog.Message{Host: o.Host, Sender: o.Sender}
		seen[HostHash(filter.Lower(m.Origin()))] = true
	}
	return slices.Collect(maps.Keys(seen))
}

// HostHash is the hash under which a filter keeps a lower-case name of a
// host (Message.Origin).
func HostHash(host string) uint64 { return mix(TokenHash(host)) }
