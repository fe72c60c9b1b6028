package loki

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
)

// decodeJSON reads a push request in JSON:
//
//	{"streams": [{"stream": {"job": "x"}, "values": [["<ns>", "line", {"trace_id": "7"}]]}]}
//
// It goes token by token, so that the limits hold before the memory is taken. It
// wants all of the request: out of small pieces a Decoder reads many blanks in
// quadratic time.
func decodeJSON(b []byte) ([]stream, error) {
	d := &jsonDecoder{dec: json.NewDecoder(bytes.NewReader(b))}
	err := d.object(func(key string) error {
		if key != "streams" {
			return d.skip()
		}
		return d.array(d.stream)
	})
	if err == nil {
		if _, end := d.dec.Token(); end != io.EOF {
			err = errors.New("something follows the request")
		}
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return d.streams, err
}

type jsonDecoder struct {
	dec     *json.Decoder
	streams []stream
	lines   int
}

// delim takes a bracket; null stands for an empty list or object.
func (d *jsonDecoder) delim(want json.Delim) (empty bool, err error) {
	t, err := d.dec.Token()
	if err != nil || t == nil {
		return true, err
	}
	if t != want {
		return true, fmt.Errorf("offset %d: want %v, found %v", d.dec.InputOffset(), want, t)
	}
	return false, nil
}

// object calls f with each key, with the decoder before its value.
func (d *jsonDecoder) object(f func(key string) error) error {
	if empty, err := d.delim('{'); empty || err != nil {
		return err
	}
	for d.dec.More() {
		t, err := d.dec.Token()
		if err != nil {
			return err
		}
		if err := f(t.(string)); err != nil { // a key is always a string
			return err
		}
	}
	_, err := d.dec.Token()
	return err
}

// array calls f before each element.
func (d *jsonDecoder) array(f func() error) error {
	if empty, err := d.delim('['); empty || err != nil {
		return err
	}
	for d.dec.More() {
		if err := f(); err != nil {
			return err
		}
	}
	_, err := d.dec.Token()
	return err
}

// skip passes over a value that means nothing to us.
func (d *jsonDecoder) skip() error {
	var ignored json.RawMessage
	return d.dec.Decode(&ignored)
}

func (d *jsonDecoder) text(what string) (string, error) {
	t, err := d.dec.Token()
	if err != nil {
		return "", err
	}
	s, ok := t.(string)
	if !ok {
		return "", fmt.Errorf("offset %d: the %s must be a string, found %v", d.dec.InputOffset(), what, t)
	}
	return s, nil
}

func (d *jsonDecoder) stream() error {
	if len(d.streams) == maxStreams {
		return errTooManyStreams()
	}
	var s stream
	err := d.object(func(key string) (err error) {
		switch key {
		case "stream":
			s.labels, err = d.labels("label")
		case "values":
			err = d.array(func() error { return d.entry(&s) })
		default:
			err = d.skip()
		}
		return err
	})
	d.streams = append(d.streams, s)
	return err
}

func (d *jsonDecoder) labels(what string) ([]label, error) {
	var labels []label
	err := d.object(func(key string) error {
		if len(labels) == maxLabels {
			return errTooManyLabels(what)
		}
		v, err := d.text("value of " + what + " " + strconv.Quote(key))
		labels = append(labels, label{key, v})
		return err
	})
	return labels, err
}

// entry reads ["<ns>", "line"], or with metadata as a third element.
func (d *jsonDecoder) entry(s *stream) error {
	if d.lines++; d.lines > maxLines {
		return errTooManyLines()
	}
	var e entry
	n := 0
	err := d.array(func() (err error) {
		switch n++; n {
		case 1:
			e.at, err = d.timestamp()
		case 2:
			e.line, err = d.text("line")
		case 3:
			e.meta, err = d.labels("structured metadata")
		default:
			err = d.skip()
		}
		return err
	})
	if err == nil && n < 2 {
		err = fmt.Errorf("offset %d: an entry is a timestamp and a line, found %d values", d.dec.InputOffset(), n)
	}
	s.entries = append(s.entries, e)
	return err
}

func (d *jsonDecoder) timestamp() (time.Time, error) {
	s, err := d.text("timestamp")
	if err != nil {
		return time.Time{}, err
	}
	ns, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("offset %d: timestamp %q: want nanoseconds since 1970, as a string", d.dec.InputOffset(), s)
	}
	return time.Unix(0, ns).UTC(), nil
}
