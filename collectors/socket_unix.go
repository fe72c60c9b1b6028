//go:build unix

package collectors

import (
	"net"
	"syscall"
)

// receiveBuffer returns the size of the socket's buffer, or 0 where the system
// does not tell.
func receiveBuffer(conn *net.UDPConn) int {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	size := 0
	err = raw.Control(func(fd uintptr) {
		size, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF)
	})
	if err != nil {
		return 0
	}
	return size
}
