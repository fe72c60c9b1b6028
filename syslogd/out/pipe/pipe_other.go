//go:build !linux

package pipe

import (
	"os"

	"golang.org/x/sys/unix"
)

// unread is not known here: what was written counts as read.
func unread(*os.File) (n int, known bool) { return 0, true }

// Watch returns when the pipe has no reader any more, or is closed.
func Watch(pipe *os.File) {
	raw, err := pipe.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(fd uintptr) (done bool) {
		fds := []unix.PollFd{{Fd: int32(fd)}}
		_, err := unix.Poll(fds, 0)
		return err != nil && err != unix.EINTR || fds[0].Revents&(unix.POLLERR|unix.POLLNVAL|unix.POLLHUP) != 0
	})
}
