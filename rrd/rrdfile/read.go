package rrdfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"rondo/rrd"
)

// ErrForeign says that a .rrd was written on another kind of machine.
var ErrForeign = errors.New("the file is of another kind of machine: run `rrdtool dump` there, and take its XML")

// Read reads a .rrd file.
func Read(r io.Reader) (*rrd.SetImage, error) {
	raw, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return nil, err
	}
	return Decode(raw)
}

// Decode reads the bytes of a .rrd file, and keeps none of them.
func Decode(raw []byte) (*rrd.SetImage, error) {
	image, err := decode(raw)
	if err != nil {
		return nil, fmt.Errorf("rrdfile: %w", err)
	}
	return image, nil
}

func decode(raw []byte) (*rrd.SetImage, error) {
	sources, archives, err := checkHead(raw)
	if err != nil {
		return nil, err
	}
	image := newImage(sources, archives)
	c := cursor{raw[headSize:], int(raw[7] - '0')}
	if image.Definition.Step, err = seconds(number(raw[40:]), "step"); err != nil {
		return nil, err
	}
	if err := c.definition(&image.Definition); err != nil {
		return nil, err
	}
	if err := c.state(image); err != nil {
		return nil, err
	}
	if err := c.rings(image, len(raw)); err != nil {
		return nil, err
	}
	return image, check(image)
}

// checkHead says how many data sources and archives there are, and that their
// headers are.
func checkHead(raw []byte) (sources, archives int, err error) {
	switch {
	case len(raw) > MaxSize:
		return 0, 0, fmt.Errorf("the file is larger than %d bytes", MaxSize)
	case len(raw) < 4 || string(raw[:4]) != "RRD\x00":
		return 0, 0, errors.New("this is no .rrd file")
	case len(raw) < headSize:
		return 0, 0, fmt.Errorf("the file is cut short: it has %d bytes, and its head alone %d", len(raw), headSize)
	}
	if err := checkLayout(raw); err != nil {
		return 0, 0, err
	}
	switch version := cString(raw[4:9]); version {
	case "0003", "0004", "0005":
	default:
		return 0, 0, fmt.Errorf("version %q: want 0003 to 0005; the XML of `rrdtool dump` can be read", version)
	}
	// Neither count can be larger than this, and so their product does not
	// overflow.
	limit := uint64(len(raw) / dsSize)
	nds, nrra := number(raw[24:]), number(raw[32:])
	if nds == 0 || nrra == 0 {
		return 0, 0, errors.New("the file has no data source or no archive")
	}
	if nds > limit || nrra > limit || headerSize(int(nds), int(nrra)) > len(raw) {
		return 0, 0, fmt.Errorf("the file is cut short: %d bytes do not hold the headers of %d data sources and %d archives", len(raw), nds, nrra)
	}
	return int(nds), int(nrra), nil
}

// checkLayout recognises files of other machines: the cookie behind the
// version is at another place where alignment is four bytes, its bytes are in
// another order where all are, and the two counts behind it share eight bytes
// where longs have four.
func checkLayout(raw []byte) error {
	want := math.Float64bits(floatCookie)
	switch {
	case number(raw[16:]) == want && binary.LittleEndian.Uint32(raw[28:]) == 0:
		return nil
	case number(raw[16:]) == want,
		binary.BigEndian.Uint64(raw[16:]) == want,
		number(raw[12:]) == want,
		binary.BigEndian.Uint64(raw[12:]) == want:
		return ErrForeign
	}
	return errors.New("this is no .rrd file: its float cookie is wrong")
}

// A cursor is what of a file is still to be read. That the headers are there
// has been seen before.
type cursor struct {
	b       []byte
	version int
}

// next takes n bytes.
func (c *cursor) next(n int) []byte {
	b := c.b[:n:n]
	c.b = c.b[n:]
	return b
}

func (c *cursor) definition(d *rrd.SetDefinition) (err error) {
	for i := range d.Sources {
		if d.Sources[i], err = decodeSource(c.next(dsSize), d.Sources[:i]); err != nil {
			return err
		}
	}
	for a := range d.Archives {
		b := c.next(dsSize)
		if d.Archives[a], err = decodeArchive(b, a, uint64(d.Step/time.Second)); err != nil {
			return err
		}
		d.Archives[a].HoltWinters = decodeHoltWinters(d.Archives[a].CF, b[archivePar:], c.version)
	}
	return nil
}

