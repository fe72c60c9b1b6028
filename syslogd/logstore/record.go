package logstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"rondo/syslogd/logstore/chunk"
	"rondo/syslogd/syslog"
)

// The log holds one record for each run of messages of one key:
//
//	version 1 | day varint | class string | count | messages
//
// A message is written by syslog.AppendBinary, with the reception of the one
// before it as its base.
//
// A record whose version is 0 is a probe: text that nobody reads.
const recordVersion = 1

// appendRecord writes messages of one key, which normalise has seen.
func appendRecord(dst []byte, k key, batch []syslog.Message) []byte {
	dst = binary.AppendVarint(append(dst, recordVersion), int64(k.day))
	dst = syslog.AppendBinaryString(dst, k.class)
	dst = binary.AppendUvarint(dst, uint64(len(batch)))
	last := int64(0)
	for i := range batch {
		m := &batch[i]
		dst = syslog.AppendBinary(dst, m, last)
		last = m.Received.UnixMilli()
	}
	return dst
}

func fieldsOf(m *syslog.Message) [6]*string {
	return [...]*string{&m.Host, &m.App, &m.PID, &m.MsgID, &m.SD, &m.Text}
}

var errRecord = errors.New("logstore: bad record in the log")

// readRecordKey reads the beginning of a record, which is all that is needed
// of one whose messages are already in chunks.
func readRecordKey(b string) (key, *syslog.BinaryReader, error) {
	r := syslog.NewBinaryReader(b)
	if v := r.Byte(); v != recordVersion {
		return key{}, nil, fmt.Errorf("%w: version %d", errRecord, v)
	}
	k := key{day: int32(r.Varint()), class: r.String()}
	if r.Err() != nil || !isClass(k.class) {
		return key{}, nil, errRecord
	}
	return k, r, nil
}

// readMessages reads the rest of a record.
func readMessages(r *syslog.BinaryReader) ([]syslog.Message, error) {
	n := r.Uvarint()
	if n > uint64(r.Len()) {
		return nil, errRecord
	}
	batch := make([]syslog.Message, n)
	last := int64(0)
	for i := range batch {
		if last = r.Message(&batch[i], last); r.Err() != nil {
			return nil, errRecord
		}
	}
	return batch, nil
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
