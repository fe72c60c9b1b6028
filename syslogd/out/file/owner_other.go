//go:build !unix

package file

import (
	"io/fs"
	"os"
)

// alike gives a file the mode of another one.
func alike(f *os.File, as fs.FileInfo) error { return f.Chmod(as.Mode().Perm()) }
