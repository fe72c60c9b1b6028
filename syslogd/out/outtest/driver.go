package outtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"rondo/syslogd/out"
	"rondo/syslogd/syslog"
)

const (
	sources   = 3
	batchMost = 40 // messages
)

// A driver stands for the queue: it sends, and looks at what comes of it. The
// messages are numbered from 0.
type driver struct {
	t *testing.T
	*Subject

	session  out.Session // nil: none
	sessions int         // so far
	base     int         // first message of the session
	given    int         // next message to be sent
	settled  int         // messages that are done with
	forgiven int         // messages that may be missing
	refused  uint64      // as the session said last
}

// deliver sends until the first n messages are settled, over as many sessions
// as it takes.
func (d *driver) deliver(n int) {
	d.t.Helper()
	wait := time.NewTicker(time.Millisecond)
	defer wait.Stop()
	for deadline := time.After(patience); d.settled < n; {
		d.send(n)
		if d.session != nil && d.session.Flush(d.t.Context()) != nil {
			d.end()
		}
		d.look()
		var broken <-chan struct{}
		if d.session != nil {
			broken = d.session.Broken()
		}
		select {
		case <-wait.C:
		case <-broken:
			d.end()
		case <-deadline:
			d.t.Fatalf("%d of %d are settled, %d have arrived", d.settled, n, len(d.Received()))
		}
	}
}

// send gives the messages up to n to a session. It does not flush, and ends
// early when the session fails.
func (d *driver) send(n int) {
	d.t.Helper()
	if d.given >= n {
		return
	}
	d.open()
	for d.given < n {
		if d.sendOnce(d.t.Context(), n) != nil {
			d.end()
			return
		}
		d.look()
	}
}

// sendOnce gives one batch to the session. Nothing of it is left afterwards.
func (d *driver) sendOnce(ctx context.Context, n int) error {
	to := min(n, d.given+1+rand.N(batchMost))
	batch, poison := batchOf(d.given, to)
	err := d.session.Send(ctx, batch)
	poison()
	d.given = to
	return err
}

// open sees to it that there is a session.
func (d *driver) open() {
	d.t.Helper()
	wait := time.NewTicker(5 * time.Millisecond)
	defer wait.Stop()
	for deadline := time.After(patience); d.session == nil; {
		err := d.tryOpen()
		if d.session != nil {
			return
		}
		select {
		case <-wait.C:
		case <-deadline:
			d.t.Fatalf("no session: %v", err)
		}
	}
}

// tryOpen opens a session, if it can be.
func (d *driver) tryOpen() error {
	session, err := d.Destination.Open(d.t.Context())
	if (session == nil) == (err == nil) {
		d.t.Errorf("Open returned %v, %v", session, err)
	}
	if err == nil {
		d.session, d.refused, d.base, d.given = session, 0, d.settled, d.settled
		d.sessions++
	}
	return err
}

// end closes the session and sees to it that what it has settled has arrived.
func (d *driver) end() {
	d.t.Helper()
	if d.session == nil {
		return
	}
	ctx, cancel := context.WithTimeout(d.t.Context(), patience)
	defer cancel()
	err := d.session.Close(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		d.t.Errorf("Close took all its time: %v", err)
	}
	d.ended()
}

// ended looks at a session that has been closed.
func (d *driver) ended() {
	d.t.Helper()
	d.look()
	d.session, d.given = nil, d.settled
	if d.Forgets {
		d.forgiven = d.settled
	}
	d.arrived(d.settled)
}

// arrived waits until the first n messages have.
func (d *driver) arrived(n int) {
	d.t.Helper()
	wait := time.NewTicker(time.Millisecond)
	defer wait.Stop()
	for deadline := time.After(patience); ; {
		missing := d.missing(n)
		if missing < 0 {
			return
		}
		select {
		case <-wait.C:
		case <-deadline:
			d.t.Fatalf("%d are settled, but message %d has not arrived", d.settled, missing)
		}
	}
}

