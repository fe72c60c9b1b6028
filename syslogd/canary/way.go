package canary

import "time"

// Counts are what became of the sentinels of one listener; see the package.
type Counts struct {
	Sent, Arrived, Lost, Late, Duplicates, Reordered, Failed uint64

	Delay  time.Duration // of the newest that arrived
	Closed string        // what a client would need to be let in; "" where it is
}

// A way is what is known of the sentinels of one listener. It knows no clock.
type way struct {
	Counts
	seq     uint64               // of the newest sent
	newest  uint64               // of the newest that came
	pending map[uint64]time.Time // when they were sent
	missing map[uint64]bool      // given up; at most maxMissing
	failing bool
}

// maxMissing bounds the lost sentinels that are still known when they come.
const maxMissing = 1000

func newWay() *way {
	return &way{pending: make(map[uint64]time.Time), missing: make(map[uint64]bool)}
}

// send numbers a sentinel.
func (w *way) send(now time.Time) (seq uint64) {
	w.seq++
	w.Sent++
	w.pending[w.seq] = now
	return w.seq
}

// fail gives up one that could not be sent.
func (w *way) fail(seq uint64) {
	if _, waits := w.pending[seq]; waits {
		w.Failed++
		w.giveUp(seq)
	}
}

func (w *way) giveUp(seq uint64) {
	delete(w.pending, seq)
	if len(w.missing) < maxMissing {
		w.missing[seq] = true
	}
}

// expire gives up those that were sent before a time.
func (w *way) expire(before time.Time) (lost int) {
	for seq, at := range w.pending {
		if at.Before(before) {
			w.giveUp(seq)
			lost++
		}
	}
	w.Lost += uint64(lost)
	for seq := range w.missing {
		if seq+maxMissing < w.seq {
			delete(w.missing, seq)
		}
	}
	return lost
}

// arrive takes one that is on disk.
func (w *way) arrive(seq uint64, now time.Time) {
	at, waited := w.pending[seq]
	switch {
	case waited:
		delete(w.pending, seq)
		w.Arrived++
		w.Delay = now.Sub(at)
	case w.missing[seq]:
		delete(w.missing, seq)
		w.Late++
	default:
		w.Duplicates++
		return
	}
	if seq < w.newest {
		w.Reordered++
	}
	w.newest = max(w.newest, seq)
}
