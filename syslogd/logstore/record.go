package logstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"rondo/syslogd/logstore/chunk"
	"rondo/syslogd/syslog"
)

// The log holds one record for each run of messages of one key:
//
//	version 1 | day varint | class string | count | messages
//	message: flags 1 | format 1 | facility 1 | severity 1 | received ms varint
//	         (since the one before) | time ns varint, if any | sender string |
//	         raw string | host app pid msgid sd text
//	field:   0 empty; 1 string; else where it begins in raw + 2, length
//
// A record whose version is 0 is a probe: text that nobody reads.
const recordVersion = 1

const (
	flagPRI = 1 << iota
	flagTime
	flagTruncated
)

const (
	fieldEmpty = iota
	fieldApart
	fieldInRaw
)

// appendRecord writes messages of one key, which normalise has seen.
func appendRecord(dst []byte, k key, batch []syslog.Message) []byte {
	dst = binary.AppendVarint(append(dst, recordVersion), int64(k.day))
	dst = appendString(dst, k.class)
	dst = binary.AppendUvarint(dst, uint64(len(batch)))
	last := int64(0)
	for i := range batch {
		m := &batch[i]
		ms := m.Received.UnixMilli()
		dst = appendMessage(dst, m, ms-last)
		last = ms
	}
	return dst
}

func appendMessage(dst []byte, m *syslog.Message, received int64) []byte {
	var flags byte
	if m.HasPRI {
		flags |= flagPRI
	}
	if !m.Time.IsZero() {
		flags |= flagTime
	}
	if m.Truncated {
		flags |= flagTruncated
	}
	dst = append(dst, flags, byte(m.Format), byte(m.Facility), byte(m.Severity))
	dst = binary.AppendVarint(dst, received)
	if flags&flagTime != 0 {
		dst = binary.AppendVarint(dst, m.Time.UnixNano())
	}
	n := len(dst)
	dst = append(dst, 0)
	if out, err := m.Sender.AppendBinary(dst); err == nil && len(out)-n-1 < 128 {
		dst = out
		dst[n] = byte(len(dst) - n - 1)
	}
	dst = appendString(dst, m.Raw)
	at := 0
	for _, f := range fieldsOf(m) {
		dst, at = appendField(dst, m.Raw, *f, at)
	}
	return dst
}

func fieldsOf(m *syslog.Message) [6]*string {
	return [...]*string{&m.Host, &m.App, &m.PID, &m.MsgID, &m.SD, &m.Text}
}

// appendField writes where a field lies in the line; at is where the last
// one ended. The first place is as good as any.
func appendField(dst []byte, raw, v string, at int) ([]byte, int) {
	if v == "" {
		return append(dst, fieldEmpty), at
	}
	i := strings.Index(raw[at:], v)
	if i < 0 {
		return appendString(append(dst, fieldApart), v), at
	}
	i += at
	dst = binary.AppendUvarint(dst, uint64(i)+fieldInRaw)
	return binary.AppendUvarint(dst, uint64(len(v))), i + len(v)
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

var errRecord = errors.New("logstore: bad record in the log")

// recordReader reads a record; it trusts nothing.
type recordReader struct {
	b   []byte
	bad bool
}

func (r *recordReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *recordReader) varint() int64 {
	v := r.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

func (r *recordReader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *recordReader) str() string { return string(r.take(r.uvarint())) }

func (r *recordReader) byte() byte {
	if b := r.take(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

// readRecordKey reads the beginning of a record, which is all that is needed
// of one whose messages are already in chunks.
func readRecordKey(b []byte) (key, *recordReader, error) {
	r := &recordReader{b: b}
	if v := r.byte(); v != recordVersion {
		return key{}, nil, fmt.Errorf("%w: version %d", errRecord, v)
	}
	k := key{day: int32(r.varint()), class: r.str()}
	if r.bad || !isClass(k.class) {
		return key{}, nil, errRecord
	}
	return k, r, nil
}

// messages reads the rest of a record.
func (r *recordReader) messages() ([]syslog.Message, error) {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		return nil, errRecord
	}
	batch := make([]syslog.Message, n)
	last := int64(0)
	for i := range batch {
		last += r.message(&batch[i], last)
		if r.bad {
			return nil, errRecord
		}
	}
	return batch, nil
}

func (r *recordReader) message(m *syslog.Message, last int64) (received int64) {
	flags := r.byte()
	m.HasPRI, m.Truncated = flags&flagPRI != 0, flags&flagTruncated != 0
	m.Format, m.Facility, m.Severity = syslog.Format(r.byte()), syslog.Facility(r.byte()), syslog.Severity(r.byte())
	received = r.varint()
	m.Received = time.UnixMilli(last + received).UTC()
	if flags&flagTime != 0 {
		m.Time = time.Unix(0, r.varint()).UTC()
	}
	if err := m.Sender.UnmarshalBinary(r.take(uint64(r.byte()))); err != nil {
		r.bad = true
	}
	m.Raw = r.str()
	for _, f := range fieldsOf(m) {
		switch at := r.uvarint(); {
		case at == fieldEmpty:
		case at == fieldApart:
			*f = r.str()
		default:
			at -= fieldInRaw
			end := at + r.uvarint()
			if end < at || end > uint64(len(m.Raw)) {
				r.bad = true
				return 0
			}
			*f = m.Raw[at:end]
		}
	}
	return received
}

// normalise makes m what the store keeps: reception to the millisecond, and
// no time beyond what 64 bits of nanoseconds can tell.
func normalise(m *syslog.Message, now time.Time) {
	if m.Received.Before(chunk.MinTime) || m.Received.After(chunk.MaxTime) || m.Received.IsZero() {
		m.Received = now
	}
	m.Received = m.Received.Truncate(time.Millisecond).UTC()
	if m.Time.Before(chunk.MinTime) || m.Time.After(chunk.MaxTime) {
		m.Time = time.Time{}
	}
	m.Time = m.Time.UTC()
}
