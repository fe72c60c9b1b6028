package syslogd

import (
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	readBatch      = 32 // datagrams that one system call can bring
	defaultSockets = 4  // of a listener by default
)

// A packetReader reads many datagrams with one system call, recvmmsg(2), into
// buffers of its own. It allocates nothing while it reads.
type packetReader struct {
	conn     syscall.RawConn
	size     int // of a buffer
	buffers  []byte
	headers  [readBatch]mmsghdr
	vectors  [readBatch]unix.Iovec
	names    [readBatch]unix.RawSockaddrInet6 // has room for the other kinds that matter
	controls [readBatch]controlMessage

	filled int // headers that the kernel has written to
	errno  syscall.Errno
	read   func(fd uintptr) bool
}

// mmsghdr is C's struct mmsghdr.
type mmsghdr struct {
	header unix.Msghdr
	length uint32
}

// controlMessage has room for the credentials of a sender.
type controlMessage struct {
	header unix.Cmsghdr
	cred   unix.Ucred
	_      [4]byte // CMSG_SPACE is aligned
}

// newPacketReader reads from a socket. What is longer than size is cut.
func newPacketReader(conn syscall.Conn, size int) (*packetReader, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	r := &packetReader{conn: raw, size: size, buffers: make([]byte, readBatch*size), filled: readBatch}
	for i := range r.headers {
		r.vectors[i].Base = &r.buffers[i*size]
		r.vectors[i].SetLen(size)
		h := &r.headers[i].header
		h.Iov = &r.vectors[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&r.names[i]))
		h.Control = (*byte)(unsafe.Pointer(&r.controls[i]))
	}
	r.read = r.receive // one closure, made once
	return r, nil
}

// next waits for datagrams and returns how many have come.
func (r *packetReader) next() (int, error) {
	for i := range r.filled { // the kernel has written what it used
		h := &r.headers[i].header
		h.Namelen = uint32(unsafe.Sizeof(r.names[i]))
		h.SetControllen(int(unsafe.Sizeof(r.controls[i])))
		h.Flags = 0
	}
	r.filled = 0
	if err := r.conn.Read(r.read); err != nil {
		return 0, err
	}
	if r.errno != 0 {
		return 0, r.errno
	}
	return r.filled, nil
}

// receive reports whether it is done; if not, it is called again when there
// is something to read.
func (r *packetReader) receive(fd uintptr) bool {
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&r.headers[0])), readBatch, unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return false
		}
		if r.errno = errno; errno == 0 {
			r.filled = int(n)
		}
		return true
	}
}

// packet is the i-th datagram of the last read. Its data is valid until the
// next one.
func (r *packetReader) packet(i int) packet {
	return packet{
		data: r.buffers[i*r.size:][:r.headers[i].length],
		cut:  r.headers[i].header.Flags&unix.MSG_TRUNC != 0,
		from: r.sender(i), cred: r.credentials(i),
	}
}

func (r *packetReader) sender(i int) netip.Addr {
	name := &r.names[i]
	switch name.Family {
	case unix.AF_INET:
		return netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(name)).Addr)
	case unix.AF_INET6:
		return netip.AddrFrom16(name.Addr).Unmap()
	}
	return netip.Addr{}
}

// credentials are what the kernel says of a local sender, if it was asked.
func (r *packetReader) credentials(i int) credentials {
	c := &r.controls[i]
	if r.headers[i].header.Controllen == 0 || c.header.Level != unix.SOL_SOCKET || c.header.Type != unix.SCM_CREDENTIALS {
		return credentials{}
	}
	return credentials{known: true, pid: c.cred.Pid, uid: c.cred.Uid}
}

// askCredentials has the kernel tell who sends each datagram.
func askCredentials(conn syscall.Conn) error {
	return control(conn, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSCRED, 1) })
}

// peerCredentials are those of the program at the other end of a unix stream.
func peerCredentials(conn syscall.Conn) credentials {
	var c credentials
	err := control(conn, func(fd int) error {
		u, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err == nil {
			c = credentials{known: true, pid: u.Pid, uid: u.Uid}
		}
		return err
	})
	if err != nil {
		return credentials{}
	}
	return c
}

// sharePort lets several sockets have one port; the kernel spreads senders
// over them.
func sharePort(_, _ string, conn syscall.RawConn) error {
	var inner error
	err := conn.Control(func(fd uintptr) {
		inner = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	})
	if err != nil {
		return err
	}
	return inner
}
