package peertest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long a program may take to be ready.
const patience = 20 * time.Second

// root is the repository's top, seen from the package that is tested.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	t.Fatalf("no go.mod above this package: %v", err)
	return ""
}

// A Program is one that the tests talk to: installed, or unpacked below
// .cache/peers by .ci/deps.
type Program struct {
	Path     string
	unpacked string // the folder that stands for /; "": it is installed
}

// Find finds a program. Without it the test is skipped.
func Find(t testing.TB, name string) Program {
	t.Helper()
	unpacked := filepath.Join(root(t), ".cache/peers")
	for _, dir := range []string{"usr/sbin", "usr/bin", "usr/lib/nagios/plugins"} {
		path := filepath.Join(unpacked, dir, name)
		if _, err := os.Stat(path); err == nil {
			return Program{path, unpacked}
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("SKIPPED: %s is missing: run .ci/deps", name)
	}
	return Program{Path: path}
}

// WithShare is the command line that runs the program; one that is unpacked
// sees its own /usr/share in place of the system's. Where the kernel allows no
// namespaces, the test is skipped.
func (p Program) WithShare(t testing.TB, args ...string) []string {
	t.Helper()
	line := append([]string{p.Path}, args...)
	if p.unpacked == "" {
		return line
	}
	if err := exec.CommandContext(t.Context(), "unshare", "--map-root-user", "--mount", "true").Run(); err != nil {
		t.Skipf("SKIPPED: no namespaces here: %v", err)
	}
	script := `mount --bind "$0/usr/share" /usr/share && exec "$@"`
	return append([]string{"unshare", "--map-root-user", "--mount", "sh", "-c", script, p.unpacked}, line...)
}

// Folders are those of an unpacked program that match the patterns, separated
// by colons; none of one that is installed.
func (p Program) Folders(patterns ...string) string {
	if p.unpacked == "" {
		return ""
	}
	var all []string
	for _, pattern := range patterns {
		found, err := filepath.Glob(filepath.Join(p.unpacked, pattern))
		if err == nil {
			all = append(all, found...)
		}
	}
	return strings.Join(all, ":")
}

// A Peer is a program that is run, killed and run again with one
// configuration.
type Peer struct {
	t     testing.TB
	make  func() *exec.Cmd
	ready func() bool

	mu     sync.Mutex
	cmd    *exec.Cmd
	output bytes.Buffer
}

// Rsyslog is an rsyslogd with a configuration, in which {dir} is a folder of
// its own.
func Rsyslog(t testing.TB, config string, ready func() bool) *Peer {
	t.Helper()
	p, dir, conf := prepare(t, "rsyslogd", config)
	args := []string{"-n", "-f", conf, "-i", filepath.Join(dir, "pid")}
	if modules := p.Folders("usr/lib/*/rsyslog"); modules != "" {
		args = append(args, "-M", modules)
	}
	return start(t, p, args, ready)
}

// SyslogNG is a syslog-ng with a configuration, likewise.
func SyslogNG(t testing.TB, config string, ready func() bool) *Peer {
	t.Helper()
	p, dir, conf := prepare(t, "syslog-ng", config)
	args := []string{
		"-F", "--no-caps", "-f", conf, "--persist-file=" + filepath.Join(dir, "persist"),
		"--pidfile=" + filepath.Join(dir, "pid"), "--control=" + filepath.Join(dir, "ctl"),
	}
	if modules := p.Folders("usr/lib/syslog-ng/*"); modules != "" {
		args = append(args, "--module-path="+modules)
	}
	return start(t, p, args, ready)
}

func prepare(t testing.TB, name, config string) (p Program, dir, conf string) {
	t.Helper()
	p, dir = Find(t, name), t.TempDir()
	conf = filepath.Join(dir, "conf")
	if err := os.WriteFile(conf, []byte(strings.ReplaceAll(config, "{dir}", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	return p, dir, conf
}

func start(t testing.TB, p Program, args []string, ready func() bool) *Peer {
	t.Helper()
	peer := &Peer{t: t, ready: ready, make: func() *exec.Cmd {
		cmd := exec.Command(p.Path, args...)
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+p.Folders("usr/lib/*-linux-gnu", "lib/*-linux-gnu", "usr/lib/syslog-ng"))
		return cmd
	}}
	t.Cleanup(func() {
		peer.Kill()
		if t.Failed() {
			t.Logf("%s: %s", p.Path, peer.output.String())
		}
	})
	peer.Start()
	return peer
}

// Start runs the program, if it does not run, and waits until it is ready.
func (p *Peer) Start() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		return
	}
	p.cmd = p.make()
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.After(patience); !p.ready(); {
		select {
		case <-ticker.C:
		case <-deadline:
			p.t.Fatalf("%s is not ready", p.cmd.Path)
		}
	}
}

// Command is the program as it runs now.
func (p *Peer) Command() *exec.Cmd {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd
}

// Kill ends the program at once, as kill -9 does.
func (p *Peer) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait() // by that signal
	p.cmd = nil
}

// Listens reports whether somebody listens on a port of 127.0.0.1, by the
// kernel's table of the protocol, tcp or udp: asking the port itself would be a
// connection too many.
func Listens(protocol string, port int) bool {
	state := map[string]string{"tcp": "0A", "udp": "07"}[protocol]
	text, err := os.ReadFile("/proc/net/" + protocol)
	return err == nil && strings.Contains(string(text), fmt.Sprintf(" 0100007F:%04X 00000000:0000 %s", port, state))
}
