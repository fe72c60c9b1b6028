package tail

import (
	"cmp"
	"path/filepath"
	"slices"
	"time"
)

// searchTime is how long the rest of some content is looked for among the names
// that rotation makes.
const searchTime = time.Minute

// maxFolders bounds what "**" looks into.
const maxFolders = 10000

// scan looks at all names: files that are new, have other names, or none.
func (t *Tailer) scan(now time.Time) {
	t.rescan, t.scanned, t.scanAt = false, now, now.Add(t.limits.Poll)
	w := newWalk(t.fs, maxFolders)
	found := map[fileKey]bool{}
	var fresh []*file
	for _, in := range t.inputs {
		for _, p := range in.patterns {
			w.find(p, func(path string) {
				if f := t.meet(in, p, path, found, now); f != nil {
					fresh = append(fresh, f)
				}
			})
		}
	}
	t.stats.add("folders_beyond_limit", w.cut)
	lost := t.missing(found)
	t.claimByKey(fresh, now)
	fresh = append(fresh, t.lookAround(w, lost, now)...)
	t.begun(fresh, now)
	t.expire(now)
	t.settle()
	for _, f := range t.files {
		if f.target != "" {
			w.folders[filepath.Dir(f.target)] = true
		}
	}
	t.folders = w.folders
}

// settle notes for each known pattern since when there may be content that the
// receiver does not know: whatever changed since then is looked at, whichever
// name it has by then.
func (t *Tailer) settle() int64 {
	if t.scanned.IsZero() {
		return 0 // what is known is what an earlier run knew
	}
	at := t.scanned
	for _, f := range t.files {
		if f.twin == nil && f.found.size > 0 && (f.queued || f.pos == nil || !f.pos.told) {
			since := f.clean
			if since.IsZero() {
				since = time.Unix(0, f.found.changed)
			}
			at = minTime(at, since)
		}
	}
	seconds := max(at.Unix(), firstLook)
	for key := range t.known {
		t.known[key] = seconds
	}
	return seconds
}

// firstLook is what is noted at least: later than never.
const firstLook = int64(clockSlack/time.Second) + 1

// meet takes note of a name. It returns the file if it is new.
func (t *Tailer) meet(in *input, p pattern, path string, found map[fileKey]bool, now time.Time) *file {
	if in.excluded(path) {
		return nil
	}
	info, err := t.fs.Stat(path)
	if err != nil || !info.regular || found[info.key] {
		return nil
	}
	if f := t.files[info.key]; f != nil {
		found[info.key] = true
		t.named(f, path, info)
		f.outside = false
		return nil
	}
	if len(t.files) >= t.limits.MaxFiles {
		t.stats.add("files_beyond_limit", 1)
		t.warn("there are more files than max_files: some are not read", "path", path)
		return nil
	}
	found[info.key] = true
	f := &file{key: info.key, path: path, input: in}
	if real := t.fs.Real(path); real != path {
		f.target = real
	}
	f.fromEnd = in.from == FromEnd && t.known[p.mark()] == 0 && info.size > 0
	f.found = info
	t.files[info.key] = f
	return f
}

// named: the file has this name, and perhaps had another.
func (t *Tailer) named(f *file, path string, info fileInfo) {
	f.found = info
	if f.path != path || f.gone {
		f.path, f.gone = path, false
		t.enqueue(f)
	}
	if info.size != f.info.size || info.changed != f.info.changed {
		t.enqueue(f)
	}
}

// missing are the files that no pattern finds any more.
func (t *Tailer) missing(found map[fileKey]bool) (lost []*file) {
	for key, f := range t.files {
		if found[key] || f.gone {
			continue
		}
		if f.outside {
			if info, err := t.fs.Stat(f.path); err == nil && info.key == key {
				t.named(f, f.path, info)
				continue
			}
		}
		lost = append(lost, f)
	}
	return lost
}

// lookAround looks among the names that rotation makes for files that lost
// theirs, for content that lost its file, and for what came and was rotated
// since the last look.
func (t *Tailer) lookAround(w *walk, lost []*file, now time.Time) (young []*file) {
	searching := false
	for p := range t.positions.orphans {
		searching = searching || p.search > 0
	}
	names := t.rotatedNames(w)
	t.renamed(lost, names, now)
	var list []name
	for key, n := range names {
		if t.files[key] == nil && n.info.size > 0 {
			list = append(list, n)
		}
	}
	// Whole files before those that may be in the making.
	slices.SortFunc(list, func(a, b name) int { return cmp.Or(cmp.Compare(b.info.size, a.info.size), cmp.Compare(a.path, b.path)) })
	for _, n := range list {
		if (!searching || !t.adopt(n, now)) && t.young(n) {
			f := &file{key: n.info.key, path: n.path, input: n.in, outside: true, found: n.info}
			t.files[f.key] = f
			young = append(young, f)
		}
	}
	return young
}

// renamed: files that no pattern finds have one of these names, or none.
func (t *Tailer) renamed(lost []*file, names map[fileKey]name, now time.Time) {
	for _, f := range lost {
		switch n, ok := names[f.key]; {
		case ok:
			f.outside = true
			t.named(f, n.path, n.info)
		case f.fd != nil:
			f.gone = true
			t.enqueue(f)
		default:
			t.vanished(f, now)
		}
	}
}

