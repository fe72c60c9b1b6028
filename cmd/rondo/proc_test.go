package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A proc is a rondo server in a process of its own, on ports of its own.
type proc struct {
	t      testing.TB
	dir    string // holds rondo.yml and data
	ports  map[string]int
	cmd    *exec.Cmd
	output lockedBuffer
}

// lockedBuffer takes a process' output while a test reads it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// newProc writes the configuration, in which {name} becomes a free port of
// that name and {dir} the folder, where there is a certificate in server.pem.
// It does not start anything.
func newProc(t testing.TB, config string) *proc {
	t.Helper()
	p := &proc{t: t, dir: t.TempDir(), ports: map[string]int{}}
	for _, name := range []string{"web", "graphite", "statsd", "syslog", "tls", "relp", "ec2", "redirect", "haproxy", "check"} {
		port, err := freePort()
		if err != nil {
			t.Fatal(err)
		}
		p.ports[name] = port
		config = strings.ReplaceAll(config, "{"+name+"}", strconv.Itoa(port))
	}
	config = strings.ReplaceAll(config, "{dir}", p.dir)
	writeCertificate(t, p.dir)
	if err := os.WriteFile(filepath.Join(p.dir, "rondo.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// start runs the server and waits until it is ready.
func (p *proc) start(prefix ...string) {
	p.t.Helper()
	bin, err := exec.LookPath("rondo")
	if err != nil {
		p.t.Fatal(err)
	}
	args := append(prefix, bin, "server", "--config", filepath.Join(p.dir, "rondo.yml"), "--data", filepath.Join(p.dir, "data"))
	p.run(exec.Command(args[0], args[1:]...))
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		resp, err := http.Get(p.url("/readyz"))
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		if p.cmd.ProcessState != nil || time.Now().After(end) {
			p.t.Fatalf("server is not ready:\n%s", p.output.String())
		}
	}
}

// run starts a program that does not outlive the test.
func (p *proc) run(cmd *exec.Cmd) {
	p.t.Helper()
	p.cmd = cmd
	cmd.Stdout, cmd.Stderr = &p.output, &p.output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(p.kill)
}

// kill ends the server as a power switch would, with nothing flushed.
func (p *proc) kill() {
	if p.cmd == nil {
		return
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	_ = p.cmd.Wait()
	p.cmd = nil
}

// stop ends the server gracefully.
func (p *proc) stop() {
	p.t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("server ended with %v:\n%s", err, p.output.String())
	}
	p.cmd = nil
}

// stopChild ends a server that runs below another program, such as strace.
func (p *proc) stopChild() {
	p.t.Helper()
	pid := p.cmd.Process.Pid
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		p.t.Fatal(err)
	}
	for child := range strings.FieldsSeq(string(text)) {
		n, err := strconv.Atoi(child)
		if err != nil {
			p.t.Fatal(err)
		}
		_ = syscall.Kill(n, syscall.SIGTERM)
	}
	_ = p.cmd.Wait()
	p.cmd = nil
}

func (p *proc) addr(port string) string { return "127.0.0.1:" + strconv.Itoa(p.ports[port]) }

func (p *proc) url(path string) string { return "http://" + p.addr("web") + path }

// get decodes a JSON answer.
func (p *proc) get(path string, v any) error {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, p.url(path), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("%s: %s: %s", path, resp.Status, text)
	}
	if v == nil {
		_, err := io.Copy(io.Discard, resp.Body)
		return err
	}
	return json.NewDecoder(resp.Body).Decode(v)
}

// cpu is the CPU time that the server has used.
func (p *proc) cpu() time.Duration {
	p.t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100
}
