package tail

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/zeebo/xxh3"
)

// place gives a file without a position one, if it is to be read now.
func (t *Tailer) place(f *file, now time.Time) bool {
	if f.twin != nil {
		if f.copied == f.content.size {
			return false
		}
		f.was, f.twin = f.twin, nil // it was a copy; there is more of it now
	}
	f.found.size = max(f.found.size, f.content.size)
	for _, g := range t.decide(now) {
		if g != f {
			t.enqueue(g)
		}
	}
	return f.pos != nil && f.fd != nil && !t.rescan
}

// decide classifies all files without a position before one of them is read.
// Those with names as rotation makes them come last, because they may be copies
// of others; and the others must be known to have what they had. It returns
// those that are to be read.
func (t *Tailer) decide(now time.Time) (placed []*file) {
	for _, f := range t.files {
		if f.twin != nil && f.copied != f.found.size {
			f.was, f.twin = f.twin, nil // it was a copy, and has something else by now
		}
	}
	unknown := t.those(func(f *file) bool { return f.pos == nil && f.twin == nil && f.found.size > 0 })
	slices.SortStableFunc(unknown, func(a, b *file) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.found.changed, b.found.changed))
	})
	for _, f := range unknown {
		if rank(f) > 0 {
			for _, of := range t.those(func(of *file) bool { return of.pos != nil && rank(of) == 0 && related(of.path, f.path) }) {
				if of.pos != nil && of.pos.home == of { // still, after a look at another of them
					t.still(of.pos, now)
				}
			}
		}
		if t.rescan {
			break
		}
		if t.open(f, now) && t.check(f, now) && t.classify(f, now) {
			placed = append(placed, f)
		}
		f.fromEnd = false
	}
	return placed
}

// rank is 1 for names as rotation makes them.
func rank(f *file) int {
	if rotatedName(f.path) {
		return 1
	}
	return 0
}

// classify decides what the content of a file is that has no position: the
// rest of something known, a copy of what another file has, or new. It reports
// whether the file is to be read now.
func (t *Tailer) classify(f *file, now time.Time) bool {
	was := f.was
	f.was = nil
	t.pinned = f
	defer func() { t.pinned = nil }()
	head := f.content.head
	if !t.enough(f, now) {
		return false
	}
	begin := f.content.lead
	for _, p := range t.positions.alike(head) {
		if p.home != nil && !related(p.path, f.path) && !related(p.home.path, f.path) {
			continue // many files may begin alike
		}
		if p.home != nil && !t.still(p, now) {
			p.home = nil
		}
		switch {
		case p.home == nil && t.mayBe(f, p) && f.content.holds(p):
			t.claim(f, p)
			return true
		case p.home == nil && f.content.torn():
			return false // it is being written
		case p.home == nil && t.shorter(f, p, was):
			if f.packed == plain && now.Sub(f.grown) < f.input.linger {
				f.was = was
				return false // what is being copied may yet become something else
			}
			t.stats.add("copies", 1)
			size, _ := f.content.length()
			t.start(f, size) // there may never be anything else to know it by
			return true
		case p.home == nil || p.home == f || !related(p.home.path, f.path):
		case t.isCopy(f, p.home):
			t.copyOf(f, p)
			return false
		case f.content.holds(p): // a copy that has got lines of its own
			begin = max(begin, p.next)
		}
	}
	t.start(f, begin)
	return true
}

// enough reports whether the file begins with a whole line, which its name is
// made of. At the end of its life it may do without.
func (t *Tailer) enough(f *file, now time.Time) bool {
	head := f.content.head
	if len(head) == 0 {
		return false
	}
	return len(head) == headLen || bytes.IndexByte(head, '\n') >= 0 || f.content.packed != plain && !f.content.torn() ||
		f.rotated() && now.Sub(f.grown) >= f.input.linger
}

// mayBe reports whether a file can have content that was last seen elsewhere:
// content alone is weak evidence as long as there is little of it.
func (t *Tailer) mayBe(f *file, p *position) bool {
	return p.path == "" || f.key == p.key || related(p.path, f.path)
}

// still looks whether the file that should have some content has it.
func (t *Tailer) still(p *position, now time.Time) bool {
	f := p.home
	if f == nil {
		return false
	}
	was := f.info
	if !t.open(f, now) || !t.check(f, now) || f.pos != p {
		return f.pos == p
	}
	if f.info != was {
		t.enqueue(f) // the look at its size is not to hide that there is more to read
	}
	if f.packed != plain && f.packed == p.packed {
		return true // nobody changes these
	}
	c, err := look(f.fd)
	if err != nil {
		return true
	}
	defer c.close()
	if c.holds(p) {
		return true
	}
	t.changed(f, "rewritten", now)
	return false
}

