package text

import (
	"bytes"
	"errors"
	"fmt"
	html "html/template"
	"io"
	"strings"
	"text/template"
	"text/template/parse"
	"time"
	"unicode/utf8"

	"rondo/alerts/notify"
)

// Bounds of a template.
const (
	maxSource = 64 << 10
	// maxSteps is what about a second is enough for.
	maxSteps = 200_000
	maxHTML  = 512 << 10
	cut      = "…"
)

// errLong ends a template that has written all that is wanted of it.
var errLong = errors.New("text: long enough")

// errSlow ends one that takes too long.
var errSlow = errors.New("goes round too often")

// errDeep ends one that calls itself without end.
var errDeep = errors.New("templates call each other too deeply")

// A run is one execution. Its functions stand in every template, see watch.
type run struct {
	steps int // how often a loop went round or a template was called
	depth int // of templates that call templates
}

const (
	maxDepth = 50
	step     = "_step"  // in loops
	enter    = "_enter" // at the beginning of a template
	leave    = "_leave" // at its end
)

func (r *run) step() (string, error) {
	if r.steps++; r.steps > maxSteps {
		return "", errSlow
	}
	return "", nil
}

func (r *run) enter() (string, error) {
	if r.depth++; r.depth > maxDepth {
		return "", errDeep
	}
	return r.step()
}

func (r *run) leave() string { r.depth--; return "" }

// A Template writes notices. It is safe for concurrent use.
type Template struct {
	name string
	text *template.Template
	html *html.Template
}

