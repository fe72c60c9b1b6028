package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/bits"
	"slices"
)

// MaxBlockRows is the most rows that a block may span.
const MaxBlockRows = 1024

// ErrBlock is what every error about a damaged block is.
var ErrBlock = errors.New("damaged block")

// Rows are the known rows of one series in one block, by column. All slices
// are as long as Index, but for Total, which is nil where the series has none,
// and for columns that were not asked for.
type Rows struct {
	Index []int // ascending; the row's place in the block
	Count []int64
	Sum   []float64
	Min   []float64
	Max   []float64
	Last  []float64
	Total []float64
}

// Columns is a set of the columns of Rows.
type Columns uint8

// The columns that a reader of a block may ask for.
const (
	Count Columns = 1 << iota
	Sum
	Min
	Max
	Last
	Total
	AllColumns = Count | Sum | Min | Max | Last | Total
)

// Reset empties r and keeps its memory.
func (r *Rows) Reset() {
	r.Index, r.Count = r.Index[:0], r.Count[:0]
	r.Sum, r.Min, r.Max, r.Last = r.Sum[:0], r.Min[:0], r.Max[:0], r.Last[:0]
	r.Total = r.Total[:0]
}

// A block is a page's series over the same rows:
//
//	block  = 2:byte crc32c:4 rows:uvarint series:uvarint { length:2 } { series }
//	series = flags:byte presence last:floats [total]
//	         [ count sum:floats [min:floats] [max:floats] ]
//	count  = ints, or, where a flag says that all are equal, uvarint
//
// A block of version 1 has no such flag.
//
// The columns in the second line are there unless every row is of one sample;
// sum, min and max then have a value for the rows of more than one sample
// only, since for the others they are last. A series without rows has length
// 0. Integers are little endian, columns as in the package comment.
const (
	presentAll    = 0 // every row is there
	presentRange  = 1 // first:uvarint count:uvarint
	presentBitmap = 2 // one bit a row, low bits first
	presentMask   = 3
	flagSingle    = 1 << 2 // every row is one sample
	flagOffset    = 1 << 3 // total = last - offset:8
	flagTotal     = 1 << 4 // a column of totals
	flagMinLast   = 1 << 5 // min is last
	flagMaxLast   = 1 << 6 // max is last
	flagCount     = 1 << 7 // every row is of as many samples
)

const (
	blockVersion    = 2
	blockVersionOld = 1
)

// AppendBlock appends the rows of a page's series in one block of rows rows
// to dst. The place, which is whatever tells this block from others, becomes
// part of the checksum, so that a block is never taken for another.
func AppendBlock(dst []byte, place uint64, rows int, series []Rows) []byte {
	start := len(dst)
	dst = append(dst, blockVersion, 0, 0, 0, 0)
	dst = binary.AppendUvarint(dst, uint64(rows))
	dst = binary.AppendUvarint(dst, uint64(len(series)))
	lengths := len(dst)
	dst = append(dst, make([]byte, 2*len(series))...)
	for i := range series {
		at := len(dst)
		dst = appendRows(dst, rows, &series[i])
		binary.LittleEndian.PutUint16(dst[lengths+2*i:], uint16(len(dst)-at))
	}
	binary.LittleEndian.PutUint32(dst[start+1:], blockSum(place, dst[start+5:]))
	return dst
}

func blockSum(place uint64, b []byte) uint32 {
	return crc32.Update(uint32(place)^uint32(place>>32), crc32.MakeTable(crc32.Castagnoli), b)
}

func appendRows(dst []byte, rows int, r *Rows) []byte {
	if len(r.Index) == 0 {
		return dst
	}
	flags := len(dst)
	dst = appendPresence(append(dst, 0), flags, rows, r.Index)
	dst = AppendFloats(dst, r.Last)
	dst = appendTotal(dst, flags, r)
	var sum, lo, hi [MaxBlockRows]float64
	n, minLast, maxLast := 0, true, true
	for i, c := range r.Count {
		if c > 1 {
			sum[n], lo[n], hi[n] = r.Sum[i], r.Min[i], r.Max[i]
			minLast = minLast && same(r.Min[i], r.Last[i])
			maxLast = maxLast && same(r.Max[i], r.Last[i])
			n++
		}
	}
	if n == 0 {
		dst[flags] |= flagSingle
		return dst
	}
	dst = appendCount(dst, flags, r.Count)
	dst = AppendFloats(dst, sum[:n])
	if minLast {
		dst[flags] |= flagMinLast
	} else {
		dst = AppendFloats(dst, lo[:n])
	}
	if maxLast {
		dst[flags] |= flagMaxLast
	} else {
		dst = AppendFloats(dst, hi[:n])
	}
	return dst
}

