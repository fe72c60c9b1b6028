package rrdfile

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"rondo/rrd"
)

// MaxSize bounds the files that are read.
const MaxSize = 1 << 30

// Sizes of the C structures on a 64-bit machine (rrd_format.h).
const (
	headSize = 128
	dsSize   = 120 // ds_def, and rra_def as well
	liveSize = 16
	pdpSize  = 112
	cdpSize  = 80
	ptrSize  = 8

	nameSize   = 20 // of names in ds_def and rra_def, with the NUL
	archivePar = 40 // where the parameters in rra_def begin
	textSize   = 30 // of pdp_prep.last_ds, with the NUL
)

// floatCookie stands behind the version and tells the byte order.
const floatCookie = 8.642135e130

// headerSize is where the rings begin.
func headerSize(sources, archives int) int {
	return headSize + (sources+archives)*dsSize + liveSize + sources*pdpSize + archives*(sources*cdpSize+ptrSize)
}

// maxSpan is how far an archive may reach back: what a Duration can hold.
const maxSpan = math.MaxInt64 / int64(time.Second)

// checkSpan refuses archives whose time cannot be counted.
func checkSpan(step, steps, rows uint64, archive int) error {
	if step == 0 || steps == 0 || rows == 0 {
		return fmt.Errorf("archive %d has no rows", archive)
	}
	limit := uint64(maxSpan)
	if step > limit || steps > limit/step || rows > limit/step/steps {
		return fmt.Errorf("archive %d reaches back more than 292 years", archive)
	}
	return nil
}

// seconds converts a count of seconds.
func seconds(n uint64, what string) (time.Duration, error) {
	if n > uint64(maxSpan) {
		return 0, fmt.Errorf("%s of %d s", what, n)
	}
	return time.Duration(n) * time.Second, nil
}

// typeOf reads the name of a data source's type.
func typeOf(name string) (t rrd.Type, err error) {
	if t.UnmarshalText([]byte(strings.ToLower(name))) != nil {
		return t, fmt.Errorf("data source type %q is not known", name)
	}
	return t, nil
}

// cfOf reads the name of a consolidation function.
func cfOf(name string) (cf rrd.CF, err error) {
	if cf.UnmarshalText([]byte(strings.ToLower(name))) != nil {
		return cf, fmt.Errorf("consolidation function %q is not known", name)
	}
	return cf, nil
}

// newImage makes room for the state and the rings of a definition.
func newImage(sources, archives int) *rrd.SetImage {
	return &rrd.SetImage{
		Definition: rrd.SetDefinition{
			Sources:  make([]rrd.DataSource, sources),
			Archives: make([]rrd.SetArchive, archives),
		},
		State: rrd.SetState{
			Sources: make([]rrd.SourceState, sources),
			Cells:   make([][]rrd.CellState, archives),
		},
		Rings: make([][]float64, archives),
	}
}

// addFamily makes room for the state of the Holt-Winters family, where the
// definition has archives of it.
func addFamily(image *rrd.SetImage) {
	archives := image.Definition.Archives
	if slices.ContainsFunc(archives, func(a rrd.SetArchive) bool { return a.HoltWinters != nil }) {
		image.State.HoltWinters = make([][]rrd.HoltWintersState, len(archives))
		image.State.Seasons = make([]rrd.Season, len(archives))
	}
}

// check refuses an image whose parts do not fit each other.
func check(image *rrd.SetImage) error {
	d := &image.Definition
	if _, err := rrd.RestoreSet(*d, image.State); err != nil {
		return err
	}
	if len(image.Rings) != len(d.Archives) {
		return errors.New("the rings are of another definition")
	}
	for a, ring := range image.Rings {
		steps := uint64(d.Archives[a].Steps)
		if err := checkSpan(uint64(d.Step/time.Second), steps, uint64(d.Archives[a].Rows), a); err != nil {
			return err
		}
		if !isSeason(d.Archives[a].CF) && len(ring) != d.Archives[a].Rows*len(d.Sources) {
			return fmt.Errorf("archive %d has %d values, and room for %d rows of %d", a, len(ring), d.Archives[a].Rows, len(d.Sources))
		}
	}
	if image.State.Last < 0 {
		return errors.New("the last update was before 1970")
	}
	return checkCounts(image)
}

// checkCounts refuses counts that no Set has come to.
func checkCounts(image *rrd.SetImage) error {
	d := &image.Definition
	for i, s := range image.State.Sources {
		if s.Unknown < 0 {
			return fmt.Errorf("data source %s was unknown for %d s", d.Sources[i].Name, s.Unknown)
		}
	}
	for a, cells := range image.State.Cells {
		if slices.ContainsFunc(cells, func(c rrd.CellState) bool { return c.Unknown < 0 }) {
			return fmt.Errorf("archive %d has a negative number of unknown points", a)
		}
	}
	for a, cells := range image.State.HoltWinters {
		if slices.ContainsFunc(cells, func(h rrd.HoltWintersState) bool { return h.Count < 0 || h.LastCount < 0 }) {
			return fmt.Errorf("archive %d has a negative count", a)
		}
	}
	return nil
}
