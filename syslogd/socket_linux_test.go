package syslogd

import (
	"net"
	"strings"
	"testing"
)

func TestDropsOf(t *testing.T) {
	const proc = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  321: 0100007F:158A 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 12345 2 0000000000000000 0
  322: 0100007F:158B 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 12346 2 0000000000000000 77
`
	check := func(inode, want uint64, found bool) {
		t.Helper()
		if got, ok := dropsOf(strings.NewReader(proc), inode); got != want || ok != found {
			t.Errorf("%d: %d %v", inode, got, ok)
		}
	}
	check(12345, 0, true)
	check(12346, 77, true)
	check(1, 0, false)
}

// What the kernel drops is counted: a socket that nobody reads overflows.
func TestKernelDrops(t *testing.T) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if granted, err := setReceiveBuffer(conn, 8<<10); err != nil || granted < 1<<10 {
		t.Fatalf("granted %d: %v", granted, err)
	}
	client := dial(t, "udp", conn.LocalAddr())
	for range 100 {
		send(t, client, strings.Repeat("x", 1000))
	}
	if n, err := kernelDrops(conn); err != nil || n == 0 {
		t.Errorf("%d dropped: %v", n, err)
	}
}
