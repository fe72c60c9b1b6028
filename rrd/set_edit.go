package rrd

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A SetEdit changes the definition of a set, as rrdtune(1) and rrdresize(1) do,
// in words of a command line. It says what is to be: applied to a set that is
// so already it changes nothing. Archives are named by what they are, not by
// their number, which moves as others go:
//
//	archive = FUNCTION:STEPS[:ROWS]      "AVERAGE:5", "max:60:1000"
//
// The step stays: primary points are what readings were divided into as they
// came, and nobody has the readings any more (rrdtune --step does nothing,
// either). Longer rows come with another archive. Archives of the Holt-Winters
// family work with one another: they are removed all together, and are neither
// added nor resized.
type SetEdit struct {
	Rename        []string // "OLD=NEW"; before all else, which uses the new names
	RemoveSource  []string // "NAME"
	Heartbeat     []string // "NAME:300", in seconds or with a unit: "NAME:5m"
	Min, Max      []string // "NAME:0", "NAME:U" for no limit
	Add           []string // "DS:NAME:GAUGE:120:U:U"
	RemoveArchive []string // archive
	Resize        []string // archive "=" rows
	AddArchive    []string // "RRA:AVERAGE:0.5:5:1000"
}

// Empty says that e changes no set.
func (e *SetEdit) Empty() bool {
	return len(e.Rename)+len(e.RemoveSource)+len(e.Heartbeat)+len(e.Min)+len(e.Max)+len(e.Add)+
		len(e.RemoveArchive)+len(e.Resize)+len(e.AddArchive) == 0
}

// Plan says what becomes of a set. changed is false if it is so already.
func (e *SetEdit) Plan(d SetDefinition) (p *SetPlan, changed bool, err error) {
	x := &setEditor{SetPlan: SetPlan{Definition: d}}
	x.Definition.Sources, x.Definition.Archives = slices.Clone(d.Sources), slices.Clone(d.Archives)
	for i := range d.Sources {
		x.Sources = append(x.Sources, i)
	}
	for a := range d.Archives {
		x.Archives = append(x.Archives, a)
	}
	x.each("rename", e.Rename, x.rename)
	x.each("remove data source", e.RemoveSource, x.removeSource)
	x.each("heartbeat", e.Heartbeat, x.heartbeat)
	x.each("min", e.Min, func(text string) error { return x.limit(text, func(s *DataSource) *float64 { return &s.Min }) })
	x.each("max", e.Max, func(text string) error { return x.limit(text, func(s *DataSource) *float64 { return &s.Max }) })
	x.each("add", e.Add, x.addSource)
	x.each("remove archive", e.RemoveArchive, x.removeArchive)
	x.each("resize", e.Resize, x.resize)
	x.each("add archive", e.AddArchive, x.addArchive)
	if len(x.errs) == 0 {
		if err = x.left(); err == nil {
			err = x.Definition.Validate()
		}
		x.errs = append(x.errs, err)
	}
	if err = errors.Join(x.errs...); err != nil {
		return nil, false, err
	}
	return &x.SetPlan, !bytes.Equal(d.AppendBinary(nil), x.Definition.AppendBinary(nil)), nil
}

// A setEditor is a plan in the making.
type setEditor struct {
	SetPlan
	errs []error
}

func (x *setEditor) each(what string, texts []string, f func(string) error) {
	for _, text := range texts {
		if err := f(text); err != nil {
			x.errs = append(x.errs, fmt.Errorf("%s %s: %w", what, text, err))
		}
	}
}

func (x *setEditor) find(name string) int {
	return slices.IndexFunc(x.Definition.Sources, func(s DataSource) bool { return s.Name == name })
}

// input reads NAME:VALUE, of a data source that has a heartbeat and limits.
func (x *setEditor) input(text string) (_ *DataSource, value string, _ error) {
	colon := strings.LastIndexByte(text, ':')
	if colon < 1 {
		return nil, "", errors.New("want NAME:VALUE")
	}
	name, value := text[:colon], text[colon+1:]
	i := x.find(name)
	if i < 0 {
		return nil, "", fmt.Errorf("no data source %q", name)
	}
	s := &x.Definition.Sources[i]
	if s.Type == Compute {
		return nil, "", fmt.Errorf("%s is computed", name)
	}
	return s, value, nil
}

// rename renames a data source, also where others are computed from it.
func (x *setEditor) rename(text string) error {
	from, to, ok := strings.Cut(text, "=")
	i := x.find(from)
	switch {
	case !ok || from == "" || to == "":
		return errors.New("want OLD=NEW")
	case i < 0 && x.find(to) >= 0: // it is so already
		return nil
	case i < 0:
		return fmt.Errorf("no data source %q", from)
	case x.find(to) >= 0:
		return fmt.Errorf("there is a data source %q already", to)
	}
	x.Definition.Sources[i].Name = to
	for i := range x.Definition.Sources {
		words := strings.Split(x.Definition.Sources[i].Expression, ",")
		for k := range words {
			if words[k] == from {
				words[k] = to
			}
		}
		x.Definition.Sources[i].Expression = strings.Join(words, ",")
	}
	return nil
}

func (x *setEditor) removeSource(name string) error {
	if i := x.find(name); i >= 0 {
		x.Definition.Sources, x.Sources = slices.Delete(x.Definition.Sources, i, i+1), slices.Delete(x.Sources, i, i+1)
	}
	return nil
}

