package tail

import (
	"cmp"
	"slices"
	"time"
)

// positions are those of all content that is known.
type positions struct {
	byID   map[string]*position
	byBorn map[int]map[uint64][]*position // by length and fingerprint of the first line
}

func newPositions() *positions {
	return &positions{byID: map[string]*position{}, byBorn: map[int]map[uint64][]*position{}}
}

func (s *positions) add(p *position) {
	s.byID[p.id] = p
	sums := s.byBorn[p.born.n]
	if sums == nil {
		sums = map[uint64][]*position{}
		s.byBorn[p.born.n] = sums
	}
	sums[p.born.sum] = append(sums[p.born.sum], p)
}

func (s *positions) remove(p *position) {
	delete(s.byID, p.id)
	sums := s.byBorn[p.born.n]
	sums[p.born.sum] = slices.DeleteFunc(sums[p.born.sum], func(q *position) bool { return q == p })
	if len(sums[p.born.sum]) == 0 {
		delete(sums, p.born.sum)
	}
	if len(sums) == 0 {
		delete(s.byBorn, p.born.n)
	}
}

// alike are the positions of content whose first line is that of head, the
// farthest first.
func (s *positions) alike(head []byte) []*position {
	var all []*position
	for n, sums := range s.byBorn {
		if n <= len(head) {
			all = append(all, sums[headOf(head[:n]).sum]...)
		}
	}
	slices.SortFunc(all, func(a, b *position) int { return cmp.Or(cmp.Compare(b.next, a.next), cmp.Compare(a.id, b.id)) })
	return all
}

// unused is the name for content that nothing known has.
func (s *positions) unused(key fileKey, born headSum) string {
	for again := 0; ; again++ {
		if id := sourceID(key, born, again); s.byID[id] == nil {
			return id
		}
	}
}

// orphans are the positions that no file is known to have.
func (s *positions) orphans(yield func(*position) bool) {
	for _, p := range s.byID {
		if p.home == nil && !yield(p) {
			return
		}
	}
}

// forget removes what nobody will ask for again, and what is too much: those
// positions whose file has been gone the longest. It returns their names.
func (s *positions) forget(now time.Time, after time.Duration, most int) (ids []string) {
	var gone []*position
	for p := range s.orphans {
		if !p.given && p.search == 0 {
			gone = append(gone, p)
		}
	}
	slices.SortFunc(gone, func(a, b *position) int { return cmp.Or(cmp.Compare(a.seen, b.seen), cmp.Compare(a.id, b.id)) })
	for _, p := range gone {
		if len(s.byID) <= most && now.Sub(time.Unix(p.seen, 0)) < after {
			break
		}
		s.remove(p)
		ids = append(ids, p.id)
	}
	return ids
}
