package chunk

import (
	"sync"

	"github.com/klauspost/compress/zstd"
)

// A Decoder opens sealed chunks. It is safe for concurrent use, and needs no
// end: it holds memory only.
type Decoder struct {
	zstd  *zstd.Decoder
	types *Types
	spare sync.Pool // of *memory
}

// NewDecoder returns a Decoder that takes types from a table.
func NewDecoder(types *Types) (*Decoder, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxPart))
	return &Decoder{zstd: z, types: types, spare: sync.Pool{New: func() any { return &memory{} }}}, err
}

// MayHold reports whether a chunk with this filter may hold a token or a host
// (TokenHash, HostHash). A damaged filter may hold everything.
func MayHold(filter []byte, hash uint64) bool {
	return len(filter) <= 4 || bloomHas(filter[:len(filter)-4], hash)
}

// CheckFilter reports damage of a filter.
func CheckFilter(filter []byte) error {
	_, err := unseal(filter)
	return err
}

// Catalogue is the types part of a chunk, decoded: what its messages are
// like, without the messages. It does not change.
type Catalogue struct {
	Types        []*Type
	TypeIDs      []uint32 // see Type.ID
	Origins      []Origin
	TypeCounts   []uint32 // messages by type
	OriginCounts []uint32 // messages by origin
	byRank       []uint32 // types, the most frequent first
	layout       func() (*layout, error)
	version      int
	rows         int
	lengths      []int
	bytes        int
}

// Bytes is about how much memory the catalogue takes.
func (c *Catalogue) Bytes() int { return c.bytes }

// Catalogue decodes the types part.
func (d *Decoder) Catalogue(b []byte, h *Header) (*Catalogue, error) {
	b, err := unseal(b)
	if err != nil {
		return nil, err
	}
	plain, err := d.zstd.DecodeAll(b, nil)
	if err != nil {
		return nil, (&reader{}).fail("types: " + err.Error())
	}
	return parseCatalogue(plain, h, d.types)
}

func parseCatalogue(plain []byte, h *Header, types *Types) (*Catalogue, error) {
	r, rows := reader{b: plain}, h.Rows
	c := &Catalogue{version: h.Version, rows: rows}
	total := 0
	for range r.count(rows) {
		t, fresh, err := types.get(r.take(r.count(len(r.b))))
		if err != nil {
			return nil, err
		}
		n := r.count(rows - total)
		total += n
		c.Types, c.TypeIDs, c.TypeCounts = append(c.Types, t), append(c.TypeIDs, t.id), append(c.TypeCounts, uint32(n))
		if c.bytes += refBytes; fresh { // later ones share it
			c.bytes += t.bytes()
		}
	}
	if r.err == nil && total != rows {
		return nil, r.fail("types do not add up")
	}
	for range r.count(rows) {
		o := Origin{Host: r.str()}
		if err := o.Sender.UnmarshalBinary(r.take(r.count(len(r.b)))); err != nil {
			return nil, r.fail("bad sender")
		}
		c.Origins = append(c.Origins, o)
		c.OriginCounts = append(c.OriginCounts, uint32(r.count(rows)))
		c.bytes += originBytes + len(o.Host)
	}
	for range r.count(len(r.b)) {
		c.lengths = append(c.lengths, r.count(maxPart))
	}
	if r.err == nil && len(c.lengths) < fixedCount {
		r.fail("wrong number of columns")
	}
	c.bytes += columnBytes * len(c.lengths)
	c.byRank, c.layout = byFrequency(c.TypeCounts), sync.OnceValues(c.layOut)
	return c, r.err
}

// What a type, with its slots, and a column take in a catalogue, about.
const (
	refBytes    = 40
	columnBytes = 64
)

// fixedCount is the number of columns before those of the slots.
const fixedCount = 5

// Rows opens the data part, which read brings: into the buffer that it is
// given, if that is large enough. Columns are decoded when they are first
// needed. An error of read is returned as it is.
func (d *Decoder) Rows(c *Catalogue, read func(buf []byte) ([]byte, error)) (*Rows, error) {
	m := d.spare.Get().(*memory)
	data, err := read(m.data[:0])
	if err != nil {
		return nil, err
	}
	m.data = data
	if data, err = unseal(data); err != nil {
		return nil, err
	}
	return d.open(c, data, m)
}

