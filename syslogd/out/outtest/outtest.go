package outtest

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"rondo/syslogd/out"
)

// A Subject is a destination under test, with its other side.
type Subject struct {
	Destination out.Destination
	// Received is what has arrived so far, oldest first.
	Received func() []Arrival
	// Cut ends the session that there is, if any; see the package comment.
	// nil: it cannot be cut.
	Cut func()
	// Unconnected says that there is no connection between two deliveries: a
	// cut is that of the next one.
	Unconnected bool
	// From Down to Up there is no other side: Open fails, or a session breaks
	// at once. nil: there always is one.
	Down, Up func()
	// Forgets says that an other side that is cut or down forgets what it has
	// and has not worked off. What had been settled before may be missing then,
	// and nothing else.
	Forgets bool
	// Stall has the other side take nothing more, for good. nil: it cannot.
	Stall func()
}

// An Arrival is a message that the other side has.
type Arrival struct {
	Text string
	Key  string // "" where none is sent
}

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// Run tests the destinations that open makes: one for each test.
func Run(t *testing.T, open func(t *testing.T) *Subject) {
	var first *Subject // what it cannot do, none can
	for _, test := range []struct {
		name  string
		run   func(*driver)
		needs func(*Subject) bool
	}{
		{"Delivers", delivers, func(*Subject) bool { return true }},
		{"Cuts", cuts, func(s *Subject) bool { return s.Cut != nil }},
		{"Down", down, func(s *Subject) bool { return s.Down != nil }},
		{"LearnsOfCut", learns, func(s *Subject) bool { return s.Cut != nil && !s.Unconnected }},
		{"Close", closes, func(*Subject) bool { return true }},
		{"Stalled", stalled, func(s *Subject) bool { return s.Stall != nil }},
	} {
		if first != nil && !test.needs(first) {
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			s := open(t)
			if first == nil {
				first = s
			}
			if test.needs(s) { // the first test may have been left out
				test.run(&driver{t: t, Subject: s})
			}
		})
	}
}

// delivers: everything arrives, once, and a session that has nothing to do
// goes on.
func delivers(d *driver) {
	for _, n := range []int{1, 2, 500, 501, 3000} {
		d.deliver(n)
	}
	if d.sessions != 1 {
		d.t.Errorf("%d sessions where one was enough", d.sessions)
	}
	d.end()
	d.inOrder(3000)
	if got := len(d.Received()); got != 3000 {
		d.t.Errorf("%d arrived of 3000", got)
	}
}

// cuts: the session is cut at any point.
func cuts(d *driver) {
	const n, cuts = 4000, 8
	for i := 1; i <= cuts; i++ {
		d.send(d.given + rand.N(n/cuts))
		d.Cut()
		d.deliver(n * i / cuts)
	}
	d.end()
	d.inOrder(n)
	if d.sessions < 2 {
		d.t.Error("no session was ever cut")
	}
}

// down: there is no other side at first, and later again.
func down(d *driver) {
	d.Down()
	d.tryOpen()
	d.Up()
	d.deliver(300)
	d.send(600)
	d.Down()
	d.send(900)
	d.end()
	d.tryOpen()
	d.Up()
	d.deliver(1000)
	d.end()
	d.inOrder(1000)
}

// learns: a session that is cut says so by itself.
func learns(d *driver) {
	d.deliver(10)
	d.arrived(10)
	d.Cut()
	if broken := d.session.Broken(); broken != nil {
		select {
		case <-broken:
		case <-time.After(patience):
			d.t.Error("the session does not notice that it was cut")
		}
	}
	d.end()
	d.deliver(20)
	d.end()
	d.inOrder(20)
}

// closes: what was sent and not flushed arrives all the same.
func closes(d *driver) {
	d.send(57)
	d.end()
	if d.settled != 57 {
		d.t.Errorf("%d of 57 are settled after Close", d.settled)
	}
	d.inOrder(57)
}

// stalled: each call ends soon after its context has.
func stalled(d *driver) {
	d.deliver(10)
	d.Stall()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ctx, cancel := context.WithTimeout(d.t.Context(), 300*time.Millisecond)
		defer cancel()
		for ctx.Err() == nil && d.sendOnce(ctx, d.given+batchMost) == nil {
		}
		_ = d.session.Close(ctx) // that it fails is as it should be
	}()
	select {
	case <-ended:
		d.ended()
	case <-time.After(patience):
		d.t.Fatal("the session hangs beyond its context")
	}
}
