package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadmeConfiguration checks the configuration that the README shows.
func TestReadmeConfiguration(t *testing.T) {
	t.Setenv("PAGER_URL", "https://pager.example/hook")
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "## A configuration")
	if !ok {
		t.Fatal("the README shows no configuration")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var yaml strings.Builder
	for line := range strings.Lines(section) {
		if code, ok := strings.CutPrefix(line, "    "); ok {
			yaml.WriteString(code)
		}
	}
	file := filepath.Join(t.TempDir(), "rondo.yml")
	if err := os.WriteFile(file, []byte(yaml.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	conf, err := loadConfig(file)
	if err == nil {
		err = conf.checkCollectors()
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, yaml.String())
	}
	if len(conf.Collectors) != 4 || len(conf.Autoscale.Groups.Groups) != 1 || len(conf.Alerts.Rules.Metrics) != 2 {
		t.Errorf("read %d collectors, %d groups, %d rules", len(conf.Collectors), len(conf.Autoscale.Groups.Groups), len(conf.Alerts.Rules.Metrics))
	}
}
