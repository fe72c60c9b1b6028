package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestReadmeTiers runs the README's example of three tiers exactly as it
// stands there, with a network of its own where the kernel allows that. Then
// the central server is killed and comes back, and so does the relay: what was
// written meanwhile arrives.
func TestReadmeTiers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	blocks := readmeFiles(t, "Three tiers")
	for _, file := range []string{"central.yml", "zone-a.yml", "agent.yml"} {
		if blocks[file] == "" {
			t.Fatalf("the README has no %s", file)
		}
		writeFile(t, dir, file, blocks[file])
	}
	script := "set -e\n" + blocks["in a shell"] + afterReadme
	own := isolated("--net", "--pid", "--fork", "--kill-child")
	if own != nil {
		script = "ip link set lo up\n" + script
	}
	command := append(own, "sh", writeFile(t, dir, "run", script))
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	var output lockedBuffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(output.String())
		}
	})
	for n := 1; n <= 3; n++ {
		waitFor(t, func() error {
			if _, err := os.Stat(filepath.Join(dir, fmt.Sprintf("seen-%d", n))); err != nil {
				return fmt.Errorf("order %d has not arrived: %w", n, err)
			}
			return nil
		})
	}
	shown := output.String()
	if !regexp.MustCompile(`(?m)^central +syslog +[1-9]`).MatchString(shown) {
		t.Error("no destination is shown")
	}
}

// TestReadmeHTTP checks the destinations over HTTP that the README shows.
func TestReadmeHTTP(t *testing.T) {
	for _, name := range []string{"LOKI_PASSWORD", "ES_PASSWORD", "HOOK_TOKEN"} {
		t.Setenv(name, "secret")
	}
	conf, err := loadConfig(writeFile(t, t.TempDir(), "rondo.yml", readmeFiles(t, "Over HTTP")[""]))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(conf.Syslogd.Destinations); n != 3 {
		t.Errorf("%d destinations", n)
	}
}

// readmeFiles is the code of a section of the README, by the comment that it
// begins with.
func readmeFiles(t *testing.T, heading string) map[string]string {
	t.Helper()
	section, err := readmeSection(heading)
	if err != nil {
		t.Fatal(err)
	}
	blocks := map[string]string{}
	name := ""
	for line := range strings.Lines(section) {
		code, ok := strings.CutPrefix(line, "    ")
		if comment, found := strings.CutPrefix(code, "# "); ok && found {
			name = strings.TrimSpace(comment)
		} else if ok {
			blocks[name] += code
		}
	}
	return blocks
}

// afterReadme goes on behind the example. What is told of jobs is their
// processes: the central server, the relay, the agent.
const afterReadme = `
jobs -p > pids
set -- $(sort -n pids)
seen() { until rondo logs search "app:shop \"order $1\"" --data=central | grep "order $1"; do sleep 0.1; done; touch seen-$1; }
seen 1
kill -9 $1; wait $1 || true
echo 'order 2' >> app/shop.log
rondo server --config=central.yml --data=central &
seen 2
kill -9 $2; wait $2 || true
echo 'order 3' >> app/shop.log
rondo server --config=zone-a.yml --data=zone-a &
seen 3
wait
`