func (x *setEditor) heartbeat(text string) error {
	s, value, err := x.input(text)
	if err != nil {
		return err
	}
	n, err := ParseScaled(value, 1)
	if err != nil {
		return err
	}
	if n > maxSeconds {
		return fmt.Errorf("want at most %d seconds", maxSeconds)
	}
	s.Heartbeat = time.Duration(n) * time.Second
	return nil
}

func (x *setEditor) limit(text string, of func(*DataSource) *float64) error {
	s, value, err := x.input(text)
	if err != nil {
		return err
	}
	v, err := parseLimit(value, "it")
	if err != nil {
		return err
	}
	limit := of(s)
	if *limit = v; s.Min >= s.Max {
		return fmt.Errorf("min %v must be less than max %v", s.Min, s.Max)
	}
	return nil
}

func (x *setEditor) addSource(text string) error {
	arg, ok := strings.CutPrefix(text, "DS:")
	if !ok {
		return errors.New("want DS:NAME:TYPE:HEARTBEAT:MIN:MAX")
	}
	var one SetDefinition
	if err := one.parseSource(arg); err != nil {
		return err
	}
	if i := x.find(one.Sources[0].Name); i >= 0 {
		if now := &x.Definition.Sources[i]; now.argument() != one.Sources[0].argument() {
			return fmt.Errorf("there is %s already", now.argument())
		}
		return nil
	}
	x.Definition.Sources, x.Sources = append(x.Definition.Sources, one.Sources[0]), append(x.Sources, -1)
	return nil
}

// archive finds the archive that a text names, or -1.
func (x *setEditor) archive(text string) (int, error) {
	words := strings.Split(text, ":")
	var cf CF
	if len(words) < 2 || len(words) > 3 || cf.UnmarshalText([]byte(strings.ToLower(words[0]))) != nil {
		return -1, errors.New("want FUNCTION:STEPS or FUNCTION:STEPS:ROWS")
	}
	var numbers []int
	for _, word := range words[1:] {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			return -1, fmt.Errorf("%q: want a number from 1", word)
		}
		numbers = append(numbers, n)
	}
	found := -1
	for i, a := range x.Definition.Archives {
		if a.CF != cf || a.Steps != numbers[0] || len(numbers) > 1 && a.Rows != numbers[1] {
			continue
		}
		if found >= 0 {
			return -1, errors.New("there are two of it: name the rows too")
		}
		found = i
	}
	return found, nil
}

func (x *setEditor) removeArchive(text string) error {
	a, err := x.archive(text)
	if err != nil || a < 0 {
		return err
	}
	x.Definition.Archives, x.Archives = slices.Delete(x.Definition.Archives, a, a+1), slices.Delete(x.Archives, a, a+1)
	for i := range x.Definition.Archives {
		h := x.Definition.Archives[i].HoltWinters
		if h == nil || h.Partner < a {
			continue
		}
		moved := *h // the old definition keeps its own
		if moved.Partner--; h.Partner == a {
			moved.Partner = -1 // it must go too, see left
		}
		x.Definition.Archives[i].HoltWinters = &moved
	}
	return nil
}

// left says which archives of the Holt-Winters family are left that work with
// one that is removed: they predict together, and only go together.
func (x *setEditor) left() error {
	var names []string
	for _, a := range x.Definition.Archives {
		if a.HoltWinters != nil && a.HoltWinters.Partner < 0 {
			names = append(names, fmt.Sprintf("%s:%d:%d", strings.ToUpper(a.CF.String()), a.Steps, a.Rows))
		}
	}
	if names == nil {
		return nil
	}
	return fmt.Errorf("remove archive: %s would be left without the one it works with: archives of the Holt-Winters family are removed all together", strings.Join(names, ", "))
}

func (x *setEditor) resize(text string) error {
	name, count, ok := strings.Cut(text, "=")
	rows, err := strconv.Atoi(count)
	if !ok || err != nil || rows < 1 {
		return errors.New("want FUNCTION:STEPS=ROWS")
	}
	a, err := x.archive(name)
	if err != nil {
		return err
	}
	if a < 0 {
		if i := strings.LastIndexByte(name, ':'); strings.Count(name, ":") == 2 {
			if a, err = x.archive(name[:i] + ":" + count); err == nil && a >= 0 {
				return nil // it is so already
			}
		}
		return errors.New("no such archive")
	}
	archive := &x.Definition.Archives[a]
	if archive.CF > Last {
		return fmt.Errorf("a %s cannot be resized: it is of the Holt-Winters family, which can only be removed as a whole", archive.CF)
	}
	archive.Rows = rows
	return nil
}

// addArchive adds an archive, unless there is just such a one.
func (x *setEditor) addArchive(text string) error {
	arg, ok := strings.CutPrefix(text, "RRA:")
	one := SetDefinition{Step: x.Definition.Step}
	if !ok {
		return errors.New("want RRA:FUNCTION:XFF:STEPS:ROWS")
	}
	if err := one.parseArchive(strings.Split(arg, ":")); err != nil {
		return err
	}
	a := one.Archives[0]
	if a.CF > Last {
		return fmt.Errorf("a %s cannot be added: the Holt-Winters family must learn from the first reading on, so it is made with its set", a.CF)
	}
	if slices.Contains(x.Definition.Archives, a) {
		return nil
	}
	x.Definition.Archives, x.Archives = append(x.Definition.Archives, a), append(x.Archives, -1)
	return nil
}
