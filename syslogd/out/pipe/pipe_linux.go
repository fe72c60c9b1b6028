package pipe

import (
	"os"

	"golang.org/x/sys/unix"
)

// unread is how many bytes of a pipe its reader has not read: of one that has
// gone, too.
func unread(pipe *os.File) (n int, known bool) {
	var err error
	if controlErr := control(pipe, func(fd int) { n, err = unix.IoctlGetInt(fd, unix.TIOCINQ) }); controlErr != nil {
		return 0, false
	}
	return n, err == nil
}

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
		return err != nil && err != unix.EINTR || fds[0].Revents&(unix.POLLERR|unix.POLLNVAL) != 0
	})
}
