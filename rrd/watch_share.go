package rrd

import "sync"

// ShareWatcher makes n watchers of one: what each is told to watch leaves
// alone what the others watch. Whenever one of them changes its watches, the
// next sample of every series is told to all, as after any Watch.
func ShareWatcher(w Watcher, n int) []Watcher {
	s := &sharedWatcher{to: w, parts: make([]watchPart, n)}
	out := make([]Watcher, n)
	for i := range out {
		out[i] = partWatcher{s, i}
	}
	return out
}

type sharedWatcher struct {
	to    Watcher
	mu    sync.Mutex // held while the watches change
	parts []watchPart
}

// A watchPart is what one of the sharing watchers was told last.
type watchPart struct {
	watches []Watch
	moved   func(int, Time)
}

type partWatcher struct {
	of   *sharedWatcher
	part int
}

// Watch implements Watcher. After an error all is as it was.
func (p partWatcher) Watch(watches []Watch, moved func(int, Time)) error {
	s := p.of
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.parts[p.part]
	s.parts[p.part] = watchPart{watches, moved}
	err := s.watch()
	if err != nil {
		s.parts[p.part] = before
	}
	return err
}

// watch puts the watches of all parts one after the other. The caller holds
// s.mu; what moved reads is its own.
func (s *sharedWatcher) watch() error {
	var all []Watch
	var tell []func(Time)
	for _, p := range s.parts {
		for i := range p.watches {
			tell = append(tell, func(at Time) { p.moved(i, at) })
		}
		all = append(all, p.watches...)
	}
	return s.to.Watch(all, func(i int, at Time) { tell[i](at) })
}
