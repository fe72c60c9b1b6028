package chunk

import (
	"slices"

	"github.com/klauspost/compress/huff0"
)

// readColumn decodes len(dst) values. group gives the group of each row of a
// column that may be predicted; nil for all others.
func (m *memory) readColumn(dst []uint64, src []byte, group func() ([]uint32, int)) error {
	if len(dst) == 0 {
		return nil
	}
	r := reader{b: src}
	switch r.byte() {
	case modeConst:
		lo := r.uvarint()
		for i := range dst {
			dst[i] = lo
		}
	case modeRising:
		for i := range dst {
			dst[i] = uint64(i)
		}
	case modePacked:
		lo := r.uvarint()
		r.unpack(dst, lo)
	case modeHuff:
		return m.readHuff(dst, &r)
	case modeDelta:
		dst[0] = r.uvarint()
		r.unpack(dst[1:], 0)
		for i := 1; i < len(dst); i++ {
			dst[i] = dst[i-1] + uint64(unzigzag(dst[i]))
		}
	case modeDict:
		return m.readDict(dst, &r)
	case modeLast:
		return m.readPredicted(dst, &r, group)
	default:
		r.fail("unknown column mode")
	}
	return r.err
}

func (m *memory) readHuff(dst []uint64, r *reader) error {
	lo := r.uvarint()
	if r.err != nil {
		return r.err
	}
	if len(dst) > huff0.BlockSizeMax {
		return r.fail("column is too long for its mode")
	}
	s, rest, err := huff0.ReadTable(r.b, m.huff)
	if err != nil {
		return r.fail("bad Huffman table")
	}
	m.huff = s
	s.MaxDecodedSize = len(dst)
	buf := m.bytesOf(len(dst))
	if len(dst) < fourStreams {
		buf, err = s.Decoder().Decompress1X(buf, rest)
	} else {
		buf, err = s.Decoder().Decompress4X(buf[:len(dst)], rest)
	}
	if err != nil || len(buf) != len(dst) {
		return r.fail("bad Huffman code")
	}
	for i, x := range buf {
		dst[i] = uint64(x) + lo
	}
	return nil
}

func (m *memory) readDict(dst []uint64, r *reader) error {
	n := r.count(len(dst))
	if n == 0 {
		return r.fail("empty dictionary")
	}
	defer m.scratch()()
	dict := m.words(n)
	dict[0] = r.uvarint()
	r.unpack(dict[1:], 0)
	for i := 1; i < n; i++ {
		dict[i] += dict[i-1]
	}
	if r.err != nil {
		return r.err
	}
	if len(r.b) > 0 && r.b[0] >= modeDelta { // only what the writer writes
		return r.fail("nested dictionary")
	}
	if err := m.readColumn(dst, r.b, nil); err != nil {
		return err
	}
	for i, x := range dst {
		if x >= uint64(n) {
			return r.fail("index beyond the dictionary")
		}
		dst[i] = dict[x]
	}
	return nil
}

func (m *memory) readPredicted(dst []uint64, r *reader, group func() ([]uint32, int)) error {
	n := r.count(len(dst))
	encoded := r.take(r.count(len(r.b)))
	if r.err != nil || group == nil {
		return r.fail("bad predicted column")
	}
	if nested := [][]byte{encoded, r.b}; slices.ContainsFunc(nested, func(b []byte) bool { return len(b) > 0 && b[0] == modeLast }) {
		return r.fail("nested prediction")
	}
	defer m.scratch()()
	gaps, values := m.words(n), m.words(n)
	if err := m.readColumn(gaps, encoded, nil); err != nil {
		return err
	}
	if err := m.readColumn(values, r.b, nil); err != nil {
		return err
	}
	of, groups := group()
	if len(of) != len(dst) {
		return r.fail("prediction without groups")
	}
	last := make([]uint64, groups)
	next, k := uint64(0), 0
	if n > 0 {
		next = gaps[0]
	}
	for i := range dst {
		if k < n && uint64(i) == next {
			last[of[i]] = values[k]
			if k++; k < n {
				next += gaps[k]
			}
		}
		dst[i] = last[of[i]]
	}
	return nil
}
