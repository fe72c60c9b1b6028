package chunk

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// Parts are the parts of a sealed chunk; see the package comment.
type Parts struct{ Header, Types, Filter, Data []byte }

// An Encoder seals chunks. It keeps scratch space, and is not safe for
// concurrent use.
type Encoder struct {
	column columnWriter
	zstd   *zstd.Encoder
}

// NewEncoder returns an Encoder.
func NewEncoder() (*Encoder, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), zstd.WithWindowSize(1<<20))
	return &Encoder{zstd: z}, err
}

// Seal encodes what was added to b, which must not be empty. end becomes
// Header.End.
func (e *Encoder) Seal(b *Builder, end uint64) (*Header, Parts) {
	s := &sealing{e: e, b: b, rows: b.rows}
	s.sortTypes()
	data := s.fixedColumns()
	data = s.slotColumns(data)
	var p Parts
	p.Data = seal(s.appendStrings(data))
	p.Types = seal(e.zstd.EncodeAll(s.types(), nil))
	p.Filter = seal(buildBloom(slices.Concat(b.scan.tokens.list, b.originTokens())))
	h := s.header(end)
	h.DiskSize = int64(len(p.Data) + len(p.Types) + len(p.Filter))
	p.Header = h.Encode()
	return h, p
}

// sealing is one run of Seal.
type sealing struct {
	e       *Encoder
	b       *Builder
	rows    []row
	order   []uint32 // types, by key
	place   []uint32 // of each type in order
	columns []*slotColumn
	lengths []int // of the encoded columns
	strings []byte
}

// slotColumn collects the values of a column, type by type.
type slotColumn struct {
	kind   byte
	values []uint64
	types  []uint32 // of the values
}

func (s *sealing) sortTypes() {
	s.order = make([]uint32, len(s.b.types))
	for i := range s.order {
		s.order[i] = uint32(i)
	}
	slices.SortFunc(s.order, func(a, b uint32) int { return strings.Compare(s.b.types[a].key, s.b.types[b].key) })
	s.place = make([]uint32, len(s.order))
	for i, t := range s.order {
		s.place[t] = uint32(i)
	}
}

func (s *sealing) add(dst []byte, encode func([]byte) []byte) []byte {
	n := len(dst)
	dst = encode(dst)
	s.lengths = append(s.lengths, len(dst)-n)
	return dst
}

func (s *sealing) addColumn(dst []byte, v []uint64) []byte {
	return s.add(dst, func(dst []byte) []byte { return s.e.column.append(dst, v) })
}

// fixedColumns writes the times, the origins and the types.
func (s *sealing) fixedColumns() []byte {
	n := len(s.rows)
	times := make([]int64, n)
	for i := range s.rows {
		times[i] = s.rows[i].when
	}
	dst := s.add(nil, func(dst []byte) []byte { return s.appendShorter(dst, times) })
	for i := range s.rows {
		times[i] = s.rows[i].received
	}
	dst = s.add(dst, func(dst []byte) []byte { return appendTimes(dst, times) })
	v := make([]uint64, n)
	for i := range s.rows {
		v[i] = uint64(s.rows[i].origin)
	}
	dst = s.addColumn(dst, v)
	rank, low := s.ranks()
	for i := range s.rows {
		v[i] = uint64(rank[s.rows[i].typ] >> low)
	}
	dst = s.addColumn(dst, v)
	for i := range s.rows {
		v[i] = uint64(rank[s.rows[i].typ] & (1<<low - 1))
	}
	return s.addColumn(dst, v)
}

// appendShorter writes the messages' own times in the shorter of two ways.
func (s *sealing) appendShorter(dst []byte, times []int64) []byte {
	alone := appendTimes([]byte{whenAlone}, times)
	if packed := s.appendWhen([]byte{whenPacked}); len(packed) < len(alone) {
		return append(dst, packed...)
	}
	return append(dst, alone...)
}

// ranks numbers the types by frequency. Numbers are written in two parts, so
// that the upper one fits in a byte and is Huffman coded.
func (s *sealing) ranks() (rank []uint32, low int) {
	counts := make([]uint32, len(s.order))
	for i, t := range s.order {
		counts[i] = s.b.counts[t]
	}
	rank = make([]uint32, len(s.order))
	for r, i := range byFrequency(counts) {
		rank[s.order[i]] = uint32(r)
	}
	return rank, lowBits(len(counts))
}

// lowBits is how many bits of a number below n do not fit in the byte.
func lowBits(n int) int { return max(0, bits.Len(uint(n-1))-8) }

// byFrequency returns the indexes of counts, the largest count first.
func byFrequency(counts []uint32) []uint32 {
	keys := make([]uint64, len(counts))
	for i, n := range counts {
		keys[i] = uint64(^n)<<32 | uint64(i)
	}
	slices.Sort(keys)
	order := make([]uint32, len(counts))
	for i, k := range keys {
		order[i] = uint32(k)
	}
	return order
}

