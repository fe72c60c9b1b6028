//go:build !linux

package syslogd

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
)

const defaultSockets = 1 // of a listener by default

func setReceiveBuffer(conn *net.UDPConn, size int) (granted int, err error) {
	if err := conn.SetReadBuffer(size); err != nil {
		return 0, err
	}
	return size, nil
}

func kernelDrops(*net.UDPConn) (uint64, error) {
	return 0, errors.New("syslogd: this kernel does not count dropped datagrams for a socket")
}

// A packetReader reads one datagram at a time.
type packetReader struct {
	conn net.PacketConn
	buf  []byte
	last packet
}

func newPacketReader(conn packetConn, size int) (*packetReader, error) {
	return &packetReader{conn: conn, buf: make([]byte, size)}, nil
}

func (r *packetReader) next() (int, error) {
	r.last = packet{}
	if udp, ok := r.conn.(*net.UDPConn); ok {
		n, from, err := udp.ReadFromUDPAddrPort(r.buf)
		r.last = packet{data: r.buf[:n], from: from.Addr().Unmap()}
		return 1, err
	}
	n, _, err := r.conn.ReadFrom(r.buf)
	r.last = packet{data: r.buf[:n], from: netip.Addr{}}
	return 1, err
}

func (r *packetReader) packet(int) packet { return r.last }

func askCredentials(syscall.Conn) error { return nil }

func peerCredentials(syscall.Conn) credentials { return credentials{} }

// sharePort is refused: not all kernels spread senders over sockets.
func sharePort(_, _ string, _ syscall.RawConn) error {
	return errors.New("sockets: only one is possible on this system")
}
