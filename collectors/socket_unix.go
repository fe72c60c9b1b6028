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

// socketInode names the socket as /proc does.
func socketInode(conn *net.UDPConn) (inode uint64, ok bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, false
	}
	var st syscall.Stat_t
	var failed error
	err = raw.Control(func(fd uintptr) { failed = syscall.Fstat(int(fd), &st) })
	return uint64(st.Ino), err == nil && failed == nil
}