func decodeSource(b []byte, before []rrd.DataSource) (d rrd.DataSource, err error) {
	d.Name = cString(b[:nameSize])
	if d.Type, err = typeOf(cString(b[nameSize : 2*nameSize])); err != nil {
		return d, fmt.Errorf("data source %q: %w", d.Name, err)
	}
	par := b[2*nameSize:]
	if d.Type == rrd.Compute {
		d.Min, d.Max = math.NaN(), math.NaN()
		if d.Expression, err = decodeExpression(par, before); err != nil {
			return d, fmt.Errorf("data source %q: %w", d.Name, err)
		}
		return d, nil
	}
	d.Min, d.Max = double(par[8:]), double(par[16:])
	if d.Heartbeat, err = seconds(number(par), "heartbeat"); err != nil {
		return d, fmt.Errorf("data source %q: %w", d.Name, err)
	}
	return d, nil
}

func decodeArchive(b []byte, index int, step uint64) (a rrd.SetArchive, err error) {
	if a.CF, err = cfOf(cString(b[:nameSize])); err != nil {
		return a, fmt.Errorf("archive %d: %w", index, err)
	}
	rows, steps := number(b[24:]), number(b[32:])
	if err := checkSpan(step, steps, rows, index); err != nil {
		return a, err
	}
	a.Rows, a.Steps = int(rows), int(steps)
	if a.CF <= rrd.Last {
		a.XFF = double(b[archivePar:])
	}
	return a, nil
}

func (c *cursor) state(image *rrd.SetImage) error {
	s, d := &image.State, &image.Definition
	live := c.next(liveSize)
	sec, usec := number(live), number(live[8:])
	if sec >= math.MaxInt64/1_000_000 || usec >= 1e6 {
		return fmt.Errorf("last update at %d.%06d", sec, usec)
	}
	s.Last = rrd.Time(sec)*rrd.Second + rrd.Time(usec)
	for i := range s.Sources {
		b := c.next(pdpSize)
		s.Sources[i] = rrd.SourceState{Text: cString(b[:textSize]), Unknown: int64(number(b[32:])), Value: double(b[40:])}
	}
	addFamily(image)
	for a := range s.Cells {
		s.Cells[a] = make([]rrd.CellState, len(d.Sources))
		for i := range s.Cells[a] {
			b := c.next(cdpSize)
			if d.Archives[a].HoltWinters != nil {
				s.HoltWinters[a] = append(s.HoltWinters[a], decodeCell(&d.Archives[a], b))
				s.Cells[a][i].Value = math.NaN()
				continue
			}
			s.Cells[a][i] = rrd.CellState{Value: double(b), Unknown: int64(number(b[8*cdpUnknown:]))}
		}
	}
	return nil
}

// rings reads the rings, and turns each so that its oldest row is in front.
func (c *cursor) rings(image *rrd.SetImage, size int) error {
	width := 8 * len(image.Definition.Sources)
	ptrs := c.next(ptrSize * len(image.Definition.Archives))
	for a, archive := range image.Definition.Archives {
		if archive.Rows > len(c.b)/width {
			return fmt.Errorf("the file is cut short: %d bytes do not hold archive %d", size, a)
		}
		newest := number(ptrs[ptrSize*a:])
		if newest >= uint64(archive.Rows) {
			return fmt.Errorf("archive %d has %d rows, and row %d is the newest", a, archive.Rows, newest)
		}
		ring := c.next(archive.Rows * width)
		if isSeason(archive.CF) {
			image.State.Seasons[a] = rrd.Season{Newest: int(newest), Values: appendDoubles(nil, ring)}
			continue
		}
		oldest := (int(newest) + 1) % archive.Rows * width
		image.Rings[a] = appendDoubles(make([]float64, 0, len(ring)/8), ring[oldest:])
		image.Rings[a] = appendDoubles(image.Rings[a], ring[:oldest])
	}
	return nil
}

func appendDoubles(dst []float64, b []byte) []float64 {
	dst = slices.Grow(dst, len(b)/8)
	for ; len(b) >= 8; b = b[8:] {
		dst = append(dst, double(b))
	}
	return dst
}

func number(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// double reads a number. RRDtool's unknown has a sign, ours has none.
func double(b []byte) float64 {
	v := math.Float64frombits(number(b))
	if v != v {
		return math.NaN()
	}
	return v
}

// cString is what stands before the NUL.
func cString(b []byte) string {
	text, _, _ := bytes.Cut(b, []byte{0})
	return string(text)
}
