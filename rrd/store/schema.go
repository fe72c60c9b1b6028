package store

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"rondo/rrd"
)

// Config is the section of the configuration file that describes how series
// are kept.
type Config struct {
	Schemas    []SchemaConfig `yaml:"schemas"`
	MaxSeries  int            `yaml:"max_series"`
	LateWindow time.Duration  `yaml:"late_window"`
}

// SchemaConfig describes how the series that match are kept.
type SchemaConfig struct {
	Name      string            `yaml:"name"`
	Match     string            `yaml:"match"`     // glob over series' names: * and ?
	Labels    map[string]string `yaml:"labels"`    // globs over labels' values; all must match
	Type      rrd.Type          `yaml:"type"`      // default: what the protocol says, else gauge
	Heartbeat time.Duration     `yaml:"heartbeat"` // default: 12 steps, at least 2 minutes
	Min       *float64          `yaml:"min"`
	Max       *float64          `yaml:"max"`
	XFF       *float64          `yaml:"xff"`      // default 0.99
	Archives  []string          `yaml:"archives"` // "10s for 1d" or "10s x 8640", the finest first; its row is the step
}

// DefaultConfig keeps every series as rrd.DefaultDefinition says.
func DefaultConfig() Config {
	return Config{MaxSeries: 2_000_000, LateWindow: 10 * time.Minute}
}

// Validate reports every mistake in c.
func (c *Config) Validate() error {
	var errs []error
	if c.MaxSeries < 1 {
		errs = append(errs, errors.New("max_series: must be at least 1"))
	}
	// Without a window a batch that is sent again would be refused as late.
	if c.LateWindow < time.Second || c.LateWindow > time.Hour {
		errs = append(errs, errors.New("late_window: must be between 1s and 1h"))
	}
	_, err := c.Build()
	return errors.Join(append(errs, err)...)
}

// Build makes the schemas.
func (c *Config) Build() ([]Schema, error) {
	var errs []error
	schemas := make([]Schema, len(c.Schemas))
	for i := range c.Schemas {
		var err error
		if schemas[i], err = c.Schemas[i].build(); err != nil {
			errs = append(errs, fmt.Errorf("schemas[%d] %q: %w", i, c.Schemas[i].Name, err))
		}
	}
	return schemas, errors.Join(errs...)
}

func (c *SchemaConfig) build() (Schema, error) {
	d := rrd.DefaultDefinition()
	d.Type = c.Type
	xff := 0.99
	if c.XFF != nil {
		xff = *c.XFF
	}
	if len(c.Archives) > 0 {
		var err error
		if d.Step, d.Archives, err = ParseArchives(c.Archives, xff); err != nil {
			return Schema{}, err
		}
		d.Heartbeat = max(12*d.Step, 2*time.Minute)
	}
	if c.Heartbeat != 0 {
		d.Heartbeat = c.Heartbeat
	}
	if c.Min != nil {
		d.Min = *c.Min
	}
	if c.Max != nil {
		d.Max = *c.Max
	}
	return Schema{Name: c.Name, Match: c.Match, Labels: c.Labels, Definition: d}, check(&d)
}

// ParseArchives reads archives as they are written in a configuration, each
// "ROW for SPAN", "ROW for N rows" or "ROW x N" with units ms s m h d w y, for
// example "10s for 1d" or "10s x 8640". The first one's row is the step.
func ParseArchives(texts []string, xff float64) (step time.Duration, as []rrd.Archive, err error) {
	for i, text := range texts {
		row, rows, err := parseArchive(text)
		if err != nil {
			return 0, nil, fmt.Errorf("archives[%d] %q: %w", i, text, err)
		}
		if i == 0 {
			step = row
		}
		if row%step != 0 {
			return 0, nil, fmt.Errorf("archives[%d] %q: %s is not a multiple of the step %s", i, text, FormatSpan(row), FormatSpan(step))
		}
		as = append(as, rrd.Archive{Steps: int(row / step), Rows: rows, XFF: xff})
	}
	return step, as, nil
}

