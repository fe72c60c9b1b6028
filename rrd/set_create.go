package rrd

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ParseSetDefinition reads data sources and archives as rrdcreate(1) takes
// them, one argument each:
//
//	DS:name:GAUGE|COUNTER|DERIVE|ABSOLUTE|DCOUNTER|DDERIVE:heartbeat:min:max
//	DS:name:COMPUTE:expression
//	RRA:AVERAGE|MIN|MAX|LAST:xff:steps:rows
//	RRA:HWPREDICT|MHWPREDICT:rows:alpha:beta:period[:rra-num]
//	RRA:SEASONAL|DEVSEASONAL:period:gamma:rra-num[:smoothing-window=share]
//	RRA:DEVPREDICT:rows:rra-num
//	RRA:FAILURES:rows:threshold:window:rra-num
//
// Heartbeats are in seconds, or have a unit as [ParseScaled] reads it; so do
// steps and rows, which then must divide exactly. A (M)HWPREDICT without
// rra-num is followed by the other four, which count when archives are
// numbered.
//
// Errors are in RRDtool's words where it has any. It is laxer: it takes what
// follows a data source's max, leaves rra-num unchecked, and crashes on some
// periods. We are laxer about names, which may be of any length and alphabet,
// and about constants in expressions and their length: those are limits of
// RRDtool's files.
//
// The smoothing window is DefaultSmoothing where none is named. But archives
// that follow a (M)HWPREDICT by themselves have none at all, and are not
// smoothed, where RRDtool writes a file of a version above 3: where an archive
// is MHWPREDICT or names a window, or a data source is DCOUNTER or DDERIVE.
func ParseSetDefinition(step time.Duration, args []string) (SetDefinition, error) {
	d := SetDefinition{Step: step}
	if !wholeSeconds(step) {
		return d, errors.New("step size: value must be positive")
	}
	for _, arg := range args {
		var err error
		switch {
		case strings.HasPrefix(arg, "DS:"):
			err = d.parseSource(arg[len("DS:"):])
		case strings.HasPrefix(arg, "RRA:"):
			err = d.parseArchive(strings.Split(strings.TrimRight(arg[len("RRA:"):], ":"), ":"))
		default:
			err = fmt.Errorf("can't parse argument '%s'", arg)
		}
		if err != nil {
			return d, err
		}
	}
	if len(d.Sources) == 0 {
		return d, errors.New("you must define at least one Data Source")
	}
	if len(d.Archives) == 0 {
		return d, errors.New("you must define at least one Round Robin Archive")
	}
	d.implySmoothing(slices.ContainsFunc(args, func(arg string) bool { return strings.Contains(arg, "smoothing-window=") }))
	return d, d.Validate()
}

// Arguments writes d as ParseSetDefinition reads it. What rrdcreate has no
// words for is lost: where smoothing starts, and the widths of the band of
// failures.
func (d *SetDefinition) Arguments() []string {
	var args []string
	for i := range d.Sources {
		args = append(args, d.Sources[i].argument())
	}
	for i := range d.Archives {
		args = append(args, d.archiveArgument(i))
	}
	return args
}

func (d *SetDefinition) parseSource(arg string) error {
	name, rest, _ := strings.Cut(arg, ":")
	kind, rest, ok := strings.Cut(rest, ":")
	if !ok || name == "" || rest == "" || kind != strings.ToUpper(kind) {
		return errors.New("invalid DS format")
	}
	for i := range d.Sources {
		if d.Sources[i].Name == name {
			return fmt.Errorf("Duplicate DS name: %s", name)
		}
	}
	s := DataSource{Name: name, Min: math.NaN(), Max: math.NaN()}
	if s.Type.UnmarshalText([]byte(strings.ToLower(kind))) != nil {
		return fmt.Errorf("invalid DS type specified (%s)", kind)
	}
	if s.Type == Compute {
		s.Expression = rest
	} else if err := s.parseLimits(rest); err != nil {
		return err
	}
	d.Sources = append(d.Sources, s)
	return nil
}

// parseLimits reads heartbeat:min:max.
func (s *DataSource) parseLimits(text string) error {
	fail := func(why any) error { return fmt.Errorf("failed to parse data source %s: %v", text, why) }
	words := strings.Split(text, ":")
	if len(words) < 2 {
		return fail("missing separator")
	}
	heartbeat, err := ParseScaled(words[0], 1)
	if err != nil {
		return fail(err)
	}
	if heartbeat > maxSeconds {
		return fail("value is too large")
	}
	s.Heartbeat = time.Duration(heartbeat) * time.Second
	if len(words) != 3 || words[1] == "" || words[2] == "" {
		return fail("failed to extract min:max")
	}
	if s.Min, err = parseLimit(words[1], "parsing min val"); err != nil {
		return err
	}
	if s.Max, err = parseLimit(words[2], "parsing max val"); err != nil {
		return err
	}
	if s.Min >= s.Max {
		return fail("min must be less than max in DS definition")
	}
	return nil
}

func parseLimit(text, what string) (float64, error) {
	if text == "U" {
		return math.NaN(), nil
	}
	return parseNumber(text, what)
}

