package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// startSyslogPeer runs one of the syslog servers that .ci/deps unpacks, rsyslogd or
// syslog-ng, with a configuration, and waits until it listens on addr. It is
// killed at the end of the test.
func startSyslogPeer(t testing.TB, name, dir, conf, addr string) *exec.Cmd {
	t.Helper()
	file := filepath.Join(dir, name+".conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	lib := filepath.Join(peersDir(), "usr/lib/x86_64-linux-gnu")
	args := []string{"-n", "-f", file, "-i", filepath.Join(dir, name+".pid"), "-M", filepath.Join(lib, "rsyslog")}
	if name == "syslog-ng" {
		modules, err := filepath.Glob(filepath.Join(peersDir(), "usr/lib/syslog-ng/[0-9]*"))
		if err != nil || len(modules) == 0 {
			t.Fatalf("syslog-ng has no modules: %v", err)
		}
		args = []string{"-F", "--module-path", modules[0], "-f", file, "-R", filepath.Join(dir, "ng.persist"), "-p", filepath.Join(dir, "ng.pid"), "-c", filepath.Join(dir, "ng.ctl")}
	}
	cmd := exec.Command(filepath.Join(peersDir(), "usr/sbin", name), args...)
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+lib+":"+filepath.Join(peersDir(), "lib/x86_64-linux-gnu")+":"+filepath.Join(peersDir(), "usr/lib/syslog-ng"))
	var output lockedBuffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s: %s", name, output.String())
		}
	})
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
			return cmd
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not listen: %v", name, err)
		}
	}
}
