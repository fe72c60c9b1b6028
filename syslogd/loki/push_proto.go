package loki

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// decodeProto reads a push request in protocol buffers, of which these fields
// matter (Loki's push.proto):
//
//	PushRequest  streams = 1
//	Stream       labels = 1 (text, as a selector), entries = 2
//	Entry        timestamp = 1 (seconds = 1, nanos = 2), line = 2, structuredMetadata = 3 (name = 1, value = 2)
func decodeProto(b []byte) ([]stream, error) {
	d := &protoDecoder{}
	err := fields(b, func(n protowire.Number, v []byte, _ uint64) error {
		if n == 1 {
			return d.stream(v)
		}
		return nil
	})
	return d.streams, err
}

var errProto = errors.New("not a push request in protocol buffers")

// fields calls f with each field of a message: v of a string or a message, x
// of a number. Groups, which nobody sends, are passed over with the rest.
func fields(b []byte, f func(n protowire.Number, v []byte, x uint64) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errProto
		}
		b = b[n:]
		var v []byte
		var x uint64
		switch typ {
		case protowire.BytesType:
			v, n = protowire.ConsumeBytes(b)
		case protowire.VarintType:
			x, n = protowire.ConsumeVarint(b)
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return errProto
		}
		b = b[n:]
		if typ != protowire.BytesType && typ != protowire.VarintType {
			continue
		}
		if err := f(num, v, x); err != nil {
			return err
		}
	}
	return nil
}

type protoDecoder struct {
	streams []stream
	lines   int
}

func (d *protoDecoder) stream(b []byte) error {
	if len(d.streams) == maxStreams {
		return errTooManyStreams()
	}
	var s stream
	err := fields(b, func(n protowire.Number, v []byte, _ uint64) (err error) {
		switch n {
		case 1:
			if s.labels, err = parseLabels(string(v)); err != nil {
				err = fmt.Errorf("couldn't parse labels %.200q: %w", v, err)
			}
		case 2:
			if d.lines++; d.lines > maxLines {
				return errTooManyLines()
			}
			var e entry
			e, err = decodeEntry(v)
			s.entries = append(s.entries, e)
		}
		return err
	})
	d.streams = append(d.streams, s)
	return err
}

func decodeEntry(b []byte) (e entry, err error) {
	err = fields(b, func(n protowire.Number, v []byte, _ uint64) (err error) {
		switch n {
		case 1:
			e.at, err = decodeTime(v)
		case 2:
			e.line = string(v)
		case 3:
			if len(e.meta) == maxLabels {
				return errTooManyLabels("structured metadata")
			}
			var l label
			l, err = decodeLabel(v)
			e.meta = append(e.meta, l)
		}
		return err
	})
	return e, err
}

func decodeTime(b []byte) (time.Time, error) {
	var sec, nanos int64
	err := fields(b, func(n protowire.Number, _ []byte, x uint64) error {
		switch n {
		case 1:
			sec = int64(x)
		case 2:
			nanos = int64(x)
		}
		return nil
	})
	if err == nil && (nanos < 0 || nanos >= 1e9) {
		err = fmt.Errorf("timestamp: %d nanoseconds", nanos)
	}
	return time.Unix(sec, nanos).UTC(), err
}

func decodeLabel(b []byte) (l label, err error) {
	err = fields(b, func(n protowire.Number, v []byte, _ uint64) error {
		switch n {
		case 1:
			l.name = string(v)
		case 2:
			l.value = string(v)
		}
		return nil
	})
	return l, err
}
