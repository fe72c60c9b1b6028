package ruletest_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"rondo/syslogd/peertest"
)

// TestAsPromtool runs the tests of testdata with Debian's promtool and with
// ours: the same ones pass.
func TestAsPromtool(t *testing.T) {
	t.Parallel()
	promtool := peertest.Find(t, "promtool")
	rondo := build(t)
	files, err := filepath.Glob("testdata/*.test.yml")
	if err != nil || len(files) < 7 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		theirs := run(exec.Command(promtool.Path, "test", "rules", file))
		ours := run(exec.Command(rondo, "alert", "test", file))
		want := !strings.Contains(file, "-fails")
		if theirs.ok != want || ours.ok != want {
			t.Errorf("%s: to pass: %t\npromtool: %t\n%s\nrondo: %t\n%s", file, want, theirs.ok, theirs.text, ours.ok, ours.text)
		}
	}
}

type verdict struct {
	ok   bool
	text string
}

func run(cmd *exec.Cmd) verdict {
	text, err := cmd.CombinedOutput()
	return verdict{err == nil, string(bytes.TrimSpace(text))}
}

func build(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "rondo")
	cmd := exec.Command("go", "build", "-o", name, "../../cmd/rondo")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return name
}
