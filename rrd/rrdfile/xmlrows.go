package rrdfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// An xmlInput is what the decoder reads, byte by byte and never ahead. So the
// rows, of which a dump has little else, can be read by themselves: that is
// ten times as fast.
type xmlInput struct {
	*bufio.Reader
	back string // read before all else
}

// ReadByte implements io.ByteReader.
func (in *xmlInput) ReadByte() (byte, error) {
	if in.back == "" {
		return in.Reader.ReadByte()
	}
	c := in.back[0]
	in.back = in.back[1:]
	return c, nil
}

// database reads the rows of a <database>, oldest first.
func (x *xmlReader) database(a *xmlArchive) error {
	for {
		tag, err := x.in.tag()
		switch {
		case err != nil:
			return err
		case string(tag) == "row":
			if err := x.row(a); err != nil {
				return err
			}
		case string(tag) == "/database":
			x.in.back = "</database>"
			return x.d.Skip()
		default:
			return fmt.Errorf("<%s> in <database>", tag)
		}
	}
}

func (x *xmlReader) row(a *xmlArchive) error {
	before, want := len(a.ring), len(x.image.Definition.Sources)
	for {
		tag, err := x.in.tag()
		switch {
		case err != nil:
			return err
		case string(tag) == "v":
			v, err := x.in.value()
			if err != nil {
				return err
			}
			a.ring = append(a.ring, v)
		case string(tag) == "/row":
			if got := len(a.ring) - before; got != want {
				return fmt.Errorf("row %d has %d values, and there are %d data sources", a.Rows, got, want)
			}
			a.Rows++
			return nil
		default:
			return fmt.Errorf("<%s> in <row>", tag)
		}
	}
}

// tag reads the next tag that is no comment, with nothing but blanks in front.
// It is valid until the next call.
func (in *xmlInput) tag() ([]byte, error) {
	for {
		blank, err := in.until('<')
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(blank)) > 0 {
			return nil, fmt.Errorf("%.20q between values", blank)
		}
		tag, err := in.until('>')
		if err != nil || !bytes.HasPrefix(tag, []byte("!--")) {
			return bytes.TrimSpace(tag), err
		}
		for !bytes.HasSuffix(tag, []byte("--")) {
			if tag, err = in.until('>'); err != nil {
				return nil, err
			}
		}
	}
}

// value reads the rest of a <v>.
func (in *xmlInput) value() (float64, error) {
	text, err := in.until('<')
	if err != nil {
		return 0, err
	}
	v, err := parseFloat(string(bytes.TrimSpace(text)))
	if err != nil {
		return 0, err
	}
	if tag, err := in.until('>'); err != nil || string(bytes.TrimSpace(tag)) != "/v" {
		return 0, errors.Join(err, fmt.Errorf("<%.20s> in <v>", tag))
	}
	return v, nil
}

// until reads up to a byte that must come within the reader's buffer.
func (in *xmlInput) until(end byte) ([]byte, error) {
	text, err := in.ReadSlice(end)
	switch {
	case err == io.EOF:
		return nil, io.ErrUnexpectedEOF
	case err == bufio.ErrBufferFull:
		return nil, fmt.Errorf("more than %d bytes without %q", in.Size(), end)
	case err != nil:
		return nil, err
	}
	return text[:len(text)-1], nil
}
