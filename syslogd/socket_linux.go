package syslogd

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// setReceiveBuffer asks for a receive buffer and returns what was granted.
// With the right to, it exceeds net.core.rmem_max.
func setReceiveBuffer(conn syscall.Conn, size int) (granted int, err error) {
	err = control(conn, func(fd int) error {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) != nil {
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, size); err != nil {
				return err
			}
		}
		granted, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
		granted /= 2 // the kernel doubles it for its own needs: socket(7)
		return err
	})
	return granted, err
}

// control runs f with the file descriptor of conn.
func control(conn syscall.Conn, f func(fd int) error) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// kernelDrops reads the count of a UDP socket from /proc/net.
func kernelDrops(conn *net.UDPConn) (uint64, error) {
	var stat unix.Stat_t
	if err := control(conn, func(fd int) error { return unix.Fstat(fd, &stat) }); err != nil {
		return 0, err
	}
	for _, name := range []string{"/proc/net/udp", "/proc/net/udp6"} {
		f, err := os.Open(name)
		if err != nil {
			continue // no such protocol
		}
		n, found := dropsOf(f, stat.Ino)
		f.Close()
		if found {
			return n, nil
		}
	}
	return 0, fmt.Errorf("syslogd: socket %d is not in /proc/net/udp", stat.Ino)
}

// dropsOf finds the last column of the line whose inode is the socket's.
func dropsOf(r io.Reader, inode uint64) (drops uint64, found bool) {
	const inodeColumn, columns = 9, 13
	want := strconv.FormatUint(inode, 10)
	for lines := bufio.NewScanner(r); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) >= columns && fields[inodeColumn] == want {
			n, err := strconv.ParseUint(fields[columns-1], 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}
