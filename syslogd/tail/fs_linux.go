package tail

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Real asks the kernel, so that no link which is changed meanwhile deceives.
func (f osFile) Real() (path string, err error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return "", err
	}
	if at := conn.Control(func(fd uintptr) { path, err = os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)) }); at != nil {
		return "", at
	}
	if info, gone := f.Stat(); gone == nil && info.links == 0 {
		path = strings.TrimSuffix(path, " (deleted)")
	}
	return path, err
}

// hole is how many bytes in front are surely none that were written.
func (f osFile) hole() int64 {
	conn, err := f.SyscallConn()
	if err != nil {
		return 0
	}
	at := int64(0)
	if err := conn.Control(func(fd uintptr) {
		at, err = unix.Seek(int(fd), 0, unix.SEEK_DATA) // nobody reads from where this leads
	}); err != nil {
		return 0
	}
	return max(at, 0)
}

// remote reports whether others may change files of a folder without the
// kernel knowing.
func remote(dir string) bool {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return false
	}
	switch uint32(st.Type) {
	case unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC,
		unix.FUSE_SUPER_MAGIC, unix.V9FS_MAGIC, unix.CEPH_SUPER_MAGIC, unix.AFS_SUPER_MAGIC:
		return true
	}
	return false
}
