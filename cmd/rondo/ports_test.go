package main

import (
	"errors"
	"net"
	"os"
	"strconv"
	"sync/atomic"
)

// nextPort is where freePort goes on looking. Its range lies below the one
// that kernels take for outgoing connections, so that no client of another
// test can sit on a port between our looking and a server's binding.
var nextPort atomic.Int64

// freePort returns a port that is free for TCP and UDP, and does not return it
// again.
func freePort() (int, error) {
	const first, count = 10_000, 20_000
	nextPort.CompareAndSwap(0, int64(os.Getpid()*97))
	for range count {
		port := first + int(nextPort.Add(1)%count)
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		l, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		p, err := net.ListenPacket("udp", addr)
		l.Close()
		if err == nil {
			p.Close()
			return port, nil
		}
	}
	return 0, errors.New("no port is free")
}
