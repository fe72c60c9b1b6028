//go:build !unix

package collectors

import "net"

// receiveBuffer does not know.
func receiveBuffer(*net.UDPConn) int { return 0 }

// socketInode does not know.
func socketInode(*net.UDPConn) (inode uint64, ok bool) { return 0, false }