// isCopy reports whether other has all of the file's content.
func (t *Tailer) isCopy(f, other *file) bool {
	if other.fd == nil {
		return false
	}
	theirs, err := look(other.fd)
	if err != nil {
		return false
	}
	defer theirs.close()
	switch {
	case f.content.packed != plain: // complete or not
		return bytes.HasPrefix(theirs.head, f.content.head)
	case theirs.packed != plain: // its position may know little of it yet, and it itself while it is being written
		return f.content.holds(other.pos) && (theirs.torn() || bytes.HasPrefix(theirs.head, f.content.head))
	}
	return f.content.begins(theirs)
}

// shorter reports whether a file is a copy of less than what was read: it was
// made before the last lines were written, or there was no room for more.
func (t *Tailer) shorter(f *file, p *position, was *position) bool {
	if size, ok := f.content.length(); !ok || size >= p.next || f.packed == plain && f.key == p.key || f.path == p.path || p.path == "" {
		return false
	}
	return was == p && f.copied == f.content.size || related(p.path, f.path) && p.head.mayBegin(f.content.head)
}

func (t *Tailer) copyOf(f *file, p *position) {
	f.twin, f.copied = p, f.content.size
	t.stats.add("copies", 1)
	t.log.Debug("tail: a copy is not read", "path", f.path, "source", p.id, "of", p.path)
	t.closeFile(f)
	if f.outside { // found again when it is needed
		delete(t.files, f.key)
	}
}

// claim: the file has the content that p tells of.
func (t *Tailer) claim(f *file, p *position) {
	if p.why != "" && f.key != p.key {
		t.stats.add("found_again", 1)
		if cut := p.size - f.content.size; cut > 0 && f.content.packed == plain && p.why == "truncated" {
			t.lose("truncated", f.path, cut) // came between the copy and the cut
		}
	}
	for _, g := range t.files {
		if g != f && g.pos == nil && g.path == p.path {
			g.after = f // it has what came later
		}
	}
	if p.first == "" {
		p.first = f.path
	}
	t.log.Debug("tail: reading on", "path", f.path, "source", p.id, "was", p.path, "offset", p.next)
	f.pos, p.home, p.packed = p, f, f.packed
	p.key, p.path, p.why, p.search, p.finished = f.key, f.path, "", 0, false
	t.unsaved = true
}

// start begins to read content that is new.
func (t *Tailer) start(f *file, begin int64) {
	head := f.content.head
	if f.fromEnd {
		begin = t.lastLine(f)
	}
	born := headOf(firstLine(head))
	p := &position{id: t.positions.unused(f.key, born), born: born, head: beginningOf(head), key: f.key, path: f.path, first: f.path, home: f}
	p.taken = xxh3.Hash(nil)
	p.tail = p.taken
	if begin > 0 {
		if sum, ok := f.content.before(begin); ok {
			p.begin, p.next, p.tail = begin, begin, sum
			if begin > f.content.lead {
				t.skip = append(t.skip, p)
			} else { // there is nothing to be told of NULs
				p.offset, p.taken = begin, sum
			}
		}
	}
	p.size = max(p.next, f.content.size)
	p.packed, f.pos = f.packed, p
	t.positions.add(p)
	t.stats.add("files", 1)
	t.log.Debug("tail: new content", "path", f.path, "source", p.id, "offset", p.next)
}

// lastLine is the offset behind the last whole line.
func (t *Tailer) lastLine(f *file) int64 {
	if f.content.packed != plain {
		return t.unpackedSize(f)
	}
	for end := f.content.size; end > 0; {
		n := min(end, int64(len(t.buf)))
		got, err := f.content.r.ReadAt(t.buf[:n], end-n)
		if int64(got) < n {
			t.warn("a file cannot be read", "path", f.path, "err", err)
			return 0
		}
		if i := bytes.LastIndexByte(t.buf[:n], '\n'); i >= 0 {
			return end - n + int64(i) + 1
		}
		end -= n
	}
	return 0
}

// unpackedSize reads a compressed file to its end.
func (t *Tailer) unpackedSize(f *file) (size int64) {
	for {
		n, err := f.content.r.ReadAt(t.buf, size)
		size += int64(n)
		if n == 0 || err != nil {
			return size
		}
	}
}
