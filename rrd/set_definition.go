package rrd

import (
	"errors"
	"fmt"
	"math"
	"time"

	"rondo/rrd/rpn"
)

// A DataSource is one number of a Set.
type DataSource struct {
	Name      string
	Type      Type
	Heartbeat time.Duration // a longer silence is unknown; whole seconds
	Min, Max  float64       // of the rate; NaN: no limit
	// Expression is how a Compute makes its primary points of those of the
	// data sources before it, in reverse Polish notation: "in,out,+". A Compute
	// has no heartbeat and no limits, and takes no readings.
	Expression string
}

// A SetArchive is one ring of a Set: what rrdcreate calls an RRA. Every row
// has a value for each data source.
type SetArchive struct {
	CF    CF
	Steps int     // primary points per row
	Rows  int     // in the ring; of Seasonal and DevSeasonal: the period
	XFF   float64 // 0 <= XFF < 1: the share of Steps that may be unknown
	// HoltWinters has the parameters of that family; nil: an archive of
	// another one.
	HoltWinters *HoltWinters
}

// A SetDefinition is what is fixed when a Set is created.
type SetDefinition struct {
	Step     time.Duration // of a primary point; whole seconds
	Sources  []DataSource
	Archives []SetArchive
	// Mended does without RRDtool's known mistakes:
	//
	//	                           RRDtool 1.7.2               mended
	//	32-bit counter wraps       2^32-1 is added             2^32
	//	64-bit counter wraps       a small step comes out as 0 the step
	//	unknown time below 1 s     is lost, each time          whole seconds of the sum count
	//	gap longer than a season   the season stays behind     and goes on in phase
	Mended bool
}

// Validate says why no Set can be made of d.
func (d *SetDefinition) Validate() error {
	if !wholeSeconds(d.Step) {
		return fmt.Errorf("rrd: step %v: want whole seconds, at least one", d.Step)
	}
	if len(d.Sources) == 0 || len(d.Archives) == 0 {
		return errors.New("rrd: a set needs a data source and an archive")
	}
	names := make(map[string]bool)
	for i := range d.Sources {
		s := &d.Sources[i]
		if s.Name == "" || names[s.Name] {
			return fmt.Errorf("rrd: data source %q has no name of its own", s.Name)
		}
		names[s.Name] = true
		if err := s.validate(); err != nil {
			return fmt.Errorf("rrd: data source %s: %w", s.Name, err)
		}
	}
	if _, err := d.programs(); err != nil {
		return err
	}
	for i := range d.Archives {
		if err := d.validateArchive(i); err != nil {
			return fmt.Errorf("rrd: archive %d: %w", i, err)
		}
	}
	return nil
}

// maxSeconds is the longest time.Duration.
const maxSeconds = math.MaxInt64 / int64(time.Second)

func wholeSeconds(d time.Duration) bool { return d >= time.Second && d%time.Second == 0 }

func (s *DataSource) validate() error {
	switch {
	case s.Type == Unset || int(s.Type) >= len(typeNames):
		return errors.New("it has no type")
	case s.Type == Compute:
		if s.Expression == "" {
			return errors.New("it has no expression")
		}
	case !wholeSeconds(s.Heartbeat):
		return fmt.Errorf("heartbeat %v: want whole seconds, at least one", s.Heartbeat)
	}
	return nil
}

// maxReach is how far an archive may reach back, in seconds: what a
// time.Duration can hold.
const maxReach = maxSeconds

func (d *SetDefinition) validateArchive(i int) error {
	a := &d.Archives[i]
	if a.Steps < 1 || a.Rows < 1 || int(a.CF) >= len(cfNames) || !(a.XFF >= 0 && a.XFF < 1) {
		return errors.New("want steps and rows from 1, and 0 <= xff < 1")
	}
	if math.Ceil(d.Step.Seconds())*float64(a.Steps)*float64(a.Rows) > float64(maxReach) {
		return errors.New("it would reach back more than 292 years")
	}
	if (a.CF > Last) != (a.HoltWinters != nil) {
		return fmt.Errorf("%s with the parameters of another function", a.CF)
	}
	if a.CF <= Last {
		return nil
	}
	return d.validateHoltWinters(i)
}

// programs parses the expressions of the data sources that are Computes, each
// over the data sources before it.
func (d *SetDefinition) programs() ([]*rpn.Program, error) {
	var programs []*rpn.Program
	var names []string
	for i, s := range d.Sources {
		if s.Type == Compute {
			if programs == nil {
				programs = make([]*rpn.Program, len(d.Sources))
			}
			var err error
			if programs[i], err = rpn.Parse(s.Expression, names); err != nil {
				return nil, err
			}
		}
		names = append(names, s.Name)
	}
	return programs, nil
}
