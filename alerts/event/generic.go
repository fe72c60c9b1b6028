package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// labelField begins the fields of a mapping that are labels.
const labelField = "labels."

// mapped are the fields that a mapping may fill, beside labels.
func mapped() []string {
	return []string{"title", "text", "key", "at", "until", "who", "link", "tags"}
}

// A generic hook makes an event of any JSON, by a mapping of fields to patterns.
// Without one, the JSON is as for POST /api/events.
type generic struct{ fields map[string]pattern }

func newGeneric(h Hook) (*generic, error) {
	g := &generic{fields: map[string]pattern{}}
	from := h.Map
	if len(from) == 0 {
		from = map[string]string{}
		for _, f := range mapped() {
			from[f] = "{" + f + "}"
		}
	}
	for field, text := range from {
		p, err := parsePattern(text)
		if err != nil {
			return nil, fmt.Errorf("map: %s: %w", field, err)
		}
		g.fields[field] = p
	}
	return g, nil
}

func (g *generic) decode(_ Hook, _ http.Header, body []byte) (*Event, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("body: want JSON: %w", err)
	}
	e, now := &Event{Labels: map[string]string{}}, time.Now()
	for field, p := range g.fields {
		text := strings.TrimSpace(p.fill(v))
		if text == "" {
			continue
		}
		if err := e.set(field, text, now); err != nil {
			return nil, err
		}
	}
	if e.Title == "" {
		return nil, fmt.Errorf("no title: the mapping %s finds nothing in this body", g.fields["title"])
	}
	return e, nil
}

// set sets a field of a mapping.
func (e *Event) set(field, text string, now time.Time) (err error) {
	switch field {
	case "title":
		e.Title = text
	case "text":
		e.Text = text
	case "key":
		e.Key = text
	case "who":
		e.Who = text
	case "link":
		e.Link = text
	case "tags":
		e.Tags = strings.Split(text, ",")
	case "at":
		e.At, err = ParseTime(text, now)
	case "until":
		e.End, err = ParseTime(text, now)
	default:
		e.Labels[strings.TrimPrefix(field, labelField)] = shorten(text, maxLabel)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", field, err)
	}
	return err
}

// A pattern is text with {paths} into JSON: "deploy {project.name} {tags.0}".
type pattern []segment

// A segment is literal text, or a path.
type segment struct {
	text string
	path []string
}

const maxPattern = 1000

func parsePattern(text string) (pattern, error) {
	if len(text) > maxPattern {
		return nil, fmt.Errorf("it has %d bytes, at most %d", len(text), maxPattern)
	}
	var p pattern
	for text != "" {
		before, rest, found := strings.Cut(text, "{")
		if before != "" {
			p = append(p, segment{text: before})
		}
		if !found {
			break
		}
		path, after, closed := strings.Cut(rest, "}")
		if !closed || path == "" || strings.Contains(path, "{") {
			return nil, fmt.Errorf("%q: want {path.to.field}, closed with }", text)
		}
		p = append(p, segment{path: strings.Split(path, ".")})
		text = after
	}
	return p, nil
}

func (p pattern) String() string {
	var b strings.Builder
	for _, s := range p {
		b.WriteString(s.text)
		if s.path != nil {
			b.WriteString("{" + strings.Join(s.path, ".") + "}")
		}
	}
	return strconv.Quote(b.String())
}

// fill is the text with what stands at the paths; nothing if none of them leads
// to something, so that literal text alone makes no field.
func (p pattern) fill(v any) string {
	var b strings.Builder
	paths, found := 0, 0
	for _, s := range p {
		if s.path == nil {
			b.WriteString(s.text)
			continue
		}
		paths++
		if text := at(v, s.path); text != "" {
			b.WriteString(text)
			found++
		}
	}
	if paths > 0 && found == 0 {
		return ""
	}
	return b.String()
}

// at is what stands at a path, as text; a list is joined by commas.
func at(v any, path []string) string {
	for _, name := range path {
		switch in := v.(type) {
		case map[string]any:
			v = in[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(in) {
				return ""
			}
			v = in[i]
		default:
			return ""
		}
	}
	if list, ok := v.([]any); ok {
		var texts []string
		for _, x := range list[:min(len(list), maxTags)] {
			texts = append(texts, scalar(x))
		}
		return joined(",", texts...)
	}
	return scalar(v)
}

func scalar(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case json.Number:
		return x.String()
	case bool:
		return strconv.FormatBool(x)
	}
	return "" // null, or an object
}
