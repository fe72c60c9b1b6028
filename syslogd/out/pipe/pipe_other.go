//go:build !linux

package pipe

import (
	"os"

	"golang.org/x/sys/unix"
)

// unread is not known here: what was written counts as read.
func unread(*os.File) (n int, known bool) { return 0, true }

// gone is what poll says of a pipe whose reader has gone.
const gone = unix.POLLERR | unix.POLLNVAL | unix.POLLHUP
