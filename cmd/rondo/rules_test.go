package main

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// module is the import path of the whole program.
const module = "rondo"

// mayImport is the dependency rule: a package may import the packages named,
// and all under them, besides those of its own room. The longest prefix wins.
var mayImport = map[string][]string{
	"cmd":              {""},
	"web":              {"alerts", "autoscale", "rrd", "syslogd"},
	"autoscale":        {"alerts", "rrd"},
	"alerts":           {"rrd", "syslogd/syslog", "syslogd/filter"},
	"collectors":       {"rrd", "syslogd/syslog", "syslogd/filter"},
	"syslogd":          {"rrd/seglog"},
	"rrd":              {},
	"web/chart":        {},
	"syslogd/syslog":   {"syslogd/syslog"},
	"syslogd/extract":  {},
	"syslogd/relp":     {},
	"rrd/seglog":       {},
	"rrd/codec":        {},
	"autoscale/ec2sim": {"autoscale"},
	"autoscale/s3":     {"autoscale/s3"},
	"cmd/rondo/backup": {"rrd/seglog"},
}

// onlyIn names the packages that alone may import a module.
var onlyIn = map[string][]string{
	"github.com/dgraph-io/badger":        {"rrd/store", "syslogd/logstore", "alerts/state"},
	"github.com/labstack/echo":           {"web"},
	"github.com/aws":                     {"autoscale/ec2", "autoscale/s3", "alerts/notify/sns"},
	"github.com/goccy/go-yaml":           {"cmd/rondo"},
	"github.com/prometheus/prometheus":   {"rrd/promql", "collectors"},
	"github.com/VictoriaMetrics/metrics": {"cmd/rondo"},
	"github.com/influxdata/go-syslog":    {"syslogd"},
	"github.com/alecthomas/kong":         {"cmd/rondo"},
	"github.com/prometheus/procfs":       {"collectors/host"},
	"golang.org/x/image":                 {"web/chart"},
	"filippo.io/age":                     {"cmd/rondo/backup"},
}

// stdOnly are the packages of vocabulary and pure arithmetic.
var stdOnly = []string{"rrd", "syslogd/syslog", "syslogd/syslog/gelf", "syslogd/syslog/journal", "syslogd/syslog/jsonl", "syslogd/syslog/pin", "syslogd/filter", "syslogd/extract", "syslogd/relp"}

type listed struct {
	ImportPath string
	Doc        string
	Imports    []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Doc,Imports", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		p.ImportPath = strings.TrimPrefix(p.ImportPath, module+"/")
		all = append(all, p)
	}
}

func under(p, dir string) bool { return dir == "" || p == dir || strings.HasPrefix(p, dir+"/") }

func room(p string) string { return strings.Split(p, "/")[0] }

func TestDependencyRule(t *testing.T) {
	for _, p := range packages(t) {
		rule := room(p.ImportPath)
		for prefix := range mayImport {
			if under(p.ImportPath, prefix) && len(prefix) > len(rule) {
				rule = prefix
			}
		}
		allowed, known := mayImport[rule]
		if !known {
			t.Errorf("%s: no rule for this room", p.ImportPath)
		}
		for _, imp := range p.Imports {
			own, ours := strings.CutPrefix(imp, module+"/")
			if !ours {
				continue
			}
			ok := room(own) == room(p.ImportPath) && strings.Count(rule, "/") == 0
			for _, a := range allowed {
				ok = ok || under(own, a)
			}
			if !ok {
				t.Errorf("%s imports %s: the rule allows %v", p.ImportPath, own, allowed)
			}
		}
	}
}

func TestModulesStayInTheirRooms(t *testing.T) {
	for _, p := range packages(t) {
		for _, imp := range p.Imports {
			for mod, rooms := range onlyIn {
				if under(imp, mod) && !slices.ContainsFunc(rooms, func(r string) bool { return under(p.ImportPath, r) }) {
					t.Errorf("%s imports %s, which belongs to %v", p.ImportPath, imp, rooms)
				}
			}
			if slices.Contains(stdOnly, p.ImportPath) && strings.Contains(room(imp), ".") {
				t.Errorf("%s imports %s: it may use the standard library only", p.ImportPath, imp)
			}
		}
	}
}

func TestEveryPackageTeaches(t *testing.T) {
	for _, p := range packages(t) {
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

func TestEveryCollectorIsListed(t *testing.T) {
	src, err := os.ReadFile("kinds.go")
	if err != nil {
		t.Fatal(err)
	}
	dirs, err := os.ReadDir("../../collectors")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		if d.IsDir() && d.Name() != "testdata" && d.Name() != "agent" && !bytes.Contains(src, []byte(d.Name()+".Kind()")) {
			t.Errorf("collectors/%s is not listed in kinds.go", d.Name())
		}
	}
}

// TestTopLevel keeps the root of the repository as small as it is meant to be.
func TestTopLevel(t *testing.T) {
	cmd := exec.Command("git", "ls-files")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Skip("SKIPPED: not a git checkout")
	}
	want := strings.Fields(`cmd rrd syslogd collectors alerts web autoscale go.mod go.sum README.md
		Makefile .ci .gitignore .golangci.yml LICENSE CHANGELOG.md`)
	for f := range strings.Lines(string(out)) {
		if top := room(strings.TrimSpace(f)); !slices.Contains(want, top) {
			t.Errorf("%s does not belong at the top level", top)
		}
	}
}

// TestShapeOfTheCode holds every file and function to its bounds, and forbids
// init functions.
func TestShapeOfTheCode(t *testing.T) {
	const maxFile, maxFunc = 700, 90
	err := filepath.WalkDir("../..", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git" || d.Name() == ".cache" || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if path.Ext(p) != ".go" {
			return nil
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, p, nil, 0)
		if err != nil {
			return err
		}
		if n := fset.File(f.Pos()).LineCount(); n > maxFile {
			t.Errorf("%s has %d lines, more than %d", p, n, maxFile)
		}
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			n := fset.Position(fn.End()).Line - fset.Position(fn.Pos()).Line + 1
			if n > maxFunc && !strings.HasSuffix(p, "_test.go") {
				t.Errorf("%s: %s has %d lines, more than %d", p, fn.Name.Name, n, maxFunc)
			}
			if fn.Name.Name == "init" && fn.Recv == nil {
				t.Errorf("%s has an init function", p)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
