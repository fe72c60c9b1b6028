package rrdcached

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// bases are the directories below which clients name files. Sets are named
// alike in all of them: a set's name is the path below its base.
type bases struct{ all []base }

// A base is a directory that files are read from and written to.
type base struct {
	dir      string   // as replies name it
	prefixes []string // the ways in which clients write it, with a slash at the end
	root     *os.Root
}

// openBases opens directories; the first one is that of relative names.
func openBases(dirs []string) (_ *bases, err error) {
	b := &bases{}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	for _, dir := range dirs {
		one, err := openBase(dir)
		if err != nil {
			return nil, fmt.Errorf("base %s: %w", dir, err)
		}
		b.all = append(b.all, one)
	}
	return b, nil
}

// openBase takes a directory's real path besides the given one: librrd resolves
// symbolic links before it sends a path.
func openBase(dir string) (base, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return base{}, err
	}
	real, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return base{}, err
	}
	root, err := os.OpenRoot(abs)
	if err != nil {
		return base{}, err
	}
	b := base{dir: abs, prefixes: []string{strings.TrimSuffix(abs, "/") + "/"}, root: root}
	if real != abs {
		b.prefixes = append(b.prefixes, strings.TrimSuffix(real, "/")+"/")
	}
	return b, nil
}

func (b *bases) close() error {
	var errs []error
	for i := range b.all {
		errs = append(errs, b.all[i].root.Close())
	}
	return errors.Join(errs...)
}

// A place is a file that a client has named.
type place struct {
	base *base
	rel  string // path below the base
}

// name is the name of the file's set.
func (p place) name() string { return strings.TrimSuffix(p.rel, ".rrd") }

// String is the absolute path, as replies name it.
func (p place) String() string { return path.Join(p.base.dir, p.rel) }

// locate finds the place of a file as a client has named it. Its error is a
// reply.
func (b *bases) locate(file string) (place, error) {
	p := place{base: &b.all[0], rel: file}
	if strings.HasPrefix(file, "/") {
		var ok bool
		if p, ok = b.absolute(file); !ok {
			return place{}, denied{file, path.Dir(path.Clean(file))}
		}
	}
	if plain(p.rel) {
		return p, nil
	}
	for part := range strings.SplitSeq(p.rel, "/") {
		if part == ".." {
			return place{}, denied{file: p.base.dir + "/" + p.rel}
		}
	}
	p.rel = path.Clean(p.rel)
	return p, nil
}

func (b *bases) absolute(file string) (place, bool) {
	for i := range b.all {
		for _, prefix := range b.all[i].prefixes {
			if rel, ok := strings.CutPrefix(file, prefix); ok {
				return place{&b.all[i], rel}, true
			}
		}
	}
	return place{}, false
}

// plain says that a path is clean, without looking closely.
func plain(rel string) bool {
	return rel != "" && rel[0] != '.' && rel[0] != '/' && !strings.Contains(rel, "/.") && !strings.Contains(rel, "//") && !strings.HasSuffix(rel, "/")
}

// denied is a file outside of all bases.
type denied struct {
	file string
	dir  string // that would have to be a base; "": that would not help
}

func (d denied) Error() string {
	if d.dir == "" {
		return d.file + ": Permission denied"
	}
	return fmt.Sprintf("%s: Permission denied (to allow it: bases: [%s])", d.file, d.dir)
}
