package chunk

import (
	"github.com/klauspost/compress/zstd"
)

// A Decoder opens sealed chunks. It is safe for concurrent use.
type Decoder struct {
	zstd  *zstd.Decoder
	types *Types
}

// NewDecoder returns a Decoder that takes types from a table.
func NewDecoder(types *Types) (*Decoder, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxPart))
	return &Decoder{z, types}, err
}

// Close frees what the decoder holds.
func (d *Decoder) Close() { d.zstd.Close() }

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
	Origins      []Origin
	TypeCounts   []uint32 // messages by type
	OriginCounts []uint32 // messages by origin
	version      int
	rows         int
	lengths      []int
	bytes        int
}

// Bytes is about how much memory the catalogue takes.
func (c *Catalogue) Bytes() int { return c.bytes }

// sealedColumn is where a column lies.
type sealedColumn struct {
	kind         byte
	offset, size int
	n            int // values
	types        []uint32
}

// columnRef is where the values of a type begin within a column.
type columnRef struct{ column, first int }

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
		c.Types, c.TypeCounts = append(c.Types, t), append(c.TypeCounts, uint32(n))
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
	c.bytes += refBytes * len(c.lengths)
	return c, r.err
}

// refBytes is about what a type or a column takes in a catalogue.
const refBytes = 12

// fixedCount is the number of columns before those of the slots.
const fixedCount = 5

// layout is where the columns of the slots lie.
type layout struct {
	columns []sealedColumn
	refs    [][]columnRef // by type and sub
}

// layOut finds the columns of the slots as Seal did. It is done when the first
// value is asked for: most searches need none.
func (c *Catalogue) layOut() (*layout, error) {
	var r reader
	l := &layout{refs: make([][]columnRef, 0, len(c.Types))}
	byKey := make(map[uint64]int, len(c.lengths))
	for t, typ := range c.Types {
		refs := make([]columnRef, 0, typ.subs)
		for _, p := range typ.parts {
			for i := range p.subs {
				k, ok := byKey[p.subColumn(i)]
				if !ok {
					k = len(l.columns)
					byKey[p.subColumn(i)] = k
					l.columns = append(l.columns, sealedColumn{kind: p.kind})
				}
				col := &l.columns[k]
				if col.kind != p.kind {
					return nil, r.fail("column of two kinds")
				}
				refs = append(refs, columnRef{k, col.n})
				col.n += int(c.TypeCounts[t])
				col.types = append(col.types, uint32(t))
				if col.n > maxValues {
					return nil, r.fail("column is too long")
				}
			}
		}
		l.refs = append(l.refs, refs)
	}
	if len(c.lengths) != fixedCount+len(l.columns) {
		return nil, r.fail("wrong number of columns")
	}
	at := 0
	for i, n := range c.lengths {
		if i >= fixedCount {
			l.columns[i-fixedCount].offset, l.columns[i-fixedCount].size = at, n
		}
		at += n
	}
	return l, nil
}

// Rows opens the data part. It keeps data, which must not change; columns are
// decoded when they are first needed.
func (d *Decoder) Rows(c *Catalogue, data []byte) (*Rows, error) {
	data, err := unseal(data)
	if err != nil {
		return nil, err
	}
	return openRows(c, data, d.zstd)
}

