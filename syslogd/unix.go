package syslogd

import (
	"fmt"
	"net"
	"os"
	"strconv"

	"rondo/syslogd/syslog"
)

// bindUnix replaces a socket that a dead process left behind, and gives it
// the permissions that are configured.
func (l *listener) bindUnix(s *socket) error {
	network := "unixgram"
	if l.Proto == UnixStream {
		network = "unix"
	}
	if conn, err := net.Dial(network, l.Listen); err == nil {
		conn.Close()
		return fmt.Errorf("listen %s %s: another process serves it", network, l.Listen)
	}
	removeSocket(l.Listen)
	addr := &net.UnixAddr{Name: l.Listen, Net: network}
	if err := l.listenUnix(s, addr); err != nil {
		return err
	}
	mode, err := l.mode()
	if err != nil {
		return err
	}
	return os.Chmod(l.Listen, os.FileMode(mode))
}

func (l *listener) listenUnix(s *socket, addr *net.UnixAddr) error {
	if l.Proto == UnixStream {
		streams, err := net.ListenUnix(addr.Net, addr)
		if err != nil {
			return err
		}
		streams.SetUnlinkOnClose(false) // we do it
		s.streams, s.path = streams, addr.Name
		return nil
	}
	conn, err := net.ListenUnixgram(addr.Net, addr)
	if err != nil {
		return err
	}
	s.packets, s.path = []packetConn{conn}, addr.Name
	return askCredentials(conn)
}

// removeSocket removes the socket's file; any other file is not ours. Should
// it fail, binding says so.
func removeSocket(path string) {
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		_ = os.Remove(path)
	}
}

// note adds to a message who has sent it, as the kernel and not the sender
// says: the process id where the message has none, and as structured data,
// [peer pid="77" uid="1000"].
func (c credentials) note(m *syslog.Message) {
	if !c.known {
		return
	}
	pid := ""
	if c.pid > 0 { // 0: of another namespace
		pid = strconv.Itoa(int(c.pid))
	}
	if m.PID == "" {
		m.PID = pid
	}
	// Whoever may write to the socket could write such an element, too.
	m.SD = syslog.WithoutElement(m.SD, "peer") + fmt.Sprintf("[peer pid=%q uid=\"%d\"]", pid, c.uid)
}
