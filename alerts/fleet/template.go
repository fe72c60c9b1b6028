package fleet

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"rondo/rrd"
)

// A Template finds group and host in a Graphite path. Its parts are separated
// by dots: <host> and <group> take the part in their place, * takes any part,
// and all else stands for itself. The last part is *, and takes what follows.
//
//	fleet.<group>.<host>.*        servers.<host>.*
type Template struct {
	parts []string
	host  int // index in parts
}

// DefaultTemplates are those of a fleet that nobody configured.
func DefaultTemplates() []string { return []string{"fleet.<group>.<host>.*"} }

// ParseTemplate reads a template.
func ParseTemplate(s string) (Template, error) {
	t := Template{parts: strings.Split(s, ".")}
	t.host = slices.Index(t.parts, "<host>")
	count := func(p string) int { return strings.Count(s, p) }
	switch {
	case t.host < 0 || count("<host>") != 1 || count("<group>") > 1:
		return t, fmt.Errorf("fleet: template %q: want <host> once, and <group> at most once, each a part of its own", s)
	case slices.Index(t.parts, "<group>") > t.host:
		return t, fmt.Errorf("fleet: template %q: <group> must stand before <host>", s)
	case t.parts[len(t.parts)-1] != "*":
		return t, fmt.Errorf("fleet: template %q: want .* at the end, for the metric", s)
	case slices.Contains(t.parts, ""):
		return t, fmt.Errorf("fleet: template %q: a part is empty", s)
	case count("<") != count("<host>")+count("<group>"):
		return t, errors.New("fleet: template " + s + ": only <host> and <group> may stand in brackets")
	}
	return t, nil
}

// An Identity is what a series says of the host that it belongs to.
type Identity struct {
	Host     string
	Group    string
	Instance string // EC2 instance ID
	Prefix   string // of the host's series, where a template matched
	Metric   string // what follows the prefix
}

// match takes a path apart. It allocates nothing: the identity's strings are
// parts of the path.
func (t Template) match(path string) (id Identity, ok bool) {
	rest := path
	for i, p := range t.parts[:len(t.parts)-1] {
		part, after, more := strings.Cut(rest, ".")
		if !more || part == "" {
			return Identity{}, false
		}
		switch p {
		case "<host>":
			id.Host = part
		case "<group>":
			id.Group = part
		case "*":
		default:
			if part != p {
				return Identity{}, false
			}
		}
		rest = after
		if i == t.host {
			id.Prefix, id.Metric = path[:len(path)-len(after)], after
		}
	}
	return id, rest != ""
}

// Identify tells which host a series belongs to.
func (f *Fleet) Identify(k rrd.Key) (Identity, bool) {
	if host := k.Get("host"); host != "" {
		id := Identity{Host: host, Group: k.Get("group"), Metric: k.Name()}
		if i := k.Get("instance"); strings.HasPrefix(i, "i-") {
			id.Instance = i
		}
		return id, true
	}
	name := k.Name()
	for _, t := range f.templates {
		if id, ok := t.match(name); ok {
			return id, true
		}
	}
	return Identity{}, false
}

// hostOf is the host of Identify alone, or "".
func (f *Fleet) hostOf(k rrd.Key) string {
	if host := k.Get("host"); host != "" {
		return host
	}
	id, _ := f.Identify(k)
	return id.Host
}

// HostOf is the host that the labels of an answer to a query name: the label
// host, or a Graphite path that a template matches; "" where they name none.
func (f *Fleet) HostOf(ls rrd.Labels) string {
	if host := ls.Get("host"); host != "" {
		return host
	}
	for _, t := range f.templates {
		if id, ok := t.match(ls.Get(rrd.NameLabel)); ok {
			return id.Host
		}
	}
	return ""
}
