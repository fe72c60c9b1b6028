package hooks

import (
	"fmt"
	"hash/fnv"
	"time"

	"rondo/autoscale"
	"rondo/autoscale/roster"
)

// A stage is how far an instance's hooks have come.
type stage string

// The stages. An instance of which nothing is kept has none.
const (
	none    stage = ""
	joining stage = "joining" // joined is under way, or was when we were killed
	joined  stage = "joined"
	gone    stage = "left it" // leaving is done
)

// A mark is what is kept of an instance for one hook.
type mark struct {
	Stage  stage         `json:"stage"`
	Facts  string        `json:"facts"`           // as they were told last
	Round  int           `json:"round"`           // how many events are done
	Event  string        `json:"event,omitempty"` // the one that is under way, or has failed
	Tries  int           `json:"tries,omitempty"` // of it, that have failed
	Next   time.Time     `json:"next,omitzero"`   // not before it is tried again
	Why    string        `json:"why,omitempty"`   // it has failed
	Member roster.Member `json:"member"`          // as it was last
}

// facts are what changed is about.
func facts(m roster.Member) string {
	h := fnv.New64a()
	fmt.Fprint(h, m.Alias, "\x00", m.Host, "\x00", m.PrivateIP, "\x00", m.PrivateDNS, "\x00", m.PublicIP, "\x00", m.PublicDNS)
	return fmt.Sprintf("%016x", h.Sum64())
}

// owed is the event that is due for an instance with this mark; there says
// whether the member is in the list. It is "" where nothing is.
func (k mark) owed(m roster.Member, there bool) string {
	under := k.Stage == joining || k.Stage == joined
	switch {
	case !there && k.Stage != none:
		return Left
	case !there:
		return ""
	case m.Leaving() && under:
		return Leaving
	case m.Phase != autoscale.InService || m.Rank == 0:
		return ""
	case k.Stage != joined:
		return Joined
	case k.Facts != facts(m):
		return Changed
	}
	return ""
}

// begun is the mark while an event is under way: if we are killed it is owed
// again, or what makes it undone.
func (k mark) begun(event string, m roster.Member) mark {
	if k.Event != event {
		k.Event, k.Tries, k.Next, k.Why = event, 0, time.Time{}, ""
	}
	k.Member = m
	if event == Joined {
		k.Stage = joining
	}
	return k
}

// done is the mark after an event.
func (k mark) done(event string) mark {
	k.Event, k.Tries, k.Next, k.Why = "", 0, time.Time{}, ""
	k.Round++
	switch event {
	case Joined, Changed:
		k.Stage, k.Facts = joined, facts(k.Member)
	case Leaving:
		k.Stage = gone
	}
	return k
}

// Pauses between tries.
const (
	firstPause = time.Second
	lastPause  = 5 * time.Minute
)

// failed is the mark after a try that failed.
func (k mark) failed(why string, now time.Time) mark {
	k.Tries++
	pause := lastPause
	if k.Tries < 10 {
		pause = min(firstPause<<(k.Tries-1), lastPause)
	}
	k.Next, k.Why = now.Add(pause), why
	return k
}
