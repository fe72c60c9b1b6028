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
	t.missing(found, w, now)
	t.claimByKey(fresh, now)
	t.searchRotated(w, now)
	t.begun(fresh, now)
	t.expire(now)
	for _, f := range t.files {
		if f.target != "" {
			w.folders[filepath.Dir(f.target)] = true
		}
	}
	t.folders = w.folders
}

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
	f.fromEnd = in.from == FromEnd && !t.known[p.mark()] && info.size > 0
	f.info.changed = info.changed // to be sorted by
	t.files[info.key] = f
	return f
}

// named: the file has this name, and perhaps had another.
func (t *Tailer) named(f *file, path string, info fileInfo) {
	if f.path != path || f.gone {
		f.path, f.gone = path, false
		t.enqueue(f)
	}
	if f.pos != nil {
		f.pos.path = path
	}
	if info.size != f.info.size || info.changed != f.info.changed {
		t.enqueue(f)
	}
}

// missing looks for the files that no pattern finds any more.
func (t *Tailer) missing(found map[fileKey]bool, w *walk, now time.Time) {
	var lost []*file
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
	if len(lost) == 0 {
		return
	}
	names := t.rotatedNames(w)
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
	f.gone = true
	if f.pos != nil {
		t.orphan(f.pos, "deleted", now)
	}
}

// A name is one that rotation may have made.
type name struct {
	path string
	in   *input
	info fileInfo
}

// rotatedNames are the files that have such a name and none of an input.
func (t *Tailer) rotatedNames(w *walk) map[fileKey]name {
	names := map[fileKey]name{}
	for _, in := range t.inputs {
		for _, p := range in.rotated {
			w.find(p, func(path string) {
				if in.excluded(path) || len(names) >= t.limits.MaxFiles {
					return
				}
				info, err := t.fs.Stat(path)
				if err != nil || !info.regular {
					return
				}
				if _, twice := names[info.key]; !twice {
					names[info.key] = name{path, in, info}
				}
			})
		}
	}
	return names
}

// claimByKey gives new files the positions of content that was in the same
// inode before, if they still have it.
func (t *Tailer) claimByKey(fresh []*file, now time.Time) {
	if len(fresh) == 0 {
		return
	}
	slices.SortFunc(fresh, func(a, b *file) int {
		return cmp.Or(cmp.Compare(a.info.changed, b.info.changed), cmp.Compare(a.path, b.path))
	})
	byKey := map[fileKey][]*position{}
	for p := range t.positions.orphans {
		byKey[p.key] = append(byKey[p.key], p)
	}
	for _, f := range fresh {
		f.info = fileInfo{}
		t.follows(f)
		t.enqueue(f)
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
	for _, old := range t.files {
		if old != f && old.queued && related(old.path, f.path) && (old.rotated() || family(old.path) != filepath.Base(old.path)) {
			f.after = old
		}
	}
}

// searchRotated looks for the rest of content that was not read to its end
// among the names that rotation makes, also those that no input has.
func (t *Tailer) searchRotated(w *walk, now time.Time) {
	wanted := false
	for p := range t.positions.orphans {
		wanted = wanted || p.search > 0
	}
	if !wanted {
		return
	}
	var list []name
	for key, n := range t.rotatedNames(w) {
		if t.files[key] == nil && n.info.size > 0 {
			list = append(list, n)
		}
	}
	// Whole files before those that may be in the making.
	slices.SortFunc(list, func(a, b name) int { return cmp.Or(cmp.Compare(b.info.size, a.info.size), cmp.Compare(a.path, b.path)) })
	for _, n := range list {
		t.adopt(n, now)
	}
}

// adopt reads on in a file that has what is searched for.
func (t *Tailer) adopt(n name, now time.Time) {
	f := &file{key: n.info.key, path: n.path, input: n.in, outside: true}
	if !t.open(f, now) {
		return
	}
	for _, p := range t.positions.alike(f.content.head) {
		if p.home == nil && p.search > 0 && t.mayBe(f, p) && f.content.holds(p) {
			t.files[f.key] = f
			t.claim(f, p)
			t.enqueueFirst(f)
			return
		}
	}
	t.closeFile(f)
}

// begun decides at once about files that are not to be read from the
// beginning.
func (t *Tailer) begun(fresh []*file, now time.Time) {
	for _, f := range fresh {
		if f.fromEnd && f.pos == nil && t.open(f, now) && t.check(f, now) {
			t.classify(f, now)
		}
		f.fromEnd = false
	}
}

// expire gives up the search for what is not found, and forgets what is of no
// use.
func (t *Tailer) expire(now time.Time) {
	for p := range t.positions.orphans {
		if p.search == 0 || p.search > now.UnixNano() {
			continue
		}
		p.search, p.finished = 0, true
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
