package tail

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zeebo/xxh3"
)

// A pattern is a glob, in parts. "**" alone as a part stands for any number of
// folders.
type pattern struct {
	text  string
	parts []string // without the root
}

func newPattern(text string) (pattern, error) {
	clean := filepath.Clean(text)
	p := pattern{text: clean, parts: strings.Split(strings.TrimPrefix(clean, "/"), "/")}
	if !filepath.IsAbs(text) {
		return p, fmt.Errorf("%q is not an absolute path", text)
	}
	for _, part := range p.parts {
		if _, err := filepath.Match(part, ""); err != nil || part == "" {
			return p, fmt.Errorf("%q is not a glob", text)
		}
	}
	if p.last() == "**" {
		p.parts = append(p.parts, "*")
	}
	return p, nil
}

func (p pattern) last() string { return p.parts[len(p.parts)-1] }

// rotations are the patterns of the names that rotation makes: app.log becomes
// app.log.1, app.log-20261011.gz or app-2026-10-11.log.
func (p pattern) rotations() []pattern {
	last := p.last()
	if last == "*" {
		return nil // has them all
	}
	names := []string{last + `[.~_0-9\-]*`}
	if ext := filepath.Ext(last); ext != "" && ext != last && !strings.ContainsAny(ext, "*?[\\") {
		names = append(names, strings.TrimSuffix(last, ext)+`[._0-9\-]*`+ext+"*")
	}
	var all []pattern
	for _, name := range names {
		parts := append(slices.Clone(p.parts[:len(p.parts)-1]), name)
		all = append(all, pattern{text: "/" + strings.Join(parts, "/"), parts: parts})
	}
	return all
}

// match reports whether path is one of those that the pattern stands for.
func (p pattern) match(path string) bool {
	return matchParts(p.parts, strings.Split(strings.TrimPrefix(path, "/"), "/"))
}

// mayHold reports whether path can be a folder on the way to such a file.
func (p pattern) mayHold(path string) bool {
	names := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, part := range p.parts[:len(p.parts)-1] {
		if part == "**" || i == len(names) {
			return true
		}
		if ok, _ := filepath.Match(part, names[i]); !ok {
			return false
		}
	}
	return len(names) < len(p.parts)
}

// mark names the pattern among the marks of a receiver.
func (p pattern) mark() string { return fmt.Sprintf("%s%016x", patternMark, xxh3.HashString(p.text)) }

const patternMark = "glob-"

func isPatternMark(m Mark) bool { return strings.HasPrefix(m.Source, patternMark) }

func matchParts(parts, names []string) bool {
	for len(parts) > 0 {
		if parts[0] == "**" {
			for i := range len(names) + 1 {
				if matchParts(parts[1:], names[i:]) {
					return true
				}
			}
			return false
		}
		if len(names) == 0 {
			return false
		}
		if ok, _ := filepath.Match(parts[0], names[0]); !ok {
			return false
		}
		parts, names = parts[1:], names[1:]
	}
	return len(names) == 0
}

// A walk finds the files that patterns stand for, and the folders where such
// files may come to be.
type walk struct {
	fs       fileSystem
	maxDirs  int
	listings map[string][]dirEntry
	folders  map[string]bool // looked into, or to be looked into once they exist
	cut      int             // folders that were too many
}

func newWalk(fs fileSystem, maxDirs int) *walk {
	return &walk{fs: fs, maxDirs: maxDirs, listings: map[string][]dirEntry{}, folders: map[string]bool{}}
}

// maxDepth bounds how deep "**" goes.
const maxDepth = 32

// find calls yield for each path that matches.
func (w *walk) find(p pattern, yield func(path string)) { w.in("/", p.parts, maxDepth, yield) }

func (w *walk) in(dir string, parts []string, depth int, yield func(string)) {
	part := parts[0]
	if part == "**" {
		w.in(dir, parts[1:], depth, yield)
		for _, e := range w.list(dir) {
			if e.dir && depth > 0 { // no links: they may lead round in a circle
				w.in(filepath.Join(dir, e.name), parts, depth-1, yield)
			}
		}
		return
	}
	last := len(parts) == 1
	if !strings.ContainsAny(part, "*?[\\") {
		next := filepath.Join(dir, part)
		switch {
		case last:
			w.folder(dir)
			yield(next)
		default:
			w.in(next, parts[1:], depth, yield)
		}
		return
	}
	for _, e := range w.list(dir) {
		if ok, _ := filepath.Match(part, e.name); !ok {
			continue
		}
		next := filepath.Join(dir, e.name)
		if last {
			if !e.dir {
				yield(next)
			}
		} else {
			w.in(next, parts[1:], depth, yield)
		}
	}
}

// list reads a folder, once in a walk. One that is not there has no entries.
func (w *walk) list(dir string) []dirEntry {
	if l, ok := w.listings[dir]; ok {
		return l
	}
	if len(w.listings) >= w.maxDirs {
		w.cut++
		return nil
	}
	l, err := w.fs.ReadDir(dir)
	if err != nil {
		l = nil
	}
	w.listings[dir] = l
	w.folder(dir)
	return l
}

// folder notes a folder, or if it is not there, the one in which it will be.
func (w *walk) folder(dir string) {
	for dir != "/" && w.listings[dir] == nil {
		if _, err := w.fs.Stat(dir); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	w.folders[dir] = true
}
