package rrdfile

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"rondo/rrd"
)

// unknown is RRDtool's NaN, to the sign: fetch prints it as RRDtool's own.
const unknown = 0xfff8_0000_0000_0000

// Write writes a .rrd file, which rrdtool reads and continues. What has no
// place in one, such as a name of more than 19 bytes, is an error, and then
// nothing is written.
func Write(w io.Writer, image *rrd.SetImage) error {
	raw, err := Append(nil, image)
	if err == nil {
		_, err = w.Write(raw)
	}
	return err
}

// Append appends the bytes of a .rrd file to dst.
func Append(dst []byte, image *rrd.SetImage) ([]byte, error) {
	if err := check(image); err != nil {
		return dst, fmt.Errorf("rrdfile: %w", err)
	}
	if err := checkNames(&image.Definition); err != nil {
		return dst, fmt.Errorf("rrdfile: %w", err)
	}
	size := headerSize(len(image.Definition.Sources), len(image.Definition.Archives))
	for _, ring := range image.Rings {
		size += 8 * len(ring)
	}
	e := encoder{append(make([]byte, 0, len(dst)+size), dst...)}
	if err := e.definition(&image.Definition); err != nil {
		return dst, fmt.Errorf("rrdfile: %w", err)
	}
	e.state(image)
	e.rings(image)
	return e.b, nil
}

// AppendDefinition appends the first bytes of a set's .rrd: those that only
// another definition changes. The error is that of [Append].
func AppendDefinition(dst []byte, d *rrd.SetDefinition) ([]byte, error) {
	e := encoder{dst}
	err := checkNames(d)
	if err == nil {
		err = e.definition(d)
	}
	if err != nil {
		return dst, fmt.Errorf("rrdfile: %w", err)
	}
	return e.b, nil
}

// checkNames refuses names that rrdcreate does.
func checkNames(d *rrd.SetDefinition) error {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
	for _, s := range d.Sources {
		if len(s.Name) >= nameSize {
			return fmt.Errorf("data source %q: a name in a .rrd has at most %d bytes; XML takes longer ones", s.Name, nameSize-1)
		}
		if strings.Trim(s.Name, letters) != "" {
			return fmt.Errorf("data source %q: a name in a .rrd has letters, digits, _ and - only; XML takes others", s.Name)
		}
	}
	return nil
}

// version is the oldest one that knows what is in d.
func version(d *rrd.SetDefinition) string {
	for _, s := range d.Sources {
		if s.Type == rrd.DCounter || s.Type == rrd.DDerive {
			return "0005"
		}
	}
	for _, a := range d.Archives {
		if a.CF == rrd.MHWPredict || isSeason(a.CF) && a.HoltWinters.Smoothing != rrd.DefaultSmoothing {
			return "0004"
		}
	}
	return "0003"
}

// An encoder appends to b.
type encoder struct{ b []byte }

func (e *encoder) number(n uint64) { e.b = binary.LittleEndian.AppendUint64(e.b, n) }

func (e *encoder) doubles(values ...float64) {
	for _, v := range values {
		bits := math.Float64bits(v)
		if v != v {
			bits = unknown
		}
		e.number(bits)
	}
}

// text writes s into n bytes.
func (e *encoder) text(s string, n int) {
	e.b = append(e.b, s...)
	e.zero(n - len(s))
}

func (e *encoder) zero(n int) { e.b = append(e.b, make([]byte, n)...) }

func (e *encoder) definition(d *rrd.SetDefinition) error {
	e.text("RRD", 4)
	e.text(version(d), 12)
	e.doubles(floatCookie)
	e.number(uint64(len(d.Sources)))
	e.number(uint64(len(d.Archives)))
	e.number(uint64(d.Step / time.Second))
	e.zero(80)
	for i := range d.Sources {
		if err := e.source(d, i); err != nil {
			return fmt.Errorf("data source %q: %w", d.Sources[i].Name, err)
		}
	}
	for i := range d.Archives {
		a := &d.Archives[i]
		e.text(strings.ToUpper(a.CF.String()), nameSize+4)
		e.number(uint64(a.Rows))
		e.number(uint64(a.Steps))
		for _, bits := range parameters(a) {
			e.number(bits)
		}
	}
	return nil
}

func (e *encoder) source(d *rrd.SetDefinition, i int) (err error) {
	s := &d.Sources[i]
	e.text(s.Name, nameSize)
	e.text(strings.ToUpper(s.Type.String()), nameSize)
	if s.Type == rrd.Compute {
		e.b, err = appendExpression(e.b, s.Expression, d.Sources[:i])
		return err
	}
	e.number(uint64(s.Heartbeat / time.Second))
	e.doubles(s.Min, s.Max)
	e.zero(7 * 8)
	return nil
}

func (e *encoder) state(image *rrd.SetImage) {
	s := &image.State
	e.number(uint64(s.Last / rrd.Second))
	e.number(uint64(s.Last % rrd.Second))
	for _, src := range s.Sources {
		e.text(src.Text[:min(len(src.Text), textSize-1)], textSize+2)
		e.number(uint64(src.Unknown))
		e.doubles(src.Value)
		e.zero(8 * 8)
	}
	for a, cells := range s.Cells {
		for i, c := range cells {
			if archive := &image.Definition.Archives[a]; archive.HoltWinters != nil {
				e.holtWintersCell(archive, s.HoltWinters[a][i])
				continue
			}
			e.doubles(c.Value)
			e.number(uint64(c.Unknown))
			e.zero(8 * 8)
		}
	}
}

// rings writes the rings with the oldest row in front. Only of a season it
// matters which row is where: it is smoothed when it comes to one.
func (e *encoder) rings(image *rrd.SetImage) {
	for i, a := range image.Definition.Archives {
		newest := a.Rows - 1
		if isSeason(a.CF) {
			newest = image.State.Seasons[i].Newest
		}
		e.number(uint64(newest))
	}
	for i, ring := range image.Rings {
		if isSeason(image.Definition.Archives[i].CF) {
			ring = image.State.Seasons[i].Values
		}
		e.doubles(ring...)
	}
}
