package syslogd

import "net"

// bindUDP binds the socket and asks for a large buffer.
func (l *listener) bindUDP() error {
	addr, err := net.ResolveUDPAddr("udp", l.Listen)
	if err != nil {
		return err
	}
	conn, err := net.ListenUDP("udp", addr)
	if err != nil {
		return err
	}
	l.packets = conn
	granted, err := setReceiveBuffer(conn, l.ReceiveBuffer)
	switch {
	case err != nil:
		l.log.Warn("UDP receive buffer: the kernel's default remains", "err", err)
	case granted < l.ReceiveBuffer:
		l.log.Warn("UDP receive buffer is smaller than asked for; raise net.core.rmem_max",
			"asked_bytes", l.ReceiveBuffer, "granted_bytes", granted)
	}
	return nil
}

// kernelDrops is what the kernel threw away.
func (l *listener) kernelDrops() (n uint64, known bool) {
	conn, ok := l.packets.(*net.UDPConn)
	if !ok {
		return 0, false
	}
	n, err := kernelDrops(conn)
	return n, err == nil
}
