package syslogd

import (
	"context"
	"net"
)

// bindUDP binds the sockets and asks for large buffers. Several sockets share
// the port: the kernel sends all of one sender's datagrams to the same one.
func (l *listener) bindUDP(s *socket) error {
	// Sockets that share a port share it with other processes of ours too.
	// Binding it alone first finds those.
	conn, err := l.listenUDP(l.Listen, net.ListenConfig{})
	if err != nil {
		return err
	}
	if l.Sockets == 1 {
		l.addConn(s, conn)
		return nil
	}
	address := conn.LocalAddr().String()
	if err := conn.Close(); err != nil {
		return err
	}
	for range l.Sockets {
		conn, err := l.listenUDP(address, net.ListenConfig{Control: sharePort})
		if err != nil {
			return err
		}
		l.addConn(s, conn)
	}
	return nil
}

func (l *listener) listenUDP(address string, lc net.ListenConfig) (*net.UDPConn, error) {
	conn, err := lc.ListenPacket(context.Background(), "udp", address)
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}

// addConn asks for the buffer of a socket. What is granted is told once.
func (l *listener) addConn(s *socket, conn *net.UDPConn) {
	s.packets = append(s.packets, conn)
	granted, err := setReceiveBuffer(conn, l.ReceiveBuffer)
	s.granted += granted
	switch {
	case len(s.packets) > 1:
	case err != nil:
		l.log.Warn("UDP receive buffer: the kernel's default remains", "err", err)
	case granted < l.ReceiveBuffer:
		l.log.Warn("UDP receive buffer is smaller than asked for; raise net.core.rmem_max",
			"asked_bytes", l.ReceiveBuffer, "granted_bytes", granted)
	default:
		l.log.Info("UDP receive buffer is granted", "bytes", granted, "sockets", l.Sockets)
	}
}

// kernelDrops is what the kernel threw away of all sockets.
func (l *listener) kernelDrops() (sum uint64, known bool) {
	for _, p := range l.socket.packets {
		conn, ok := p.(*net.UDPConn)
		if !ok {
			return 0, false
		}
		n, err := kernelDrops(conn)
		if err != nil {
			return 0, false
		}
		sum += n
	}
	return sum, len(l.socket.packets) > 0
}
