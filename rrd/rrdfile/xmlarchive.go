package rrdfile

import (
	"fmt"
	"math"

	"rondo/rrd"
)

// An xmlArchive is an <rra> in the reading.
type xmlArchive struct {
	rrd.SetArchive
	par   rrd.HoltWinters
	cells []rrd.CellState
	hw    []rrd.HoltWintersState
	ring  []float64
}

// archive reads an <rra>.
func (x *xmlReader) archive() error {
	a := xmlArchive{par: rrd.HoltWinters{Smoothing: math.NaN()}}
	err := x.children(func(name string) error { return x.archiveElement(&a, name) })
	var season rrd.Season
	if a.CF > rrd.Last {
		a.keepParameters(x.old)
	}
	if isSeason(a.CF) {
		season, a.ring = rrd.Season{Newest: a.Rows - 1, Values: a.ring}, nil
	}
	image := x.image
	image.Definition.Archives = append(image.Definition.Archives, a.SetArchive)
	image.State.Cells = append(image.State.Cells, a.cells)
	image.State.HoltWinters = append(image.State.HoltWinters, a.hw)
	image.State.Seasons = append(image.State.Seasons, season)
	image.Rings = append(image.Rings, a.ring)
	if err == nil && len(a.cells) != len(image.Definition.Sources) {
		err = fmt.Errorf("<cdp_prep> is of %d data sources, and there are %d", len(a.cells), len(image.Definition.Sources))
	}
	return err
}

// keepParameters makes an archive of the Holt-Winters family of what was read.
func (a *xmlArchive) keepParameters(old bool) {
	switch {
	case !isSeason(a.CF):
		a.par.Smoothing = 0
	case old:
		a.par.Smoothing = rrd.DefaultSmoothing
	case math.IsNaN(a.par.Smoothing):
		a.par.Smoothing = 0
	}
	a.XFF, a.HoltWinters = 0, &a.par
	for i := range a.cells {
		a.cells[i] = rrd.CellState{Value: math.NaN()}
		a.hw[i] = keepOwn(&a.SetArchive, a.hw[i])
	}
}

func (x *xmlReader) archiveElement(a *xmlArchive, name string) (err error) {
	switch name {
	case "cf":
		var text string
		if err = x.str(&text); err == nil {
			a.CF, err = cfOf(text)
		}
	case "pdp_per_row":
		var n uint64
		if err = x.count(&n); err == nil {
			a.Steps = int(n)
		}
	case "xff": // version 0001 has it here, the later ones in <params>
		return x.float(&a.XFF)
	case "params":
		return x.children(func(name string) error { return x.param(a, name) })
	case "cdp_prep":
		return x.children(func(name string) error {
			if name != "ds" {
				return x.d.Skip()
			}
			return x.cell(a)
		})
	case "database":
		return x.database(a)
	default:
		return x.d.Skip()
	}
	return err
}

func (x *xmlReader) param(a *xmlArchive, name string) (err error) {
	count := func(to *int) error {
		var n uint64
		err := x.count(&n)
		*to = int(min(n, math.MaxInt32))
		return err
	}
	switch name {
	case "xff":
		return x.float(&a.XFF)
	case "hw_alpha":
		return x.float(&a.par.Alpha)
	case "hw_beta":
		return x.float(&a.par.Beta)
	case "seasonal_gamma":
		return x.float(&a.par.Gamma)
	case "smoothing_window":
		return x.float(&a.par.Smoothing)
	case "delta_pos":
		return x.float(&a.par.DeltaPos)
	case "delta_neg":
		return x.float(&a.par.DeltaNeg)
	case "seasonal_smooth_idx":
		return count(&a.par.SmoothRow)
	case "dependent_rra_idx":
		return count(&a.par.Partner)
	case "window_len":
		return count(&a.par.Window)
	case "failure_threshold":
		return count(&a.par.Threshold)
	}
	return x.d.Skip()
}

// cell reads the open row of one data source.
func (x *xmlReader) cell(a *xmlArchive) error {
	c, h := rrd.CellState{Value: math.NaN()}, noHoltWinters()
	err := x.children(func(name string) error {
		switch name {
		case "value":
			return x.float(&c.Value)
		case "unknown_datapoints":
			return x.signed(&c.Unknown)
		case "intercept", "seasonal", "deviation":
			return x.float(&h.Level)
		case "last_intercept", "last_seasonal", "last_deviation":
			return x.float(&h.LastLevel)
		case "slope":
			return x.float(&h.Slope)
		case "last_slope":
			return x.float(&h.LastSlope)
		case "nan_count", "init_flag":
			return x.signed(&h.Count)
		case "last_nan_count":
			return x.signed(&h.LastCount)
		case "history":
			history, err := x.content()
			h.Violations = violations(history[:min(len(history), rrd.MaxFailureWindow)], '1')
			return err
		}
		return x.d.Skip()
	})
	a.cells, a.hw = append(a.cells, c), append(a.hw, h)
	return err
}

// signed reads the present element into n, which is never negative.
func (x *xmlReader) signed(n *int64) error {
	var u uint64
	err := x.count(&u)
	*n = int64(u)
	return err
}