// look asks what is settled.
func (d *driver) look() {
	d.t.Helper()
	if d.session == nil {
		return
	}
	n, refused := d.session.Settled()
	switch now := d.base + int(n); {
	case now < d.settled || refused < d.refused:
		d.t.Fatalf("settled went from %d to %d, refused from %d to %d", d.settled, now, d.refused, refused)
	case now > d.given || refused > n:
		d.t.Fatalf("%d are settled and %d refused of %d that were sent", now, refused, d.given)
	default:
		d.settled, d.refused = now, refused
	}
}

// missing is the first of the first n messages that has not arrived and should
// have, or -1.
func (d *driver) missing(n int) int {
	have := make([]bool, max(n, d.forgiven))
	for i := range d.forgiven {
		have[i] = true
	}
	for _, a := range d.Received() {
		if i := indexOf(a.Text); i >= 0 && i < len(have) {
			have[i] = true
		}
	}
	for i, ok := range have {
		if !ok {
			return i
		}
	}
	return -1
}

// inOrder looks at all that has arrived of n messages.
func (d *driver) inOrder(n int) {
	d.t.Helper()
	if missing := d.missing(n); missing >= 0 {
		d.t.Errorf("message %d has never arrived", missing)
	}
	var last, again [sources]int
	for i := range last {
		last[i] = -1
	}
	for _, a := range d.Received() {
		i := indexOf(a.Text)
		if i < 0 || i >= n || a.Text != textOf(i) {
			d.t.Fatalf("this was never sent: %q", a.Text)
		}
		if a.Key != "" && a.Key != (out.Batch{Log: logName, Numbers: []uint64{numberOf(i)}}).Key(0) {
			d.t.Errorf("message %d has the key %q", i, a.Key)
		}
		source, nth := i%sources, i/sources
		if nth > last[source]+1 && (nth-1)*sources+source >= d.forgiven {
			d.t.Fatalf("of source %d, %d came after %d", source, nth, last[source])
		}
		if nth <= last[source] {
			again[source]++
		}
		last[source] = nth
	}
	for source, times := range again {
		if times >= d.sessions {
			d.t.Errorf("source %d was begun again %d times in %d sessions", source, times, d.sessions)
		}
	}
}

const logName = "conformance"

// numberOf leaves gaps, as a queue does that holds more than this.
func numberOf(i int) uint64 { return uint64(3*i + i%2) }

// textOf has the length of a short line, and now and then of a long one.
func textOf(i int) string {
	return fmt.Sprintf("message %d %s.", i, strings.Repeat("größe ", 1+i%17*(i%17)/8))
}

func indexOf(text string) int {
	rest, _ := strings.CutPrefix(text, "message ")
	number, _, _ := strings.Cut(rest, " ")
	i, err := strconv.Atoi(number)
	if err != nil {
		return -1
	}
	return i
}

// batchOf makes the messages [from, to), and what overwrites them: strings
// that somebody has kept change then.
func batchOf(from, to int) (batch out.Batch, poison func()) {
	batch.Log = logName
	var lines [][]byte
	received := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	for i := from; i < to; i++ {
		line := fmt.Appendf(nil, "<%d>1 2026-11-21T08:59:59.%06dZ h%d app %d ID - %s", 8+i%8, i%1000000, i%sources, i, textOf(i))
		lines = append(lines, line)
		m := syslog.Parse(unsafe.String(&line[0], len(line)), received, netip.AddrFrom4([4]byte{10, 0, 0, byte(i % sources)}))
		batch.Messages = append(batch.Messages, m)
		batch.Numbers = append(batch.Numbers, numberOf(i))
	}
	return batch, func() {
		for _, line := range lines {
			for i := range line {
				line[i] = '#'
			}
		}
		clear(batch.Messages)
		clear(batch.Numbers)
	}
}
