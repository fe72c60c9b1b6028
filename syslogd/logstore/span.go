package logstore

import (
	"cmp"
	"slices"
	"time"

	"rondo/syslogd/logstore/chunk"
)

// span is the time between two instants, both included, in Unix nanoseconds.
type span struct{ min, max int64 }

// add widens the span by an instant; the first one begins it.
func (x *span) add(at int64, first bool) {
	if first {
		*x = span{at, at}
	}
	x.min, x.max = min(x.min, at), max(x.max, at)
}

func (x span) holds(at int64) bool { return x.min <= at && at <= x.max }

// ofHour is the span of When that an hour of a header stands for. Only the
// outermost hours can reach beyond what 64 bits hold; the bounds cut them.
func ofHour(h *chunk.Header, hour int32) span {
	x, n := span{h.MinWhen, h.MaxWhen}, int64(hour)
	if n != chunk.FloorDiv(h.MinWhen, int64(time.Hour)) {
		x.min = n * int64(time.Hour)
	}
	if n != chunk.FloorDiv(h.MaxWhen, int64(time.Hour)) {
		x.max = (n+1)*int64(time.Hour) - 1
	}
	return x
}

// maxPieces bounds how often a search may have to open the same chunk.
const maxPieces = 4

// appendPieces appends what of a part a search in order of time opens at once.
// A chunk is cut where its hours have gaps, the widest first: else a message
// of 2037 in each chunk would have all of them open at the same time.
func (x *part) appendPieces(dst []*part, p *plan) []*part {
	if x.info == nil || p.received || x.info.header.Hours == nil {
		return append(dst, x)
	}
	h := x.info.header
	var gaps []int // before these of h.Hours
	for i := 1; i < len(h.Hours); i++ {
		if h.Hours[i].Hour-h.Hours[i-1].Hour > 1 {
			gaps = append(gaps, i)
		}
	}
	width := func(i int) int32 { return h.Hours[i].Hour - h.Hours[i-1].Hour }
	slices.SortFunc(gaps, func(a, b int) int { return cmp.Compare(width(b), width(a)) })
	gaps = gaps[:min(len(gaps), maxPieces-1)]
	slices.Sort(gaps)
	from := 0
	for _, to := range append(gaps, len(h.Hours)) {
		time := span{ofHour(h, h.Hours[from].Hour).min, ofHour(h, h.Hours[to-1].Hour).max}
		if from = to; p.overlaps(time) {
			piece := *x
			piece.time, piece.piece = time, true
			dst = append(dst, &piece)
		}
	}
	return dst
}
