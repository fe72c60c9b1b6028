package tail

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/zeebo/xxh3"
)

// turnBytes is what is read of a file before it is another's turn, if the
// longest message is not longer.
const turnBytes = 64 << 10

// A file is one inode that has a name of interest, or had one.
type file struct {
	key      fileKey
	path     string // its name now, or its last one
	target   string // where a link leads to; "" if its name is none
	input    *input
	outside  bool // its name is none of the input's: it was rotated
	gone     bool // it has no name that is known
	fromEnd  bool
	after    *file // which must be read first
	fd       openFile
	content  *content // of the open file
	packed   packing
	pos      *position
	twin     *position // it is a copy of what another file has: not read
	was      *position // likewise, before there was more of it
	copied   int64     // how much of it was found to be a copy
	form     *form     // how its lines are read
	queued   bool
	found    fileInfo  // as the last scan saw it
	info     fileInfo  // as last looked at
	grown    time.Time // when that was seen to be different
	ended    time.Time // when it was last read to its end
	clean    time.Time // the same, and the sink has all of it
	deadline time.Time // when to look though nothing changes; zero: never
	used     time.Time
}

// rotated reports whether nobody is expected to add to the file.
func (f *file) rotated() bool {
	return f.gone || f.outside || f.packed != plain || f.pos != nil && f.pos.first != f.path
}

// open opens the file, and looks at its beginning. It reports false if the
// file cannot be read now.
func (t *Tailer) open(f *file, now time.Time) bool {
	f.used = now
	if f.fd != nil {
		return true
	}
	t.makeRoom(f, now)
	fd, err := t.fs.Open(f.path)
	if err != nil {
		t.stats.add("open_failures", 1)
		t.warn("a file cannot be opened", "path", f.path, "err", err)
		f.info = fileInfo{}
		t.rescan = t.rescan || errors.Is(err, fs.ErrNotExist)
		return false
	}
	if err := f.input.permit(fd); err != nil {
		fd.Close()
		t.stats.add("refused", 1)
		t.warn("a file is not allowed", "path", f.path, "err", err)
		f.info = fileInfo{}
		return false
	}
	info, err := fd.Stat()
	var c *content
	if err == nil && info.key == f.key && info.regular {
		c, err = look(fd)
	}
	if err != nil || c == nil {
		fd.Close()
		t.rescan = t.rescan || err == nil // the name has been given to another file
		return false
	}
	f.fd, f.content, f.packed = fd, c, c.packed
	t.opened++
	return true
}

// makeRoom closes the file that was quiet for the longest, if too many are
// open. A file without a name is closed last: nobody could open it again.
func (t *Tailer) makeRoom(but *file, now time.Time) {
	if t.opened < t.limits.MaxOpen {
		return
	}
	var victim *file
	for _, f := range t.files {
		if f.fd == nil || f == but || f == t.pinned {
			continue
		}
		if victim == nil || victim.gone && !f.gone || victim.gone == f.gone && older(f, victim) {
			victim = f
		}
	}
	if victim == nil {
		return
	}
	if victim.gone {
		t.stats.add("closed_deleted", 1)
		t.warn("max_open_files are open: a deleted file is closed before it is read", "path", victim.path)
	}
	t.closeFile(victim)
	if victim.gone {
		t.vanished(victim, now) // there may be a copy, such as a packed one
	}
}

func older(a, b *file) bool {
	return a.used.Before(b.used) || a.used.Equal(b.used) && a.path < b.path
}

func (t *Tailer) closeFile(f *file) {
	if f.fd == nil {
		return
	}
	f.content.close()
	f.fd.Close()
	f.fd, f.content = nil, nil
	t.opened--
	if t.unpacking == f {
		t.unpacking = nil
	}
}

// turn reads some of a file. It reports whether there may be more.
func (t *Tailer) turn(f *file, now time.Time) (more bool) {
	if f.after != nil {
		if f.after.queued && !f.after.waitsFor(f) {
			return true
		}
		f.after = nil
	}
	if !t.open(f, now) || !t.check(f, now) {
		return false
	}
	if f.content.packed != plain {
		if t.unpacking != nil && t.unpacking != f {
			if t.unpacking.queued {
				return true
			}
			t.unpacking.content.close()
		}
		t.unpacking = f
	}
	if f.pos == nil && !t.place(f, now) {
		if f.pos != nil { // but it was closed for another one
			return true
		}
		t.wait(f, now, false)
		return t.rescan
	}
	return t.read(f, now)
}

// waitsFor reports whether a file is to be read after another, or after one
// that is.
func (f *file) waitsFor(other *file) bool {
	for hops := 0; f != nil && hops < 100; hops++ {
		if f == other {
			return true
		}
		f = f.after
	}
	return f != nil
}

// check looks at the file's size and time. It reports false if there is
// nothing to be read.
func (t *Tailer) check(f *file, now time.Time) bool {
	info, err := f.fd.Stat()
	if err != nil {
		t.warn("a file cannot be looked at", "path", f.path, "err", err)
		t.closeFile(f)
		return false
	}
	if info.size != f.info.size || info.changed != f.info.changed || f.grown.IsZero() {
		f.grown = now
		if f.content.packed != plain || f.pos == nil { // the beginning may be new
			f.content.close()
			c, err := look(f.fd)
			if err != nil {
				t.closeFile(f)
				return false
			}
			f.content, f.packed = c, c.packed
		}
	}
	f.info, f.content.size = info, info.size
	if f.pos != nil {
		f.pos.size = max(f.pos.size, info.size)
		if f.content.packed == plain && info.size < f.pos.next {
			t.changed(f, "truncated", now)
			return false
		}
	}
	return true
}

