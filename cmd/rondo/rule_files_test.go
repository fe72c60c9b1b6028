package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rondo/alerts/promrule"
	"rondo/syslogd/peertest"
)

// TestRuleFilesAsPromtool: what promtool takes we take, and what it refuses we
// refuse, but for what a case says of us.
func TestRuleFilesAsPromtool(t *testing.T) {
	text, err := os.ReadFile("testdata/rulefiles.test")
	if err != nil {
		t.Fatal(err)
	}
	promtool := peertest.Find(t, "promtool")
	dir := t.TempDir()
	for i, block := range strings.Split(string(text), "\n== ")[1:] {
		head, body, _ := strings.Cut(block, "\n")
		verdict, name, _ := strings.Cut(head, " ")
		file := filepath.Join(dir, fmt.Sprintf("%02d.yml", i))
		if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := parseRuleFile(file, []byte(body))
		cmd := exec.CommandContext(t.Context(), promtool.Path, "check", "rules", "--lint=none", file)
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+promtool.Folders("usr/lib/x86_64-linux-gnu", "usr/lib"))
		out, theirs := cmd.CombinedOutput()
		ours, want := err == nil, verdict == "good" || verdict == "good-here"
		if ours != want {
			t.Errorf("%s: we say %v", name, err)
		}
		if (theirs == nil) != (verdict == "good" || verdict == "bad-here") {
			t.Errorf("%s: promtool says\n%s", name, out)
		}
	}
}

func TestParseRuleFile(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if _, err := parseRuleFile("r.yml", []byte(text)); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	f("groups:\n- name: g\n  rules:\n  - alert: A\n    expr: sum(\n",
		`r.yml:5:5: groups: 1: rules: 1: expr: promql: invalid parameter "query": 1:5: parse error: unclosed left parenthesis`)
	f("groups:\n- name: g\n  rules:\n  - alert: A\n    expr: 1\n    annotations:\n      a: '{{ x }}'\n",
		`r.yml:7:7: groups: 1: rules: 1: annotations: a: template: 1: function "x" not defined`)
	f("groups:\n- name: g\n  rules:\n  - alert: A\n    expr: 1\n    fore: 5m\n", `r.yml:6:5: groups[g].rules[0]: unknown key "fore"; did you mean "for"?`)
	f("groups:\n- name: g\n  interval: 5\n", `r.yml:3:13: groups[g].interval: duration "5": want one such as 30s, 5m, 1h30m or 2d`)
	f("groups:\n- name: g\n  rules:\n  - expr: 1\n", `r.yml:4:5: groups: 1: rules: 1: the rule is of no kind: want alert or record`)
	t.Setenv("NAME", "somebody")
	file, err := parseRuleFile("r.yml", []byte("groups:\n- name: g\n  rules:\n  - {alert: A, expr: '1', annotations: {a: '${NAME} ${1}'}}\n"))
	if err != nil || file.Groups[0].Rules[0].Annotations["a"] != "${NAME} ${1}" {
		t.Errorf("%+v, %v", file, err)
	}
}

func TestReadRuleFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.yml", "a.yml", "c.txt"} {
		writeFile(t, dir, name, "groups:\n- {name: g, rules: [{record: r, expr: '1'}]}\n")
	}
	got, err := readRuleFiles(dir, []string{"*.yml", filepath.Join(dir, "a.yml"), "none/*.yml"})
	if err != nil || len(got) != 2 || filepath.Base(got[0].Path) != "a.yml" {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := readRuleFiles(dir, []string{"nosuch.yml", "[", "c.txt"}); err == nil || !strings.Contains(err.Error(), "no such file") || !strings.Contains(err.Error(), "syntax error") {
		t.Error(err)
	}
	writeFile(t, dir, "big.yml", strings.Repeat("#", maxRuleFile+1))
	if _, err := readRuleFiles(dir, []string{"big.yml"}); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Error(err)
	}
}

// FuzzRuleFile: no file brings the reader down, and what it takes can be made
// into groups.
func FuzzRuleFile(f *testing.F) {
	text, err := os.ReadFile("testdata/rulefiles.test")
	if err != nil {
		f.Fatal(err)
	}
	for _, block := range strings.Split(string(text), "\n== ")[1:] {
		_, body, _ := strings.Cut(block, "\n")
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4<<10 {
			return
		}
		file, err := parseRuleFile("r.yml", []byte(text))
		if err != nil {
			return
		}
		for _, g := range promrule.NewGroups([]promrule.Source{{Path: "r.yml", File: file}}, promrule.Options{Interval: time.Minute}) {
			for _, s := range g.Supervised() {
				if err := s.Policy.Validate(); err != nil {
					t.Errorf("%q: %v", text, err)
				}
			}
		}
	})
}
