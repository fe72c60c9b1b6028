package collectors

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"
)

// kernelDrops returns how many packets the kernel has dropped for s's socket
// since it was opened, or 0 where the system does not tell.
func (s *PacketServer) kernelDrops() uint64 {
	inode, ok := socketInode(s.Conn)
	if !ok {
		return 0
	}
	for _, name := range []string{"/proc/net/udp", "/proc/net/udp6"} {
		f, err := os.Open(name)
		if err != nil {
			continue // no such protocol
		}
		drops, found := parseDrops(f, inode)
		f.Close()
		if found {
			return drops
		}
	}
	return 0
}

// parseDrops finds the last column of the line with the socket's inode in the
// form of Linux's /proc/net/udp. The port would not do: sockets of other
// addresses, and other programs' ones, share it.
//
//	sl  local_address rem_address   st ... uid timeout inode ref pointer drops
//	3: 0100007F:07D3 00000000:0000 07 ...    0       0 31415 2 0000000000000000 12
func parseDrops(r io.Reader, inode uint64) (drops uint64, found bool) {
	const inodeColumn, columns = 9, 13
	want := strconv.FormatUint(inode, 10)
	for lines := bufio.NewScanner(r); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) >= columns && f[inodeColumn] == want {
			n, err := strconv.ParseUint(f[columns-1], 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}
