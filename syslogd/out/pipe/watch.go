package pipe

import (
	"os"

	"golang.org/x/sys/unix"
)

// Watch returns when the pipe has no reader any more, or is closed.
func Watch(pipe *os.File) {
	raw, err := pipe.SyscallConn()
	if err != nil {
		return
	}
	// Nothing can be read from this end; but that is how an error wakes us.
	_ = raw.Read(func(fd uintptr) (done bool) {
		fds := []unix.PollFd{{Fd: int32(fd)}}
		_, err := unix.Poll(fds, 0)
		return err != nil && err != unix.EINTR || fds[0].Revents&gone != 0
	})
}
