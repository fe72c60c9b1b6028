//go:build !linux

package syslogd

import (
	"errors"
	"net"
)

func setReceiveBuffer(conn *net.UDPConn, size int) (granted int, err error) {
	if err := conn.SetReadBuffer(size); err != nil {
		return 0, err
	}
	return size, nil
}

func kernelDrops(*net.UDPConn) (uint64, error) {
	return 0, errors.New("syslogd: this kernel does not count dropped datagrams for a socket")
}

// unacknowledged is not known here: a relay then takes what it wrote as
// delivered.
func unacknowledged(net.Conn) (n int, known bool) { return 0, true }
