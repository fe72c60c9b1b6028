package forward

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// limitSilence has a connection fail when the peer's kernel does not
// acknowledge for too long: without it a dead peer is believed in for a quarter
// of an hour. A kernel that cannot do it does without.
func limitSilence(conn *net.TCPConn) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(writeTimeout/time.Millisecond))
	})
}

// unacknowledged is how many bytes that were written to a TCP connection the
// peer's kernel does not yet have. It is not known once the connection has
// broken: the kernel has then thrown its queue away. A connection that was
// closed by both sides, and not by force, has had everything acknowledged.
func unacknowledged(conn *net.TCPConn, closed bool) (n int, known bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, false
	}
	err = raw.Control(func(fd uintptr) { n, known = outQueue(int(fd), closed) })
	return n, known && err == nil
}

func outQueue(fd int, closed bool) (n int, known bool) {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return 0, false
	}
	// Asked second: if it is still connected now, it was so before.
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0, false
	}
	if info.State != tcpClose {
		return n, true
	}
	failed, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	return 0, closed && err == nil && failed == 0
}

// tcpClose is the state of a connection that is over (tcp_states.h), by force
// or after TIME_WAIT has been handed to the kernel.
const tcpClose = 7
