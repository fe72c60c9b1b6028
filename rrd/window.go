package rrd

import "slices"

// Offer is what became of a sample that was offered to a window.
type Offer uint8

// What becomes of a sample.
const (
	Taken    Offer = iota
	Repeated       // the same time and value again: stored once
	Replaced       // the same time, another value: the last write wins
	TooLate        // older than the window, or than what was settled early
)

// A Window is the newest samples of a series, sorted by time: those that a
// late sample may still slip between. A sample is taken if it is newer than
// the newest one less the window's length; so what a Fold is made from never
// depends on the order of arrival inside the window.
//
// This is the definition of what the store does, which keeps the same window
// in a tighter form, and which decides when points leave it.
type Window struct {
	Points []Point
	Length Time
}

// Insert puts a sample in its place.
func (w *Window) Insert(p Point) Offer {
	if n := len(w.Points); n > 0 && p.Time <= w.Points[n-1].Time-w.Length {
		return TooLate
	}
	i, found := slices.BinarySearchFunc(w.Points, p.Time, func(q Point, t Time) int { return int(min(1, max(-1, q.Time-t))) })
	switch {
	case !found:
		w.Points = slices.Insert(w.Points, i, p)
		return Taken
	case w.Points[i].Value == p.Value:
		return Repeated
	}
	w.Points[i].Value = p.Value
	return Replaced
}
