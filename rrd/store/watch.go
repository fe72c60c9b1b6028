package store

import (
	"fmt"
	"math"
	"slices"

	"rondo/rrd"
)

// A watching is what Watch was told last. It never changes; shards refer to it
// and to the series by it.
type watching struct {
	watches []rrd.Watch
	moved   func(int, rrd.Time)

	selectors []watchSelector
	byPair    map[string][]int // by label, sep and value that it wants: selectors
	byPrefix  map[string][]int // by what the name must begin with: those without such a pair
	prefixes  []int            // lengths of these, ascending
	others    []int            // all others
}

type watchSelector struct {
	watch      int
	conditions []condition
}

// Watch implements rrd.Watcher.
func (st *Store) Watch(watches []rrd.Watch, moved func(int, rrd.Time)) error {
	var ws *watching
	if len(watches) > 0 {
		var err error
		if ws, err = st.newWatching(watches, moved); err != nil {
			return fmt.Errorf("store: watch: %w", err)
		}
	}
	pages := st.table.pageList()
	for i := range st.shards {
		sh := &st.shards[i]
		sh.mu.Lock()
		for n := i; n < len(pages); n += numShards {
			all := pages[n].all()
			for j := range all {
				all[j].watch = unmatched
			}
		}
		sh.watching, sh.watched, sh.watchLists = ws, nil, nil
		sh.mu.Unlock()
	}
	return nil
}

const pairSep = "\xff"

func (st *Store) newWatching(watches []rrd.Watch, moved func(int, rrd.Time)) (*watching, error) {
	ws := &watching{watches: watches, moved: moved, byPair: map[string][]int{}, byPrefix: map[string][]int{}}
	common := map[string]int{} // how many selectors want a pair
	for i, w := range watches {
		for _, ms := range w.Selectors {
			conditions, err := st.table.regexps.conditions(ms)
			if err != nil {
				return nil, err
			}
			ws.selectors = append(ws.selectors, watchSelector{i, conditions})
			for _, m := range ms {
				common[m.Label+pairSep+m.Value]++
			}
		}
	}
	for i := range ws.selectors {
		ws.enter(i, common)
	}
	for prefix := range ws.byPrefix {
		ws.prefixes = append(ws.prefixes, len(prefix))
	}
	slices.Sort(ws.prefixes)
	ws.prefixes = slices.Compact(ws.prefixes)
	return ws, nil
}

// enter puts a selector where a series that it may match will look: under the
// rarest pair of label and value that it wants. So a new series looks at few of
// thousands.
func (ws *watching) enter(i int, common map[string]int) {
	pair, prefix := "", ""
	for _, c := range ws.selectors[i].conditions {
		switch own := c.Label + pairSep + c.Value; {
		case c.Op == rrd.Equal && c.Value != "" && (pair == "" || common[own] < common[pair]):
			pair = own
		case c.Op == rrd.Regexp && c.Label == rrd.NameLabel:
			prefix = c.prefix
		}
	}
	switch {
	case pair != "":
		ws.byPair[pair] = append(ws.byPair[pair], i)
	case prefix != "":
		ws.byPrefix[prefix] = append(ws.byPrefix[prefix], i)
	default:
		ws.others = append(ws.others, i)
	}
}

// match returns the watches of a series, ascending.
func (ws *watching) match(k rrd.Key) (found []int) {
	try := func(selectors []int) {
		for _, i := range selectors {
			if s := &ws.selectors[i]; s.matches(k) {
				found = append(found, s.watch)
			}
		}
	}
	var pair []byte
	for _, l := range k.Labels() {
		pair = append(append(append(pair[:0], l.Name...), pairSep...), l.Value...)
		try(ws.byPair[string(pair)])
	}
	name := k.Name()
	for _, n := range ws.prefixes {
		if n <= len(name) {
			try(ws.byPrefix[name[:n]])
		}
	}
	try(ws.others)
	slices.Sort(found)
	return slices.Compact(found)
}

func (s *watchSelector) matches(k rrd.Key) bool {
	for i := range s.conditions {
		if c := &s.conditions[i]; !c.matches(k.Get(c.Label)) {
			return false
		}
	}
	return true
}

// A watchList is the watches of a series. Series that have the same share it.
type watchList struct {
	every []int     // told of each sample
	some  []int     // told of samples in another part
	cuts  []float64 // of these, ascending
}

