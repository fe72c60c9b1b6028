package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"rondo/syslogd/peertest"
)

// TestReadmeBalance checks what the README shows of sharing work out: our
// configuration, and HAProxy's by HAProxy itself.
func TestReadmeBalance(t *testing.T) {
	section, err := readmeSection("Sharing work out over a group")
	if err != nil {
		t.Fatal(err)
	}
	var code []string // the blocks, one after the other
	for block := range strings.SplitSeq(section, "\n\n") {
		if strings.HasPrefix(block, "    ") {
			code = append(code, strings.ReplaceAll("\n"+block, "\n    ", "\n"))
		}
	}
	if len(code) != 3 {
		t.Fatalf("%d blocks of code", len(code))
	}
	root, err := parseTree("README.md", []byte(code[0]))
	if err != nil {
		t.Fatal(err)
	}
	conf, err := configOf(root)
	if err != nil || len(conf.Autoscale.HAProxy) != 1 || len(conf.Autoscale.Redirect.Groups) != 1 {
		t.Fatalf("%v\n%s", err, code[0])
	}
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(file, []byte(code[1]+code[2]+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := peertest.Find(t, "haproxy")
	check := exec.CommandContext(t.Context(), p.Path, "-c", "-f", file)
	check.Env = append(os.Environ(), "LD_LIBRARY_PATH="+p.Folders("usr/lib/*-linux-gnu", "lib/*-linux-gnu"))
	if out, err := check.CombinedOutput(); err != nil || strings.Contains(string(out), "WARNING") {
		t.Errorf("%v\n%s\n%s", err, out, code[1]+code[2])
	}
}
