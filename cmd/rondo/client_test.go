package main

import (
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestDialError(t *testing.T) {
	f := func(errno syscall.Errno, want string) {
		t.Helper()
		err := &net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", errno)}
		if got := dialError("data/rondo.sock", err).Error(); !strings.HasPrefix(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
	f(syscall.EACCES, "data/rondo.sock may be used by the server's user only: be that user, or root")
	f(syscall.ENOENT, "no server answers at data/rondo.sock: is it running")
	f(syscall.ECONNREFUSED, "no server answers at data/rondo.sock: is it running")
}
