package logmetric

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"rondo/collectors"
	"rondo/syslogd/filter"
)

// Config is the collector's section of the configuration.
type Config struct {
	Messages  bool          `yaml:"messages"`   // log_messages: all messages by host, app and severity
	Interval  time.Duration `yaml:"interval"`   // how often the counts become samples
	Expire    time.Duration `yaml:"expire"`     // silent series are forgotten after that
	MaxSeries int           `yaml:"max_series"` // of one rule; what comes beyond is counted as "other"
	Rules     []Rule        `yaml:"rules"`
}

// A Rule makes one metric of the messages that match.
type Rule struct {
	Name    string         `yaml:"name"`    // the series is log_NAME
	Filter  *filter.Filter `yaml:"filter"`  // which messages; none: all
	Count   bool           `yaml:"count"`   // counts them, or
	Extract Pattern        `yaml:"extract"` // takes the number of the group "value" out of the text; other groups may be labels
	By      []Label        `yaml:"by"`      // labels
	Type    Type           `yaml:"type"`    // what becomes of the numbers: gauge, sum or summary
	Time    Clock          `yaml:"time"`    // received or message
}

// DefaultConfig counts all messages every 10 s.
func DefaultConfig() Config {
	return Config{Messages: true, Interval: 10 * time.Second, Expire: 5 * time.Minute, MaxSeries: 10_000}
}

// messagesRule is what Config.Messages stands for.
func messagesRule() Rule {
	return Rule{Name: "messages", Count: true, By: []Label{labelOf("host"), labelOf("app"), labelOf("severity")}}
}

const (
	maxRules  = 1000
	maxLabels = 8
	maxName   = 200
	// maxInterval is half of the default heartbeat: what comes more seldom has
	// gaps.
	maxInterval = time.Minute
)

