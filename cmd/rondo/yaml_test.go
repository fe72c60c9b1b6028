package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/syslogd/macro"
)

type sampleConfig struct {
	Data  string        `yaml:"data"`
	Every time.Duration `yaml:"every"`
	Web   struct {
		Listen string `yaml:"listen"`
		Max    int    `yaml:"max_connections"`
	} `yaml:"web"`
	Rules []struct {
		Name  string            `yaml:"name"`
		Raise float64           `yaml:"raise"`
		Tags  map[string]string `yaml:"labels"`
	} `yaml:"rules"`
	Allow []string `yaml:"allow"`
	Tight bool     `yaml:"tight"`
}

// TestTemplatesKeepTheirMacros: ${HOST} in a template is no variable of the
// environment, whether there is one or not.
func TestTemplatesKeepTheirMacros(t *testing.T) {
	t.Setenv("HOST", "here")
	n, err := parseTree("a.yml", []byte(`{path: "/var/log/${HOST}/${APP}", lines: ["$$ ${ISODATE}"], also: "${TEXT}"}`))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Path  macro.Source   `yaml:"path"`
		Lines []macro.Source `yaml:"lines"`
		Also  *macro.Source  `yaml:"also"`
	}
	if err := decode(n, &got); err != nil {
		t.Fatal(err)
	}
	if got.Path != "/var/log/${HOST}/${APP}" || got.Lines[0] != "$$ ${ISODATE}" || *got.Also != "${TEXT}" {
		t.Errorf("%+v", got)
	}
}

func TestDecode(t *testing.T) {
	t.Setenv("RONDO_TEST_TOKEN", "s3cret")
	n, err := parseTree("a.yml", []byte(`
# a comment
data: "${RONDO_TEST_TOKEN}"
every: 14d
web: {listen: ":80"}
base: &b {severity: page}
rules:
  - name: one
    raise: 4
    labels: *b
allow: 127.0.0.0/8
tight: true
`))
	if err != nil {
		t.Fatal(err)
	}
	n = n.without("base")
	var got sampleConfig
	got.Web.Max = 7
	if err := decode(n, &got); err != nil {
		t.Fatal(err)
	}
	var want sampleConfig
	want.Data, want.Every, want.Tight = "s3cret", 14*24*time.Hour, true
	want.Web.Listen, want.Web.Max = ":80", 7
	want.Allow = []string{"127.0.0.0/8"}
	want.Rules = append(want.Rules, struct {
		Name  string            `yaml:"name"`
		Raise float64           `yaml:"raise"`
		Tags  map[string]string `yaml:"labels"`
	}{"one", 4, map[string]string{"severity": "page"}})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestDecodeErrors: every error names file, line, column, the path of the key
// and what is wanted.
func TestDecodeErrors(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		n, err := parseTree("a.yml", []byte(text))
		if err == nil {
			var c sampleConfig
			err = decode(n, &c)
		}
		if err == nil {
			t.Errorf("%q: no error", text)
			return
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q:\n got %s\nwant %s", text, err, w)
			}
		}
	}
	f("dta: x", `a.yml:1:1: unknown key "dta"; did you mean "data"?`)
	f("web:\n  lisen: x", `a.yml:2:3: web: unknown key "lisen"; did you mean "listen"?`)
	f("web: 5", `a.yml:1:6: web: want a mapping, found a single value`)
	f("every: soon", `a.yml:1:8: every: "soon": want a duration such as 10s`)
	f("rules:\n- name: x\n  raise: high", `a.yml:3:10: rules[x].raise: "high": want a number`)
	f("rules:\n- raise: [1]", `rules[0].raise: want a number, found a list`)
	f("web: {max_connections: 1.5}", `want a whole number`)
	f("data: ${RONDO_NO_SUCH_VARIABLE}", `a.yml:1:7: ${RONDO_NO_SUCH_VARIABLE}: no such variable`)
	f("data: [unclosed", `a.yml:1:`)
	f("data: a\ndata: b", `a.yml:2:1`)
	f("tight: maybe\nevery: x", `want true or false`, `want a duration`)
	f("every: NaNd", `want a duration`)
	f("every: 1e300d", `want a duration`)
	f("web: {max_connections: InfGB}", `want a whole number`)
	f("a: &x {b: 1}\n<<: *x", `a.yml:2:1: <<: merging is not understood`)
	f("zzzzzz: 1", `known are allow, data, every`)
}

func TestMerge(t *testing.T) {
	f := func(a, b, wantErr string, want int) {
		t.Helper()
		x, err := parseTree("rondo.yml", []byte(a))
		if err != nil {
			t.Fatal(err)
		}
		y, err := parseTree("conf.d/b.yml", []byte(b))
		if err != nil {
			t.Fatal(err)
		}
		err = merge(x, y)
		if got := fmt.Sprint(err); err != nil && got != wantErr || err == nil && wantErr != "" {
			t.Errorf("error %q, want %q", got, wantErr)
		}
		if rules := x.get("rules"); err == nil && len(rules.items) != want {
			t.Errorf("%d rules, want %d", len(rules.items), want)
		}
	}
	f("rules: [{name: a}]", "rules: [{name: b}, {raise: 3}]", "", 3)
	f("data: x", "rules: [{name: b}]", "", 1)
	f("", "rules: [{name: b}]", "", 1)
	f("rules: [{name: a}]", "", "", 1)
	f("rules: [{name: a}]", "rules: [{name: a}]", `conf.d/b.yml:1:16: "a" is already defined at rondo.yml:1:16`, 0)
	f("data: x", "data: y", `conf.d/b.yml:1:7: already given at rondo.yml:1:7`, 0)
}

func FuzzParseTree(f *testing.F) {
	f.Add("a: 1\nb: [x, {c: d}]\n")
	f.Add("a: &x {b: c}\nd: *x\n<<: *x\n")
	f.Add("${A}")
	f.Fuzz(func(t *testing.T, text string) {
		n, err := parseTree("f", []byte(text))
		if err != nil {
			return
		}
		var c sampleConfig
		_ = decode(n, &c) // must not panic
	})
}

// Addresses need no quotes in a list in brackets.
func TestAddressesInLists(t *testing.T) {
	n, err := parseTree("a.yml", []byte("to: [a:6514, 10.0.0.7:6514, 'c:1',\n  d.example.com:514]\nmore:\n  - e:6514\nmaps: [{a: 1}, b: 2]\n"))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		To   []string         `yaml:"to"`
		More []string         `yaml:"more"`
		Maps []map[string]int `yaml:"maps"`
	}
	if err := decode(n, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a:6514", "10.0.0.7:6514", "c:1", "d.example.com:514"}, got.To); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"e:6514"}, got.More); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]map[string]int{{"a": 1}, {"b": 2}}, got.Maps); diff != "" {
		t.Error(diff)
	}
}