func (s *DataSource) argument() string {
	kind := strings.ToUpper(s.Type.String())
	if s.Type == Compute {
		return "DS:" + s.Name + ":" + kind + ":" + s.Expression
	}
	limit := func(v float64) string {
		if math.IsNaN(v) {
			return "U"
		}
		return strings.TrimPrefix(strconv.FormatFloat(v, 'g', -1, 64), "+")
	}
	return fmt.Sprintf("DS:%s:%s:%d:%s:%s", s.Name, kind, s.Heartbeat/time.Second, limit(s.Min), limit(s.Max))
}

// parseArchive reads what follows "RRA:".
func (d *SetDefinition) parseArchive(words []string) error {
	var cf CF
	if words[0] != strings.ToUpper(words[0]) || cf.UnmarshalText([]byte(strings.ToLower(words[0]))) != nil {
		return fmt.Errorf("Unrecognized consolidation function %s", words[0])
	}
	// The least and the most that the function takes, its name included.
	atLeast := [...]int{Average: 4, 4, 4, 4, HWPredict: 5, 5, Seasonal: 4, 4, DevPredict: 3, Failures: 5}[cf]
	atMost := [...]int{Average: 4, 4, 4, 4, HWPredict: 6, 6, Seasonal: 5, 5, DevPredict: 3, Failures: 5}[cf]
	if len(words) < atLeast {
		return fmt.Errorf("Expected at least %d arguments for RRA but got %d", atLeast, len(words))
	}
	if len(words) > atMost {
		return fmt.Errorf("Unexpected extra argument for consolidation function %s", words[0])
	}
	if cf > Last {
		return d.parseHoltWinters(cf, words[1:])
	}
	a := SetArchive{CF: cf}
	var err error
	if a.XFF, err = strconv.ParseFloat(words[1], 64); err != nil || !(a.XFF >= 0 && a.XFF < 1) {
		return errors.New("Invalid xff: must be between 0 and 1")
	}
	step := int64(d.Step / time.Second)
	if a.Steps, err = parseCount("step", words[2], step); err != nil {
		return err
	}
	if a.Rows, err = parseCount("row count", words[3], step*int64(a.Steps)); err != nil {
		return err
	}
	d.Archives = append(d.Archives, a)
	return nil
}

// parseCount reads a number, or a duration in units of divisor seconds.
func parseCount(what, text string, divisor int64) (int, error) {
	n, err := ParseScaled(text, divisor)
	if err == nil && n > maxReach/divisor {
		err = errors.New("value is too large")
	}
	if err != nil {
		return 0, fmt.Errorf("Invalid %s %s: %w", what, text, err)
	}
	return int(n), nil
}

func (d *SetDefinition) archiveArgument(i int) string {
	a := &d.Archives[i]
	name := strings.ToUpper(a.CF.String())
	h := a.HoltWinters
	switch a.CF {
	case HWPredict, MHWPredict:
		return fmt.Sprintf("RRA:%s:%d:%v:%v:%d:%d", name, a.Rows, h.Alpha, h.Beta, d.Archives[h.Partner].Rows, h.Partner+1)
	case Seasonal, DevSeasonal:
		text := fmt.Sprintf("RRA:%s:%d:%v:%d", name, a.Rows, h.Gamma, h.Partner+1)
		if h.Smoothing != DefaultSmoothing {
			text += fmt.Sprintf(":smoothing-window=%v", h.Smoothing)
		}
		return text
	case DevPredict:
		return fmt.Sprintf("RRA:%s:%d:%d", name, a.Rows, h.Partner+1)
	case Failures:
		return fmt.Sprintf("RRA:%s:%d:%d:%d:%d", name, a.Rows, h.Threshold, h.Window, h.Partner+1)
	}
	return fmt.Sprintf("RRA:%s:%v:%d:%d", name, a.XFF, a.Steps, a.Rows)
}

// ParseScaled reads a number that may have a unit of time, in the way of
// rrdcreate(1), "STEP, HEARTBEAT, and Rows As Durations". Without a unit it is
// the number itself; with one (s, m, h, d, w, M of 31 days, y of 366 days) it
// is the duration in units of divisor seconds, which it must be a multiple of.
func ParseScaled(text string, divisor int64) (int64, error) {
	if text == "" || text[0] < '0' || text[0] > '9' {
		return 0, errors.New("value must be (suffixed) positive number")
	}
	digits := len(text) - len(strings.TrimLeft(text, "0123456789"))
	n, err := strconv.ParseInt(text[:digits], 10, 64)
	if err != nil {
		return 0, errors.New("value is too large")
	}
	scale := int64(0)
	switch text[digits:] {
	case "":
	case "s":
		scale = 1
	case "m":
		scale = 60
	case "h":
		scale = 3600
	case "d":
		scale = 86400
	case "w":
		scale = 7 * 86400
	case "M":
		scale = 31 * 86400
	case "y":
		scale = 366 * 86400
	default:
		return 0, errors.New("value has trailing garbage")
	}
	if n == 0 {
		return 0, errors.New("value must be positive")
	}
	if scale == 0 {
		return n, nil
	}
	if n > math.MaxInt64/scale {
		return 0, errors.New("value is too large")
	}
	if n*scale%divisor != 0 {
		return 0, errors.New("value would truncate when scaled")
	}
	return n * scale / divisor, nil
}
