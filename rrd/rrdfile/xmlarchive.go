package rrdfile

import (
	"fmt"
	"math"

	"rondo/rrd"
)

// An xmlArchive is an <rra> in the reading.
type xmlArchive struct {
	rrd.SetArchive
	cells []rrd.CellState
	ring  []float64
}

// archive reads an <rra>.
func (x *xmlReader) archive() error {
	var a xmlArchive
	err := x.children(func(name string) error { return x.archiveElement(&a, name) })
	image := x.image
	image.Definition.Archives = append(image.Definition.Archives, a.SetArchive)
	image.State.Cells = append(image.State.Cells, a.cells)
	image.Rings = append(image.Rings, a.ring)
	if err == nil && len(a.cells) != len(image.Definition.Sources) {
		err = fmt.Errorf("<cdp_prep> is of %d data sources, and there are %d", len(a.cells), len(image.Definition.Sources))
	}
	return err
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
		return x.children(func(name string) error {
			if name != "row" {
				return x.d.Skip()
			}
			return x.row(a)
		})
	default:
		return x.d.Skip()
	}
	return err
}

func (x *xmlReader) param(a *xmlArchive, name string) error {
	if name == "xff" {
		return x.float(&a.XFF)
	}
	return x.d.Skip()
}

// cell reads the open row of one data source.
func (x *xmlReader) cell(a *xmlArchive) error {
	c := rrd.CellState{Value: math.NaN()}
	err := x.children(func(name string) error {
		switch name {
		case "value":
			return x.float(&c.Value)
		case "unknown_datapoints":
			var n uint64
			err := x.count(&n)
			c.Unknown = int64(n)
			return err
		}
		return x.d.Skip()
	})
	a.cells = append(a.cells, c)
	return err
}

// row reads one row, oldest first.
func (x *xmlReader) row(a *xmlArchive) error {
	before, want := len(a.ring), len(x.image.Definition.Sources)
	err := x.children(func(name string) error {
		if name != "v" {
			return x.d.Skip()
		}
		var v float64
		err := x.float(&v)
		a.ring = append(a.ring, v)
		return err
	})
	if got := len(a.ring) - before; err == nil && got != want {
		return fmt.Errorf("row %d has %d values, and there are %d data sources", a.Rows, got, want)
	}
	a.Rows++
	return err
}
