//go:build unix

package tail

import (
	"io/fs"
	"syscall"
)

const nonBlocking = syscall.O_NONBLOCK

func infoOf(st fs.FileInfo) fileInfo {
	info := fileInfo{size: st.Size(), changed: st.ModTime().UnixNano(), regular: st.Mode().IsRegular(), links: 1}
	if s, ok := st.Sys().(*syscall.Stat_t); ok {
		info.key = fileKey{uint64(s.Dev), uint64(s.Ino)}
		info.links = uint64(s.Nlink)
	}
	return info
}
