package promrule

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"text/template"
	"text/template/parse"
	"time"

	"rondo/alerts"
)

// The bounds of what one text may cost. Templates can loop, and call each
// other, without end.
const (
	maxText  = 16 << 10 // bytes of a result, and of all that is on the way to it
	maxSteps = 10_000   // turns of loops, and what else is as dear as some of them
	perCall  = 100      // steps that the call of a template counts for: calls nest
	perQuery = 500      // and a query
)

var (
	errTooLong  = fmt.Errorf("the text has more than %d bytes", maxText)
	errTooMuch  = fmt.Errorf("the template takes more than %d turns of loops and calls", maxSteps)
	errNoMetric = errors.New("there are no metrics here to query")
)

// preface declares the variables that every text knows.
const preface = `{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}`

// A text is the value of a label or an annotation, parsed.
type text struct {
	plain string             // where it is no template
	tmpl  *template.Template // else
}

// A subject is what a text speaks of.
type subject struct {
	Labels         map[string]string
	ExternalLabels map[string]string
	ExternalURL    string
	Value          float64
}

// parseText reads a label's or annotation's value.
func parseText(s string) (text, error) {
	if !strings.Contains(s, "{{") {
		return text{plain: s}, nil
	}
	t, err := template.New("text").Option("missingkey=zero").Funcs(functions()).Funcs(bound(nil, nil)).Parse(preface + s)
	if err != nil {
		return text{}, fmt.Errorf("template: %s", strings.TrimPrefix(err.Error(), "template: text:"))
	}
	marks, err := template.New("marks").Funcs(bound(nil, nil)).Parse("{{turn}}{{call_}}")
	if err != nil {
		return text{}, fmt.Errorf("template: %w", err)
	}
	turn, call := marks.Root.Nodes[0], marks.Root.Nodes[1]
	for _, part := range t.Templates() {
		if part.Tree != nil && part.Root != nil {
			count(part.Root, turn)
			part.Root.Nodes = append([]parse.Node{call}, part.Root.Nodes...)
		}
	}
	return text{tmpl: t}, nil
}

// count puts a mark at the beginning of every loop's body. The library has no
// bound of its own, and cannot be interrupted.
func count(list *parse.ListNode, turn parse.Node) {
	if list == nil {
		return
	}
	for _, n := range list.Nodes {
		switch n := n.(type) {
		case *parse.RangeNode:
			count(n.List, turn)
			count(n.ElseList, turn)
			n.List.Nodes = append([]parse.Node{turn}, n.List.Nodes...)
		case *parse.IfNode:
			count(n.List, turn)
			count(n.ElseList, turn)
		case *parse.WithNode:
			count(n.List, turn)
			count(n.ElseList, turn)
		}
	}
}

// A run expands texts for one evaluation of a rule.
type run struct {
	ctx     context.Context
	group   *Group
	at      time.Time
	steps   int // left to the present text
	current *template.Template
}

// bind makes texts that query, count and stop as r says.
func (r *run) bind(texts map[string]text) (map[string]text, error) {
	out := make(map[string]text, len(texts))
	for name, t := range texts {
		if t.tmpl != nil {
			clone, err := t.tmpl.Clone()
			if err != nil {
				return nil, fmt.Errorf("promrule: %s: %w", name, err)
			}
			t.tmpl = clone.Funcs(bound(r, clone))
		}
		out[name] = t
	}
	return out, nil
}

// bound are the functions that need to know the run; with none they are good
// for parsing only.
func bound(r *run, t *template.Template) template.FuncMap {
	return template.FuncMap{
		"turn":  func() (string, error) { return "", r.step(1) },
		"call_": func() (string, error) { return "", r.step(perCall) },
		"query": func(expr string) ([]sample, error) {
			if err := r.step(perQuery); err != nil {
				return nil, err
			}
			return r.query(expr)
		},
		"now":         func() float64 { return float64(r.at.UnixMilli()) / 1000 },
		"externalURL": func() string { return r.group.o.ExternalURL },
		"pathPrefix":  func() string { return pathOf(r.group.o.ExternalURL) },
		"tmpl": func(name string, data any) (string, error) {
			out := &limited{}
			err := t.ExecuteTemplate(out, name, data)
			return out.String(), err
		},
	}
}

func (r *run) step(n int) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if r.steps -= n; r.steps < 0 {
		return errTooMuch
	}
	return nil
}

func (r *run) query(expr string) ([]sample, error) {
	if r.group.o.Metrics == nil {
		return nil, errNoMetric
	}
	values, err := r.group.o.Metrics.Eval(r.ctx, expr, r.at)
	if err != nil {
		return nil, err
	}
	out := make([]sample, len(values))
	for i, v := range values {
		out[i] = sample{alerts.MapOf(v.Labels), v.Value}
	}
	return out, nil
}

// expand fills a bound text in. A template that fails is no reason to be
// silent about an alert: its text says what is wrong, as Prometheus' does.
func (r *run) expand(t text, s subject) string {
	if t.tmpl == nil {
		return t.plain
	}
	r.steps = maxSteps
	var out limited
	if err := t.tmpl.Execute(&out, s); err != nil {
		why := strings.TrimPrefix(err.Error(), "template: ")
		return "<error expanding template: " + strings.ToValidUTF8(why[:min(len(why), maxText)], "") + ">"
	}
	return out.String()
}

// expandAll fills all texts in.
func (r *run) expandAll(texts map[string]text, s subject) map[string]string {
	out := make(map[string]string, len(texts))
	for name, t := range texts {
		out[name] = r.expand(t, s)
	}
	return out
}

// limited is a buffer that takes no more than maxText bytes.
type limited struct{ bytes.Buffer }

// Write implements io.Writer.
func (l *limited) Write(b []byte) (int, error) {
	if l.Len()+len(b) > maxText {
		return 0, errTooLong
	}
	return l.Buffer.Write(b)
}

// parseTexts reads the labels or annotations of a valid rule.
func parseTexts(texts map[string]string) map[string]text {
	out := make(map[string]text, len(texts))
	for name, s := range texts {
		t, err := parseText(s)
		if err != nil {
			t = text{plain: s} // of files that were not validated
		}
		out[name] = t
	}
	return out
}

// merged are labels with others over them.
func merged(labels, over map[string]string) map[string]string {
	all := make(map[string]string, len(labels)+len(over))
	maps.Copy(all, labels)
	maps.Copy(all, over)
	return all
}
