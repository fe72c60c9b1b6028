package chunk

import (
	"slices"

	"github.com/klauspost/compress/huff0"
)

// memory is what the columns of a chunk are decoded into. Decoders use it
// again once the chunk's Rows are closed: to have it cleared and collected
// costs as much as to decode.
type memory struct {
	data  []byte // the data part
	rows  []row
	bytes []byte // of one column
	huff  *huff0.Scratch

	block, free []uint64 // free is the end of block
}

// Memory that is larger is not kept.
const (
	maxKeptWords = 1 << 20
	maxKeptBytes = 8 << 20
)

// words returns n words, whatever they hold.
func (m *memory) words(n int) []uint64 {
	if n > len(m.free) {
		m.block = make([]uint64, max(n, 2*len(m.block), 64<<10))
		m.free = m.block
	}
	v := m.free[:n:n]
	m.free = m.free[n:]
	return v
}

// scratch notes what is free; the function that it returns gives back all
// words that were taken since.
func (m *memory) scratch() (back func()) {
	free := m.free
	return func() { m.free = free }
}

// rowsOf returns n rows, whatever they hold.
func (m *memory) rowsOf(n int) []row {
	m.rows = slices.Grow(m.rows[:0], n)[:n]
	return m.rows
}

// bytesOf returns an empty buffer with room for n bytes and no more: decoders
// take its capacity for a limit.
func (m *memory) bytesOf(n int) []byte {
	m.bytes = slices.Grow(m.bytes[:0], n)
	return m.bytes[:0:n]
}

// reusable makes the memory ready for another chunk; false if it is too large
// to be kept.
func (m *memory) reusable() bool {
	m.free = m.block
	return len(m.block) <= maxKeptWords && cap(m.data) <= maxKeptBytes && cap(m.rows)*rowBytes <= maxKeptBytes
}

const rowBytes = 32