// slotColumns collects the values by column, and writes the columns in the
// order in which the types name them.
func (s *sealing) slotColumns(dst []byte) []byte {
	byKey := map[uint64]*slotColumn{}
	for _, t := range s.order {
		typ, values := s.b.types[t], s.b.values[t]
		for _, p := range typ.parts {
			for i := range p.subs {
				c := byKey[p.subColumn(i)]
				if c == nil {
					c = &slotColumn{kind: p.kind}
					byKey[p.subColumn(i)] = c
					s.columns = append(s.columns, c)
				}
				c.types = append(c.types, t)
				c.values = slices.Grow(c.values, int(s.b.counts[t]))
				for at := p.sub + i; at < len(values); at += typ.subs {
					c.values = append(c.values, values[at])
				}
			}
		}
	}
	for _, c := range s.columns {
		dst = s.add(dst, func(dst []byte) []byte { return s.appendColumn(dst, c) })
	}
	return dst
}

func (s *sealing) appendColumn(dst []byte, c *slotColumn) []byte {
	switch c.kind {
	case slotString, slotTail:
		return s.appendStringColumn(dst, c.values)
	case slotPID:
		return s.e.column.appendPredicted(dst, c.values, s.originsOf(c.types), len(s.b.origins))
	}
	return s.e.column.append(dst, c.values)
}

// originsOf are the origins of the rows of some types, type by type.
func (s *sealing) originsOf(types []uint32) []uint32 {
	start := make([]int, len(s.order))
	n := 0
	for i := range start {
		start[i] = -1
	}
	for _, t := range types {
		start[t] = n
		n += int(s.b.counts[t])
	}
	origins := make([]uint32, n)
	for i := range s.rows {
		if at := start[s.rows[i].typ]; at >= 0 {
			origins[at+int(s.rows[i].ord)] = s.rows[i].origin
		}
	}
	return origins
}

// appendStringColumn numbers the strings of a column as they appear, and puts
// them aside in that order.
func (s *sealing) appendStringColumn(dst []byte, v []uint64) []byte {
	local := make(map[uint64]uint64, len(v))
	var list []byte
	for i, global := range v {
		id, ok := local[global]
		if !ok {
			id = uint64(len(local))
			local[global] = id
			list = appendString(list, s.b.scan.strings.at(uint32(global)))
		}
		v[i] = id
	}
	s.strings = binary.AppendUvarint(s.strings, uint64(len(local)))
	s.strings = append(s.strings, list...)
	if len(local) == len(v) {
		return append(dst, modeRising)
	}
	return s.e.column.append(dst, v)
}

func (s *sealing) appendStrings(dst []byte) []byte {
	if len(s.strings) == 0 {
		return dst
	}
	return s.e.zstd.EncodeAll(s.strings, dst)
}

// types writes the part that names the types, the origins and the columns.
func (s *sealing) types() []byte {
	dst := binary.AppendUvarint(nil, uint64(len(s.order)))
	for _, t := range s.order {
		dst = appendString(dst, s.b.types[t].key)
		dst = binary.AppendUvarint(dst, uint64(s.b.counts[t]))
	}
	counts := make([]uint64, len(s.b.origins))
	for i := range s.rows {
		counts[s.rows[i].origin]++
	}
	dst = binary.AppendUvarint(dst, uint64(len(counts)))
	for i, o := range s.b.origins {
		sender, err := o.Sender.MarshalBinary()
		if err != nil { // never returned for an Addr
			sender = nil
		}
		dst = appendString(appendString(dst, o.Host), string(sender))
		dst = binary.AppendUvarint(dst, counts[i])
	}
	dst = binary.AppendUvarint(dst, uint64(len(s.lengths)))
	for _, n := range s.lengths {
		dst = binary.AppendUvarint(dst, uint64(n))
	}
	return dst
}

func (s *sealing) header(end uint64) *Header {
	first := s.rows[0]
	h := &Header{
		Version: Version, Rows: len(s.rows), RawBytes: s.b.raw, End: end,
		MinWhen: first.when, MaxWhen: first.when, MinReceived: first.received, MaxReceived: first.received,
	}
	hours := hourCounts{counts: map[HourCount]uint32{}}
	for i := range s.rows {
		r := &s.rows[i]
		h.MinWhen, h.MaxWhen = min(h.MinWhen, r.when), max(h.MaxWhen, r.when)
		h.MinReceived, h.MaxReceived = min(h.MinReceived, r.received), max(h.MaxReceived, r.received)
		hours.add(r.when, s.b.types[r.typ].Severity)
	}
	h.Hours = hours.sorted()
	return h
}