// vanished: the file has no name, and is not open.
func (t *Tailer) vanished(f *file, now time.Time) {
	delete(t.files, f.key)
	t.ready = slices.DeleteFunc(t.ready, func(g *file) bool { return g == f })
	f.gone, f.queued = true, false
	if f.pos != nil {
		t.orphan(f.pos, "deleted", now)
	}
}

// A name is one that rotation may have made.
type name struct {
	path  string
	in    *input
	since int64 // ns since 1970: when the pattern was last looked for; 0: never
	info  fileInfo
}

// young reports whether a file changed since the last look. Its content was
// under the name of an input then, and is rotated already.
func (t *Tailer) young(n name) bool {
	return n.since > 0 && n.info.changed >= n.since && len(t.files) < t.limits.MaxFiles
}

// clockSlack is how far the times of files may be behind ours.
const clockSlack = 2 * time.Second

// rotatedNames are the files that have such a name and none of an input.
func (t *Tailer) rotatedNames(w *walk) map[fileKey]name {
	names := map[fileKey]name{}
	for _, in := range t.inputs {
		for _, p := range in.patterns {
			since := int64(0)
			if at := t.known[p.mark()]; at > 0 {
				since = time.Unix(at, 0).Add(-clockSlack).UnixNano()
			}
			for _, r := range p.rotations() {
				w.find(r, func(path string) { t.rotatedName(names, name{path: path, in: in, since: since}, p) })
			}
		}
	}
	return names
}

func (t *Tailer) rotatedName(names map[fileKey]name, n name, p pattern) {
	if n.in.excluded(n.path) || len(names) >= t.limits.MaxFiles {
		return
	}
	info, err := t.fs.Stat(n.path)
	if err != nil || !info.regular {
		return
	}
	if _, twice := names[info.key]; twice {
		return
	}
	if !p.match(filepath.Join(filepath.Dir(n.path), family(n.path))) {
		n.since = 0 // it has another name in front: app.log.lock
	}
	n.info = info
	names[info.key] = n
}

// claimByKey gives new files the positions of content that was in the same
// inode before, if they still have it.
func (t *Tailer) claimByKey(fresh []*file, now time.Time) {
	if len(fresh) == 0 {
		return
	}
	byKey := map[fileKey][]*position{}
	for p := range t.positions.orphans {
		byKey[p.key] = append(byKey[p.key], p)
	}
	for _, f := range fresh {
		ps := byKey[f.key]
		if len(ps) == 0 || !t.open(f, now) {
			continue
		}
		slices.SortFunc(ps, func(a, b *position) int { return cmp.Compare(b.next, a.next) })
		for _, p := range ps {
			if f.content.holds(p) {
				t.claim(f, p)
				break
			}
		}
	}
}

// follows lets what had the name of a new file before be read first.
func (t *Tailer) follows(f *file) {
	for _, old := range t.those(func(old *file) bool { return old.queued }) {
		if old != f && related(old.path, f.path) && (old.rotated() || rotatedName(old.path)) {
			f.after = old
		}
	}
}

// adopt reads on in a file, if it has what is searched for.
func (t *Tailer) adopt(n name, now time.Time) bool {
	f := &file{key: n.info.key, path: n.path, input: n.in, outside: true, found: n.info}
	if !t.open(f, now) {
		return false
	}
	for _, p := range t.positions.alike(f.content.head) {
		if p.home == nil && p.search > 0 && t.mayBe(f, p) && f.content.holds(p) {
			t.files[f.key] = f
			t.claim(f, p)
			t.enqueueFirst(f)
			return true
		}
	}
	t.closeFile(f)
	return false
}

// begun puts new files into the queue, the oldest first.
func (t *Tailer) begun(fresh []*file, now time.Time) {
	placed := t.decide(now)
	slices.SortFunc(fresh, func(a, b *file) int {
		return cmp.Or(cmp.Compare(a.found.changed, b.found.changed), cmp.Compare(a.path, b.path))
	})
	for _, f := range fresh {
		if t.files[f.key] == f {
			t.follows(f)
			t.enqueue(f)
		}
	}
	for _, f := range placed {
		t.enqueue(f)
	}
}

// expire gives up the search for what is not found, and forgets what is of no
// use.
func (t *Tailer) expire(now time.Time) {
	for p := range t.positions.orphans {
		if p.search == 0 || p.search > now.UnixNano() {
			continue
		}
		p.search, p.finished, t.unsaved = 0, true, true // else it is counted again after a restart
		t.stats.add("gone_"+p.why, 1)
		if lost := p.size - p.next; lost > 0 {
			t.lose(p.why, p.path, lost)
		}
	}
	ids := t.positions.forget(now, t.limits.Forget, t.limits.MaxPositions)
	t.stats.add("forgotten", len(ids))
	t.forget = append(t.forget, ids...)
}

// lose counts bytes that were there and cannot be read any more.
func (t *Tailer) lose(why, path string, n int64) {
	t.stats.add("lost_files_"+why, 1)
	t.stats.add("lost_bytes_"+why, int(n))
	t.log.Warn("tail: bytes are lost that were not read", "path", path, "why", why, "bytes", n)
}