var errArchive = errors.New(`want for example "10s for 1d" or "10s x 8640" (units ms s m h d w y)`)

// parseArchive reads the length of a row and how many there are.
func parseArchive(text string) (row time.Duration, rows int, err error) {
	rowText, restText, spans := strings.Cut(text, " for ")
	if !spans {
		rowText, restText, _ = strings.Cut(text, " x ")
	}
	count, counted := strings.CutSuffix(restText, " rows")
	if row, err = ParseSpan(rowText); err != nil {
		return 0, 0, errArchive
	}
	if counted || !spans {
		if rows, err = strconv.Atoi(strings.TrimSpace(count)); err != nil || rows < 1 {
			return 0, 0, errArchive
		}
		return row, rows, nil
	}
	span, err := ParseSpan(restText)
	if err != nil {
		return 0, 0, errArchive
	}
	if span%row != 0 || span < row {
		return 0, 0, fmt.Errorf("%s is not a multiple of %s", FormatSpan(span), FormatSpan(row))
	}
	return row, int(span / row), nil
}

type spanUnit struct {
	name string
	span time.Duration
}

// spanUnits are the units of a span, the longest first.
func spanUnits() []spanUnit {
	const day = 24 * time.Hour
	return []spanUnit{{"y", 365 * day}, {"w", 7 * day}, {"d", day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}}
}

// maxSpan is the longest span that a configuration may name.
const maxSpan = 100 * 365 * 24 * time.Hour

// ParseSpan reads a span of time: a whole number and a unit, ms s m h d w y.
func ParseSpan(s string) (time.Duration, error) {
	s = strings.TrimSpace(s)
	digits := strings.TrimRight(s, "msdhwy")
	n, err := strconv.ParseInt(digits, 10, 32)
	for _, u := range spanUnits() {
		if err == nil && s[len(digits):] == u.name && n >= 1 && n <= int64(maxSpan/u.span) {
			return time.Duration(n) * u.span, nil
		}
	}
	return 0, fmt.Errorf("%q is no span of time", s)
}

// FormatSpan writes a span as a configuration has it: in the longest unit of
// which it is a whole number.
func FormatSpan(d time.Duration) string {
	for _, u := range spanUnits() {
		if d >= u.span && d%u.span == 0 {
			return strconv.FormatInt(int64(d/u.span), 10) + u.name
		}
	}
	return d.String()
}

// check refuses definitions that the store cannot keep.
func check(d *rrd.Definition) error {
	switch {
	case d.Type > rrd.Absolute:
		return fmt.Errorf("type %s: only a data source of a set can have it", d.Type)
	case len(d.Archives) == 0 || len(d.Archives) > maxArchives:
		return fmt.Errorf("archives: want 1 to %d", maxArchives)
	case d.Archives[0].Steps != 1:
		return errors.New("archives: the first must have one step per row")
	case d.Step < time.Millisecond || d.Step%time.Millisecond != 0:
		return fmt.Errorf("step %s: want whole milliseconds", d.Step)
	case d.Heartbeat < d.Step:
		return fmt.Errorf("heartbeat %s is shorter than the step %s", d.Heartbeat, d.Step)
	case d.Min > d.Max:
		return fmt.Errorf("min %v is above max %v", d.Min, d.Max)
	}
	for i, a := range d.Archives {
		if i > 0 && a.Steps <= d.Archives[i-1].Steps {
			return fmt.Errorf("archives[%d]: rows must be longer than those of the archive before", i)
		}
		if a.Rows < 1 || a.Rows > maxRows {
			return fmt.Errorf("archives[%d]: %d rows: want 1 to %d", i, a.Rows, maxRows)
		}
		if !(a.XFF >= 0 && a.XFF < 1) {
			return fmt.Errorf("archives[%d]: xff %v: want 0 <= xff < 1", i, a.XFF)
		}
		for _, cf := range a.CFs {
			if cf > rrd.Last {
				return fmt.Errorf("archives[%d]: %s: only an archive of a set can have it", i, cf)
			}
		}
	}
	return nil
}

