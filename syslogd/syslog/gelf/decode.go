package gelf

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"rondo/syslogd/syslog"
)

// A Reason is why something is no GELF message. The errors of this package
// wrap one, for errors.AsType; its text serves as the name of a counter.
type Reason string

// The reasons.
const (
	BadCompression Reason = "bad_compression" // gzip or zlib data that is broken or cut off
	TooLarge       Reason = "too_large"       // more than MaxBytes, as received or unpacked
	BadJSON        Reason = "bad_json"        // no JSON object
	NoMessage      Reason = "no_message"      // an object without a text
	BadChunk       Reason = "bad_chunk"       // a chunk whose numbers cannot be
	Incomplete     Reason = "incomplete"      // chunks that were missing for MaxAge
	TooMany        Reason = "too_many"        // chunks that had to make room for newer ones
)

func (r Reason) Error() string { return "gelf: " + string(r) }

// A Payload is one message as it came from the network.
type Payload struct {
	Data     []byte     // perhaps compressed
	From     netip.Addr // the zero Addr for a unix socket
	Received time.Time  // the first of its datagrams
	Err      error      // what is wrong with it, such as missing chunks; Data is what there is
}

// DefaultMaxBytes is the limit of a Decoder or a Stream that says none.
const DefaultMaxBytes = 1 << 20

// A Decoder turns payloads into messages. The zero value is ready for use; it
// keeps buffers, so that each goroutine needs its own.
type Decoder struct {
	// MaxBytes is the most that a message may have when it is unpacked; 0
	// means DefaultMaxBytes.
	MaxBytes int

	unpacked bytes.Buffer
	gzip     gzip.Reader
	zlib     io.ReadCloser
	out      object
}

// Decode reads a payload. It always returns a message: with an error, that
// is what syslog.Parse makes of the text as received, as far as it could be
// unpacked. The message shares no memory with p.
func (d *Decoder) Decode(p Payload) (syslog.Message, error) {
	data, err := d.unpack(p.Data)
	if err == nil && p.Err == nil {
		if err = d.out.parse(data); err == nil {
			return d.out.message(p.Received, p.From), nil
		}
	}
	if p.Err != nil {
		err = p.Err
	}
	m := syslog.Parse(syslog.TrimTrailer(string(data)), p.Received, p.From)
	m.Truncated = errors.Is(err, TooLarge) || errors.Is(err, Incomplete) || errors.Is(err, TooMany)
	return m, err
}

func (d *Decoder) max() int {
	if d.MaxBytes <= 0 {
		return DefaultMaxBytes
	}
	return d.MaxBytes
}

// unpack returns the JSON. With an error, it is as much as there is, or the
// data itself if there is nothing.
func (d *Decoder) unpack(data []byte) ([]byte, error) {
	r, err := d.reader(data)
	if err != nil {
		return d.cut(data), fmt.Errorf("%w: %w", BadCompression, err)
	}
	if r == nil {
		if len(data) > d.max() {
			return d.cut(data), TooLarge
		}
		return bytes.TrimPrefix(data, []byte{0x1f, 0x3c}), nil
	}
	d.unpacked.Reset()
	n, err := d.unpacked.ReadFrom(io.LimitReader(r, int64(d.max())+1))
	switch {
	case n > int64(d.max()):
		return d.cut(d.unpacked.Bytes()), TooLarge
	case err != nil && n == 0:
		return d.cut(data), fmt.Errorf("%w: %w", BadCompression, err)
	case err != nil:
		return d.unpacked.Bytes(), fmt.Errorf("%w: after %d bytes: %w", BadCompression, n, err)
	}
	return d.unpacked.Bytes(), nil
}

func (d *Decoder) cut(data []byte) []byte { return data[:min(len(data), d.max())] }

// reader tells by the first two bytes how data is compressed. It is nil if
// data is not; the old specification marks that with 1f 3c.
func (d *Decoder) reader(data []byte) (io.Reader, error) {
	if len(data) < 2 {
		return nil, nil
	}
	src := bytes.NewReader(data)
	switch head := int(data[0])<<8 | int(data[1]); {
	case head == 0x1f8b:
		return &d.gzip, d.gzip.Reset(src)
	case data[0]&0x0f == 8 && head%31 == 0: // RFC 1950: the check bits; no JSON begins with it
		if d.zlib == nil {
			var err error
			d.zlib, err = zlib.NewReader(src)
			return d.zlib, err
		}
		return d.zlib, d.zlib.(zlib.Resetter).Reset(src, nil)
	}
	return nil, nil
}
