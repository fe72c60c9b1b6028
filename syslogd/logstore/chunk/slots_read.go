package chunk

import (
	"github.com/klauspost/compress/zstd"
)

// sealedValues decodes the columns of a sealed chunk.
type sealedValues struct {
	c       *Catalogue
	data    []byte
	zstd    *zstd.Decoder
	rows    *Rows
	memory  *memory
	layout  *layout // nil until a value is asked for
	columns [][]uint64
	strings []byte     // compressed
	texts   [][]string // by column, when decoded
	failed  error
}

func (v *sealedValues) err() error { return v.failed }

// fail keeps the first error.
func (v *sealedValues) fail(err error) {
	if v.failed == nil {
		v.failed = err
	}
}

func (v *sealedValues) value(typ uint32, sub int, ord uint32) uint64 {
	if v.layout == nil && !v.layOut() {
		return 0
	}
	ref := v.layout.ref(typ, sub)
	col := v.columns[ref.column]
	if col == nil {
		col = v.decode(int(ref.column))
	}
	return col[ref.first+ord]
}

func (v *sealedValues) layOut() bool {
	if v.failed != nil {
		return false
	}
	if v.layout, v.failed = v.c.layout(); v.failed != nil {
		return false
	}
	v.columns = make([][]uint64, len(v.layout.columns))
	return true
}

func (v *sealedValues) decode(i int) []uint64 {
	col := &v.layout.columns[i]
	values := v.memory.words(col.n)
	var groups func() ([]uint32, int)
	if col.kind == slotPID {
		groups = func() ([]uint32, int) { return v.originsOf(col.types), len(v.c.Origins) }
	}
	if err := v.memory.readColumn(values, v.data[col.offset:col.offset+col.size], groups); err != nil {
		v.fail(err)
		clear(values)
	}
	v.columns[i] = values
	return values
}

func (v *sealedValues) originsOf(types []uint32) []uint32 {
	if v.rows.Load() != nil {
		return nil // of the wrong length: the column fails as well
	}
	s := sealing{rows: v.rows.rows, order: make([]uint32, len(v.c.Types)), b: &Builder{counts: v.c.TypeCounts}}
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
	list := v.texts[v.layout.ref(typ, sub).column]
	if id >= uint64(len(list)) {
		v.fail((&reader{}).fail("unknown string"))
		return ""
	}
	return list[id]
}

func (v *sealedValues) decodeStrings() {
	v.texts = make([][]string, len(v.layout.columns))
	plain, err := v.zstd.DecodeAll(v.strings, nil)
	if err != nil {
		v.fail((&reader{}).fail("strings: " + err.Error()))
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
		v.fail(r.err)
	}
}
