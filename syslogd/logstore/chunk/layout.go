package chunk

import (
	"math/bits"
	"math/rand/v2"
)

// layout is where the columns of the slots lie.
type layout struct {
	columns []sealedColumn
	refs    []columnRef // of all types
	first   []int32     // of the refs of a type
}

// sealedColumn is where a column lies.
type sealedColumn struct {
	kind         byte
	offset, size int
	n            int      // values
	types        []uint32 // of a column that is predicted
}

// columnRef is where the values of a type begin within a column.
type columnRef struct{ column, first uint32 }

func (l *layout) ref(typ uint32, sub int) columnRef { return l.refs[int(l.first[typ])+sub] }

// layOut finds the columns of the slots as Seal did. It is done when the first
// value is asked for: most searches need none.
func (c *Catalogue) layOut() (*layout, error) {
	var r reader
	n := len(c.lengths) - fixedCount
	l := &layout{columns: make([]sealedColumn, 0, n), first: make([]int32, 0, len(c.Types))}
	subs := 0
	for _, typ := range c.Types {
		subs += typ.subs
	}
	l.refs = make([]columnRef, 0, subs)
	numbers := newColumnNumbers(n)
	for t, typ := range c.Types {
		l.first = append(l.first, int32(len(l.refs)))
		for i, key := range typ.columns {
			k := numbers.get(key)
			if k == n {
				return nil, r.fail("wrong number of columns")
			}
			if k == len(l.columns) {
				l.columns = append(l.columns, sealedColumn{kind: typ.kindOf[i]})
			}
			col := &l.columns[k]
			if col.kind != typ.kindOf[i] {
				return nil, r.fail("column of two kinds")
			}
			l.refs = append(l.refs, columnRef{uint32(k), uint32(col.n)})
			if col.n += int(c.TypeCounts[t]); col.n > maxValues {
				return nil, r.fail("column is too long")
			}
			if col.kind == slotPID {
				col.types = append(col.types, uint32(t))
			}
		}
	}
	if len(l.columns) != n {
		return nil, r.fail("wrong number of columns")
	}
	at := 0
	for i, size := range c.lengths {
		if i >= fixedCount {
			l.columns[i-fixedCount].offset, l.columns[i-fixedCount].size = at, size
		}
		at += size
	}
	return l, nil
}

// columnNumbers numbers the keys of at most n columns as they appear, by open
// addressing at secret places.
type columnNumbers struct {
	keys    []uint64
	numbers []int32 // + 1; 0 is free
	next, n int
	secret  uint64
	shift   int
}

func newColumnNumbers(n int) *columnNumbers {
	width := bits.Len(uint(2*n)) + 1
	return &columnNumbers{keys: make([]uint64, 1<<width), numbers: make([]int32, 1<<width), n: n, secret: rand.Uint64() | 1, shift: 64 - width}
}

// get returns the number of a key; n if there are too many.
func (c *columnNumbers) get(key uint64) int {
	i := key * c.secret >> c.shift
	for ; c.numbers[i] != 0; i = (i + 1) & uint64(len(c.keys)-1) {
		if c.keys[i] == key {
			return int(c.numbers[i] - 1)
		}
	}
	if c.next == c.n {
		return c.n
	}
	c.next++
	c.keys[i], c.numbers[i] = key, int32(c.next)
	return c.next - 1
}
