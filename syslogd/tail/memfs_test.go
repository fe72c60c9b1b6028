package tail

import (
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// memFS is a file system in memory that uses inodes again at once.
type memFS struct {
	now    time.Time
	names  map[string]*inode
	inodes map[uint64]*inode
}

type inode struct {
	fs      *memFS
	ino     uint64
	data    []byte
	plain   []byte // what data has packed; nil if it is not packed
	changed int64
	names   int
	open    int
}

func newMemFS() *memFS {
	return &memFS{now: time.Date(2026, 10, 11, 0, 0, 0, 0, time.UTC), names: map[string]*inode{}, inodes: map[uint64]*inode{}}
}

func (m *memFS) tick(d time.Duration) { m.now = m.now.Add(d) }

func (m *memFS) create(path string) *inode {
	ino := uint64(100)
	for m.inodes[ino] != nil {
		ino++
	}
	n := &inode{fs: m, ino: ino, changed: m.now.UnixNano()}
	m.inodes[ino] = n
	m.link(path, n)
	return n
}

func (m *memFS) link(path string, n *inode) {
	m.remove(path)
	m.names[path] = n
	n.names++
}

func (m *memFS) remove(path string) {
	if n := m.names[path]; n != nil {
		delete(m.names, path)
		n.names--
		n.release()
	}
}

func (m *memFS) rename(from, to string) {
	n := m.names[from]
	if n == nil || from == to {
		return
	}
	m.link(to, n)
	delete(m.names, from)
	n.names--
}

func (n *inode) release() {
	if n.names == 0 && n.open == 0 {
		delete(n.fs.inodes, n.ino)
	}
}

func (n *inode) write(b []byte) {
	n.data = append(n.data, b...)
	n.changed = n.fs.now.UnixNano()
}

func (n *inode) set(b []byte) {
	n.data = slices.Clone(b)
	n.changed = n.fs.now.UnixNano()
}

func (n *inode) content() []byte {
	if n.plain != nil {
		return n.plain
	}
	return n.data
}

func (n *inode) info() fileInfo {
	return fileInfo{key: fileKey{1, n.ino}, size: int64(len(n.data)), changed: n.changed, regular: true}
}

func (m *memFS) ReadDir(dir string) (list []dirEntry, err error) {
	for path := range m.names {
		if filepath.Dir(path) == dir {
			list = append(list, dirEntry{name: filepath.Base(path)})
		}
	}
	slices.SortFunc(list, func(a, b dirEntry) int { return strings.Compare(a.name, b.name) })
	if dir == "/" {
		list = append(list, dirEntry{"log", true})
	}
	return list, nil
}

func (m *memFS) Stat(path string) (fileInfo, error) {
	if path == "/log" || path == "/" {
		return fileInfo{}, nil
	}
	if n := m.names[path]; n != nil {
		return n.info(), nil
	}
	return fileInfo{}, fs.ErrNotExist
}

func (m *memFS) Real(path string) string { return path }

func (m *memFS) Open(path string) (openFile, error) {
	n := m.names[path]
	if n == nil {
		return nil, fs.ErrNotExist
	}
	n.open++
	return &handle{n: n}, nil
}

type handle struct {
	n      *inode
	closed bool
}

func (h *handle) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(h.n.data)) {
		return 0, io.EOF
	}
	n := copy(p, h.n.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (h *handle) Stat() (fileInfo, error) { return h.n.info(), nil }

func (h *handle) Real() (string, error) { return "", nil }

func (h *handle) Close() error {
	if h.closed {
		return fs.ErrClosed
	}
	h.closed = true
	h.n.open--
	h.n.release()
	return nil
}
