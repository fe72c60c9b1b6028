// Package s3test runs a real S3-compatible server, versitygw, over a directory
// of its own. .ci/deps installs it.
package s3test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The keys that a Gateway takes.
const (
	AccessKey = "rondo-test"
	SecretKey = "rondo-test-secret"
)

// A Gateway is a server, or where one was and will be again.
type Gateway struct {
	Dir  string // each directory in it is a bucket
	Addr string // host:port

	bin string
	cmd *exec.Cmd
	out bytes.Buffer
}

// Find returns where versitygw is, or "".
func Find() string {
	if bin, err := exec.LookPath("versitygw"); err == nil {
		return bin
	}
	dir, err := os.Getwd()
	for ; err == nil && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		bin := filepath.Join(dir, ".cache", "bin", "versitygw")
		if _, err := os.Stat(bin); err == nil {
			return bin
		}
	}
	return ""
}

// Start runs a gateway with one bucket until the test ends; it skips the test
// where versitygw is not installed.
func Start(t testing.TB, bucket string) *Gateway {
	t.Helper()
	bin := Find()
	if bin == "" {
		t.Skip("SKIPPED: versitygw is missing; .ci/deps installs it")
	}
	g, err := Run(bin, t.TempDir(), bucket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Kill)
	return g
}

// Run runs a gateway over a directory, in which it makes a bucket. The caller
// ends it with Kill.
func Run(bin, dir, bucket string) (*Gateway, error) {
	if err := os.MkdirAll(filepath.Join(dir, "buckets", bucket), 0o700); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	g := &Gateway{Dir: filepath.Join(dir, "buckets"), Addr: l.Addr().String(), bin: bin}
	if err := l.Close(); err != nil {
		return nil, err
	}
	return g, g.Restart()
}

// URL is the endpoint.
func (g *Gateway) URL() string { return "http://" + g.Addr }

// Restart runs the gateway again where it was killed.
func (g *Gateway) Restart() error {
	g.cmd = exec.Command(g.bin, "--port", g.Addr, "--quiet", "posix", "--sidecar", filepath.Join(filepath.Dir(g.Dir), "meta"), g.Dir)
	if err := os.MkdirAll(filepath.Join(filepath.Dir(g.Dir), "meta"), 0o700); err != nil {
		return err
	}
	g.cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+AccessKey, "ROOT_SECRET_KEY="+SecretKey)
	g.cmd.Stdout, g.cmd.Stderr = &g.out, &g.out
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := g.cmd.Start(); err != nil {
		return err
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", g.Addr)
		if err == nil {
			return c.Close()
		}
		if time.Now().After(end) {
			g.Kill()
			return fmt.Errorf("versitygw does not answer: %w\n%s", err, strings.TrimSpace(g.out.String()))
		}
	}
}

// Kill ends the gateway as kill -9 does.
func (g *Gateway) Kill() {
	if g.cmd == nil {
		return
	}
	_ = g.cmd.Process.Kill()
	_ = g.cmd.Wait()
	g.cmd = nil
}
