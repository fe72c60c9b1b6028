package store

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"rondo/rrd"
)

// A Change says which series are to be kept in another way, and how. It says
// what is to be, and not what to do: done twice it changes nothing more.
type Change struct {
	Matchers [][]rrd.Matcher // all of one list must hold; no list: all series
	Schema   bool            // as the schemas say now; else as Edit does
	Edit     Edit
}

// An Edit says what becomes of a definition, in the words of a configuration.
// What is empty stays.
type Edit struct {
	Archives  []string      // "10s for 1d", the finest first; its row is the step
	Step      time.Duration // with the archives as they are, see restep
	Heartbeat time.Duration
	Min, Max  string // a number, or "none"
	XFF       *float64
	Type      string
}

// Errors about changes.
var (
	ErrChanging   = errors.New("a change is running already; `rondo series changes` shows it, and --stop ends it")
	ErrNoChange   = errors.New("no change is running")
	ErrEmptyEdit  = errors.New("nothing is to be changed: give archives, a step, a heartbeat, limits, an xff, a type, or the schema")
	ErrNoSeries   = errors.New("no such series")
	ErrNoMatch    = errors.New("no series matches; those of sets are changed by `rondo set change`")
	ErrSeriesName = errors.New("there is a series of that name already")
)

func (e *Edit) empty() bool {
	return len(e.Archives) == 0 && e.Step == 0 && e.Heartbeat == 0 && e.Min == "" && e.Max == "" && e.XFF == nil && e.Type == ""
}

// apply returns the definition as it is to be.
func (e *Edit) apply(d rrd.Definition) (rrd.Definition, error) {
	d.Archives = slices.Clone(d.Archives)
	xff := 0.99
	if e.XFF != nil {
		xff = *e.XFF
	}
	var errs []error
	if len(e.Archives) > 0 {
		var err error
		d.Step, d.Archives, err = ParseArchives(e.Archives, xff)
		errs = append(errs, err)
	}
	if e.Step != 0 && len(errs) == 0 {
		errs = append(errs, restep(&d, e.Step))
	}
	if e.XFF != nil {
		for a := range d.Archives {
			d.Archives[a].XFF = xff
		}
	}
	if e.Heartbeat != 0 {
		d.Heartbeat = e.Heartbeat
	}
	errs = append(errs, setLimit("min", e.Min, &d.Min), setLimit("max", e.Max, &d.Max))
	if e.Type != "" {
		was := d.Type
		errs = append(errs, d.Type.UnmarshalText([]byte(e.Type)))
		if !canBecome(was, d.Type) {
			errs = append(errs, fmt.Errorf("type: a %s cannot become a %s: make a new series", was, d.Type))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return d, err
	}
	return d, check(&d)
}

// canBecome: the running total of a counter ends with it, and then rates
// across the change would be wrong; one that begins is right.
func canBecome(was, now rrd.Type) bool {
	return now == was || now >= rrd.Counter && now <= rrd.Absolute
}

func setLimit(name, text string, limit *float64) error {
	if text == "" {
		return nil
	}
	if *limit = math.NaN(); text == "none" {
		return nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return fmt.Errorf("%s %q: want a number, or none", name, text)
	}
	*limit = v
	return nil
}

// restep changes the step. A finer one gets an archive of its own in front,
// which reaches back as far as the first one did; the others stay. With a
// coarser one the archives of shorter rows go; where none is left with rows of
// one step, there is one in front that reaches back as far as those did.
func restep(d *rrd.Definition, step time.Duration) error {
	if step == d.Step {
		return nil
	}
	var rest []rrd.Archive
	span, xff := d.Span(0), d.Archives[0].XFF
	for a := range d.Archives {
		switch row := d.Row(a); {
		case row < step:
			span = max(span, d.Span(a))
		case row%step != 0:
			return fmt.Errorf("step %s: the archive of %s rows is not a multiple of it; give --archives too", FormatSpan(step), FormatSpan(row))
		default:
			archive := d.Archives[a]
			archive.Steps = int(row / step)
			rest = append(rest, archive)
		}
	}
	if len(rest) == 0 || rest[0].Steps != 1 {
		rows := int((span + step - 1) / step)
		rest = slices.Insert(rest, 0, rrd.Archive{Steps: 1, Rows: rows, XFF: xff})
	}
	d.Step, d.Archives = step, rest
	return nil
}

// FormatArchive writes an archive as a configuration has it: "10s for 1d".
func FormatArchive(d *rrd.Definition, a int) string {
	return FormatSpan(d.Row(a)) + " for " + FormatSpan(d.Span(a))
}

// String says what a change does, for people.
func (c *Change) String() string {
	if c.Schema {
		return "as the schemas say"
	}
	var parts []string
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+" "+value)
		}
	}
	e := &c.Edit
	add("archives", strings.Join(e.Archives, ", "))
	if e.Step != 0 {
		add("step", FormatSpan(e.Step))
	}
	if e.Heartbeat != 0 {
		add("heartbeat", FormatSpan(e.Heartbeat))
	}
	add("min", e.Min)
	add("max", e.Max)
	if e.XFF != nil {
		add("xff", strconv.FormatFloat(*e.XFF, 'g', -1, 64))
	}
	add("type", e.Type)
	return strings.Join(parts, "; ")
}

// wanted returns the definition that a series is to have.
func (st *Store) wanted(c *Change, k rrd.Key, now *definition) (rrd.Definition, error) {
	if !c.Schema {
		return c.Edit.apply(now.Definition)
	}
	d := st.table.schema(k, now.Type)
	if !canBecome(now.Type, d.Type) {
		d.Type = now.Type
	}
	return d, check(&d)
}

// SetSchemas replaces the schemas. They are for new series, and for a Change
// by the schema.
func (st *Store) SetSchemas(schemas []Schema) {
	st.table.mu.Lock()
	defer st.table.mu.Unlock()
	st.table.design = func(k rrd.Key, t rrd.Type) rrd.Definition { return define(schemas, k, t) }
}

// schema returns how a new series would be kept.
func (t *table) schema(k rrd.Key, typ rrd.Type) rrd.Definition {
	t.mu.RLock()
	design := t.design
	t.mu.RUnlock()
	return design(k, typ)
}

// Rename gives a series another key; its history stays with it. The error is
// ErrNoSeries, ErrSeriesName, or what is wrong with the new key.
func (st *Store) Rename(from, to rrd.Key) error {
	if err := st.rename(from, to); err != nil {
		return fmt.Errorf("store: rename %s to %s: %w", from, to, err)
	}
	return nil
}

func (st *Store) rename(from, to rrd.Key) error {
	if err := to.Validate(); err != nil {
		return err
	}
	if err := st.table.rename(from, rrd.Key(strings.Clone(string(to))), st.shard); err != nil {
		return err
	}
	return st.table.settled(st.ctx)
}