// read hands over what is complete. What it read begins before the position,
// so that one look tells whether the file is still the same.
func (t *Tailer) read(f *file, now time.Time) (more bool) {
	p := f.pos
	k := min(p.next, tailLen)
	n, err := f.content.r.ReadAt(t.buf, p.next-k)
	sum := xxh3.Hash(t.buf[:min(k, int64(n))])
	if int64(n) < k || !p.sameTail(sum) || !t.begins(f, p, t.buf[:n], p.next-k) {
		if f.packed != plain && f.packed == p.packed && f.content.torn() {
			t.broken(f, err)
			return false
		}
		t.changed(f, "rewritten", now)
		return false
	}
	p.packed, p.path = f.packed, f.path // now that it is certain that the inode was not used again
	if p.weak {
		p.taken, p.tail, p.weak = sum, sum, false
	}
	data := t.buf[k:n]
	taken := t.take(f, data, p.next, f.ending(now, n < len(t.buf), err), now)
	if taken > 0 {
		to := k + int64(taken)
		p.next += int64(taken)
		p.tail = xxh3.Hash(t.buf[to-min(p.next, tailLen) : to])
		t.batch.give(p)
		t.batch.read += taken
		t.stats.add("bytes", taken)
	}
	if n == len(t.buf) {
		return true
	}
	f.ended = now
	if p.offset == p.next {
		f.clean = now
	}
	t.wait(f, now, taken < len(data))
	return false
}

// begins reports whether the file begins as it did, as far as what was read,
// from offset, shows: the tail alone says little while it is short. The more of
// the beginning is known, the better.
func (t *Tailer) begins(f *file, p *position, buf []byte, offset int64) bool {
	from := f.content.lead - offset
	if from < 0 || from > int64(len(buf)) {
		if p.head.n < headLen && len(f.content.head) > p.head.n && p.head.agrees(f.content.head) {
			p.head = beginningOf(f.content.head)
		}
		return true
	}
	head := buf[from:min(int64(len(buf)), from+headLen)]
	if !p.sameHead(head, f.content.lead) {
		return false
	}
	if len(head) > p.head.n {
		p.head = beginningOf(head)
		t.unsaved = true
	}
	return true
}

// ending says whether what is at the end of the file can be complete.
func (f *file) ending(now time.Time, atEnd bool, err error) ending {
	still := now.Sub(f.grown)
	switch {
	case !atEnd:
		return open
	case f.content.packed != plain:
		if err == io.EOF {
			return closing
		}
		return open
	case f.rotated() && still >= f.input.linger:
		return closing
	case still >= f.input.flush:
		return quiet
	}
	return open
}

// wait says when to look at a file again, though it does not change.
func (t *Tailer) wait(f *file, now time.Time, rest bool) {
	f.deadline = time.Time{}
	still := now.Sub(f.grown)
	if f.packed != plain && !f.gone {
		t.closeFile(f)
		return
	}
	if f.gone || f.rotated() && rest {
		if still < f.input.linger {
			f.deadline = f.grown.Add(f.input.linger)
		} else if f.gone {
			t.finish(f, now)
		}
	}
	if rest && f.input.multi.pattern != nil && still < f.input.flush {
		f.deadline = f.grown.Add(f.input.flush)
	}
}

// finish lets go of a file that has no name and is read to its end.
func (t *Tailer) finish(f *file, now time.Time) {
	t.closeFile(f)
	delete(t.files, f.key)
	f.gone = true
	if p := f.pos; p != nil {
		p.home, p.finished, p.seen = nil, true, now.Unix()
		t.release(p)
	}
	t.unsaved = true
}

// broken: a compressed file cannot be read as far as it was before.
func (t *Tailer) broken(f *file, err error) {
	t.stats.add("packed_damaged", 1)
	t.warn("a compressed file cannot be read", "path", f.path, "err", err)
	t.closeFile(f)
}

// changed: the file has other content than before. What was not read of the
// old content may be in a copy.
func (t *Tailer) changed(f *file, how string, now time.Time) {
	t.stats.add("files_"+how, 1)
	p := f.pos
	t.log.Info("tail: a file has new content", "path", f.path, "how", how, "read", p.next, "size", p.size)
	f.pos, f.form = nil, nil
	t.orphan(p, how, now)
	if c, err := look(f.fd); err == nil {
		f.content, f.packed = c, c.packed
	}
	f.grown = now
	t.enqueue(f)
}

// orphan: no file is known to have this content any more.
func (t *Tailer) orphan(p *position, why string, now time.Time) {
	p.home, p.why = nil, why
	p.seen = now.Unix()
	p.search = now.Add(searchTime).UnixNano()
	t.rescan, t.unsaved = true, true
	t.release(p)
}

// release lets the copies of some content be looked at anew: one of them may
// be all that is left of it.
func (t *Tailer) release(p *position) {
	for _, f := range t.those(func(f *file) bool { return f.twin == p }) {
		f.was, f.twin = p, nil
		t.enqueueFirst(f)
	}
}

// those are the files of some kind, in the order of their names, so that the
// same always happens in the same order.
func (t *Tailer) those(are func(*file) bool) (list []*file) {
	for _, f := range t.files {
		if are(f) {
			list = append(list, f)
		}
	}
	slices.SortFunc(list, func(a, b *file) int { return cmp.Compare(a.path, b.path) })
	return list
}

func (t *Tailer) enqueueFirst(f *file) {
	if !f.queued {
		f.queued = true
		t.ready = append([]*file{f}, t.ready...)
	}
}
