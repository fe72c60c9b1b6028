package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// A place is where something stands in a configuration file.
type place struct {
	file      string
	line, col int
}

func (p place) String() string { return fmt.Sprintf("%s:%d:%d", p.file, p.line, p.col) }

// shape is what a node of a configuration is.
type shape string

const (
	scalar  shape = "a single value"
	mapping shape = "a mapping"
	list    shape = "a list"
	empty   shape = "nothing"
)

// A node is one value of a configuration, with the place it came from. Nodes
// of several files can be merged, and each still knows its own file.
type node struct {
	at      place
	shape   shape
	text    string // scalar
	written string // scalar, before variables were replaced
	unset   error  // scalar: one of its variables is not set
	entries []entry
	items   []*node
}

// An entry is one key of a mapping.
type entry struct {
	key   string
	at    place
	value *node
}

// get returns the value of a key, or nil.
func (n *node) get(key string) *node {
	for _, e := range n.entries {
		if e.key == key {
			return e.value
		}
	}
	return nil
}

// without returns the mapping without one key.
func (n *node) without(key string) *node {
	c := *n
	c.entries = nil
	for _, e := range n.entries {
		if e.key != key {
			c.entries = append(c.entries, e)
		}
	}
	return &c
}

// parseTree reads one YAML document. ${NAME} in values is replaced from the
// environment; a name that is not set is an error where the value is decoded,
// unless it is a template (verbatim). Where the text is no YAML there is no
// tree.
func parseTree(file string, text []byte) (*node, error) {
	f, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, syntaxError(file, err)
	}
	b := treeBuilder{file: file, anchors: map[string]*node{}}
	root := &node{at: place{file, 1, 1}, shape: empty}
	for i, doc := range f.Docs {
		if i > 0 {
			return nil, fmt.Errorf("%s: want one YAML document, found %d", file, len(f.Docs))
		}
		if doc.Body != nil {
			root = b.node(doc.Body)
		}
	}
	return root, errors.Join(b.errs...)
}

func syntaxError(file string, err error) error {
	var located interface {
		GetToken() *token.Token
		GetMessage() string
	}
	if errors.As(err, &located) && located.GetToken() != nil {
		p := located.GetToken().Position
		return fmt.Errorf("%s: %s", place{file, p.Line, p.Column}, located.GetMessage())
	}
	return fmt.Errorf("%s: %w", file, err)
}

// treeBuilder turns the parser's tree into nodes and collects all errors.
type treeBuilder struct {
	file    string
	anchors map[string]*node
	errs    []error
}

func (b *treeBuilder) place(n ast.Node) place {
	p := n.GetToken().Position
	return place{b.file, p.Line, p.Column}
}

func (b *treeBuilder) fail(at place, format string, args ...any) {
	b.errs = append(b.errs, fmt.Errorf("%s: %s", at, fmt.Sprintf(format, args...)))
}

func (b *treeBuilder) node(n ast.Node) *node {
	at := b.place(n)
	switch n := n.(type) {
	case *ast.MappingNode:
		if len(n.Values) > 0 {
			at = b.place(n.Values[0].Key)
		}
		return b.mapping(at, n.Values)
	case *ast.MappingValueNode:
		return b.mapping(b.place(n.Key), []*ast.MappingValueNode{n})
	case *ast.SequenceNode:
		out := &node{at: at, shape: list}
		for _, v := range n.Values {
			if text, ok := plainText(v); ok && n.IsFlowStyle {
				out.items = append(out.items, scalarNode(b.place(v.(*ast.MappingValueNode).Key), text))
				continue
			}
			out.items = append(out.items, b.node(v))
		}
		return out
	case *ast.NullNode:
		return &node{at: at, shape: empty}
	case *ast.AnchorNode:
		v := b.node(n.Value)
		b.anchors[n.Name.GetToken().Value] = v
		return v
	case *ast.AliasNode:
		return b.alias(at, n)
	case *ast.TagNode:
		return b.node(n.Value)
	case *ast.LiteralNode:
		return scalarNode(at, n.Value.Value)
	case *ast.StringNode:
		return scalarNode(at, n.Value)
	}
	return scalarNode(at, n.GetToken().Value)
}

// plainText is what the parser takes for a mapping in a list such as
// [a:6514, b:6514]. A colon with no blank behind it is part of the text (YAML
// 1.2.2, 7.3.3).
func plainText(n ast.Node) (string, bool) {
	m, ok := n.(*ast.MappingValueNode)
	if !ok || m.Start == nil || m.Key.GetToken().Type == token.DoubleQuoteType || m.Key.GetToken().Type == token.SingleQuoteType {
		return "", false
	}
	if _, ok := m.Value.(ast.ScalarNode); !ok {
		return "", false
	}
	value := m.Value.GetToken()
	return m.Key.GetToken().Value + ":" + value.Value, value.Position.Line == m.Start.Position.Line && value.Position.Column == m.Start.Position.Column+1
}

func (b *treeBuilder) alias(at place, n *ast.AliasNode) *node {
	name := n.Value.GetToken().Value
	if v := b.anchors[name]; v != nil {
		return v
	}
	b.fail(at, "*%s: no &%s stands before it", name, name)
	return &node{at: at, shape: empty}
}

func (b *treeBuilder) mapping(at place, values []*ast.MappingValueNode) *node {
	out := &node{at: at, shape: mapping}
	for _, v := range values {
		key, keyAt := strings.Trim(v.Key.GetToken().Value, `"'`), b.place(v.Key)
		if key == "<<" {
			b.fail(keyAt, "<<: merging is not understood here; write the keys out")
			continue
		}
		if out.get(key) != nil {
			b.fail(keyAt, "key %q is given twice", key)
			continue
		}
		out.entries = append(out.entries, entry{key, keyAt, b.node(v.Value)})
	}
	return out
}

var envRef = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

func scalarNode(at place, written string) *node {
	n := &node{at: at, shape: scalar, written: written}
	n.text = envRef.ReplaceAllStringFunc(written, func(ref string) string {
		name := ref[2 : len(ref)-1]
		v, ok := os.LookupEnv(name)
		if !ok && n.unset == nil {
			n.unset = fmt.Errorf("%s: ${%s}: no such variable in the environment", at, name)
		}
		return v
	})
	return n
}

// merge adds the content of src to dst: mappings key by key, lists one behind
// the other. The same scalar twice, or two list items of the same name, is an
// error that names both places.
func merge(dst, src *node) error {
	if src.shape == empty {
		return nil
	}
	if dst.shape == empty {
		*dst = *src
		return nil
	}
	switch {
	case dst.shape == mapping && src.shape == mapping:
		return mergeMappings(dst, src)
	case dst.shape == list && src.shape == list:
		return mergeLists(dst, src)
	}
	return fmt.Errorf("%s: already given at %s", src.at, dst.at)
}

func mergeMappings(dst, src *node) error {
	var errs []error
	for _, e := range src.entries {
		if v := dst.get(e.key); v != nil {
			errs = append(errs, merge(v, e.value))
			continue
		}
		dst.entries = append(dst.entries, e)
	}
	return errors.Join(errs...)
}

func mergeLists(dst, src *node) error {
	var errs []error
	named := map[string]place{}
	for _, it := range dst.items {
		if n := it.get("name"); n != nil {
			named[n.text] = n.at
		}
	}
	for _, it := range src.items {
		if n := it.get("name"); n != nil {
			if at, twice := named[n.text]; twice {
				errs = append(errs, fmt.Errorf("%s: %q is already defined at %s", n.at, n.text, at))
				continue
			}
		}
		dst.items = append(dst.items, it)
	}
	return errors.Join(errs...)
}