const (
	maxArchives = 16
	maxRows     = 50_000_000
)

// A Schema says how new series whose name and labels match are kept. A
// Definition with type rrd.Unset takes the type from the sample.
type Schema struct {
	Name       string
	Match      string            // glob over names; "" matches all
	Labels     map[string]string // globs over labels
	Definition rrd.Definition
}

func (s *Schema) matches(k rrd.Key) bool {
	if s.Match != "" && !glob(s.Match, k.Name()) {
		return false
	}
	for label, pattern := range s.Labels {
		if !glob(pattern, k.Get(label)) {
			return false
		}
	}
	return true
}

// glob matches * (any text, also empty) and ? (any byte). It goes back to the
// last star only, so its time is at most the product of the lengths.
func glob(pattern, s string) bool {
	star, mark, p, i := -1, 0, 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p, i = p+1, i+1
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// define returns the definition of a new series.
func define(schemas []Schema, k rrd.Key, t rrd.Type) rrd.Definition {
	d := rrd.DefaultDefinition()
	d.Type = rrd.Unset
	for i := range schemas {
		if schemas[i].matches(k) {
			d = schemas[i].Definition
			break
		}
	}
	if d.Type == rrd.Unset && t <= rrd.Absolute {
		d.Type = t
	}
	if d.Type == rrd.Unset {
		d.Type = rrd.Gauge
	}
	return d
}

// appendDefinition writes a definition as the series file keeps it.
//
//	definition = type:byte step heartbeat (uvarint, microseconds) min:8 max:8
//	             archives:uvarint { steps rows (uvarint) xff:8 cfs:uvarint { cf:byte } }
func appendDefinition(b []byte, d *rrd.Definition) []byte {
	b = append(b, byte(d.Type))
	b = appendUvarint(b, uint64(d.Step.Microseconds()))
	b = appendUvarint(b, uint64(d.Heartbeat.Microseconds()))
	b = appendFloat(appendFloat(b, d.Min), d.Max)
	b = appendUvarint(b, uint64(len(d.Archives)))
	for _, a := range d.Archives {
		b = appendUvarint(b, uint64(a.Steps))
		b = appendUvarint(b, uint64(a.Rows))
		b = appendFloat(b, a.XFF)
		b = appendUvarint(b, uint64(len(a.CFs)))
		for _, cf := range a.CFs {
			b = append(b, byte(cf))
		}
	}
	return b
}

func readDefinition(r *reader) (rrd.Definition, error) {
	var d rrd.Definition
	if t := r.bytes(1); t != nil {
		d.Type = rrd.Type(t[0])
	}
	d.Step = time.Duration(r.uvarint()) * time.Microsecond
	d.Heartbeat = time.Duration(r.uvarint()) * time.Microsecond
	d.Min, d.Max = r.float(), r.float()
	n := r.uvarint()
	for range min(n, maxArchives) {
		a := rrd.Archive{Steps: int(r.uvarint()), Rows: int(r.uvarint()), XFF: r.float()}
		for _, cf := range r.bytes(r.uvarint()) {
			a.CFs = append(a.CFs, rrd.CF(cf))
		}
		d.Archives = append(d.Archives, a)
	}
	if r.failed || d.Type == rrd.Unset || d.Type > rrd.Absolute {
		return d, errors.New("definition cannot be read")
	}
	return d, check(&d)
}

func appendFloat(b []byte, f float64) []byte {
	u := math.Float64bits(f)
	return append(b, byte(u), byte(u>>8), byte(u>>16), byte(u>>24), byte(u>>32), byte(u>>40), byte(u>>48), byte(u>>56))
}