// Parse makes a template of its source; name is for errors. An empty source
// means one of the defaults: "title" or "text".
func Parse(name, source, byDefault string) (*Template, error) {
	trees, err := trees(name, source, byDefault)
	if err != nil {
		return nil, err
	}
	t := template.New(main(name)).Funcs(functions(&run{}))
	for def, tree := range trees {
		if _, err := t.AddParseTree(def, tree); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return &Template{name: name, text: t}, nil
}

// ParseHTML is Parse for HTML: what labels and annotations say is escaped. An
// empty source means "html".
func ParseHTML(name, source string) (*Template, error) {
	trees, err := trees(name, source, "html")
	if err != nil {
		return nil, err
	}
	t := html.New(main(name)).Funcs(functions(&run{}))
	for def, tree := range trees {
		if _, err := t.AddParseTree(def, tree); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return &Template{name: name, html: t}, nil
}

// trees parses a source beside the defaults.
func trees(name, source, byDefault string) (map[string]*parse.Tree, error) {
	if len(source) > maxSource {
		return nil, fmt.Errorf("%s: template is longer than %d bytes", name, maxSource)
	}
	if source == "" {
		source = `{{ template "` + byDefault + `" . }}`
	}
	builtins := template.FuncMap{}
	for _, f := range []string{"and", "or", "not", "len", "index", "slice", "print", "printf", "println", "html", "js", "urlquery", "call", "eq", "ne", "lt", "le", "gt", "ge", "break", "continue"} {
		builtins[f] = f
	}
	all, err := parse.Parse("defaults", defaults, "", "", builtins, functions(&run{}))
	if err != nil {
		return nil, err
	}
	own, err := parse.Parse(main(name), source, "", "", builtins, functions(&run{}))
	if err != nil {
		return nil, err // it begins with "template: in NAME:LINE:"
	}
	for def, tree := range own {
		all[def] = tree
	}
	delete(all, "defaults")
	for _, tree := range all {
		watch(tree.Root)
		tree.Root.Nodes = append(append([]parse.Node{call(enter)}, tree.Root.Nodes...), call(leave))
	}
	return all, nil
}

// main is what a template is called among those that it defines: none of these
// has such a name.
func main(name string) string { return "in " + name }

// watch puts a count into every loop of a list of nodes: with that,
// and with the depth that enter and leave count, no template runs for ever.
func watch(list *parse.ListNode) {
	if list == nil {
		return
	}
	for _, n := range list.Nodes {
		switch n := n.(type) {
		case *parse.RangeNode:
			watch(n.List)
			watch(n.ElseList)
			n.List.Nodes = append([]parse.Node{call(step)}, n.List.Nodes...)
		case *parse.IfNode:
			watch(n.List)
			watch(n.ElseList)
		case *parse.WithNode:
			watch(n.List)
			watch(n.ElseList)
		}
	}
}

// call is {{ name }}.
func call(name string) parse.Node {
	return &parse.ActionNode{NodeType: parse.NodeAction, Pipe: &parse.PipeNode{NodeType: parse.NodePipe, Cmds: []*parse.CommandNode{{
		NodeType: parse.NodeCommand, Args: []parse.Node{parse.NewIdentifier(name)},
	}}}}
}

// Execute writes a notice in at most so many bytes, cut where it would be
// longer.
func (t *Template) Execute(d Data, most int) (string, error) {
	w := &limited{most: most}
	err := t.run(w, d)
	if err != nil && !errors.Is(err, errLong) {
		return "", fmt.Errorf("template %s: %w", t.name, err)
	}
	s := strings.ToValidUTF8(w.String(), "?")
	if w.over || len(s) > most {
		s = Cut(s, most)
	}
	return s, nil
}

func (t *Template) run(w io.Writer, d Data) error {
	funcs := functions(&run{})
	if t.html != nil {
		own, err := t.html.Clone() // functions belong to one run
		if err != nil {
			return err
		}
		return own.Funcs(html.FuncMap(funcs)).Execute(w, d)
	}
	own, err := t.text.Clone()
	if err != nil {
		return err
	}
	return own.Funcs(funcs).Execute(w, d)
}

// Check runs the template over an example.
func (t *Template) Check() error {
	for _, n := range examples() {
		if _, err := t.Execute(Of(n), maxHTML); err != nil {
			return err
		}
	}
	return nil
}

// Line is Execute for what must be one line: white space of all kinds becomes
// single blanks.
func (t *Template) Line(d Data, most int) (string, error) {
	s, err := t.Execute(d, 4*most)
	return Cut(strings.Join(strings.Fields(s), " "), most), err
}

// Cut shortens a text to so many bytes, and says so where that was needed.
func Cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	most = max(most-len(cut), 0)
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + cut
}

// limited takes so many bytes, and one more to show that there were more.
type limited struct {
	bytes.Buffer
	most int
	over bool
}

// Write implements io.Writer.
func (l *limited) Write(p []byte) (int, error) {
	if room := l.most + 1 - l.Len(); len(p) > room {
		l.over = true
		l.Buffer.Write(p[:room])
		return room, errLong
	}
	return l.Buffer.Write(p)
}

// Set parses and checks several templates at once.
type Set struct{ errs []error }

// Text parses one; its errors are told by Err.
func (s *Set) Text(name, source, byDefault string) *Template {
	return s.add(Parse(name, source, byDefault))
}

// HTML parses one for HTML.
func (s *Set) HTML(name, source string) *Template { return s.add(ParseHTML(name, source)) }

func (s *Set) add(t *Template, err error) *Template {
	if err == nil {
		err = t.Check()
	}
	if err != nil {
		s.errs = append(s.errs, err)
	}
	return t
}

// Err is all that was wrong.
func (s *Set) Err() error { return errors.Join(s.errs...) }

// examples are what templates are checked over: a problem, and the end of two.
func examples() []notify.Notice {
	at := time.Unix(1_000_000_000, 0).UTC()
	firing, resolved := example(at), example(at)
	resolved.Alerts = append(resolved.Alerts, resolved.Alerts[0])
	for i := range resolved.Alerts {
		resolved.Alerts[i].Ends = at.Add(time.Hour)
	}
	return []notify.Notice{firing, resolved}
}
