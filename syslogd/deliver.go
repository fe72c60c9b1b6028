package syslogd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"rondo/rrd/seglog"
)

const (
	dialTimeout  = 10 * time.Second
	writeTimeout = time.Minute
	chunkBytes   = 64 << 10    // written at once
	cursorPeriod = time.Second // how often the cursor is stored
	firstBackoff = 200 * time.Millisecond
	maxBackoff   = 30 * time.Second
)

// Run delivers until ctx ends. It connects again, ever more slowly, whenever
// the destination fails.
func (r *Relay) Run(ctx context.Context) error {
	backoff := firstBackoff
	up := true // so that the first failure is told
	for ctx.Err() == nil {
		err := r.connect(ctx, func() {
			backoff = firstBackoff
			if !up {
				r.log.Info("the destination is back", "to", r.cfg.To)
			}
			up = true
		})
		if ctx.Err() != nil {
			break
		}
		r.count("failures", 1)
		if up {
			r.log.Warn("the destination failed; messages wait on disk", "to", r.cfg.To, "err", err)
		}
		up = false
		sleep(ctx, backoff/2+rand.N(backoff)) // jitter: not all relays at once
		backoff = min(2*backoff, maxBackoff)
	}
	return r.storeCursor(context.WithoutCancel(ctx))
}

// connect dials and delivers until the connection breaks. delivered is called
// when the peer has taken something.
func (r *Relay) connect(ctx context.Context, delivered func()) error {
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", r.cfg.To)
	if err != nil {
		return err
	}
	r.count("connections", 1)
	return r.deliver(ctx, conn, delivered)
}

// deliver sends what is queued over conn, which it closes, until ctx ends or
// the connection breaks.
func (r *Relay) deliver(ctx context.Context, conn net.Conn, delivered func()) error {
	broken := make(chan error, 1)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Now()) })
	defer stop()
	wg.Go(func() { // syslog servers say nothing: reading sees them leave
		_, err := io.Copy(io.Discard, conn)
		if err == nil {
			err = errors.New("closed by the destination")
		}
		broken <- err
	})

	d := &delivery{conn: conn, next: r.delivered(), delivered: delivered, stored: time.Now()}
	ticker := time.NewTicker(cursorPeriod)
	defer ticker.Stop()
	for {
		if err := r.sendQueued(ctx, d); err != nil {
			return err
		}
		r.progress(ctx, d)
		select {
		case <-r.more:
		case <-ticker.C:
		case err := <-broken:
			r.advance(d)
			return err
		case <-ctx.Done():
			r.advance(d)
			return ctx.Err()
		}
	}
}

// progress notes what the peer has taken, and once in a while stores it.
func (r *Relay) progress(ctx context.Context, d *delivery) {
	if r.advance(d) {
		d.delivered()
	}
	if time.Since(d.stored) < cursorPeriod {
		return
	}
	d.stored = time.Now()
	if err := r.storeCursor(ctx); err != nil && ctx.Err() == nil {
		r.log.Warn("the cursor cannot be stored", "err", err)
	}
}

// A delivery is what is known of one connection.
type delivery struct {
	conn      net.Conn
	delivered func() // to be called when the peer has taken something
	next      cursor // of the next message to write
	written   int64  // bytes
	marks     []mark // chunks that the peer may not have yet, oldest first
	buf       []byte
	damaged   bool      // a part of the queue just before next could not be read
	stored    time.Time // when the cursor was last stored
}

// A mark says which messages are delivered once so many bytes are.
type mark struct {
	bytes  int64
	cursor cursor
	count  int // messages of this chunk
}

// sendQueued writes all that is queued, in chunks.
func (r *Relay) sendQueued(ctx context.Context, d *delivery) error {
	count := 0
	for rec, err := range r.queue.Records(d.next.pos) {
		if _, ok := errors.AsType[*seglog.DamageError](err); ok {
			r.log.Warn("part of the queue is damaged", "err", err)
			d.damaged = true
			continue
		}
		if err != nil {
			return err
		}
		if !r.take(d, rec) {
			continue
		}
		if count++; len(d.buf) < chunkBytes {
			continue
		}
		if err := d.flush(count); err != nil {
			return err
		}
		count = 0
		if r.progress(ctx, d); ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return d.flush(count)
}

// take puts a record into the buffer, and counts those that are missing in
// front of it: once, however often a broken connection has them read again.
func (r *Relay) take(d *delivery, rec seglog.Record) bool {
	if len(rec.Data) < numberSize {
		return false
	}
	number := binary.BigEndian.Uint64(rec.Data)
	if gap := int64(number - max(d.next.number, r.counted)); gap > 0 {
		reason := "dropped_queue_full"
		if d.damaged {
			reason = "dropped_damaged"
		}
		r.count(reason, int(gap))
	}
	r.counted = max(r.counted, number+1)
	d.damaged = false
	d.next = cursor{rec.End, number + 1}
	d.buf = append(d.buf, rec.Data[numberSize:]...)
	return true
}

// flush writes the buffer, which holds count messages.
func (d *delivery) flush(count int) error {
	if len(d.buf) == 0 {
		return nil
	}
	if err := d.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	n, err := d.conn.Write(d.buf)
	if err != nil {
		return fmt.Errorf("wrote %d of %d bytes: %w", n, len(d.buf), err)
	}
	d.written += int64(len(d.buf))
	d.marks = append(d.marks, mark{d.written, d.next, count})
	d.buf = d.buf[:0]
	return nil
}

// advance moves the relay's cursor to what the peer's kernel has, and cuts
// off the queue what is not needed any more. It reports whether it moved.
func (r *Relay) advance(d *delivery) bool {
	if len(d.marks) == 0 {
		return false
	}
	waiting, known := unacknowledged(d.conn)
	if !known {
		return false
	}
	n, count := 0, 0
	for n < len(d.marks) && d.marks[n].bytes <= d.written-int64(waiting) {
		count += d.marks[n].count
		n++
	}
	if n == 0 {
		return false
	}
	r.count("relayed", count)
	r.mu.Lock()
	r.cursor = d.marks[n-1].cursor
	r.mu.Unlock()
	d.marks = append(d.marks[:0], d.marks[n:]...)
	return true
}

func (r *Relay) delivered() cursor {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cursor
}

// storeCursor makes the cursor durable, and then removes what lies before it.
// The queue comes first: a cursor must never be ahead of what a crash leaves.
func (r *Relay) storeCursor(ctx context.Context) error {
	c := r.delivered()
	if c == r.stored {
		return nil
	}
	if err := r.queue.Commit(ctx, c.pos); err != nil {
		return err
	}
	if err := c.write(r.path); err != nil {
		return err
	}
	r.stored = c
	return r.queue.Cut(c.pos)
}
