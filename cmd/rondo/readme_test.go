package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"rondo/alerts/event"
	"rondo/syslogd/filter"
	"rondo/syslogd/query"
)

// TestReadmeConfiguration checks the configuration that the README shows.
func TestReadmeConfiguration(t *testing.T) {
	t.Setenv("PAGER_URL", "https://pager.example/hook")
	t.Setenv("BACKUP_TOKEN", "sixteen bytes or more")
	section, err := readmeSection("A configuration that one would really use")
	if err != nil {
		t.Fatal(err)
	}
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
	if len(conf.Collectors) != 4 || len(conf.Autoscale.Groups.Groups) != 1 || len(conf.Alerts.Rules.Metrics) != 3 {
		t.Errorf("read %d collectors, %d groups, %d rules", len(conf.Collectors), len(conf.Autoscale.Groups.Groups), len(conf.Alerts.Rules.Metrics))
	}
}

// TestReadmeChecks checks the rules about the world outside.
func TestReadmeChecks(t *testing.T) {
	section, err := readmeSection("Checking the world outside")
	if err != nil {
		t.Fatal(err)
	}
	section, _, _ = strings.Cut(section, "\n\nPlugins run")
	root, err := parseTree("README.md", []byte(section))
	if err != nil {
		t.Fatal(err)
	}
	conf, err := configOf(root)
	if err != nil || len(conf.Alerts.Rules.Outside.Ping) != 1 {
		t.Fatalf("%v\n%s", err, section)
	}
}

// TestReadmeRoles checks the role that the README shows.
func TestReadmeRoles(t *testing.T) {
	section, err := readmeSection("A role for each group")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ = strings.Cut(section, "\n\n")
	section, _, _ = strings.Cut(section, "\n\nSelectors need")
	root, err := parseTree("README.md", []byte(section))
	if err != nil {
		t.Fatal(err)
	}
	conf, err := configOf(root)
	if err != nil || len(conf.Roles) != 1 || len(conf.roleRules().Names()) != 5 || len(conf.profiles()) != 1 || len(conf.Roles[0].Dashboard) != 2 {
		t.Fatalf("%v\n%s", err, section)
	}
}

// TestReadmeEvents checks the hooks that the README shows.
func TestReadmeEvents(t *testing.T) {
	section, err := readmeSection("Marking the graphs")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"GITHUB_HOOK_SECRET", "GITLAB_HOOK_SECRET", "CI_HOOK_SECRET"} {
		t.Setenv(name, "0123456789abcdef")
	}
	_, section, _ = strings.Cut(section, "/api/events/hook/NAME`:\n\n")
	section, _, _ = strings.Cut(section, "\n\nA delivery")
	root, err := parseTree("README.md", []byte(section))
	if err != nil {
		t.Fatal(err)
	}
	conf, err := configOf(root)
	if err != nil || len(conf.Events.Hooks) != 3 || conf.Events.Age != event.DefaultConfig().Age {
		t.Fatalf("%v\n%s", err, section)
	}
}

// TestReadmeAgent checks the agent's configuration that the README shows.
func TestReadmeAgent(t *testing.T) {
	section, err := readmeSection("An agent on each machine")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(section, "agent.yml` says what else:\n")
	if !ok {
		t.Fatal("the README shows no agent's configuration")
	}
	section, _, _ = strings.Cut(section, "\n\nLines of files")
	var yaml strings.Builder
	for line := range strings.Lines(section) {
		yaml.WriteString(strings.TrimPrefix(line, "    "))
	}
	file := filepath.Join(t.TempDir(), "agent.yml")
	certificate := strings.Replace(yaml.String(), "e12d...", strings.Repeat("e12d", 16), 1)
	if err := os.WriteFile(file, []byte(certificate), 0o600); err != nil {
		t.Fatal(err)
	}
	conf, err := loadAgentConfig(file)
	if err == nil {
		err = conf.validate()
	}
	if err != nil || len(conf.Checks) != 1 || len(conf.Tail.Files) != 2 || len(conf.Stages) != 1 || conf.Filter == nil {
		t.Fatalf("%v\n%s", err, yaml.String())
	}
}

// TestReadmeQueries checks that what the README asks of the logs can be asked,
// and that the help of the command line shows such examples too.
func TestReadmeQueries(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile(`rondo logs (search|tail) '([^']*)'`).FindAllStringSubmatch(string(text)+filterExamples, -1)
	if len(examples) < 10 {
		t.Errorf("only %d examples", len(examples))
	}
	for _, e := range examples {
		q, err := query.Parse(e[2])
		if err == nil && e[1] == "tail" {
			_, err = filter.Parse(q.String())
		}
		if err != nil {
			t.Errorf("%s: %v", e[0], err)
		}
	}
}

// TestCommandsShown checks that the commands that the README shows, and the
// help of each command, can be given: all words and flags are known.
func TestCommandsShown(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := string(text)
	for _, command := range commandParser(t).Model.Leaves(false) {
		shown += "\n" + command.Detail
	}
	examples := regexp.MustCompile(`(?m)^ +rondo (.+)$`).FindAllStringSubmatch(shown, -1)
	if len(examples) < 60 {
		t.Errorf("only %d examples", len(examples))
	}
	t.Chdir(t.TempDir())
	for _, named := range []string{"key.txt", "load.csv", "policy.yml", "new.yml", "disk.test.yml"} { // by examples
		if err := os.WriteFile(named, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range examples {
		if _, err := commandParser(t).Parse(words(e[1])); err != nil {
			t.Errorf("rondo %s: %v", e[1], err)
		}
	}
}

func commandParser(t *testing.T) *kong.Kong {
	t.Helper()
	p, err := kong.New(&commandLine{}, kong.Name("rondo"), kong.Vars(outputs()))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// words splits a line as a shell does that knows quotes and comments.
func words(line string) (all []string) {
	line, _, _ = strings.Cut(line, "  #")
	quoted := regexp.MustCompile(`'([^']*)'|"([^"]*)"`)
	for _, w := range regexp.MustCompile(`('[^']*'|"[^"]*"|[^ '"])+`).FindAllString(line, -1) {
		if w == "#" || w == "&" {
			break
		}
		all = append(all, quoted.ReplaceAllString(w, "$1$2"))
	}
	return all
}

// TestReadmeAgents checks what the README lets the server say to agents.
func TestReadmeAgents(t *testing.T) {
	section, err := readmeSection("Installing agents")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(section, "without a restart:\n")
	if !ok {
		t.Fatal("the README shows no profiles")
	}
	section, _, _ = strings.Cut(section, "\n\nA profile adds")
	n, err := parseTree("README.md", []byte(section))
	if err != nil {
		t.Fatal(err)
	}
	conf, err := configOf(n)
	if err != nil || len(conf.Agents.Profiles) != 2 || len(conf.Agents.Identity.Accounts) != 1 {
		t.Fatalf("%v\n%s", err, section)
	}
	for _, p := range conf.Agents.Profiles {
		if err := defaultAllow().check(&p.profile); err != nil {
			t.Errorf("%s: an agent refuses it: %v", p.Name, err)
		}
	}
}