// appendCount writes how many samples the rows are of; mostly all alike.
func appendCount(dst []byte, flags int, counts []int64) []byte {
	if slices.Min(counts) != slices.Max(counts) {
		return AppendInts(dst, counts)
	}
	dst[flags] |= flagCount
	return binary.AppendUvarint(dst, uint64(counts[0]))
}

func same(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }

func appendPresence(dst []byte, flags, rows int, index []int) []byte {
	n := len(index)
	switch {
	case n == rows:
		dst[flags] |= presentAll
	case index[n-1]-index[0] == n-1:
		dst[flags] |= presentRange
		dst = binary.AppendUvarint(dst, uint64(index[0]))
		dst = binary.AppendUvarint(dst, uint64(n))
	default:
		dst[flags] |= presentBitmap
		at := len(dst)
		dst = append(dst, make([]byte, (rows+7)/8)...)
		for _, i := range index {
			dst[at+i/8] |= 1 << (i % 8)
		}
	}
	return dst
}

// appendTotal writes the totals. While a counter runs without a reset they
// differ from the last values by a constant.
func appendTotal(dst []byte, flags int, r *Rows) []byte {
	if len(r.Total) == 0 {
		return dst
	}
	offset := r.Last[0] - r.Total[0]
	for i, total := range r.Total {
		if !same(r.Last[i]-offset, total) {
			dst[flags] |= flagTotal
			return AppendFloats(dst, r.Total)
		}
	}
	dst[flags] |= flagOffset
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(offset))
}

// A Block gives access to the series in a block's bytes.
type Block struct {
	rows   int
	series [][]byte
}

// OpenBlock checks the bytes of a block that was written for the same place.
// The Block refers to b.
func OpenBlock(b []byte, place uint64) (Block, error) {
	if len(b) < 7 || b[0] != blockVersion && b[0] != blockVersionOld {
		return Block{}, fmt.Errorf("%w: unknown format", ErrBlock)
	}
	if binary.LittleEndian.Uint32(b[1:]) != blockSum(place, b[5:]) {
		return Block{}, fmt.Errorf("%w: wrong checksum", ErrBlock)
	}
	rows, b, ok1 := uvarint(b[5:])
	n, b, ok2 := uvarint(b)
	if !ok1 || !ok2 || rows == 0 || rows > MaxBlockRows || n > uint64(len(b)/2) {
		return Block{}, fmt.Errorf("%w: impossible size", ErrBlock)
	}
	block := Block{rows: int(rows), series: make([][]byte, n)}
	lengths, b := b[:2*n], b[2*n:]
	for i := range block.series {
		size := int(binary.LittleEndian.Uint16(lengths[2*i:]))
		if size > len(b) {
			return Block{}, fmt.Errorf("%w: series %d is cut short", ErrBlock, i)
		}
		block.series[i], b = b[:size], b[size:]
	}
	return block, nil
}

// Len is how many series the block has places for.
func (b *Block) Len() int { return len(b.series) }

// Series decodes the rows of the i-th series into r, whose memory is used
// again. A series that the block does not know has no rows.
func (b *Block) Series(i int, r *Rows) error { return b.Columns(i, AllColumns, r) }

// Columns is Series for some of the columns; the others of r are of no
// meaning. What lies behind the last column asked for is not read.
func (b *Block) Columns(i int, want Columns, r *Rows) error {
	r.Reset()
	if i >= len(b.series) || len(b.series[i]) == 0 {
		return nil
	}
	if err := decodeRows(b.series[i], b.rows, want, r); err != nil {
		r.Reset()
		return fmt.Errorf("%w: series %d: %w", ErrBlock, i, err)
	}
	return nil
}

var errRows = errors.New("columns do not fit together")

func decodeRows(b []byte, rows int, want Columns, r *Rows) (err error) {
	flags := b[0]
	if b, err = decodePresence(b[1:], flags, rows, r); err != nil || want == 0 {
		return err
	}
	n := len(r.Index)
	if r.Last, b, err = FloatsMax(r.Last, b, n); err != nil {
		return err
	}
	if len(r.Last) != n {
		return errRows
	}
	single := flags&flagSingle != 0
	if want&^Last == 0 || single && want&Total == 0 {
		r.fillSingle(want)
		return nil
	}
	if b, err = decodeTotal(b, flags, r); err != nil || want&^(Last|Total) == 0 {
		return err
	}
	if single {
		r.fillSingle(want)
		return nil
	}
	return decodeMany(b, flags, want, r)
}

