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
// stands there, on loopback addresses of its own (a network namespace). Then
// the central server is killed and comes back, and so does the relay: what was
// written meanwhile arrives.
func TestReadmeTiers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	blocks := readmeFiles(t, "## Three tiers")
	for _, file := range []string{"central.yml", "zone-a.yml", "agent.yml"} {
		if blocks[file] == "" {
			t.Fatalf("the README has no %s", file)
		}
		writeFile(t, dir, file, blocks[file])
	}
	script := "ip link set lo up\nset -e\n" + blocks["in a shell"] + afterReadme
	cmd := exec.Command("unshare", "--user", "--map-root-user", "--net", "--pid", "--fork", "--kill-child", "sh", writeFile(t, dir, "run", script))
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var output lockedBuffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // all below it end with it
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(output.String())
		}
	})
	waitFor(t, func() error {
		if _, err := os.Stat(filepath.Join(dir, "done")); err != nil {
			return fmt.Errorf("the example has not come to its end: %w", err)
		}
		return nil
	})
	shown := output.String()
	if !regexp.MustCompile(`(?m)^central +syslog +[1-9]`).MatchString(shown) {
		t.Error("no destination is shown")
	}
	for n := 1; n <= 3; n++ {
		search := filepath.Join(dir, fmt.Sprintf("found-%d", n))
		lines, err := os.ReadFile(search)
		if err != nil || !strings.Contains(string(lines), fmt.Sprintf("order %d", n)) {
			t.Errorf("%s: %v %q", search, err, lines)
		}
	}
}

// TestReadmeHTTP checks the destinations over HTTP that the README shows.
func TestReadmeHTTP(t *testing.T) {
	for _, name := range []string{"LOKI_PASSWORD", "ES_PASSWORD", "HOOK_TOKEN"} {
		t.Setenv(name, "secret")
	}
	conf, err := loadConfig(writeFile(t, t.TempDir(), "rondo.yml", readmeFiles(t, "## Over HTTP")[""]))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(conf.Syslogd.Destinations); n != 3 {
		t.Errorf("%d destinations", n)
	}
}

// readmeFiles is the code of a section of the README, by the comment that it
// begins with.
func readmeFiles(t *testing.T, title string) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), title+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
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
find() { until rondo logs search "app:shop \"order $1\"" --data=central | grep "order $1" > found-$1; do sleep 0.1; done; }
find 1
kill -9 $1; wait $1 || true
echo 'order 2' >> app/shop.log
rondo server --config=central.yml --data=central &
find 2
kill -9 $2; wait $2 || true
echo 'order 3' >> app/shop.log
rondo server --config=zone-a.yml --data=zone-a &
find 3
touch done
wait
`
