package rrd

import "time"

// Time is an instant in microseconds since the Unix epoch: RRDtool's own
// resolution, and small enough to be kept by the million.
type Time int64

// Second is one second as a difference of Times.
const Second Time = 1e6

// At converts a time.Time, dropping what is below a microsecond.
func At(t time.Time) Time { return Time(t.UnixMicro()) }

// FromMillis converts Prometheus' milliseconds.
func FromMillis(ms int64) Time { return Time(ms * 1000) }

// Std converts to a time.Time in UTC.
func (t Time) Std() time.Time { return time.UnixMicro(int64(t)).UTC() }

// Millis converts to Prometheus' milliseconds, rounding down.
func (t Time) Millis() int64 {
	if t < 0 && t%1000 != 0 {
		return int64(t)/1000 - 1
	}
	return int64(t) / 1000
}

// Seconds converts to seconds since the epoch with their fraction.
func (t Time) Seconds() float64 { return float64(t) / 1e6 }

// Add returns t+d.
func (t Time) Add(d time.Duration) Time { return t + Time(d.Microseconds()) }

// Sub returns t-u.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t-u) * time.Microsecond }

// SlotEnd returns the end of the slot (end-step, end] that holds t. Slots are
// aligned to the epoch in UTC, as RRDtool's are.
func (t Time) SlotEnd(step time.Duration) Time {
	s := Time(step.Microseconds())
	r := t % s
	switch {
	case r == 0:
		return t
	case r < 0:
		return t - r
	}
	return t - r + s
}
