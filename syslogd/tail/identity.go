package tail

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/zeebo/xxh3"
)

// How much of a file's content identifies it: its beginning, and what stands
// in front of a position.
const (
	headLen = 1024
	tailLen = 1024
)

// A headSum is the fingerprint of the first n bytes of a file.
type headSum struct {
	n   int
	sum uint64
}

func headOf(head []byte) headSum { return headSum{len(head), xxh3.Hash(head)} }

// agrees reports whether a file that begins with head has the fingerprint.
func (h headSum) agrees(head []byte) bool {
	return len(head) >= h.n && xxh3.Hash(head[:h.n]) == h.sum
}

// A beginning is what is known of the first bytes of some content. Steps are
// fingerprints of the first 16, 32, 64, 128, 192 ... bytes: they tell whether
// something shorter begins alike.
type beginning struct {
	headSum
	steps [beginSteps]uint32
}

const beginSteps = 2 + headLen/64

// stepAt is how many bytes the step i is about.
func stepAt(i int) int {
	if i < 2 {
		return 16 << i
	}
	return (i - 1) * 64
}

func beginningOf(head []byte) beginning {
	b := beginning{headSum: headOf(head)}
	for i := range b.steps {
		if n := stepAt(i); n <= len(head) {
			b.steps[i] = uint32(xxh3.Hash(head[:n]))
		}
	}
	return b
}

// mayBegin reports whether the content may begin with head, be it shorter, as
// far as the last step in it tells.
func (b *beginning) mayBegin(head []byte) bool {
	if len(head) >= b.n {
		return b.agrees(head)
	}
	for i := beginSteps - 1; i >= 0; i-- {
		if n := stepAt(i); n <= len(head) {
			return uint32(xxh3.Hash(head[:n])) == b.steps[i]
		}
	}
	return true
}

// firstLine is what of the beginning of a file is part of its name: the same
// whenever one looks, however much the file has grown.
func firstLine(head []byte) []byte {
	for i, c := range head {
		if c == '\n' {
			return head[:i+1]
		}
	}
	return head
}

// A Mark says how far a file has been read. Source names the content of one
// file for ever: neither its path nor its inode, which both may get other
// content. Pos grows with each message, and means nothing else to others.
type Mark struct {
	Source string
	Pos    uint64
}

// A Pos is the offset, and 16 bits of the fingerprint of what stands in front
// of it, so that a mark alone tells whether a file is still the same.
const posBits = 16

func packPos(offset int64, tail uint64) uint64 { return uint64(offset)<<posBits | tail&(1<<posBits-1) }

// A position is what is known of some content: where it was last, how to know
// it again, and how far it has been read.
type position struct {
	id    string
	born  headSum   // in the id
	head  beginning // of as much as was there, up to headLen
	key   fileKey   // which file had it last
	path  string    // and under which name; "" if only a mark tells of it
	first string    // the name under which it was found

	begin  int64  // where reading began
	offset int64  // all before has been taken by the sink
	taken  uint64 // fingerprint of up to tailLen bytes before offset
	next   int64  // all before has been given to the sink
	tail   uint64 // fingerprint of up to tailLen bytes before next
	weak   bool   // only posBits bits of tail are known
	given  bool   // is in the batch
	told   bool   // the sink has a mark of it
	size   int64  // of the file, when it was last looked at
	seen   int64  // seconds since 1970: when some file had it last

	packed   packing // of the file that had it last
	home     *file   // nil if no file is known to have it
	finished bool    // it was read to its end, and nobody can add to it
	search   int64   // ns since 1970: until when it is looked for in rotated files; 0: not
	why      string  // it has no home, and might have been read on
}

// sourceID is the name of content that was first read in a file: device, inode,
// length and fingerprint of the first line, and a number if several begin alike.
func sourceID(key fileKey, born headSum, again int) string {
	id := fmt.Sprintf("%x-%x-%d-%016x", key.dev, key.ino, born.n, born.sum)
	if again > 0 {
		id += "-" + strconv.Itoa(again)
	}
	return id
}

// fromMark is the position that a mark tells of. It reports false if that is
// the mark of something else.
func fromMark(m Mark) (*position, bool) {
	part := strings.Split(m.Source, "-")
	if len(part) != 4 && len(part) != 5 {
		return nil, false
	}
	dev, err1 := strconv.ParseUint(part[0], 16, 64)
	ino, err2 := strconv.ParseUint(part[1], 16, 64)
	n, err3 := strconv.ParseUint(part[2], 10, 16)
	sum, err4 := strconv.ParseUint(part[3], 16, 64)
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil || n > headLen {
		return nil, false
	}
	born := headSum{int(n), sum}
	offset, tail := int64(m.Pos>>posBits), m.Pos&(1<<posBits-1)
	return &position{
		id: m.Source, born: born, head: beginning{headSum: born}, key: fileKey{dev, ino},
		offset: offset, next: offset, size: offset, taken: tail, tail: tail, weak: true, told: true,
	}, true
}

func (p *position) mark() Mark { return Mark{p.id, packPos(p.next, p.tail)} }

// sameHead compares the beginning of a file, behind NULs in front. It may be
// shorter than what was known, if the tail bears it out: what was in the file
// beyond the position may not be in a copy of it.
func (p *position) sameHead(head []byte, lead int64) bool {
	if p.next <= lead {
		return p.head.agrees(head)
	}
	return p.head.mayBegin(head)
}

// sameTail compares as many bits as are known.
func (p *position) sameTail(sum uint64) bool {
	if p.weak {
		return packPos(0, sum) == packPos(0, p.tail)
	}
	return sum == p.tail
}

// believe takes over what the receiver knows of the same content. It has no
// less than it said that it has, unless it was put back to an earlier state:
// then what it has lost is read again.
func (p *position) believe(q *position) {
	if q.next < p.next {
		p.finished = false
	} else if q.next == p.next && !p.weak {
		return
	}
	p.offset, p.next, p.taken, p.tail, p.weak = q.offset, q.next, q.taken, q.tail, q.weak
}

// family is the name that a file had before it was rotated, as far as one can
// tell: app.log for app.log.1, app.log-20261011.gz, and app-2026-10-11.log.
func family(path string) string {
	name := path[strings.LastIndexByte(path, '/')+1:]
	for _, end := range []string{".gz", ".zst", ".bz2", ".xz", ".old", ".bak", "~"} {
		name = strings.TrimSuffix(name, end)
	}
	name = withoutNumber(name)
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		name = withoutNumber(name[:i]) + name[i:]
	}
	return name
}

// rotatedName reports whether a name looks as rotation makes it.
func rotatedName(path string) bool { return family(path) != path[strings.LastIndexByte(path, '/')+1:] }

// withoutNumber cuts dates and numbers off a name, which begin with a
// separator.
func withoutNumber(name string) string {
	stem := strings.TrimRight(name, "0123456789-._:T")
	rest := name[len(stem):]
	i := strings.IndexAny(rest, "-._")
	if i < 0 || stem == "" || strings.Trim(rest, "-._:T") == "" {
		return name
	}
	return stem + rest[:i]
}

// related reports whether rotation may have made one name of the other.
func related(a, b string) bool { return a == b || family(a) == family(b) }
