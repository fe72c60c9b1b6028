package syslogd

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"rondo/syslogd/syslog"
)

// An ID names a stored message for as long as it is kept, in links that people
// send each other: "mwndpojf-38s4dhr4ktwl". It is made of what the message
// says, not of where it lies, so it costs nothing to keep and is the same
// before and after chunks are sealed or merged, a restart, a restore and a
// copy to another store. A message that came twice from one sender within a
// millisecond has one ID.
//
//	reception in ms since 1970, base 36 | "-" | 64 bits of SHA-256, base 36
type ID string

// IDOf is the name of a message that a Searcher yielded.
func IDOf(m *syslog.Message) ID {
	h := sha256.New()
	// A hash takes all that it is given; its Write has no other outcome.
	for _, s := range [...]string{m.Sender.String(), m.Host, m.Raw, m.Text} {
		_, _ = fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	sum := binary.BigEndian.Uint64(h.Sum(nil))
	return ID(strconv.FormatInt(m.Received.UnixMilli(), 36) + "-" + strconv.FormatUint(sum, 36))
}

// Received is when the message was received, to the millisecond. The error
// says that this is no ID.
func (id ID) Received() (time.Time, error) {
	at, sum, _ := strings.Cut(string(id), "-")
	ms, err := strconv.ParseInt(at, 36, 64)
	if err == nil {
		_, err = strconv.ParseUint(sum, 36, 64)
	}
	const most = int64(1) << 43 // the year 2248; what a store keeps is before
	if err != nil || ms < 0 || ms > most || len(id) > 32 {
		return time.Time{}, fmt.Errorf("%.40q is no ID of a message", string(id))
	}
	return time.UnixMilli(ms).UTC(), nil
}
