package rrdfile

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"rondo/rrd"
)

// ReadXML reads what `rrdtool dump` printed, and what resembles it: any
// number of digits, "NaN", "-nan" and "U" for what is unknown, names of any
// length, versions 0001 to 0005. What is not known to it is skipped, as
// rrdtool restore does.
func ReadXML(r io.Reader) (*rrd.SetImage, error) {
	limited := &io.LimitedReader{R: r, N: MaxSize + 1}
	in := &xmlInput{Reader: bufio.NewReaderSize(limited, 64<<10)}
	x := &xmlReader{in: in, d: xml.NewDecoder(in), image: newImage(0, 0)}
	err := x.document()
	x.dropFamily()
	if limited.N == 0 {
		err = fmt.Errorf("the file is larger than %d bytes", MaxSize)
	}
	if err == nil {
		err = check(x.image)
	}
	if err != nil {
		return nil, fmt.Errorf("rrdfile: %w", err)
	}
	return x.image, nil
}

// dropFamily forgets what was read of the Holt-Winters family, as far as the
// archives are of another one.
func (x *xmlReader) dropFamily() {
	s, family := &x.image.State, false
	for a := range x.image.Definition.Archives {
		if x.image.Definition.Archives[a].HoltWinters == nil {
			s.HoltWinters[a] = nil
			continue
		}
		family = true
	}
	if !family {
		s.HoltWinters, s.Seasons = nil, nil
	}
}

// An xmlReader reads one dump from front to end and keeps nothing of it but
// the image.
type xmlReader struct {
	in    *xmlInput
	d     *xml.Decoder
	image *rrd.SetImage
	old   bool   // version 0003 or before
	text  []byte // of the element read last
}

// document finds the root.
func (x *xmlReader) document() error {
	for {
		token, err := x.d.Token()
		if err == io.EOF {
			return errors.New("this is no dump of an .rrd: there is no <rrd>")
		}
		if err != nil {
			return err
		}
		if start, ok := token.(xml.StartElement); ok {
			if start.Name.Local != "rrd" {
				return fmt.Errorf("this is no dump of an .rrd: it begins with <%s>", start.Name.Local)
			}
			return x.children(x.root)
		}
	}
}

// children calls f for each element in the present one. f reads to its end.
func (x *xmlReader) children(f func(name string) error) error {
	for {
		token, err := x.d.Token()
		if err == io.EOF {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		switch token := token.(type) {
		case xml.StartElement:
			if err := f(token.Name.Local); err != nil {
				return err
			}
		case xml.EndElement:
			return nil
		}
	}
}

// content reads the text of the present element. It is valid until the next
// call.
func (x *xmlReader) content() ([]byte, error) {
	x.text = x.text[:0]
	for {
		token, err := x.d.Token()
		if err == io.EOF {
			return nil, io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.CharData:
			x.text = append(x.text, token...)
		case xml.StartElement:
			return nil, fmt.Errorf("<%s> where a value should be", token.Name.Local)
		case xml.EndElement:
			return bytes.TrimSpace(x.text), nil
		}
	}
}

// str reads the present element into s.
func (x *xmlReader) str(s *string) error {
	text, err := x.content()
	*s = string(text)
	return err
}

// float reads the present element into v.
func (x *xmlReader) float(v *float64) error {
	text, err := x.content()
	if err != nil {
		return err
	}
	*v, err = parseFloat(string(text))
	return err
}

// parseFloat reads a value as any printf may have printed it.
func parseFloat(text string) (float64, error) {
	switch unsigned := strings.TrimPrefix(text, "-"); {
	case unsigned == "":
	case strings.EqualFold(unsigned, "nan"), strings.EqualFold(unsigned, "u"):
		return math.NaN(), nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) { // too large is infinite
		return 0, fmt.Errorf("value %q is no number", text)
	}
	return v, nil
}

// count reads the present element into n. XenServer prints "300.0000".
func (x *xmlReader) count(n *uint64) error {
	text, err := x.content()
	if err != nil {
		return err
	}
	whole, zeros, _ := strings.Cut(string(text), ".")
	if *n, err = strconv.ParseUint(whole, 10, 63); err != nil || strings.Trim(zeros, "0") != "" {
		return fmt.Errorf("%q is no count", text)
	}
	return nil
}

func (x *xmlReader) root(name string) (err error) {
	d := &x.image.Definition
	switch name {
	case "version":
		var version string
		if err = x.str(&version); err == nil && (len(version) != 4 || version < "0001" || version > "0005") {
			return fmt.Errorf("version %q: want 0001 to 0005", version)
		}
		x.old = version < "0004"
	case "step":
		var n uint64
		if err = x.count(&n); err == nil {
			d.Step, err = seconds(n, "step")
		}
	case "lastupdate":
		return x.lastUpdate()
	case "ds":
		if len(d.Archives) > 0 {
			return errors.New("a data source behind the archives")
		}
		return x.source()
	case "rra":
		if err = x.archive(); err != nil {
			return fmt.Errorf("archive %d: %w", len(d.Archives)-1, err)
		}
	default:
		return x.d.Skip()
	}
	return err
}

// lastUpdate reads seconds, which some print with their fraction.
func (x *xmlReader) lastUpdate() error {
	text, err := x.content()
	if err != nil {
		return err
	}
	whole, fraction, _ := strings.Cut(string(text), ".")
	sec, err := strconv.ParseUint(whole, 10, 63)
	micro, err2 := strconv.ParseUint((fraction + "000000")[:6], 10, 63)
	if err != nil || err2 != nil || sec >= math.MaxInt64/1_000_000 {
		return fmt.Errorf("last update %q is no time", text)
	}
	x.image.State.Last = rrd.Time(sec)*rrd.Second + rrd.Time(micro)
	return nil
}

// source reads a <ds> of the root.
func (x *xmlReader) source() error {
	d := rrd.DataSource{Min: math.NaN(), Max: math.NaN()}
	s := rrd.SourceState{Text: "U", Value: math.NaN()}
	err := x.children(func(name string) (err error) {
		var n uint64
		switch name {
		case "name":
			return x.str(&d.Name)
		case "type":
			var text string
			if err = x.str(&text); err == nil {
				d.Type, err = typeOf(text)
			}
		case "minimal_heartbeat":
			if err = x.count(&n); err == nil {
				d.Heartbeat, err = seconds(n, "heartbeat")
			}
		case "min":
			return x.float(&d.Min)
		case "max":
			return x.float(&d.Max)
		case "cdef":
			return x.str(&d.Expression)
		case "last_ds":
			return x.str(&s.Text)
		case "value":
			return x.float(&s.Value)
		case "unknown_sec":
			err = x.count(&n)
			s.Unknown = int64(n)
		default:
			return x.d.Skip()
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("data source %q: %w", d.Name, err)
	}
	x.image.Definition.Sources = append(x.image.Definition.Sources, d)
	x.image.State.Sources = append(x.image.State.Sources, s)
	return nil
}
