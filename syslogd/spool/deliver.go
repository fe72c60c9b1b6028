package spool

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"rondo/syslogd/out"
)

const (
	firstBackoff = 200 * time.Millisecond
	maxBackoff   = 30 * time.Second
	firstPoll    = 5 * time.Millisecond // how soon a session is asked again what it has settled
	maxPoll      = time.Second
	closeTime    = 10 * time.Second // a session has to deliver what it holds back
	// stallTime is how long a session that holds half of what the queue may
	// hold can go on without settling anything.
	stallTime = 30 * time.Second
	// A session is given about as much as it takes in this time: while it is
	// sending it cannot be asked what it has settled.
	sendTime     = time.Second
	firstPortion = 64 // messages
)

// Run delivers the queue to its destination until ctx ends. It opens another
// session, ever more slowly, whenever one fails.
func (q *Queue) Run(ctx context.Context, d out.Destination) error {
	backoff := firstBackoff
	for ctx.Err() == nil {
		before := q.done()
		err := q.connect(ctx, d)
		if ctx.Err() != nil {
			break
		}
		if q.done() != before {
			backoff = firstBackoff
		}
		q.failed(err)
		pause := time.NewTimer(backoff/2 + rand.N(backoff)) // jitter: not all queues at once
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
		}
		backoff = min(2*backoff, maxBackoff)
	}
	q.connected(false)
	return nil
}

// done is how many messages the destination is done with.
func (q *Queue) done() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.delivered + q.dropped[Refused]
}

func (q *Queue) connected(on bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.state.Connected != on {
		q.state.Connected, q.state.Since = on, time.Now()
	}
}

// failed tells of a session that failed: the first of several, and the first
// that delivers again.
func (q *Queue) failed(err error) {
	q.connected(false)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.state.Error == "" {
		q.spool.o.Log.Warn("the destination failed; messages wait on disk", "destination", q.name, "err", err)
	}
	q.state.Failures++
	q.state.Error = strings.ReplaceAll(err.Error(), "\n", ": ") // it stands in tables
}

func (q *Queue) back() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.state.Error != "" {
		q.state.Error = ""
		q.spool.o.Log.Info("the destination is back", "destination", q.name)
	}
}

// connect opens a session and delivers until it fails or ctx ends.
func (q *Queue) connect(ctx context.Context, d out.Destination) error {
	session, err := d.Open(ctx)
	if err != nil {
		return err
	}
	q.connected(true)
	one := &delivery{q: q, session: session, portion: firstPortion, poll: firstPoll, moved: time.Now()}
	defer one.reading.close()
	for err == nil {
		err = one.step(ctx)
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer cancel()
	if closeErr := session.Close(closing); ctx.Err() == nil {
		err = errors.Join(err, closeErr)
	}
	one.settle()
	q.rewind()
	return err
}

// A delivery is one session of a queue.
type delivery struct {
	q       *Queue
	session out.Session
	reading reading
	rest    out.Batch // of reading's, which is not sent yet
	portion int       // messages sent at once

	settled, refused uint64 // as the session said last
	moved            time.Time
	poll             time.Duration
	flushed          bool
}

var (
	errBroken  = errors.New("the destination has gone")
	errStalled = errors.New("the destination takes messages, but confirms none")
)

// step sends a batch, or waits until there is something to do.
func (d *delivery) step(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.settle()
	held, crowded := d.q.held()
	if len(d.rest.Messages) > 0 {
		return d.send(ctx)
	}
	if !crowded {
		ok, err := d.q.fetch(&d.reading)
		if err != nil {
			return err
		}
		if ok {
			d.rest = d.reading.batch
			return d.send(ctx)
		}
	}
	if !d.flushed {
		d.flushed = true
		return d.session.Flush(ctx)
	}
	if crowded && time.Since(d.moved) > stallTime {
		return errStalled
	}
	return d.wait(ctx, held, crowded)
}

// send sends a portion of the batch: a larger one next time, unless that took
// long.
func (d *delivery) send(ctx context.Context) error {
	n := min(d.portion, len(d.rest.Messages))
	begun := time.Now()
	d.flushed = false
	err := d.session.Send(ctx, out.Batch{Log: d.rest.Log, Numbers: d.rest.Numbers[:n], Messages: d.rest.Messages[:n]})
	d.rest = d.rest.From(n)
	switch took := time.Since(begun); {
	case took > sendTime:
		d.portion = max(1, n/2)
	case took < sendTime/4:
		d.portion = min(2*d.portion, batchMessages)
	}
	return err
}

// held reports whether messages are in flight, and whether they are so many
// that no more may be.
func (q *Queue) held() (some, crowded bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	a := amountOf(q.flight)
	return a.count > 0, a.bytes >= uint64(q.limits.Bytes)/2
}

// settle notes what the session is done with.
func (d *delivery) settle() {
	n, refused := d.session.Settled()
	if n <= d.settled {
		return
	}
	d.q.settle(n-d.settled, refused-d.refused)
	if refused-d.refused < n-d.settled {
		d.q.back()
	}
	d.settled, d.refused = n, refused
	d.moved, d.poll = time.Now(), firstPoll
}

// wait waits for messages, for the end, or until it is time to ask the session
// again.
func (d *delivery) wait(ctx context.Context, held, crowded bool) error {
	var poll <-chan time.Time
	if held {
		timer := time.NewTimer(d.poll)
		defer timer.Stop()
		poll = timer.C
		d.poll = min(2*d.poll, maxPoll)
	} else {
		d.moved = time.Now()
	}
	more := d.q.more
	if crowded {
		more = nil
	}
	select {
	case <-more:
	case <-poll:
	case <-d.session.Broken():
		d.settle()
		return errBroken
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
