package redirect

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"rondo/autoscale"
)

// A Template makes an address out of an instance: text with fields in braces,
// such as http://{private_ip}:8080. The fields are host (its name in the fleet),
// id, group, private_ip, private_dns, public_ip, public_dns, zone, type, and
// tag.NAME for one of its tags.
type Template struct{ parts []part }

// A part is text, or the name of a field.
type part struct {
	text  string
	field bool
}

// fields are what a template can name, but for tags.
func fields() map[string]func(group string, i autoscale.Instance) string {
	return map[string]func(string, autoscale.Instance) string{
		"host":        func(_ string, i autoscale.Instance) string { return NameOf(i) },
		"id":          func(_ string, i autoscale.Instance) string { return i.ID },
		"group":       func(g string, _ autoscale.Instance) string { return g },
		"private_ip":  func(_ string, i autoscale.Instance) string { return i.PrivateIP },
		"private_dns": func(_ string, i autoscale.Instance) string { return i.PrivateDNS },
		"public_ip":   func(_ string, i autoscale.Instance) string { return i.PublicIP },
		"public_dns":  func(_ string, i autoscale.Instance) string { return i.PublicDNS },
		"zone":        func(_ string, i autoscale.Instance) string { return i.Zone },
		"type":        func(_ string, i autoscale.Instance) string { return i.Type },
	}
}

// NameOf is what an instance is called in the fleet, or is likely to be while
// it has not been heard of.
func NameOf(i autoscale.Instance) string {
	if i.Host != "" {
		return i.Host
	}
	return append(i.Names(), i.ID)[0]
}

// ParseTemplate reads a template.
func ParseTemplate(text string) (Template, error) {
	var t Template
	known := fields()
	for rest := text; rest != ""; {
		before, after, open := strings.Cut(rest, "{")
		if strings.Contains(before, "}") {
			return Template{}, fmt.Errorf("%q: a } without its {", text)
		}
		if before != "" {
			t.parts = append(t.parts, part{text: before})
		}
		if !open {
			break
		}
		name, tail, closed := strings.Cut(after, "}")
		if !closed {
			return Template{}, fmt.Errorf("%q: a { without its }", text)
		}
		if tag, ok := strings.CutPrefix(name, "tag."); known[name] == nil && (!ok || tag == "") {
			return Template{}, fmt.Errorf("%q: there is no field {%s}: known are %s and tag.NAME", text, name, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
		t.parts = append(t.parts, part{name, true})
		rest = tail
	}
	return t, nil
}

// harmless says whether a value may stand in an address: what could end a host
// or a port, or begin a path, comes from nobody's tags.
func harmless(value string) bool {
	letter := func(c rune) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
	return len(value) <= 253 && strings.Trim(value, "._-") == value &&
		strings.IndexFunc(value, func(c rune) bool { return !letter(c) && !strings.ContainsRune("._-", c) }) < 0
}

// Expand fills in the fields. An IPv6 address is put in brackets.
func (t Template) Expand(group string, i autoscale.Instance) (string, error) {
	var b strings.Builder
	for _, p := range t.parts {
		if !p.field {
			b.WriteString(p.text)
			continue
		}
		var value string
		if tag, ok := strings.CutPrefix(p.text, "tag."); ok {
			value = i.Tags[tag]
		} else {
			value = fields()[p.text](group, i)
		}
		switch a, err := netip.ParseAddr(value); {
		case value == "":
			return "", fmt.Errorf("it has no %s", p.text)
		case err == nil && a.Is6() && a.Zone() == "":
			value = "[" + value + "]"
		case !harmless(value):
			return "", fmt.Errorf("its %s %.40q has no place in an address", p.text, value)
		}
		b.WriteString(value)
	}
	return b.String(), nil
}

// base is where an instance's pages are: scheme, host and at most a path, to
// which a request's own is appended.
func (t Template) base(group string, i autoscale.Instance) (*url.URL, error) {
	text, err := t.Expand(group, i)
	if err != nil {
		return nil, err
	}
	return parseBase(text)
}

func parseBase(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%q: %w", text, errors.Unwrap(err))
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return nil, fmt.Errorf("%q: want http or https and a host, such as http://{private_ip}:8080", text)
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, fmt.Errorf("%q: want no more than scheme, host, port and path", text)
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	u.RawPath = strings.TrimSuffix(u.RawPath, "/")
	return u, nil
}

// sample is an instance that has every field, to try a template with.
func sample() autoscale.Instance {
	return autoscale.Instance{
		ID: "i-0", Host: "host", PrivateIP: "10.0.0.1", PrivateDNS: "host.internal", PublicIP: "192.0.2.1", PublicDNS: "host.example", Zone: "zone-a", Type: "t3.micro",
	}
}

// Try says what is wrong with a template of an address: check is asked of what
// it makes of an instance. Tags are taken to be ports.
func (t Template) Try(check func(string) error) error {
	i := sample()
	i.Tags = map[string]string{}
	for _, p := range t.parts {
		if tag, ok := strings.CutPrefix(p.text, "tag."); ok && p.field {
			i.Tags[tag] = "8080"
		}
	}
	text, err := t.Expand("group", i)
	if err != nil {
		return err
	}
	return check(text)
}