func openRows(c *Catalogue, data []byte, z *zstd.Decoder) (*Rows, error) {
	r := reader{b: data}
	var fixed [fixedCount][]byte
	for i := range fixed {
		fixed[i] = r.take(c.lengths[i])
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
	v := &sealedValues{c: c, data: data, zstd: z, strings: data[used:]}
	rows := &Rows{Types: c.Types, Origins: c.Origins, counts: c.TypeCounts, source: v, rows: make([]row, c.rows)}
	v.rows = rows.rows
	if err := readFixed(rows.rows, c, &fixed); err != nil {
		return nil, err
	}
	return rows, nil
}

func readFixed(rows []row, c *Catalogue, fixed *[fixedCount][]byte) error {
	times := make([]int64, len(rows))
	if err := readTimes(times, fixed[1]); err != nil {
		return err
	}
	for i, t := range times {
		rows[i].received = t
	}
	v := make([]uint64, len(rows))
	if err := readColumn(v, fixed[2], nil); err != nil {
		return err
	}
	for i, o := range v {
		if o >= uint64(len(c.Origins)) {
			return (&reader{}).fail("unknown origin")
		}
		rows[i].origin = uint32(o)
	}
	if err := readTypes(rows, c, v, fixed[3], fixed[4]); err != nil {
		return err
	}
	way, r := byte(whenAlone), reader{b: fixed[0]}
	if c.version > 1 {
		way = r.byte()
	}
	if way == whenPacked {
		return readWhen(rows, c.TypeCounts, r.b)
	}
	if way != whenAlone {
		r.fail("unknown way of times")
	}
	if r.err != nil {
		return r.err
	}
	err := readTimes(times, r.b)
	for i, t := range times {
		rows[i].when = t
	}
	return err
}

func readTypes(rows []row, c *Catalogue, v []uint64, high, low []byte) error {
	if err := readColumn(v, high, nil); err != nil {
		return err
	}
	lower := make([]uint64, len(rows))
	if err := readColumn(lower, low, nil); err != nil {
		return err
	}
	shift := lowBits(len(c.Types))
	byRank := byFrequency(c.TypeCounts)
	seen := make([]uint32, len(c.Types))
	for i := range rows {
		rank := v[i]<<shift | lower[i]
		if rank >= uint64(len(byRank)) {
			return (&reader{}).fail("unknown type")
		}
		t := byRank[rank]
		if seen[t] == c.TypeCounts[t] {
			return (&reader{}).fail("more messages of a type than counted")
		}
		rows[i].typ, rows[i].ord = uint32(t), seen[t]
		seen[t]++
	}
	return nil
}

// sealedValues decodes the columns of a sealed chunk.
type sealedValues struct {
	c       *Catalogue
	data    []byte
	zstd    *zstd.Decoder
	rows    []row
	layout  *layout // nil until a value is asked for
	columns [][]uint64
	strings []byte     // compressed
	texts   [][]string // by column, when decoded
	failed  error
}

func (v *sealedValues) err() error { return v.failed }

func (v *sealedValues) value(typ uint32, sub int, ord uint32) uint64 {
	if v.layout == nil && !v.layOut() {
		return 0
	}
	ref := v.layout.refs[typ][sub]
	col := v.columns[ref.column]
	if col == nil {
		col = v.decode(ref.column)
	}
	return col[ref.first+int(ord)]
}

func (v *sealedValues) layOut() bool {
	if v.failed != nil {
		return false
	}
	if v.layout, v.failed = v.c.layOut(); v.failed != nil {
		return false
	}
	v.columns = make([][]uint64, len(v.layout.columns))
	return true
}

func (v *sealedValues) decode(i int) []uint64 {
	col := &v.layout.columns[i]
	values := make([]uint64, col.n)
	var groups func() ([]uint32, int)
	if col.kind == slotPID {
		groups = func() ([]uint32, int) { return v.originsOf(col.types), len(v.c.Origins) }
	}
	if err := readColumn(values, v.data[col.offset:col.offset+col.size], groups); err != nil {
		v.failed = err
		clear(values)
	}
	v.columns[i] = values
	return values
}

func (v *sealedValues) originsOf(types []uint32) []uint32 {
	s := sealing{rows: v.rows, order: make([]uint32, len(v.c.Types)), b: &Builder{counts: v.c.TypeCounts}}
	return s.originsOf(types)
}

func (v *sealedValues) text(typ uint32, sub int, ord uint32) string {
	id := v.value(typ, sub, ord)
	if v.layout == nil {
		return ""
	}
	if v.texts == nil {
		v.decodeStrings()
	}
	list := v.texts[v.layout.refs[typ][sub].column]
	if id >= uint64(len(list)) {
		if v.failed == nil {
			v.failed = (&reader{}).fail("unknown string")
		}
		return ""
	}
	return list[id]
}

func (v *sealedValues) decodeStrings() {
	v.texts = make([][]string, len(v.layout.columns))
	plain, err := v.zstd.DecodeAll(v.strings, nil)
	if err != nil {
		v.failed = (&reader{}).fail("strings: " + err.Error())
		return
	}
	r := reader{b: plain}
	for i, col := range v.layout.columns {
		if col.kind != slotString && col.kind != slotTail {
			continue
		}
		list := make([]string, r.count(col.n))
		for j := range list {
			list[j] = view(r.take(r.count(len(r.b))))
		}
		v.texts[i] = list
	}
	if r.err != nil {
		v.failed = r.err
	}
}
