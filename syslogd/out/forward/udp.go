package forward

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// refusal is how long the complaint of a host where nobody listens may
	// take. What was sent longer ago counts as delivered: more cannot be known.
	refusal = 250 * time.Millisecond
	// burst is how many datagrams go out at once. A receiver's buffer has room
	// for some hundreds.
	burst = 64
)

// A datagrams is syslog over UDP (RFC 5426). It promises nothing; only that
// nobody listens is learned, and nothing of the last moment is lost by it.
type datagrams struct {
	conn net.Conn
	enc  encoder
	max  int
	cut  *atomic.Uint64
	buf  []byte

	rate float64   // a second
	next time.Time // when the next burst may begin
	room int       // datagrams of this burst

	acked uint64
	marks []moment

	gone chan struct{} // closed when nobody listens, or the socket is closed
}

// A moment says how many messages had been sent by then.
type moment struct {
	at       time.Time
	messages uint64
}

func dialUDP(ctx context.Context, to string, cfg *Config, enc encoder, cut *atomic.Uint64) (*datagrams, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "udp", to)
	if err != nil {
		return nil, err
	}
	d := &datagrams{
		conn: conn, enc: enc, max: cfg.MaxMessage, cut: cut,
		rate: float64(cfg.Rate), room: burst, gone: make(chan struct{}),
	}
	go func() { // ends with the socket, for which close waits
		defer close(d.gone)
		var b [1]byte
		for {
			// Syslog servers say nothing: an error is the kernel's.
			if _, err := conn.Read(b[:]); err != nil {
				return
			}
		}
	}()
	return d, nil
}

func (d *datagrams) broken() <-chan struct{} { return d.gone }

func (d *datagrams) flush(context.Context) error { return nil }

func (d *datagrams) send(ctx context.Context, m keyed) error {
	if err := d.pace(ctx); err != nil {
		return err
	}
	d.buf = d.enc.append(d.buf[:0], m)
	datagram := cut(d.buf, d.max)
	_, err := d.conn.Write(datagram)
	for errors.Is(err, syscall.EMSGSIZE) && len(datagram) > minDatagram {
		datagram = cut(datagram, len(datagram)/2) // what this way has room for
		_, err = d.conn.Write(datagram)
	}
	if err != nil {
		d.settled()
		d.marks = d.marks[:0] // the error is of one that was sent before
		return err
	}
	if len(datagram) < len(d.buf) {
		d.cut.Add(1)
	}
	d.mark(time.Now())
	return nil
}

// mark notes that one more was sent.
func (d *datagrams) mark(now time.Time) {
	const fine = 10 * time.Millisecond
	n := len(d.marks)
	if n == 0 {
		d.marks = append(d.marks, moment{now, d.acked + 1})
		return
	}
	last := d.marks[n-1]
	if now.Sub(last.at) < fine {
		d.marks[n-1].messages++
		return
	}
	d.marks = append(d.marks, moment{now, last.messages + 1})
}

// pace waits until another datagram may go out.
func (d *datagrams) pace(ctx context.Context) error {
	if d.room > 0 {
		d.room--
		return nil
	}
	now := time.Now()
	if d.next.Before(now) {
		d.next = now
	}
	d.next = d.next.Add(time.Duration(burst / d.rate * float64(time.Second)))
	d.room = burst - 1
	return wait(ctx, d.gone, time.Until(d.next))
}

var errGone = errors.New("the server is gone")

// wait waits for so long, unless ctx or the connection ends before.
func wait(ctx context.Context, gone <-chan struct{}, long time.Duration) error {
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-gone:
		return errGone
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *datagrams) settled() uint64 {
	if len(d.marks) == 0 {
		return d.acked
	}
	select {
	case <-d.gone:
		return d.acked
	default:
	}
	n, before := 0, time.Now().Add(-refusal)
	for n < len(d.marks) && d.marks[n].at.Before(before) {
		d.acked = d.marks[n].messages
		n++
	}
	d.marks = append(d.marks[:0], d.marks[n:]...)
	return d.acked
}

func (d *datagrams) close(ctx context.Context) error {
	var err error
	if d.settled(); len(d.marks) > 0 {
		if err = wait(ctx, d.gone, refusal+time.Millisecond); err == nil {
			d.settled()
		}
	}
	closeErr := d.conn.Close()
	<-d.gone
	return errors.Join(err, closeErr)
}