// Validate says what is wrong with c. Errors of a rule quote its name.
func (c Config) Validate() error {
	switch {
	case c.Interval < time.Second || c.Interval > maxInterval:
		return fmt.Errorf("interval %v: want 1s to %v", c.Interval, maxInterval)
	case c.Expire < c.Interval:
		return fmt.Errorf("expire %v: want at least the interval, %v", c.Expire, c.Interval)
	case c.MaxSeries < 1:
		return fmt.Errorf("max_series %d: want at least 1", c.MaxSeries)
	case len(c.Rules) > maxRules:
		return fmt.Errorf("rules: %d of them, want at most %d", len(c.Rules), maxRules)
	}
	var errs []error
	names := make(map[string]bool)
	if c.Messages {
		names[seriesName("messages")] = true
	}
	for i, r := range c.Rules {
		err := r.validate()
		if name := seriesName(r.Name); err == nil && names[name] {
			err = fmt.Errorf("another rule makes %s too", name)
		} else {
			names[name] = true
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("rules: %d: %q: %w", i+1, r.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (r Rule) validate() error {
	var groups []string
	if r.Extract.Regexp != nil {
		groups = r.Extract.SubexpNames()
	}
	value := slices.Contains(groups, valueGroup)
	switch {
	case !isIdentifier(r.Name) || len(r.Name) > maxName:
		return fmt.Errorf("name: want letters, digits and _, at most %d", maxName)
	case !r.Count && r.Extract.Regexp == nil:
		return errors.New("want count: true, or extract: with a number to take")
	case !r.Count && !value:
		return errors.New("extract: has no group (?P<value>...), and count: true is not there")
	case r.Count && value:
		return errors.New("extract: has a group value, but count: true counts; make it two rules")
	case r.Count && r.Type != "":
		return errors.New("type: is for numbers that extract: takes; count: true has none")
	case len(r.By) > maxLabels:
		return fmt.Errorf("by: %d labels, want at most %d", len(r.By), maxLabels)
	}
	return r.validateLabels(groups)
}

// validateLabels wants every label to come from somewhere, and every named
// group to be used.
func (r Rule) validateLabels(groups []string) error {
	used := map[string]bool{valueGroup: true, "": true}
	for _, l := range r.By {
		switch {
		case used[l.name]:
			return fmt.Errorf("by: the label %s is there twice", l.name)
		case l.field == "" && !slices.Contains(groups, l.name):
			return fmt.Errorf("by: %s is no field (%s, sd.KEY) and no group of extract", l.name, strings.Join(fieldNames, ", "))
		}
		used[l.name] = true
	}
	for i, g := range groups {
		switch {
		case !used[g]:
			return fmt.Errorf("extract: the group %s is not in by", g)
		case g != "" && slices.Contains(groups[:i], g):
			return fmt.Errorf("extract: two groups are named %s", g)
		}
	}
	return nil
}

// valueGroup is the group of a Pattern that holds the number.
const valueGroup = "value"

// A Pattern is a regular expression (RE2) over the text of a message.
type Pattern struct{ *regexp.Regexp }

// UnmarshalText compiles a pattern of the configuration.
func (p *Pattern) UnmarshalText(text []byte) (err error) {
	p.Regexp, err = regexp.Compile(string(text))
	return err
}

// fieldNames are the fields of a message that may be labels, besides sd.KEY.
var fieldNames = []string{"host", "app", "severity", "facility", "sender", "pid", "msgid"}

// A Label is one label of a rule's series: a field of the message, or a group
// of the rule's pattern of the same name, which wins.
type Label struct {
	name  string // as in the series
	field string // of fieldNames, or sd.KEY; "" where it can only be a group
}

// UnmarshalText reads a label of the configuration: a field by its name in the
// filter language, or a group. The label of sd.KEY is KEY; where KEY names its
// element too, what stands behind the last dot.
func (l *Label) UnmarshalText(text []byte) error {
	*l = labelOf(string(text))
	if l.field == "sd." || !isIdentifier(l.name) {
		return fmt.Errorf("label %q: want %s, sd.KEY or a group of extract", text, strings.Join(fieldNames, ", "))
	}
	return nil
}

func labelOf(s string) Label {
	if s == "program" {
		s = "app"
	}
	if key, ok := strings.CutPrefix(s, "sd."); ok {
		name := key[strings.LastIndexByte(key, '.')+1:]
		return Label{name: strings.ReplaceAll(name, "-", "_"), field: s}
	}
	if slices.Contains(fieldNames, s) {
		return Label{name: s, field: s}
	}
	return Label{name: s}
}

// isIdentifier says whether s can stand in PromQL without quotes.
func isIdentifier(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		letter := c >= 'a' && c <= 'z' || s[i] == '_'
		if !letter && (i == 0 || s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return s != "" && !strings.HasPrefix(s, "__")
}

// Type is what a rule makes of the numbers of an interval.
type Type string

// The types.
const (
	Gauge   Type = "gauge"   // the last
	Sum     Type = "sum"     // their sum
	Summary Type = "summary" // _count, _sum, _min and _max
)

// UnmarshalText reads a type of the configuration.
func (t *Type) UnmarshalText(text []byte) error {
	switch *t = Type(text); *t {
	case Gauge, Sum, Summary:
		return nil
	}
	return fmt.Errorf("type %q: want gauge, sum or summary", text)
}

// Clock is whose time a rule goes by.
type Clock string

// The clocks.
const (
	Received Clock = "received" // ours, when the message came
	Message  Clock = "message"  // the sender's, as far as the store still takes such samples
)

// UnmarshalText reads a clock of the configuration.
func (c *Clock) UnmarshalText(text []byte) error {
	switch *c = Clock(text); *c {
	case Received, Message:
		return nil
	}
	return fmt.Errorf("time %q: want received or message", text)
}

// Kind is what the configuration calls "logmetric". It runs by default, and
// once: two would count every message twice.
func Kind() collectors.Kind {
	k := collectors.KindOf("logmetric", true, DefaultConfig, New)
	k.Single = true
	return k
}
