package chunk

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/klauspost/compress/huff0"
)

// How the values of a column are written; the first byte of a column.
const (
	modeConst  = iota // value
	modeRising        // 0, 1, 2, ...
	modePacked        // minimum, width, value-minimum packed
	modeHuff          // minimum, value-minimum as bytes, Huffman coded
	modeDelta         // first value, width, zigzag differences packed
	modeDict          // sorted dictionary as differences, then a column of indexes
	modeLast          // see appendPredicted
)

// columnWriter encodes columns; it keeps its scratch space between them.
type columnWriter struct {
	sorted []uint64
	diffs  []uint64
	bytes  []byte
	huff   huff0.Scratch
}

// append encodes a column in what is expected to be its shortest form. The
// count of values is not written: the reader knows it.
func (w *columnWriter) append(dst []byte, v []uint64) []byte {
	if len(v) == 0 {
		return dst
	}
	lo, hi := slices.Min(v), slices.Max(v)
	width := bits.Len64(hi - lo)
	switch {
	case width == 0:
		return binary.AppendUvarint(append(dst, modeConst), lo)
	case width <= 8:
		return w.appendBytes(dst, v, lo, width)
	}
	if out, ok := w.appendDelta(dst, v, width); ok {
		return out
	}
	if out, ok := w.appendDict(dst, v, width); ok {
		return out
	}
	return appendModePacked(dst, v, lo, width)
}

func appendModePacked(dst []byte, v []uint64, lo uint64, width int) []byte {
	dst = binary.AppendUvarint(append(dst, modePacked), lo)
	return appendPacked(append(dst, byte(width)), v, lo, width)
}

// appendBytes writes values that fit in a byte: Huffman coded where that
// gains 5 % over packing, which is faster to read.
func (w *columnWriter) appendBytes(dst []byte, v []uint64, lo uint64, width int) []byte {
	w.bytes = w.bytes[:0]
	for _, x := range v {
		w.bytes = append(w.bytes, byte(x-lo))
	}
	if out, ok := w.compress(w.bytes); ok && len(out) < packedLen(len(v), width)*95/100 {
		dst = binary.AppendUvarint(append(dst, modeHuff), lo)
		return append(dst, out...)
	}
	return appendModePacked(dst, v, lo, width)
}

// Below fourStreams bytes one Huffman stream is shorter than four.
const fourStreams = 256

func (w *columnWriter) compress(b []byte) ([]byte, bool) {
	if len(b) < 64 || len(b) > huff0.BlockSizeMax {
		return nil, false
	}
	w.huff.Reuse = huff0.ReusePolicyNone
	compress := huff0.Compress4X
	if len(b) < fourStreams {
		compress = huff0.Compress1X
	}
	out, _, err := compress(b, &w.huff)
	return out, err == nil
}

func (w *columnWriter) appendDelta(dst []byte, v []uint64, width int) ([]byte, bool) {
	if len(v) < 8 {
		return nil, false
	}
	w.diffs = w.diffs[:0]
	var all uint64
	for i := 1; i < len(v); i++ {
		d := zigzag(int64(v[i] - v[i-1]))
		w.diffs = append(w.diffs, d)
		all |= d
	}
	narrow := bits.Len64(all)
	if narrow+2 >= width {
		return nil, false
	}
	dst = binary.AppendUvarint(append(dst, modeDelta), v[0])
	return appendPacked(append(dst, byte(narrow)), w.diffs, 0, narrow), true
}

// appendDict writes a dictionary if values repeat enough for it. A sample
// tells first, since sorting costs more than all the rest.
func (w *columnWriter) appendDict(dst []byte, v []uint64, width int) ([]byte, bool) {
	const sample = 1024
	if len(v) < 64 {
		return nil, false
	}
	if len(v) > 2*sample {
		w.sorted = w.sorted[:0]
		for i := range sample {
			w.sorted = append(w.sorted, v[i*(len(v)/sample)])
		}
		slices.Sort(w.sorted)
		if len(slices.Compact(w.sorted)) > sample*97/100 {
			return nil, false
		}
	}
	w.sorted = append(w.sorted[:0], v...)
	slices.Sort(w.sorted)
	dict := slices.Compact(w.sorted)
	w.diffs = w.diffs[:0]
	for i := 1; i < len(dict); i++ {
		w.diffs = append(w.diffs, dict[i]-dict[i-1])
	}
	step, index := bits.Len64(slices.Max(w.diffs)), bits.Len(uint(len(dict)-1))
	if packedLen(len(w.diffs), step)+packedLen(len(v), index)+12 > packedLen(len(v), width)*97/100 {
		return nil, false
	}
	dst = binary.AppendUvarint(append(dst, modeDict), uint64(len(dict)))
	dst = binary.AppendUvarint(dst, dict[0])
	dst = appendPacked(append(dst, byte(step)), w.diffs, 0, step)
	indexes := make([]uint64, len(v))
	for i, x := range v {
		k, _ := slices.BinarySearch(dict, x)
		indexes[i] = uint64(k)
	}
	if index <= 8 {
		return w.appendBytes(dst, indexes, 0, index), true
	}
	return appendModePacked(dst, indexes, 0, index), true
}

// appendPredicted writes a column in which a value is mostly the last one
// that the same group had: the process ids of the hosts. It holds the gaps
// between the exceptions, and the exceptions.
func (w *columnWriter) appendPredicted(dst []byte, v []uint64, group []uint32, groups int) []byte {
	plain := w.append(nil, v)
	last := make([]uint64, groups)
	var gaps, values []uint64
	at := 0
	for i, x := range v {
		if last[group[i]] != x {
			last[group[i]] = x
			gaps, values = append(gaps, uint64(i-at)), append(values, x)
			at = i
		}
	}
	if len(values) >= len(v)*3/4 {
		return append(dst, plain...)
	}
	encoded := w.append(nil, gaps)
	out := binary.AppendUvarint([]byte{modeLast}, uint64(len(values)))
	out = binary.AppendUvarint(out, uint64(len(encoded)))
	out = w.append(append(out, encoded...), values)
	if len(out) >= len(plain) {
		out = plain
	}
	return append(dst, out...)
}
