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
	e.definition(&image.Definition)
	e.state(&image.State)
	for _, a := range image.Definition.Archives {
		e.number(uint64(a.Rows - 1))
	}
	for _, ring := range image.Rings {
		e.doubles(ring...)
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
func version(*rrd.SetDefinition) string { return "0003" }

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

func (e *encoder) definition(d *rrd.SetDefinition) {
	e.text("RRD", 4)
	e.text(version(d), 12)
	e.doubles(floatCookie)
	e.number(uint64(len(d.Sources)))
	e.number(uint64(len(d.Archives)))
	e.number(uint64(d.Step / time.Second))
	e.zero(80)
	for i := range d.Sources {
		s := &d.Sources[i]
		e.text(s.Name, nameSize)
		e.text(strings.ToUpper(s.Type.String()), nameSize)
		e.number(uint64(s.Heartbeat / time.Second))
		e.doubles(s.Min, s.Max)
		e.zero(7 * 8)
	}
	for i := range d.Archives {
		a := &d.Archives[i]
		e.text(strings.ToUpper(a.CF.String()), nameSize+4)
		e.number(uint64(a.Rows))
		e.number(uint64(a.Steps))
		e.doubles(a.XFF)
		e.zero(9 * 8)
	}
}

func (e *encoder) state(s *rrd.SetState) {
	e.number(uint64(s.Last / rrd.Second))
	e.number(uint64(s.Last % rrd.Second))
	for _, src := range s.Sources {
		e.text(src.Text[:min(len(src.Text), textSize-1)], textSize+2)
		e.number(uint64(src.Unknown))
		e.doubles(src.Value)
		e.zero(8 * 8)
	}
	for _, cells := range s.Cells {
		for _, c := range cells {
			e.doubles(c.Value)
			e.number(uint64(c.Unknown))
			e.zero(8 * 8)
		}
	}
}
