package stage

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"rondo/syslogd/extract"
	"rondo/syslogd/syslog"
)

// ParseConfig takes a text apart: its values become parameters of one element
// of structured data, [json@32473 user="7"], so that filters find sd.user. A
// text that is not of the format stays as it is.
type ParseConfig struct {
	Format    string   `yaml:"format"`     // kv, json, csv, apache or pattern
	Pattern   string   `yaml:"pattern"`    // of the format pattern: user=<user> took <ms> ms, see package extract
	Columns   []string `yaml:"columns"`    // of the format csv: names, "" for those to be left out
	Separator string   `yaml:"separator"`  // of the format csv: one character; ","
	From      string   `yaml:"from"`       // the field to take apart; text
	Element   string   `yaml:"element"`    // SD-ID of the element; FORMAT@32473
	Only      []string `yaml:"only"`       // names to keep; none: all
	MaxFields int      `yaml:"max_fields"` // 64
	MaxBytes  int      `yaml:"max_bytes"`  // of names and values together; 8192. Values that do not fit are left out
}

const (
	defaultFields   = 64
	defaultSDBytes  = 8 << 10
	maxSDBytes      = 1 << 20
	paramBytes      = len(` =""`)
	maxSDIDLength   = 32 // RFC 5424, 6.3.2
	formatKV        = "kv"
	formatJSON      = "json"
	formatCSV       = "csv"
	formatApache    = "apache"
	formatPattern   = "pattern"
	defaultCSVComma = ','
)

func formats() []string {
	return []string{formatKV, formatJSON, formatCSV, formatApache, formatPattern}
}

type parse struct {
	from      string
	id        string
	only      []string
	maxFields int
	maxBytes  int
	each      func(text string, yield extract.Yield) bool
}

func (c *ParseConfig) build() (stage, error) {
	s := &parse{from: c.From, id: c.Element, only: c.Only, maxFields: c.MaxFields, maxBytes: c.MaxBytes}
	if s.from == "" {
		s.from = "text"
	}
	if s.id == "" {
		s.id = c.Format + enterprise
	}
	errs := []error{
		checkFields("from", s.from), atLeast("max_fields", &s.maxFields, 1, defaultFields),
		atLeast("max_bytes", &s.maxBytes, 1, defaultSDBytes), checkID("element", s.id),
	}
	if s.maxFields > extract.MaxFields {
		errs = append(errs, fmt.Errorf("max_fields: %d is more than %d", s.maxFields, extract.MaxFields))
	}
	if s.maxBytes > maxSDBytes {
		errs = append(errs, fmt.Errorf("max_bytes: %d is more than %d", s.maxBytes, maxSDBytes))
	}
	var err error
	s.each, err = c.format()
	return s, errors.Join(append(errs, err)...)
}

// checkID checks an SD-ID or the name of a parameter (RFC 5424, 6.3.2).
func checkID(key, id string) error {
	element := string(syslog.AppendSDParam(nil, id, ""))
	if id == "" || len(id) > maxSDIDLength || element != " "+id+`=""` {
		return fmt.Errorf("%s: %q: want up to %d printable characters without blank, =, ] and \"", key, id, maxSDIDLength)
	}
	return nil
}

// format is what reads the texts.
func (c *ParseConfig) format() (func(string, extract.Yield) bool, error) {
	if err := c.misplaced(); err != nil {
		return nil, err
	}
	switch c.Format {
	case formatKV:
		return extract.Logfmt, nil
	case formatJSON:
		return extract.JSON, nil
	case formatApache:
		return extract.Apache, nil
	case formatPattern:
		p, err := extract.Compile(c.Pattern)
		if err != nil {
			return nil, fmt.Errorf("pattern: %w", err)
		}
		return p.Each, nil
	case formatCSV:
		return c.csv()
	}
	return nil, fmt.Errorf("format: %w", unknown(c.Format, formats()))
}

// misplaced tells of keys that other formats have.
func (c *ParseConfig) misplaced() error {
	if c.Pattern != "" && c.Format != formatPattern {
		return fmt.Errorf("pattern: the format %s has none", c.Format)
	}
	if (len(c.Columns) > 0 || c.Separator != "") && c.Format != formatCSV {
		return fmt.Errorf("columns, separator: the format %s has none", c.Format)
	}
	return nil
}

func (c *ParseConfig) csv() (func(string, extract.Yield) bool, error) {
	comma := byte(defaultCSVComma)
	switch {
	case len(c.Separator) == 1 && c.Separator != `"`:
		comma = c.Separator[0]
	case c.Separator != "":
		return nil, fmt.Errorf("separator: %q is not one character of ASCII", c.Separator)
	}
	if len(c.Columns) == 0 || len(c.Columns) > extract.MaxFields {
		return nil, fmt.Errorf("columns: want 1 to %d names", extract.MaxFields)
	}
	return func(text string, yield extract.Yield) bool {
		return extract.CSV(text, comma, c.Columns, yield)
	}, nil
}

func (s *parse) apply(_ time.Time, w *work) verdict {
	params, n, left := w.buf[:0], 0, uint64(0)
	s.each(value(&w.m, s.from), func(name, value string) bool {
		switch {
		case len(s.only) > 0 && !slices.Contains(s.only, name):
		case n == s.maxFields || len(params)+len(name)+len(value)+paramBytes > s.maxBytes:
			left++
		default:
			params = syslog.AppendSDParam(params, name, value)
			n++
		}
		return true
	})
	w.buf, w.cut = params, left
	if n == 0 {
		return unchanged
	}
	w.m.SD = addSD(w.m.SD, s.id, params)
	return changed
}