func (ws *watching) list(found []int) *watchList {
	l := &watchList{}
	for _, i := range found {
		if cuts := ws.watches[i].Cuts; len(cuts) > 0 {
			l.some, l.cuts = append(l.some, i), append(l.cuts, cuts...)
		} else {
			l.every = append(l.every, i)
		}
	}
	slices.Sort(l.cuts)
	l.cuts = slices.Compact(l.cuts)
	return l
}

// What series.watch says: an index into the shard's watched, from firstWatched
// on.
const (
	unmatched    = iota // it was not compared with the watches yet
	unwatched           // nobody watches it
	firstWatched        // watched[0]
)

// A watchedSeries is what a shard knows of a series that is watched.
type watchedSeries struct {
	// A sample between the two, not at them, is in the same part as the one before.
	low, high float64
	hold      rrd.Time // how long a sample stands for the time after it
	// mixed: the row of the newest sample has samples of other parts, so its
	// average may be in any of them, and may leave it at any sample.
	mixed rrd.Time // end of that row; 0: none is
	list  *watchList
}

// maxHold is how far back a query looks for a sample at least.
const maxHold = 300 * rrd.Second

// before is what a series' newest sample was before another came.
type before struct {
	time  rrd.Time
	value float64
}

// watch tells those who watch a series of a sample that its window has taken.
// now is our clock. The caller holds the shard.
func (sh *shard) watch(s *series, was before, p rrd.Point, now rrd.Time) {
	if s.watch == unmatched {
		sh.match(s)
	}
	if s.watch == unwatched {
		return
	}
	w, ws := &sh.watched[s.watch-firstWatched], sh.watching
	for _, i := range w.list.every {
		ws.moved(i, p.Time)
	}
	if len(w.list.some) == 0 {
		return
	}
	fresh := p.Time > was.time && p.Time <= now && now-was.time < w.hold
	if fresh && p.Value > w.low && p.Value < w.high && w.mixed == 0 {
		return
	}
	if sh.move(s, w, was, p, fresh) {
		for _, i := range w.list.some {
			ws.moved(i, p.Time)
		}
	}
}

// match finds out who watches a series.
func (sh *shard) match(s *series) {
	s.watch = unwatched
	found := sh.watching.match(s.key)
	if len(found) == 0 {
		return
	}
	id := fmt.Sprint(found)
	list := sh.watchLists[id]
	if list == nil {
		if sh.watchLists == nil {
			sh.watchLists = map[string]*watchList{}
		}
		list = sh.watching.list(found)
		sh.watchLists[id] = list
	}
	s.watch = firstWatched + uint32(len(sh.watched))
	sh.watched = append(sh.watched, watchedSeries{list: list})
	sh.unsettle(s)
}

// move looks closer at a sample, and says whether it tells something new; fresh
// says that it is newer than all others, of which the newest still counted, and
// that it can be seen by now.
func (sh *shard) move(s *series, w *watchedSeries, was before, p rrd.Point, fresh bool) bool {
	row := s.def.rings[0].row
	w.hold = min(max(2*row, rrd.Time(s.def.Heartbeat.Microseconds())), maxHold)
	if p.Time <= was.time {
		w.mixed = max(w.mixed, slotEnd(was.time, row)) // it may be in the newest row
		return true
	}
	low, high := w.list.part(p.Value)
	same := fresh && w.mixed == 0 && low == w.low && high == w.high
	end := slotEnd(p.Time, row)
	alone := was.time <= end-row // the first sample of its row
	if same && p.Value == low && p.Value == was.value && (alone || exactMean(low)) {
		return false // at a cut, as those before
	}
	w.low, w.high, w.mixed = low, high, 0
	if !alone {
		w.mixed = end
	}
	return true
}

// exactMean says whether the average of samples that all are v is v: their sum
// is an integer that a float64 can hold.
func exactMean(v float64) bool { return v == math.Trunc(v) && math.Abs(v) < 1<<32 }

// unsettle has the next sample of a series told, whatever it says.
func (sh *shard) unsettle(s *series) {
	if s.watch >= firstWatched {
		sh.watched[s.watch-firstWatched].low = math.Inf(1)
	}
}

// nearCut is how close to a cut a value is at it: further than an average of
// values on one side of it can be rounded to.
const nearCut = 1e-12

// part returns the cuts around a value, less what is at them; both are the cut
// that it is at.
func (l *watchList) part(v float64) (low, high float64) {
	low, high = math.Inf(-1), math.Inf(1)
	for _, c := range l.cuts {
		switch margin := nearCut * math.Abs(c); {
		case v > c+margin:
			low = c + margin
		case v < c-margin:
			return low, c - margin
		default:
			return c, c
		}
	}
	return low, high
}
