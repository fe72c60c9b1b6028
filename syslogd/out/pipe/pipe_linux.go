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

// gone is what poll says of a pipe whose reader has gone.
const gone = unix.POLLERR | unix.POLLNVAL
