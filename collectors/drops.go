package collectors

import (
	"bufio"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
)

// kernelDrops returns how many packets the kernel has dropped for s's socket
// since it was opened, or 0 where the system does not tell.
func (s *PacketServer) kernelDrops() uint64 {
	local, ok := s.Conn.LocalAddr().(*net.UDPAddr)
	if !ok {
		return 0
	}
	drops := uint64(0)
	for _, name := range []string{"/proc/net/udp", "/proc/net/udp6"} {
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		drops += parseDrops(f, local.Port)
		f.Close()
	}
	return drops
}

// parseDrops sums the last column of the sockets bound to a port in the form
// of Linux's /proc/net/udp:
//
//	sl  local_address rem_address   st ... inode ref pointer drops
//	3: 0100007F:07D3 00000000:0000 07 ...  31415 2 0000000000000000 12
func parseDrops(r io.Reader, port int) uint64 {
	drops := uint64(0)
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 13 {
			continue
		}
		_, hex, ok := strings.Cut(f[1], ":")
		p, err := strconv.ParseUint(hex, 16, 16)
		if !ok || err != nil || int(p) != port {
			continue
		}
		n, err := strconv.ParseUint(f[len(f)-1], 10, 64)
		if err == nil {
			drops += n
		}
	}
	return drops
}
