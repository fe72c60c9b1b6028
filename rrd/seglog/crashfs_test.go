package seglog

import (
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"sync"
)

// crashFS is a file system in memory that knows what a crash could leave
// behind: it keeps, beside what a program sees, the last durable state of
// each file and directory and all operations since.
type crashFS struct {
	mu      sync.Mutex
	seen    map[string]*memFile // what the program sees
	durable map[string]*memFile // names that are durable
	entries []entryOp           // since the last SyncDir
	free    int64
	failOn  func(op string) error
}

// memFile is a file's content as seen, as durable, and how they differ.
type memFile struct {
	fs       *crashFS
	seen     []byte
	durable  []byte
	unsynced []writeOp
}

type entryOp struct {
	name string
	file *memFile // nil: removed
}

// A writeOp is a write, or a truncation to off where data is nil.
type writeOp struct {
	off  int64
	data []byte
}

func newCrashFS() *crashFS {
	return &crashFS{seen: map[string]*memFile{}, durable: map[string]*memFile{}, free: 1 << 40}
}

func (c *crashFS) fail(op string) error {
	if c.failOn == nil {
		return nil
	}
	return c.failOn(op)
}

func (c *crashFS) MkdirAll(string) error          { return nil }
func (c *crashFS) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

func (c *crashFS) Free(string) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.free, nil
}

func (c *crashFS) List(string) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for name := range c.seen {
		names = append(names, filepath.Base(name))
	}
	return names, nil
}

func (c *crashFS) Open(name string, create bool) (File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.seen[name]
	switch {
	case create && f != nil:
		return nil, fs.ErrExist
	case !create && f == nil:
		return nil, fs.ErrNotExist
	case create:
		if err := c.fail("create"); err != nil {
			return nil, err
		}
		f = &memFile{fs: c}
		c.seen[name] = f
		c.entries = append(c.entries, entryOp{name, f})
	}
	return f, nil
}

func (c *crashFS) Remove(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen[name] == nil {
		return fs.ErrNotExist
	}
	delete(c.seen, name)
	c.entries = append(c.entries, entryOp{name, nil})
	return nil
}

func (c *crashFS) SyncDir(string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.fail("syncdir"); err != nil {
		return err
	}
	c.durable = maps.Clone(c.seen)
	c.entries = nil
	return nil
}

func (f *memFile) ReadAt(b []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if off >= int64(len(f.seen)) {
		return 0, io.EOF
	}
	n := copy(b, f.seen[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(b []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.fail("write"); err != nil {
		half := writeOp{off, slices.Clone(b[:len(b)/2])}
		f.seen, f.unsynced = half.apply(f.seen), append(f.unsynced, half)
		return len(b) / 2, err
	}
	op := writeOp{off, slices.Clone(b)}
	f.seen, f.unsynced = op.apply(f.seen), append(f.unsynced, op)
	return len(b), nil
}

func (f *memFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	op := writeOp{off: size}
	f.seen, f.unsynced = op.apply(f.seen), append(f.unsynced, op)
	return nil
}

func (f *memFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.fail("sync"); err != nil {
		return err
	}
	f.durable, f.unsynced = slices.Clone(f.seen), nil
	return nil
}

func (f *memFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.seen)), nil
}

func (f *memFile) Close() error { return nil }

// apply returns b after the operation; a hole reads as zeros.
func (op writeOp) apply(b []byte) []byte {
	if op.data == nil {
		return append(slices.Clone(b[:min(int(op.off), len(b))]), make([]byte, max(0, int(op.off)-len(b)))...)
	}
	out := append(slices.Clone(b), make([]byte, max(0, int(op.off)+len(op.data)-len(b)))...)
	copy(out[op.off:], op.data)
	return out
}

// crash returns the file system as a power failure at this moment could leave
// it. Whatever was not synced is decided by choose(n), a number in [0, n):
// each operation happened, did not, or happened in part; each with or without
// the ones before it, as the kernel writes pages back in any order.
func (c *crashFS) crash(choose func(n int) int) *crashFS {
	c.mu.Lock()
	defer c.mu.Unlock()
	after := newCrashFS()
	names := maps.Clone(c.durable)
	for _, e := range c.entries {
		switch {
		case choose(2) == 0:
		case e.file == nil:
			delete(names, e.name)
		default:
			names[e.name] = e.file
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		content := names[name].afterCrash(choose)
		after.seen[name] = &memFile{fs: after, seen: content, durable: content}
	}
	after.durable = maps.Clone(after.seen)
	return after
}

func (f *memFile) afterCrash(choose func(n int) int) []byte {
	content := slices.Clone(f.durable)
	for _, op := range f.unsynced {
		switch choose(4) {
		case 0: // lost
		case 1: // its size came through, its data did not
			if end := int(op.off) + len(op.data); op.data != nil && end > len(content) {
				content = append(content, make([]byte, end-len(content))...)
			}
		case 2: // torn
			if op.data != nil {
				op.data = op.data[:choose(len(op.data)+1)]
			}
			content = op.apply(content)
		default:
			content = op.apply(content)
		}
	}
	return content
}
