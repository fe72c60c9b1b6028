package fanout

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"rondo/syslogd/peertest"
)

// A daemon is OpenSSH's server on a port of the loopback address.
type daemon struct {
	dir  string
	user string // who may log in
	port int
	host ssh.PublicKey
	cmd  *exec.Cmd
}

// newKey writes a private key and returns its public one.
func newKey(t *testing.T, file string) ssh.PublicKey {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, string(pem.EncodeToMemory(block)))
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// startDaemon runs sshd. As root it wants a user and a folder of its own, which
// it gets in a namespace: nothing of the machine changes.
func startDaemon(t *testing.T) *daemon {
	t.Helper()
	p, dir := peertest.Find(t, "sshd"), t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{dir: dir, user: me.Username, port: l.Addr().(*net.TCPAddr).Port, host: newKey(t, filepath.Join(dir, "host"))}
	l.Close()
	write(t, filepath.Join(dir, "authorized"), string(ssh.MarshalAuthorizedKey(newKey(t, filepath.Join(dir, "user")))))
	write(t, filepath.Join(dir, "conf"), fmt.Sprintf("Port %d\nListenAddress 127.0.0.1\nHostKey %[2]s/host\nPidFile none\nAuthorizedKeysFile %[2]s/authorized\nStrictModes no\nUsePAM no\nMaxStartups 200\n", d.port, dir))
	line := []string{p.Path, "-D", "-e", "-f", filepath.Join(dir, "conf")}
	if os.Getuid() == 0 {
		if exec.Command("unshare", "--mount", "true").Run() != nil {
			t.Skip("SKIPPED: no namespaces here, which sshd wants of root")
		}
		accounts, err := os.ReadFile("/etc/passwd")
		if err != nil {
			t.Fatal(err)
		}
		// To root's own sessions sshd passes no signal on, so that another logs in.
		d.user = "tester"
		write(t, filepath.Join(dir, "passwd"), string(accounts)+"\nsshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\ntester:x:12345:65534::/:/bin/sh\n")
		for path, mode := range map[string]os.FileMode{filepath.Dir(dir): 0o755, dir: 0o777, filepath.Join(dir, "passwd"): 0o644, filepath.Join(dir, "authorized"): 0o644} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
		script := `mount --bind "$0/passwd" /etc/passwd && mount -t tmpfs none /run && mkdir /run/sshd && exec "$@"`
		line = append([]string{"unshare", "--mount", "sh", "-c", script, dir}, line...)
	}
	d.cmd = exec.Command(line[0], line[1:]...)
	d.cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+p.Folders("usr/lib/*-linux-gnu", "lib/*-linux-gnu"))
	var said bytes.Buffer
	d.cmd.Stderr = &said
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill()
		_ = d.cmd.Wait()
		if t.Failed() {
			t.Log(said.String())
		}
	})
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(d.port)))
		if err == nil {
			conn.Close()
			return d
		}
		if time.Now().After(end) {
			t.Fatalf("sshd is not ready: %s", said.String())
		}
	}
}

// config is a command over the daemon.
func (d *daemon) config(t *testing.T, run ...string) Config {
	t.Helper()
	c := Config{
		Name: "x", Over: OverSSH, Run: run, User: d.user, Port: d.port, Timeout: 10 * time.Second,
		Key: filepath.Join(d.dir, "user"), KnownHosts: filepath.Join(d.dir, "known"),
	}
	if err := Validate([]Config{c}); err != nil {
		t.Fatal(err)
	}
	return c
}

func runJob(ctx context.Context, t *testing.T, c Config, hs []Host) string {
	t.Helper()
	jobs, err := Jobs([]Config{c}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return show(jobs["x"].Run(ctx, hs, c.Limits(), func(h Host) Command {
		return Command{Env: []string{"RONDO_ALIAS=it's " + h.ID}, Input: []byte("{}")}
	}, nil))
}

func TestSSH(t *testing.T) {
	d := startDaemon(t)
	known := filepath.Join(d.dir, "known")
	f := func(c Config, want string) {
		t.Helper()
		if got := runJob(t.Context(), t, c, hosts(1)); !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(d.config(t, "true"), "i-0 -1 ssh: known hosts: open "+known)
	write(t, known, "")
	f(d.config(t, "true"), "is not in "+known+": add it under i-0")

	write(t, known, knownhosts.Line([]string{net.JoinHostPort("127.0.0.1", strconv.Itoa(d.port))}, d.host)+"\n")
	f(d.config(t, "sh", "-c", `echo "$RONDO_ALIAS"; cat; exit 3`), "i-0 3 it's i-0\n{}\n")
	f(d.config(t, "sh", "-c", `echo "$1" >&2; exit 3`, "sh", "$HOME;'"), "i-0 3 $HOME;'\n")
	f(d.config(t, "/nonexistent"), "i-0 127 ")

	other := newKey(t, filepath.Join(d.dir, "other"))
	write(t, known, knownhosts.Line([]string{"i-0"}, other)+"\n")
	f(d.config(t, "true"), "is another than "+known+" line 1 has for i-0")
	c := d.config(t, "true")
	c.Learn = true
	f(c, "is another than")
	c = d.config(t, "true")
	c.Key = filepath.Join(d.dir, "other")
	write(t, known, knownhosts.Line([]string{"i-0"}, d.host)+"\n")
	f(c, "unable to authenticate")
}

// TestSSHMany: many at once learn the host's key under their own IDs, and one
// file of known hosts holds them all.
func TestSSHMany(t *testing.T) {
	d := startDaemon(t)
	c := d.config(t, "sh", "-c", `printf "$RONDO_ALIAS"`)
	c.Learn, c.AtOnce = true, 20
	want := ""
	for i := range 20 {
		want += fmt.Sprintf("i-%d 0 it's i-%[1]d\n", i)
	}
	for range 2 { // the second time they are known
		if got := runJob(t.Context(), t, c, hosts(20)); got != want {
			t.Fatal(got)
		}
		c.Learn = false
	}
	text, err := os.ReadFile(c.KnownHosts)
	if err != nil || strings.Count(string(text), "\n") != 20 {
		t.Errorf("%v: %s", err, text)
	}
}

// TestSSHEnds: what is cancelled or out of time does not run on over there.
func TestSSHEnds(t *testing.T) {
	d := startDaemon(t)
	mark := filepath.Join(d.dir, "pid")
	c := d.config(t, "sh", "-c", "echo $$ > "+mark+"; exec sleep 600")
	c.Learn, c.Timeout = true, time.Second
	if got := runJob(t.Context(), t, c, hosts(1)); got != "i-0 -1 its time is up: it was killed\n" {
		t.Fatal(got)
	}
	text, err := os.ReadFile(mark)
	if err != nil {
		t.Fatal(err)
	}
	proc := filepath.Join("/proc", strings.TrimSpace(string(text)))
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(proc); err != nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s still runs", proc)
		}
	}
}
