package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"time"

	"rondo/syslogd/filter"
	"rondo/syslogd/stage"
	"rondo/syslogd/tail"
	"rondo/syslogd/valid"
)

// A profile is what an agent does that the server may decide: which files it
// reads, what it drops or changes before the network, how often it measures.
// It holds nothing that runs a program, writes a file or sends elsewhere.
type profile struct {
	Files    []tail.Input   `yaml:"files"`
	Filter   *filter.Filter `yaml:"filter"`   // which messages are sent; none: all
	Stages   []stage.Config `yaml:"stages"`   // what is done to them before
	Interval time.Duration  `yaml:"interval"` // of host metrics; 0: as the agent's own file says
}

// Bounds of a profile: an agent trusts its server with nothing that has none.
const (
	maxProfile     = 256 << 10 // bytes
	maxInputs      = 200
	maxStages      = 50
	leastInterval  = time.Second
	profileVersion = 16 // hexadecimal digits
)

func (p *profile) validate() error {
	var errs []error
	for i := range p.Files {
		if err := p.Files[i].Validate(); err != nil {
			errs = append(errs, fmt.Errorf("files: %d: %w", i+1, err))
		}
	}
	if len(p.Files) > maxInputs || len(p.Stages) > maxStages {
		errs = append(errs, fmt.Errorf("at most %d files and %d stages", maxInputs, maxStages))
	}
	if err := stage.Validate(p.Stages); err != nil {
		errs = append(errs, fmt.Errorf("stages: %w", err))
	}
	if p.Interval != 0 && p.Interval < leastInterval {
		errs = append(errs, fmt.Errorf("interval: %v is less than %v", p.Interval, leastInterval))
	}
	return errors.Join(errs...)
}

// A profileConfig is a profile in the server's configuration, with the agents
// that it is for. The first that fits is an agent's.
type profileConfig struct {
	Name    string   `yaml:"name"`
	Groups  []string `yaml:"groups"` // none: all
	Hosts   []string `yaml:"hosts"`  // globs; none: all
	profile `yaml:",inline"`

	text    []byte // as it is handed out
	version string // of the text
}

// unmarshalNode decodes and checks a profile, and writes what is handed out: the
// file as it stands, but for the variables of this environment.
func (c *profileConfig) unmarshalNode(n *node) error {
	type plain profileConfig // without this method
	if err := decode(n, (*plain)(c)); err != nil {
		return err
	}
	text, err := n.without("name").without("groups").without("hosts").MarshalJSON()
	c.text, c.version = text, versionOf(text)
	var errs []error
	for _, e := range valid.Errors(errors.Join(err, c.check())) {
		errs = append(errs, fmt.Errorf("%s: agents: profile %q: %w", n.at, c.Name, e))
	}
	return errors.Join(errs...)
}

// check says what is wrong with a profile that was decoded.
func (c *profileConfig) check() error {
	errs := []error{c.validate()}
	if c.Name == "" {
		errs = append(errs, errors.New("a profile needs a name"))
	}
	if len(c.text) > maxProfile {
		errs = append(errs, fmt.Errorf("%d bytes, at most %d", len(c.text), maxProfile))
	}
	for _, h := range c.Hosts {
		if _, err := path.Match(h, ""); err != nil {
			errs = append(errs, fmt.Errorf("hosts: %q is not a glob", h))
		}
	}
	return errors.Join(errs...)
}

// versionOf names a text by its content.
func versionOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])[:profileVersion]
}

// fits says whether the profile is for an agent.
func (c *profileConfig) fits(host, group string) bool {
	if len(c.Groups) > 0 && !slices.Contains(c.Groups, group) {
		return false
	}
	return len(c.Hosts) == 0 || slices.ContainsFunc(c.Hosts, func(glob string) bool {
		ok, _ := path.Match(glob, host) // its form was checked
		return ok
	})
}

// MarshalJSON writes the tree as JSON, every scalar as a string.
func (n *node) MarshalJSON() ([]byte, error) {
	switch n.shape {
	case scalar:
		return json.Marshal(n.text)
	case list:
		return json.Marshal(n.items)
	case mapping:
		return n.marshalMapping()
	}
	return []byte("null"), nil
}

// marshalMapping keeps the order of the keys.
func (n *node) marshalMapping() ([]byte, error) {
	out := []byte{'{'}
	for i, e := range n.entries {
		if i > 0 {
			out = append(out, ',')
		}
		key, err := json.Marshal(e.key)
		if err != nil {
			return nil, err
		}
		value, err := e.value.MarshalJSON()
		if err != nil {
			return nil, err
		}
		out = append(append(append(out, key...), ':'), value...)
	}
	return append(out, '}'), nil
}

// parseProfile reads what a server hands out. It is JSON, not YAML: no
// variable of the agent's environment gets into it, and nothing is short that
// expands.
func parseProfile(text []byte) (*profile, error) {
	if len(text) > maxProfile {
		return nil, fmt.Errorf("%d bytes, at most %d", len(text), maxProfile)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber() // as it is written
	n, err := readTree(dec, 0)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("something stands behind it")
	}
	p := &profile{}
	if err := decode(n, p); err != nil {
		return nil, err
	}
	return p, p.validate()
}

// How deep a profile may be, and how many keys or items may stand in one place.
const (
	maxTree  = 20
	maxItems = 1000
)

// readTree reads one value of JSON. Its places are offsets.
func readTree(dec *json.Decoder, depth int) (*node, error) {
	n := &node{at: place{"profile", 1, int(dec.InputOffset()) + 1}}
	if depth > maxTree {
		return nil, fmt.Errorf("%s: more than %d levels", n.at, maxTree)
	}
	t, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Delim:
		return n, n.readInside(dec, t, depth)
	case nil:
		n.shape = empty
	default:
		n.shape, n.text = scalar, fmt.Sprint(t)
		n.written = n.text
	}
	return n, nil
}

func (n *node) readInside(dec *json.Decoder, open json.Delim, depth int) error {
	n.shape = list
	if open == '{' {
		n.shape = mapping
	}
	for dec.More() {
		if len(n.entries)+len(n.items) == maxItems {
			return fmt.Errorf("%s: more than %d keys or items", n.at, maxItems)
		}
		key := entry{at: n.at}
		if open == '{' {
			t, err := dec.Token()
			if err != nil {
				return err
			}
			key.key, _ = t.(string) // the decoder takes nothing else here
			if n.get(key.key) != nil {
				return fmt.Errorf("%s: key %q is given twice", n.at, key.key)
			}
		}
		v, err := readTree(dec, depth+1)
		if err != nil {
			return err
		}
		if key.value = v; open == '{' {
			n.entries = append(n.entries, key)
		} else {
			n.items = append(n.items, v)
		}
	}
	_, err := dec.Token() // the end
	return err
}