// fillSingle makes the columns of rows that are all of one sample.
func (r *Rows) fillSingle(want Columns) {
	if want&Count != 0 {
		for range r.Last {
			r.Count = append(r.Count, 1)
		}
	}
	if want&Sum != 0 {
		r.Sum = append(r.Sum, r.Last...)
	}
	if want&Min != 0 {
		r.Min = append(r.Min, r.Last...)
	}
	if want&Max != 0 {
		r.Max = append(r.Max, r.Last...)
	}
}

// decodeMany reads the columns of rows of more than one sample, and fills in
// those of one sample.
func decodeMany(b []byte, flags byte, want Columns, r *Rows) (err error) {
	n := len(r.Index)
	if b, err = decodeCount(b, flags, r); err != nil {
		return err
	}
	many := 0
	for _, c := range r.Count {
		if c > 1 {
			many++
		}
	}
	// Columns have no length before them: one that is not asked for is read
	// all the same if one that is comes behind it.
	for _, c := range []struct {
		dst          *[]float64
		read, isLast bool
	}{
		{&r.Sum, want&(Sum|Min|Max) != 0, false},
		{&r.Min, want&(Min|Max) != 0, flags&flagMinLast != 0},
		{&r.Max, want&Max != 0, flags&flagMaxLast != 0},
	} {
		if !c.read {
			break
		}
		if !c.isLast {
			if *c.dst, b, err = FloatsMax(*c.dst, b, n); err != nil {
				return err
			}
			if len(*c.dst) != many {
				return errRows
			}
		}
		*c.dst = spread(*c.dst, many, r, c.isLast)
	}
	return nil
}

func decodeCount(b []byte, flags byte, r *Rows) (_ []byte, err error) {
	n := len(r.Index)
	if flags&flagCount == 0 {
		if r.Count, b, err = IntsMax(r.Count, b, n); err == nil && len(r.Count) != n {
			err = errRows
		}
		return b, err
	}
	count, b, ok := uvarint(b)
	if !ok {
		return nil, errRows
	}
	for range n {
		r.Count = append(r.Count, int64(count))
	}
	return b, nil
}

// spread makes a column of the rows of more than one sample one of all rows:
// from the back, so that it can be done in place.
func spread(col []float64, many int, r *Rows, isLast bool) []float64 {
	n := len(r.Last)
	if isLast {
		return append(col[:0], r.Last...)
	}
	if many == n {
		return col
	}
	for len(col) < n {
		col = append(col, 0)
	}
	for i := n - 1; i >= 0; i-- {
		if r.Count[i] > 1 {
			many--
			col[i] = col[many]
		} else {
			col[i] = r.Last[i]
		}
	}
	return col
}

func decodePresence(b []byte, flags byte, rows int, r *Rows) ([]byte, error) {
	switch flags & presentMask {
	case presentAll:
		for i := range rows {
			r.Index = append(r.Index, i)
		}
		return b, nil
	case presentRange:
		first, b, ok1 := uvarint(b)
		n, b, ok2 := uvarint(b)
		if !ok1 || !ok2 || n == 0 || first >= uint64(rows) || n > uint64(rows)-first {
			return nil, errRows
		}
		for i := range int(n) {
			r.Index = append(r.Index, int(first)+i)
		}
		return b, nil
	case presentBitmap:
		size := (rows + 7) / 8
		if len(b) < size {
			return nil, errRows
		}
		for i, m := range b[:size] {
			for ; m != 0; m &= m - 1 {
				r.Index = append(r.Index, 8*i+bits.TrailingZeros8(m))
			}
		}
		if n := len(r.Index); n == 0 || r.Index[n-1] >= rows {
			return nil, errRows
		}
		return b[size:], nil
	}
	return nil, errRows
}

func decodeTotal(b []byte, flags byte, r *Rows) (_ []byte, err error) {
	switch {
	case flags&flagTotal != 0:
		n := len(r.Last)
		if r.Total, b, err = FloatsMax(r.Total, b, n); err == nil && len(r.Total) != n {
			err = errRows
		}
		return b, err
	case flags&flagOffset != 0:
		if len(b) < 8 {
			return nil, errRows
		}
		offset := math.Float64frombits(binary.LittleEndian.Uint64(b))
		for _, v := range r.Last {
			r.Total = append(r.Total, v-offset)
		}
		return b[8:], nil
	}
	return b, nil
}
