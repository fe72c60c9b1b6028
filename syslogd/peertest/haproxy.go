package peertest

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// HAProxy is a haproxy with a configuration, in which {dir} is a folder of its
// own; its stats socket has to be {dir}/admin.sock, whose path is returned.
func HAProxy(t testing.TB, config string) (*Peer, string) {
	t.Helper()
	p, dir, conf := prepare(t, "haproxy", config)
	socket := filepath.Join(dir, "admin.sock")
	began := time.Now()
	return start(t, p, []string{"-db", "-f", conf}, func() bool {
		st, err := os.Stat(socket)
		return err == nil && st.ModTime().After(began.Add(-time.Second))
	}), socket
}
