package tail

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/fsnotify/fsnotify"
)

// A watcher is told by the kernel where something happens. It watches folders,
// not files: there are fewer of them, and they tell of new names, too.
type watcher struct {
	n       *fsnotify.Watcher // nil: the kernel tells nothing
	log     *slog.Logger
	watched map[string]bool
	failed  map[string]bool
}

func newWatcher(log *slog.Logger) *watcher {
	n, err := fsnotify.NewWatcher()
	if err != nil {
		log.Warn("tail: changes are found by looking, each second", "err", err)
		n = nil
	}
	return &watcher{n: n, log: log, watched: map[string]bool{}, failed: map[string]bool{}}
}

func (w *watcher) close() {
	if w.n != nil {
		w.n.Close()
	}
}

// follow watches these folders and no others. It reports whether one is new.
func (w *watcher) follow(folders map[string]bool) (added bool) {
	if w.n == nil {
		return false
	}
	for dir := range w.watched {
		if !folders[dir] {
			_ = w.n.Remove(dir) // it may be gone
			delete(w.watched, dir)
		}
	}
	clear(w.failed)
	for dir := range folders {
		if w.watched[dir] {
			continue
		}
		if remote(dir) {
			w.failed[dir] = true
			continue
		}
		if err := w.n.Add(dir); err != nil {
			w.failed[dir] = true
			continue
		}
		w.watched[dir] = true
		added = true
	}
	return added
}

// blind reports whether there are folders that the kernel tells nothing of.
func (w *watcher) blind() bool { return w.n == nil || len(w.failed) > 0 }

// settle is how long more is collected after the first event: a busy file is
// read that often, not for each of its lines.
const settle = 100 * time.Millisecond

// maxTouched bounds the names that are collected.
const maxTouched = 4096

// News are what happened. All says that some of it may be missing.
type news struct {
	touched map[string]fsnotify.Op
	all     bool
}

// wait returns when something has happened, or at a time.
func (w *watcher) wait(ctx context.Context, until time.Time) news {
	got := news{touched: map[string]fsnotify.Op{}}
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	var events chan fsnotify.Event
	var errs chan error
	if w.n != nil {
		events, errs = w.n.Events, w.n.Errors
	}
	for settling := false; ; {
		select {
		case <-ctx.Done():
			return got
		case <-timer.C:
			return got
		case e := <-events:
			if e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename) {
				delete(w.watched, e.Name) // should it be a folder
			}
			got.touched[e.Name] |= e.Op
			got.all = got.all || len(got.touched) > maxTouched
		case err := <-errs:
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				w.log.Warn("tail: watching", "err", err)
			}
			got.all = true
		}
		if !settling {
			settling = true
			timer.Reset(min(settle, time.Until(until)))
		}
	}
}

// heed decides what is to be read, or looked for.
func (t *Tailer) heed(n news, now time.Time) {
	if n.all {
		t.rescan = true
		return
	}
	if len(n.touched) == 0 {
		return
	}
	byPath := map[string]*file{}
	for _, f := range t.files {
		byPath[f.path] = f
		if f.target != "" {
			byPath[f.target] = f
		}
	}
	for path, op := range n.touched {
		f := byPath[path]
		if f != nil {
			t.enqueue(f)
		}
		if (f == nil || op&^fsnotify.Write != 0) && t.concerns(path, op) {
			t.scanAt = minTime(t.scanAt, t.scanned.Add(scanPause))
		}
	}
}

// scanPause is how long names are not looked at again, whatever happens.
const scanPause = 250 * time.Millisecond

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// concerns reports whether what happened to a name can change what is read: a
// name of an input, one that rotation makes, or a folder on the way.
func (t *Tailer) concerns(path string, op fsnotify.Op) bool {
	names := op&(fsnotify.Create|fsnotify.Remove|fsnotify.Rename) != 0
	for _, in := range t.inputs {
		if in.excluded(path) {
			continue
		}
		for _, p := range in.patterns {
			if p.match(path) || names && p.mayHold(path) {
				return true
			}
		}
		for _, p := range in.rotated {
			if names && p.match(path) {
				return true
			}
		}
	}
	return false
}

// blindPoll is how often files are looked at of which the kernel tells nothing.
const blindPoll = time.Second

// wake is when to look again, though nothing happens.
func (t *Tailer) wake(now time.Time, blind bool) time.Time {
	if blind {
		t.scanAt = minTime(t.scanAt, t.scanned.Add(blindPoll))
	}
	at := t.scanAt
	for _, f := range t.files {
		if !f.deadline.IsZero() && f.deadline.Before(at) {
			at = f.deadline
		}
	}
	if t.unsaved && t.state != "" && t.saved.Add(savePeriod).Before(at) {
		at = t.saved.Add(savePeriod)
	}
	if !at.After(now) {
		at = now
	}
	return at
}

// due makes ready the files that were to be looked at by now.
func (t *Tailer) due(now time.Time) {
	for _, f := range t.those(func(f *file) bool { return !f.deadline.IsZero() && !f.deadline.After(now) }) {
		f.deadline = time.Time{}
		t.enqueue(f)
	}
}
