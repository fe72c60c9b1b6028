package spool

import (
	"cmp"
	"slices"
	"time"

	"rondo/rrd/seglog"
)

const (
	markEvery = 64 << 10 // bytes of the log between two marks
	markAge   = time.Second
	maxMarks  = 8192
)

// A mark is the beginning of a record, and what each queue had before it: a
// place that cursors can be moved to without reading what is skipped.
type mark struct {
	pos    seglog.Pos
	at     time.Time // when the record was written
	places []entry   // of each queue that is known there
}

// of is the queue's place at the mark.
func (m mark) of(id uint64) (place, bool) {
	for _, e := range m.places {
		if e.id == id {
			return e.place, true
		}
	}
	return place{}, false
}

// marks are in the order of the log.
type marks []mark

// due reports whether a record that is written now at pos is to be a mark.
func (m marks) due(pos seglog.Pos, now time.Time) bool {
	if len(m) == 0 {
		return true
	}
	last := m[len(m)-1]
	return pos-last.pos >= markEvery || now.Sub(last.at) >= markAge
}

// add appends a mark. Of too many, every other one goes.
func (m marks) add(one mark) marks {
	if len(m) >= maxMarks {
		for i := range len(m) / 2 {
			m[i] = m[2*i]
		}
		m = slices.Delete(m, len(m)/2, len(m))
	}
	return append(m, one)
}

// from are those at pos and behind it.
func (m marks) from(pos seglog.Pos) marks {
	i, _ := slices.BinarySearchFunc(m, pos, func(one mark, pos seglog.Pos) int { return cmp.Compare(one.pos, pos) })
	return m[i:]
}

// cut removes those before pos, where nothing is any more.
func (m marks) cut(pos seglog.Pos) marks { return slices.Delete(m, 0, len(m)-len(m.from(pos))) }

// written is about when the record at pos was written.
func (m marks) written(pos seglog.Pos) time.Time {
	at := time.Time{}
	for _, one := range m {
		if one.pos > pos && !at.IsZero() {
			break
		}
		at = one.at
	}
	return at
}

// before is the newest mark that was written before t.
func (m marks) before(t time.Time) (mark, bool) {
	for _, one := range slices.Backward(m) {
		if one.at.Before(t) {
			return one, true
		}
	}
	return mark{}, false
}
