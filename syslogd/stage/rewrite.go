package stage

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"rondo/syslogd/syslog"
	"rondo/syslogd/valid"
)

// RewriteConfig changes fields. What is given of it is done in the order in
// which it stands here. Raw stays the line as received.
type RewriteConfig struct {
	Delete  []string          `yaml:"delete"`  // parameters by key, elements by SD-ID, or sender
	Rename  map[string]string `yaml:"rename"`  // key of a parameter: its new name
	Replace []Replace         `yaml:"replace"` // in this order
	Copy    map[string]string `yaml:"copy"`    // field: the field to take it from, if that is not empty
	Map     []Map             `yaml:"map"`     // in this order
	Set     map[string]string `yaml:"set"`     // field: value
}

// Replace replaces each match of a regular expression in a field.
type Replace struct {
	Field string `yaml:"field"` // text
	Regex string `yaml:"regex"` // RE2
	With  With   `yaml:"with"`
}

// With is what stands in the place of a match: $1 or ${name} is one of its
// groups, $$ a dollar. ${name} is no variable of the environment here.
type With string

// Verbatim tells the configuration so.
func (With) Verbatim() {}

// Map sets a field by the value of another one.
type Map struct {
	From    string            `yaml:"from"`
	To      string            `yaml:"to"`      // as from
	Values  map[string]string `yaml:"values"`  // of from, to the letter: of to
	Default *string           `yaml:"default"` // for all others; none: they stay
}

// An edit changes one thing, and reports whether it did.
type edit func(m *syslog.Message) bool

type rewrite []edit

func (c *RewriteConfig) build() (stage, error) {
	var s rewrite
	var errs []error
	add := func(e edit, err error) {
		s = append(s, e)
		errs = append(errs, err)
	}
	for _, key := range c.Delete {
		add(deletion(key), nil)
	}
	for _, key := range slices.Sorted(maps.Keys(c.Rename)) {
		add(renaming(key, c.Rename[key]), checkID("rename: "+key, c.Rename[key]))
	}
	for i, r := range c.Replace {
		e, err := r.edit()
		add(e, within(fmt.Sprintf("replace: %d", i+1), err))
	}
	for _, to := range slices.Sorted(maps.Keys(c.Copy)) {
		from := c.Copy[to]
		add(copying(to, from), errors.Join(checkTarget("copy", to), checkFields("copy: "+to, from)))
	}
	for i, m := range c.Map {
		e, err := m.edit()
		add(e, within(fmt.Sprintf("map: %d", i+1), err))
	}
	for _, to := range slices.Sorted(maps.Keys(c.Set)) {
		add(setting(to, c.Set[to]), errors.Join(checkTarget("set", to), checkValue("set: "+to, to, c.Set[to])))
	}
	if len(s) == 0 {
		errs = append(errs, errors.New("nothing to do: want one of delete, rename, replace, copy, map, set"))
	}
	return s, errors.Join(errs...)
}

// within puts a place before an error.
func within(key string, err error) error {
	var errs []error
	for _, e := range valid.Errors(err) {
		errs = append(errs, fmt.Errorf("%s: %w", key, e))
	}
	return errors.Join(errs...)
}

// checkTarget checks the name of a field that is to be set. The sender is what
// the network says, and nobody's to set.
func checkTarget(key, field string) error {
	if field == "sender" {
		return fmt.Errorf("%s: sender cannot be set, only deleted", key)
	}
	if name, ok := strings.CutPrefix(field, "sd."); ok {
		return checkID(key+": "+field, lastPart(name))
	}
	return checkFields(key, field)
}

// checkValue checks what a field is to be set to.
func checkValue(key, field, value string) (err error) {
	switch field {
	case "severity":
		_, err = syslog.ParseSeverity(value)
	case "facility":
		_, err = syslog.ParseFacility(value)
	}
	return within(key, err)
}

func (s rewrite) apply(_ time.Time, w *work) verdict {
	v := unchanged
	for _, e := range s {
		if e(&w.m) {
			v = changed
		}
	}
	return v
}

func (c *Replace) edit() (edit, error) {
	field := c.Field
	if field == "" {
		field = "text"
	}
	re, err := regexp.Compile(c.Regex)
	if err != nil {
		return nil, fmt.Errorf("regex: %w", err)
	}
	if c.Regex == "" {
		return nil, errors.New("regex: there is none")
	}
	return func(m *syslog.Message) bool {
		old := value(m, field)
		return re.MatchString(old) && assign(m, field, re.ReplaceAllString(old, string(c.With)))
	}, checkTarget("field", field)
}

func (c *Map) edit() (edit, error) {
	to := c.To
	if to == "" {
		to = c.From
	}
	errs := []error{checkFields("from", c.From), checkTarget("to", to)}
	for _, from := range slices.Sorted(maps.Keys(c.Values)) {
		errs = append(errs, checkValue("values: "+from, to, c.Values[from]))
	}
	if c.Default != nil {
		errs = append(errs, checkValue("default", to, *c.Default))
	}
	return func(m *syslog.Message) bool {
		v, ok := c.Values[value(m, c.From)]
		if !ok && c.Default != nil {
			v, ok = *c.Default, true
		}
		return ok && assign(m, to, v)
	}, errors.Join(errs...)
}

func copying(to, from string) edit {
	return func(m *syslog.Message) bool {
		v := value(m, from)
		return v != "" && assign(m, to, v)
	}
}

func setting(to, v string) edit {
	return func(m *syslog.Message) bool { return assign(m, to, v) }
}

func renaming(key, name string) edit {
	return func(m *syslog.Message) bool {
		return editSD(m, func(p syslog.SDParam) (string, string, bool) {
			if p.Name == key || p.ID+"."+p.Name == key {
				return name, p.Value(), true
			}
			return p.Name, p.Value(), true
		})
	}
}

func deletion(key string) edit {
	if key == "sender" {
		return func(m *syslog.Message) bool {
			had := m.Sender.IsValid()
			m.Sender = netip.Addr{}
			return had
		}
	}
	key = strings.TrimPrefix(key, "sd.")
	return func(m *syslog.Message) bool {
		return deleteElement(m, key) || editSD(m, func(p syslog.SDParam) (string, string, bool) {
			return p.Name, p.Value(), p.Name != key && p.ID+"."+p.Name != key
		})
	}
}
