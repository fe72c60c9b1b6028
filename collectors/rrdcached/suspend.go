package rrdcached

import (
	"strings"
	"sync"
)

// maxSuspended bounds the files of which a state of its own is remembered.
const maxSuspended = 1 << 16

// suspended remembers who was suspended. It changes nothing: updates go to
// disk at once, and what SUSPEND is good for, files that stand still while
// they are copied, they do anyway between two FLUSHes.
type suspended struct {
	mu     sync.Mutex
	all    bool            // what SUSPENDALL or RESUMEALL said last
	others map[string]bool // sets of which the contrary holds
}

// set says whether the state was new, and false for full where there is no
// room to remember it.
func (s *suspended) set(name string, on bool) (changed, full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if was := s.all != s.others[name]; was == on {
		return false, false
	}
	if s.all == on {
		delete(s.others, name)
		return true, false
	}
	if len(s.others) >= maxSuspended {
		return false, true
	}
	if s.others == nil {
		s.others = map[string]bool{}
	}
	s.others[strings.Clone(name)] = true
	return true, false
}

// setAll returns how many of all sets have changed.
func (s *suspended) setAll(on bool, sets int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := len(s.others)
	if s.all != on {
		changed = max(0, sets-len(s.others))
	}
	s.all, s.others = on, nil
	return changed
}

func (c *session) suspend(p place, on bool) error {
	if !c.known(p) {
		return c.fail("%s - No such file or directory", p)
	}
	words := [...]string{"not suspended", "resumed"}
	if on {
		words = [...]string{"already suspended", "suspended"}
	}
	changed, full := c.suspended.set(p.name(), on)
	switch {
	case full:
		return c.fail("%s - %d files are suspended already", p, maxSuspended)
	case changed:
		return c.reply(0, p.String()+" "+words[1])
	}
	return c.reply(0, p.String()+" "+words[0])
}

func (c *session) sets() int { return c.env.Sets.CountSets() }
