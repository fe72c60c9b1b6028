package logstore

// span is the time between two instants, both included, in Unix nanoseconds.
type span struct{ min, max int64 }

// add widens the span by an instant; the first one begins it.
func (x *span) add(at int64, first bool) {
	if first {
		*x = span{at, at}
	}
	x.min, x.max = min(x.min, at), max(x.max, at)
}
