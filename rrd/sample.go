package rrd

import (
	"context"
	"fmt"
)

// A Sample is one raw reading as received.
type Sample struct {
	Key   Key
	Time  Time
	Value float64
	Type  Type // where the protocol knows it; a schema that names a type wins
}

// An Appender takes samples. When Append returns nil or a *BatchError, every
// sample that was not refused is on disk. It must not retain the batch or its
// strings.
type Appender interface {
	Append(ctx context.Context, batch []Sample) error
}

// A Writer is an Appender that can also take samples without waiting for the
// device, for protocols that acknowledge nothing. Where an Appender is none,
// Append is used.
type Writer interface {
	Appender
	// Write takes samples into the kernel's page cache: they survive the death
	// of the process now, and that of the machine within a second. Its error is
	// as Append's.
	Write(ctx context.Context, batch []Sample) error
	// Flush returns when all that was written before is on the device.
	Flush(ctx context.Context) error
}

// Refusal is why a sample was not taken. Each is counted by reason.
type Refusal string

// The reasons for refusing a sample.
const (
	RefusedKey       Refusal = "bad_name"  // empty, too long, not UTF-8
	RefusedValue     Refusal = "bad_value" // NaN or infinite, or not a whole number where the type wants one
	RefusedLimit     Refusal = "limit"     // outside the data source's min and max
	RefusedLate      Refusal = "late"      // older than the late window, and than what can be corrected
	RefusedInexact   Refusal = "inexact"   // as late, and its row could not be made as if it had come in time
	RefusedFuture    Refusal = "future"    // further ahead of our clock than allowed
	RefusedSeriesMax Refusal = "series"    // no room for another series
	RefusedConflict  Refusal = "conflict"  // same series and time, another value, exact mode
	RefusedSet       Refusal = "set"       // no such set; or the series belongs to one, which takes updates only
)

// A Refused sample of a batch.
type Refused struct {
	Index  int // in the batch
	Series Key // whose sample it is; of a set's update, the set's name
	Reason Refusal
	Detail string
	Err    error // of a set's update: what Detail says, such as a *LateError
}

// A BatchError names the samples of a batch that were refused; all others
// were taken.
type BatchError struct{ Refused []Refused }

func (e *BatchError) Error() string {
	if len(e.Refused) == 0 {
		return "rrd: no sample refused"
	}
	r := e.Refused[0]
	return fmt.Sprintf("rrd: %d samples refused, first is number %d, of %s: %s: %s", len(e.Refused), r.Index, r.Series, r.Reason, r.Detail)
}
