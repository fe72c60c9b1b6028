package tail

import (
	"io"
	"os"
	"path/filepath"
)

// A fileSystem is what the tailer sees of one. Its tests have one of their own,
// in which inodes are used again at once and programs are stopped between any
// two calls.
type fileSystem interface {
	ReadDir(dir string) ([]dirEntry, error)
	Stat(path string) (fileInfo, error) // of what a link points to
	Open(path string) (openFile, error)
	Real(path string) string // without links
}

// An openFile stays readable when its name is gone.
type openFile interface {
	io.ReaderAt
	io.Closer
	Stat() (fileInfo, error)
	Real() (string, error) // its path without links
}

type dirEntry struct {
	name string
	dir  bool
}

// fileKey is what tells two files apart at one time; over time, inodes are
// used again.
type fileKey struct{ dev, ino uint64 }

type fileInfo struct {
	key     fileKey
	size    int64
	changed int64 // of the content, in ns since 1970
	links   uint64
	regular bool
}

// osFS is the file system of the machine.
type osFS struct{}

func (osFS) ReadDir(dir string) ([]dirEntry, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	list := make([]dirEntry, len(entries))
	for i, e := range entries {
		list[i] = dirEntry{e.Name(), e.IsDir()}
	}
	return list, err
}

func (osFS) Stat(path string) (fileInfo, error) {
	st, err := os.Stat(path)
	if err != nil {
		return fileInfo{}, err
	}
	return infoOf(st), nil
}

// Real is path where links cannot be followed.
func (osFS) Real(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

// Open does not wait for a writer, should the name be that of a FIFO by now.
func (osFS) Open(path string) (openFile, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|nonBlocking, 0)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

type osFile struct{ *os.File }

func (f osFile) Stat() (fileInfo, error) {
	st, err := f.File.Stat()
	if err != nil {
		return fileInfo{}, err
	}
	return infoOf(st), nil
}
