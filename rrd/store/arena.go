package store

import (
	"encoding/binary"
	"runtime"
	"syscall"
)

// An arena is a shard's memory for what its series have packed, or for their
// windows: some hundred bytes each, of any length. It is the system's and not
// Go's, whose collector lets a heap grow by a quarter before it looks, and whose
// pieces come in sizes; this takes a sixteenth more than what is used.
//
// Pieces are put one behind the other into segments. What is given back leaves
// a hole; when there is more than a sixteenth of holes, tidy moves what is still
// used in the oldest segment to the end, and takes that segment for the next
// one. What is packed is written anew every few minutes, so that the oldest
// segment is mostly holes; windows mostly stay where they are.
//
//	segment = { id:4 length:4 bytes:length }  0:8      of the series that owns it
//
// A piece is used for as long as its series has it. Pieces stay where they are
// until tidy is called.
type arena struct {
	piece    func(id uint32) *[]byte // the piece that a series has
	segments []*segment              // oldest first; the last one is being filled
	spare    *segment
	free     int // bytes left in the last one
	holes    int // bytes of pieces that were given back
}

// A segment is memory that the system gave, and takes back when nothing refers
// to it: its pieces are used with the shard locked only, which has the arena.
type segment struct {
	mem     []byte
	cleanup runtime.Cleanup
}

const (
	segmentBytes = 64 << 10
	pieceHead    = 8
	maxPiece     = segmentBytes / 4 // what is larger, and rare, is Go's
)

func newSegment() *segment {
	mem, err := syscall.Mmap(-1, 0, segmentBytes, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return &segment{mem: make([]byte, segmentBytes)} // no more maps; Go may still have memory
	}
	s := &segment{mem: mem}
	s.cleanup = runtime.AddCleanup(s, unmap, mem)
	return s
}

func unmap(mem []byte) { _ = syscall.Munmap(mem) } // it fails for what was never mapped only

// tidy keeps the holes few, a segment at a time.
func (a *arena) tidy() {
	if len(a.segments) < 2 || a.holes <= max(1, len(a.segments)/16)*segmentBytes {
		return
	}
	oldest := a.segments[0]
	a.segments = a.segments[1:]
	a.move(oldest.mem)
	if a.spare != nil {
		oldest.cleanup.Stop()
		unmap(oldest.mem)
		return
	}
	a.spare = oldest
}

// move moves what is used of a segment.
func (a *arena) move(mem []byte) {
	for len(mem) >= pieceHead {
		id, n := binary.LittleEndian.Uint32(mem), int(binary.LittleEndian.Uint32(mem[4:]))
		if n == 0 {
			return
		}
		if b := a.piece(id); cap(*b) > 0 && &(*b)[:1][0] == &mem[pieceHead] {
			*b = append(owner{a, id}.alloc(n), *b...)
		} else {
			a.holes -= pieceHead + n
		}
		mem = mem[pieceHead+n:]
	}
}

// An owner is a series that has pieces in its shard's arena. Without an arena
// they are Go's.
type owner struct {
	*arena
	id uint32
}

// alloc returns an empty piece with room for n bytes.
func (o owner) alloc(n int) []byte {
	if o.arena == nil || n > maxPiece {
		return make([]byte, 0, n)
	}
	if o.free < 2*pieceHead+n {
		o.extend()
	}
	last := o.segments[len(o.segments)-1].mem
	mem := last[len(last)-o.free:]
	binary.LittleEndian.PutUint32(mem, o.id)
	binary.LittleEndian.PutUint32(mem[4:], uint32(n))
	clear(mem[pieceHead+n:][:pieceHead]) // the end so far
	o.free -= pieceHead + n
	return mem[pieceHead : pieceHead : pieceHead+n]
}

// extend begins a segment.
func (a *arena) extend() {
	s := a.spare
	if a.spare = nil; s == nil {
		s = newSegment()
	}
	a.segments, a.free = append(a.segments, s), segmentBytes
}

// release gives a piece back.
func (o owner) release(piece []byte) {
	if n := cap(piece); o.arena != nil && 0 < n && n <= maxPiece {
		o.holes += pieceHead + n
	}
}

// join returns a piece with the bytes of head and tail: the old one, unless
// it is too small or would have more than some bytes left. head is not in it.
func (o owner) join(old, head, tail []byte, left int) []byte {
	n := len(head) + len(tail)
	if n == 0 {
		o.release(old)
		return nil
	}
	if cap(old) < n || cap(old) > n+left {
		piece := append(append(o.alloc(n), head...), tail...)
		o.release(old)
		return piece
	}
	old = old[:n]
	copy(old[len(head):], tail)
	copy(old, head)
	return old
}

// pieceRoom is by how much at least a piece grows that is written to again and
// again.
const pieceRoom = 32

// add appends to a piece, which moves if it is full.
func (o owner) add(piece, b []byte) []byte {
	if n := len(piece) + len(b); n > cap(piece) {
		larger := append(o.alloc(n+max(pieceRoom, n/8)), piece...)
		o.release(piece)
		piece = larger
	}
	return append(piece, b...)
}
