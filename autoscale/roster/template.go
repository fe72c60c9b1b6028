package roster

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
)

// Data is what a template is given.
type Data struct {
	Version uint64
	Groups  []string // that the file is about
	Members []Member // of these groups
	Port    int      // as configured
}

// built are the templates that need no file.
func built() map[string]string {
	return map[string]string{
		"hosts": "{{hosts}}",
		"haproxy": `{{range serving ""}}server {{.Alias}} {{address .}}{{with port}}:{{.}}{{end}} check
{{end}}`,
		"nginx": `{{range serving ""}}server {{address .}}{{with port}}:{{.}}{{end}}; # {{.Alias}}
{{end}}`,
		"inventory":      "{{inventory}}",
		"inventory-json": "{{json ansible}}\n",
	}
}

// maxTemplate bounds a template's file.
const maxTemplate = 256 << 10

// parse makes a template of a built-in name or a file.
func parse(name string) (*template.Template, error) {
	text, known := built()[name]
	if !known {
		if !filepath.IsAbs(name) {
			return nil, fmt.Errorf("template: %q: want hosts, inventory, inventory-json, haproxy, nginx, or the whole path of a file", name)
		}
		b, err := Target{Path: name}.Read()
		switch {
		case err != nil:
			return nil, fmt.Errorf("template: %w", err)
		case b == nil:
			return nil, fmt.Errorf("template: %s: %w", name, os.ErrNotExist)
		case len(b) > maxTemplate:
			return nil, fmt.Errorf("template: %s has more than %d bytes", name, maxTemplate)
		}
		text = string(b)
	}
	t, err := template.New(filepath.Base(name)).Option("missingkey=error").Funcs(functions(Data{})).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	return t, nil
}

// functions are what a template may call.
func functions(d Data) template.FuncMap {
	in := func(group string, is func(Member) bool) []Member {
		return slices.DeleteFunc(slices.Clone(d.Members), func(m Member) bool { return group != "" && m.Group != group || !is(m) })
	}
	ranked := func(m Member) bool { return m.Rank > 0 }
	return template.FuncMap{
		"serving": func(group string) []Member { return in(group, Member.Serves) },
		"members": func(group string) []Member { return in(group, ranked) },
		"first": func(group string) *Member {
			if all := in(group, Member.Serves); len(all) > 0 {
				return &all[0]
			}
			return nil
		},
		"address":   Member.Address,
		"port":      func() int { return d.Port },
		"version":   func() uint64 { return d.Version },
		"join":      func(sep string, words []string) string { return strings.Join(words, sep) },
		"hosts":     func() string { return HostsLines(d.Members) },
		"inventory": func() string { return InventoryOf(d.Members).INI() },
		"ansible":   func() Inventory { return InventoryOf(d.Members) },
		"json": func(v any) (string, error) {
			text, err := json.Marshal(v)
			return string(text), err
		},
	}
}

var errTooLong = errors.New("its output is longer than 4 MiB")

// bounded takes as much as a file may have.
type bounded struct{ bytes.Buffer }

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > MaxFile {
		return 0, errTooLong
	}
	return b.Buffer.Write(p)
}

// render is what a template makes of its data.
func render(t *template.Template, d Data) ([]byte, error) {
	own, err := t.Clone()
	if err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	var out bounded
	if err := own.Funcs(functions(d)).Execute(&out, d); err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	return out.Bytes(), nil
}
