package autoscale

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// faultCodes are EC2's errors, as calls return them.
var faultCodes = sync.OnceValue(func() (out []*CallError) {
	f, err := os.Open("testdata/ec2-faults.txt")
	if err != nil {
		panic(err) // the test cannot say what it wants to
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if field := strings.Fields(lines.Text()); len(field) == 3 && field[0] != "#" {
			out = append(out, &CallError{Failure: Failure(field[2]), Code: field[0], Err: errors.New("HTTP " + field[1])})
		}
	}
	return out
})

// allFaults are all that a changing call can meet. An error that leaves unclear
// what was done comes twice: with nothing done, and with all of it.
var allFaults = sync.OnceValue(func() (out []fault) {
	for f := throttled; f < firstCode; f++ {
		out = append(out, f)
	}
	codes := faultCodes()
	for i, c := range codes {
		out = append(out, firstCode+fault(i))
		if c.Failure == Unclear {
			out = append(out, firstCode+fault(len(codes)+i))
		}
	}
	return out
})

func (f fault) String() string {
	if f < firstCode {
		return []string{"fine", "throttled", "no room", "denied", "reset before", "reset after", "late", "slow", "page"}[f]
	}
	n, codes := int(f-firstCode), faultCodes()
	if n >= len(codes) {
		return codes[n-len(codes)].Code + ", but done"
	}
	return codes[n].Code
}

// books are what the journal says, as it is written.
type books struct {
	tokens map[string]bool // of launches that were begun
	chosen map[string]bool // instances that are to go
}

func newBooks() books { return books{map[string]bool{}, map[string]bool{}} }

func (b books) note(t *testing.T, record []byte) Entry {
	e, err := decodeEntry(record)
	if err != nil {
		t.Errorf("a bad record is written: %v", err)
	}
	switch e.Kind {
	case KindLaunch:
		b.tokens[e.Launch.Token] = true
	case KindDrain, KindReplace, KindSweep:
		for _, id := range e.Instances {
			b.chosen[id] = true
		}
	case KindReclaim:
		for _, id := range e.Instances {
			delete(b.chosen, id)
		}
	}
	return e
}

// checkVictims holds a termination against the journal and the floor as it is
// sent. Callers hold s.mu.
func (s *session) checkVictims(group string, ids []string) {
	if s.dead {
		return
	}
	for _, id := range ids {
		m := s.instances[id]
		switch {
		case m == nil:
			s.t.Errorf("Terminate of %s, which there is not", id)
		case !s.books.chosen[id]:
			s.t.Errorf("Terminate of %s, which the journal did not choose", id)
		case s.fleet == Fleet(s.world) && !s.withdrawn[m.PrivateDNS] && !m.deaf && s.running(m):
			s.t.Errorf("Terminate of %s, whose host was not withdrawn", id)
		}
	}
	s.checkFloor("Terminate", group, ids)
}

// excuse is how long nobody can know of an instance's end: while its last
// heartbeat counts, and lists are old.
const excuse = 30 * time.Second

// checkFloor says when fewer are left without some instances than there shall
// be at least. Callers hold w.mu.
func (w *world) checkFloor(what, group string, without []string) {
	left, zones := 0, map[string]int{}
	for id, m := range w.instances {
		lost := !m.lost.IsZero() && time.Since(m.lost) > excuse
		if m.home == group && !lost && (m.ended.IsZero() || !m.lost.IsZero()) && !m.deaf && !m.stuck && !slices.Contains(without, id) {
			left++
			zones[m.Zone]++
		}
	}
	if left < w.floor {
		w.t.Errorf("%s: %s of %v leaves %d, min is %d", time.Now().Format("15:04:05"), what, without, left, w.floor)
	}
	for _, id := range without {
		if m := w.instances[id]; zones[m.Zone] < w.perZone && m.home == group {
			w.t.Errorf("%s: %s of %v leaves %d in zone %s, min_per_zone is %d", time.Now().Format("15:04:05"), what, without, zones[m.Zone], m.Zone, w.perZone)
		}
	}
}

// bereaved says whether an instance has just ended by itself. The metric is an
// average of those that are left, while the dead one still counts as one of them:
// until its last heartbeat is old the load looks larger than it is. Callers hold
// w.mu.
func (w *world) bereaved() bool {
	for _, m := range w.instances {
		if !m.lost.IsZero() && time.Since(m.lost) <= excuse {
			return true
		}
	}
	return false
}

// A chaos is what happens to instances by chance.
type chaos struct{ rng *rand.Rand }

