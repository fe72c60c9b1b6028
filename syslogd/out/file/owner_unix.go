//go:build unix

package file

import (
	"io/fs"
	"os"
	"syscall"
)

// alike gives a file the owner and the mode of another one.
func alike(f *os.File, as fs.FileInfo) error {
	if st, ok := as.Sys().(*syscall.Stat_t); ok {
		if err := f.Chown(int(st.Uid), int(st.Gid)); err != nil {
			return err
		}
	}
	return f.Chmod(as.Mode().Perm())
}
