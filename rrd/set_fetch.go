package rrd

import (
	"errors"
	"time"
)

// A SetRange is where the answer to a fetch comes from: the rows of Archive
// that end after Start and not after End, each Row long. Those that the ring
// does not have are unknown.
type SetRange struct {
	Archive    int
	Row        time.Duration
	Start, End Time
}

// ErrNoArchive says that no archive of a Set has the wanted function.
var ErrNoArchive = errors.New("the RRD does not contain an RRA matching the chosen CF")

// Fetch chooses the archive for a time range as rrdfetch does. Of the archives
// that reach back to start, the one whose row is nearest to resolution is
// taken; where none does, the one that reaches furthest, and among equals
// again the nearest. Archives of single points answer for average, min, max and
// last alike. A
// range is widened to whole rows, and by one more row at its end if it ended
// with a row.
func (s *Set) Fetch(cf CF, start, end Time, resolution time.Duration) (SetRange, error) {
	best, bestReach, bestDiff := -1, Time(0), time.Duration(0)
	for i, a := range s.def.Archives {
		if a.CF != cf && (a.Steps != 1 || a.CF > Last || cf > Last) {
			continue
		}
		row := s.def.row(i)
		from := floor(s.last, row).Add(-time.Duration(a.Rows) * row)
		reach := max(from, start) // all that reach back to start are alike
		diff := max(resolution-row, row-resolution)
		if best < 0 || reach < bestReach || reach == bestReach && diff < bestDiff {
			best, bestReach, bestDiff = i, reach, diff
		}
	}
	if best < 0 {
		return SetRange{}, ErrNoArchive
	}
	row := s.def.row(best)
	return SetRange{best, row, floor(start, row), floor(end, row).Add(row)}, nil
}

// row is how long one row of archive a lasts.
func (d *SetDefinition) row(a int) time.Duration { return d.Step * time.Duration(d.Archives[a].Steps) }

// floor is the last boundary of rows that is not after t.
func floor(t Time, row time.Duration) Time {
	width := Time(row / time.Microsecond)
	return t - t%width
}