func (d *Decoder) open(c *Catalogue, data []byte, m *memory) (*Rows, error) {
	r := reader{b: data}
	sealed := &sealedRows{c: c, memory: m}
	for i := range sealed.fixed {
		sealed.fixed[i] = r.take(c.lengths[i])
	}
	used := 0
	for _, n := range c.lengths {
		used += n
	}
	if used > len(data) {
		r.fail("data is cut short")
	}
	if r.err != nil {
		return nil, r.err
	}
	v := &sealedValues{c: c, data: data, memory: m, zstd: d.zstd, strings: data[used:]}
	v.rows = &Rows{Types: c.Types, Origins: c.Origins, counts: c.TypeCounts, source: v, rows: m.rowsOf(c.rows), sealed: sealed}
	v.rows.close = func() {
		if m.reusable() {
			d.spare.Put(m)
		}
	}
	return v.rows, nil
}

// sealedRows decodes the columns that are no slots'.
type sealedRows struct {
	c             *Catalogue
	memory        *memory
	fixed         [fixedCount][]byte
	placed, timed bool
}

// readPlaces decodes the origins and the types.
func (s *sealedRows) readPlaces(r *Rows) {
	if s.placed {
		return
	}
	s.placed = true
	if err := s.places(r.rows); err != nil {
		clear(r.rows)
		r.source.fail(err)
	}
}

func (s *sealedRows) places(rows []row) error {
	defer s.memory.scratch()()
	v := s.memory.words(len(rows))
	if err := s.memory.readColumn(v, s.fixed[2], nil); err != nil {
		return err
	}
	for i, o := range v {
		if o >= uint64(len(s.c.Origins)) {
			return (&reader{}).fail("unknown origin")
		}
		rows[i].origin = uint32(o)
	}
	return s.memory.readTypes(rows, s.c, v, s.fixed[3], s.fixed[4])
}

// readTimes decodes the times, which are written by type.
func (s *sealedRows) readTimes(r *Rows) {
	if s.timed {
		return
	}
	s.timed = true
	if s.readPlaces(r); r.source.err() != nil {
		return
	}
	if err := s.times(r.rows); err != nil {
		clear(r.rows)
		r.source.fail(err)
	}
}

func (s *sealedRows) times(rows []row) error {
	defer s.memory.scratch()()
	times := s.memory.words(len(rows))
	if err := s.memory.readTimes(times, s.fixed[1]); err != nil {
		return err
	}
	for i, t := range times {
		rows[i].received = int64(t)
	}
	way, r := byte(whenAlone), reader{b: s.fixed[0]}
	if s.c.version > 1 {
		way = r.byte()
	}
	if way == whenPacked {
		return s.memory.readWhen(rows, s.c.TypeCounts, r.b)
	}
	if way != whenAlone {
		r.fail("unknown way of times")
	}
	if r.err != nil {
		return r.err
	}
	err := s.memory.readTimes(times, r.b)
	for i, t := range times {
		rows[i].when = int64(t)
	}
	return err
}

func (m *memory) readTypes(rows []row, c *Catalogue, v []uint64, high, low []byte) error {
	if err := m.readColumn(v, high, nil); err != nil {
		return err
	}
	lower := m.words(len(rows))
	if err := m.readColumn(lower, low, nil); err != nil {
		return err
	}
	shift := lowBits(len(c.Types))
	seen := make([]uint32, len(c.Types))
	for i := range rows {
		rank := v[i]<<shift | lower[i]
		if rank >= uint64(len(c.byRank)) {
			return (&reader{}).fail("unknown type")
		}
		t := c.byRank[rank]
		if seen[t] == c.TypeCounts[t] {
			return (&reader{}).fail("more messages of a type than counted")
		}
		rows[i].typ, rows[i].ord = t, seen[t]
		seen[t]++
	}
	return nil
}
