package syslogd

import (
	"fmt"
	"net"
	"os"
)

// bindUnix replaces a socket that a dead process left behind, and gives it
// the permissions that are configured.
func (l *listener) bindUnix() error {
	network := "unixgram"
	if l.Proto == UnixStream {
		network = "unix"
	}
	if conn, err := net.Dial(network, l.Listen); err == nil {
		conn.Close()
		return fmt.Errorf("listen %s %s: another process serves it", network, l.Listen)
	}
	l.removeSocket()
	addr := &net.UnixAddr{Name: l.Listen, Net: network}
	var err error
	if l.Proto == UnixStream {
		l.streams, err = net.ListenUnix(network, addr)
	} else {
		l.packets, err = net.ListenUnixgram(network, addr)
	}
	if err != nil {
		return err
	}
	mode, err := l.mode()
	if err != nil {
		return err
	}
	return os.Chmod(l.Listen, os.FileMode(mode))
}

// removeSocket removes the socket's file; any other file is not ours. Should
// it fail, binding says so.
func (l *listener) removeSocket() {
	if info, err := os.Lstat(l.Listen); err == nil && info.Mode()&os.ModeSocket != 0 {
		_ = os.Remove(l.Listen)
	}
}