// befall gives a new instance its fate. Callers hold w.mu.
func (c *chaos) befall(w *world, m *machine) {
	if c == nil {
		return
	}
	switch c.rng.IntN(12) {
	case 0:
		m.deaf = true
	case 1:
		m.stuck = true
	case 2: // ends by itself: Server.SpotInstanceTermination, Client.VolumeLimitExceeded
		time.AfterFunc(time.Duration(c.rng.IntN(60_000))*time.Millisecond, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.chaos == c {
				c.end(m)
			}
		})
	}
	m.boot += time.Duration(c.rng.IntN(3000)) * time.Millisecond
}

func (c *chaos) end(m *machine) {
	if m.ended.IsZero() {
		m.ended, m.lost = time.Now(), time.Now()
	}
}

// elsewhere is a group that has no load of ours.
const elsewhere = "elsewhere"

// meddle does what somebody else would who has the same account: ends one,
// protects one or lets go of one, takes one out of the group, or adds one.
// Callers hold w.mu.
func (c *chaos) meddle(w *world, group string) {
	if w.chaos != c {
		return
	}
	alive := w.alive()
	if len(alive) == 0 {
		return
	}
	m := w.instances[alive[c.rng.IntN(len(alive))]]
	switch c.rng.IntN(5) {
	case 0:
		c.end(m)
	case 1:
		m.Tags[TagProtect] = "true"
	case 2:
		delete(m.Tags, TagProtect)
	case 3:
		m.group, m.Tags[TagGroup], m.foreign, m.lost = elsewhere, elsewhere, true, time.Now()
	case 4:
		w.made++
		id := fmt.Sprintf("i-%04d", w.made)
		f := &machine{
			Instance: Instance{ID: id, PrivateDNS: fmt.Sprintf("ip-%d.internal", w.made), Zone: "a", Launched: time.Now(), Phase: Pending, Tags: map[string]string{TagGroup: group}},
			group:    group, home: group, boot: w.boot, visible: time.Now(), foreign: true,
		}
		w.instances[id], w.byDNS[f.PrivateDNS] = f, f
	}
}

// repair ends all that goes wrong. What was given up may come to life then.
func (w *world) repair() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.chaos != nil {
		w.limit += len(w.instances)
	}
	w.rng, w.chaos = nil, nil
	for _, m := range w.instances {
		m.deaf, m.stuck = false, false
		delete(m.Tags, TagProtect)
	}
}

// settled waits until the controller and the world agree on n instances, none
// of them on its way.
func (w *world) settled(l *life, least, most int) {
	w.t.Helper()
	var trouble string
	for range 120 {
		time.Sleep(10 * time.Second)
		if trouble = w.unsettled(l, least, most); trouble == "" {
			break
		}
	}
	if trouble != "" {
		w.t.Error(trouble)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for token := range w.tokens {
		if !w.books.tokens[token] {
			w.t.Errorf("token %s was used and is in no journal entry", token)
		}
	}
}

func (w *world) unsettled(l *life, least, most int) string {
	v, _ := l.View("web")
	var known []string
	for _, i := range v.Instances {
		if i.Phase == InService {
			known = append(known, i.ID)
		}
	}
	slices.Sort(known)
	w.mu.Lock()
	defer w.mu.Unlock()
	alive := slices.DeleteFunc(w.alive(), func(id string) bool { return w.instances[id].group == elsewhere })
	if len(alive) < least || len(alive) > most || !slices.Equal(alive, known) {
		return fmt.Sprintf("alive %v (of %d launches), the controller knows %v, want %d to %d; last: %s (%s)",
			alive, len(w.tokens), known, least, most, v.Last.Reason, v.Last.Held)
	}
	return ""
}

// TestOldLaunchIsAwaited: the last request of a launch that is given up on hangs,
// and works all the same: what it made is awaited before another is asked for.
func TestOldLaunchIsAwaited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 5000)
		w.limit, w.hide, w.faults = 2, 50*time.Second, slices.Repeat([]fault{lostBefore}, 100)
		w.setDemand(2)
		l := w.live(web())
		time.Sleep(settleBefore - 10*time.Second)
		w.mu.Lock()
		w.faults = []fault{slow}
		w.mu.Unlock()
		g := l.groups[0]
		g.mu.Lock()
		g.launching = backoff{}
		g.poke()
		g.mu.Unlock()
		time.Sleep(5 * time.Minute)
		l.stop()
		if w.made != 2 || w.count() != 2 {
			t.Errorf("%d instances were launched, want 2", w.made)
		}
	})
}
