package syslogd

import "sync/atomic"

// A state that many batches may find at the same time is told when it begins
// and when it ends, not once for each of them.
type state struct{ on atomic.Bool }

// begins reports whether the state was off; it is on now.
func (s *state) begins() bool { return !s.on.Swap(true) }

// ends reports whether the state was on; it is off now.
func (s *state) ends() bool { return s.on.Load() && s.on.Swap(false) }
