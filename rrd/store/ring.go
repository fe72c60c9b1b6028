package store

import (
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"time"

	"rondo/rrd"
	"rondo/rrd/codec"
)

// A ring is where archives of one shape (row, rows) of all series are kept:
// a directory of epochs, each a Badger directory that is dropped whole when
// the ring has turned past it.
//
//	time      |---- epoch 7 ----|---- epoch 8 ----|--
//	blocks    | 56 | 57 | .. 63 | 64 | 65 | ..
//	rows      ||||||||||||||||||||||||||||
//
// A block spans blockRows rows of the series of a page. The boundaries of
// different pages' blocks lie at different times (see phase), so that blocks
// fall due evenly and not all at once.
type ring struct {
	row         rrd.Time
	rows        int
	blockRows   int64
	epochBlocks int64
	phases      int64 // see phase
	dir         string
	seed        uint64 // tells blocks of different rings apart
	young       *ring  // has pieces of blocks that are not due, see young.go; may be nil
	elder       *ring  // whose young it is
	// Of sets: rows of one function, which a set may need for longer than the
	// store's clock says (see kept.go).
	exact bool
	slack rrd.Time // how much further it reaches back than its rows

	// Guarded by the vault.
	epochs map[uint32]bool // that exist on disk
	kept   []uint32        // of these, generations of kept blocks, newest first

	// Guarded by Store.flushMu.
	nextFlush rrd.Time
	done      []uint32 // by page: blocks before this one were flushed
	keptBytes int64    // written to the generation
	keptLive  int64    // of these, when it was begun
	unused    int      // checkpoints that were made since no series uses it
}

// slotRing makes the ring of archives in slot mode as it is on disk, or a new
// one.
func slotRing(base string, row time.Duration, rows int) *ring {
	r, old := newRing(base, row, rows), shortRing(base, row, rows)
	if _, err := os.Stat(old.dir); err == nil && r.dir != old.dir {
		return old
	}
	return r
}

// newRing makes the ring of archives in slot mode.
func newRing(base string, row time.Duration, rows int) *ring {
	r := shortRing(base, row, rows)
	if r.row < youngRow {
		return r
	}
	if blockRows := longBlockRows(rows); blockRows > r.blockRows {
		r = shapedRing(row, rows, blockRows)
		r.setName(base, fmt.Sprintf("%s-%d-%d", ringRow(row), rows, blockRows))
	}
	r.young = newYoung(r)
	return r
}

// longBlockRows is how many rows the blocks of a ring have that is written in
// pieces: an eighth of its rows at most, but for short ones.
func longBlockRows(rows int) int64 {
	switch {
	case rows >= 1536:
		return 256
	case rows >= 1024:
		return 128
	case rows >= 256:
		return 64
	}
	return 32
}

// shortRing makes a ring without young, as all were once.
func shortRing(base string, row time.Duration, rows int) *ring {
	r := shapedRing(row, rows, shortBlockRows(row, rows))
	r.setName(base, fmt.Sprintf("%s-%d", ringRow(row), rows))
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %d", r.row, rows) // a hash never fails
	r.seed = h.Sum64()
	return r
}

func shortBlockRows(row time.Duration, rows int) int64 {
	if rows > 4000 && row < time.Minute {
		return 128
	}
	return 32
}

func shapedRing(row time.Duration, rows int, blockRows int64) *ring {
	r := &ring{row: rrd.Time(row.Microseconds()), rows: rows, blockRows: blockRows, epochs: map[uint32]bool{}}
	// Blocks have 32-bit numbers: of a second they last until the year 2106.
	for r.blockRows < codec.MaxBlockRows && rrd.Time(r.blockRows)*r.row < rrd.Second {
		r.blockRows *= 2
	}
	// An epoch is about a sixteenth of the ring: that much more than the ring
	// is on disk before it can be dropped.
	r.epochBlocks = min(max(int64(rows)/(16*r.blockRows), 1), 16)
	r.phases = r.blockRows
	return r
}

// setName tells a ring from all others.
func (r *ring) setName(base, name string) {
	h := fnv.New64a()
	h.Write([]byte(name)) // a hash never fails
	r.dir, r.seed = filepath.Join(base, name), h.Sum64()
}

// ringRow writes the length of a row in its ring's name: whole seconds, or
// milliseconds.
func ringRow(row time.Duration) string {
	if row%time.Second == 0 {
		return fmt.Sprintf("%ds", int64(row/time.Second))
	}
	return fmt.Sprintf("%dms", row.Milliseconds())
}

// setSlack is what sets may lag behind the store's clock before their rows
// have to be kept from being dropped.
const setSlack = 10 * 60 * rrd.Second

// newSetRing makes the ring of an archive of sets. Several archives of a set
// may be alike; nth tells them apart.
func newSetRing(base string, cf rrd.CF, row time.Duration, rows, nth int) *ring {
	name := fmt.Sprintf("%s-%s-%d", cf, ringRow(row), rows)
	if nth > 0 {
		name += fmt.Sprintf("-%d", nth+1)
	}
	r := shapedRing(row, rows, shortBlockRows(row, rows))
	r.setName(base, name)
	r.exact, r.slack = true, 2*r.row+setSlack
	return r
}

// phase shifts the blocks of a page.
func (r *ring) phase(page uint32) int64 { return int64(page) * 37 % r.phases }

// place returns the block of a page that holds the row with an end, and the
// row's index there.
func (r *ring) place(page uint32, end rrd.Time) (block uint32, index int) {
	n := int64(end/r.row) + r.phase(page)
	return uint32(n / r.blockRows), int(n % r.blockRows)
}

// rowEnd is the inverse of place.
func (r *ring) rowEnd(page, block uint32, index int) rrd.Time {
	return rrd.Time(int64(block)*r.blockRows+int64(index)-r.phase(page)) * r.row
}

// rowEnds is rowEnd for the rows of one block.
func (r *ring) rowEnds(page, block uint32) func(index int) rrd.Time {
	first := r.rowEnd(page, block, 0)
	return func(index int) rrd.Time { return first + rrd.Time(index)*r.row }
}

// blockAfter returns the first block of a page that does not end by a time.
func (r *ring) blockAfter(page uint32, t rrd.Time) uint32 {
	block, _ := r.place(page, t-t%r.row+r.row)
	return block
}

// flushedTo returns the block before which all of a page's were flushed.
func (r *ring) flushedTo(page uint32) uint32 {
	if int(page) >= len(r.done) {
		return 0
	}
	return r.done[page]
}

func (r *ring) setFlushed(page, before uint32) {
	for int(page) >= len(r.done) {
		r.done = append(r.done, 0)
	}
	r.done[page] = max(r.done[page], before)
}

func (r *ring) epoch(block uint32) uint32 { return uint32(int64(block) / r.epochBlocks) }

// epochEnd is after the last row that an epoch can hold, of any page.
func (r *ring) epochEnd(epoch uint32) rrd.Time {
	return rrd.Time((int64(epoch)+1)*r.epochBlocks*r.blockRows) * r.row
}

// edge is how far the ring reaches back: rows that end later are in it.
func (r *ring) edge(clock rrd.Time) rrd.Time {
	return slotEnd(clock, r.row) - rrd.Time(r.rows)*r.row - r.slack
}

// checksumPlace is what tells a block from all others.
func (r *ring) checksumPlace(page, block uint32) uint64 {
	return (uint64(page)<<32 | uint64(block)) ^ r.seed
}

// slotEnd is rrd.Time.SlotEnd for a row in microseconds.
func slotEnd(t, row rrd.Time) rrd.Time { return t.SlotEnd(time.Duration(row) * time.Microsecond) }
