package archive

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"rondo/syslogd/macro"
	"rondo/syslogd/out"
)

// A Bucket stores objects.
type Bucket interface {
	// Put stores an object, whole and durable or not at all; it replaces one
	// of the same name.
	Put(ctx context.Context, name string, body io.Reader) error
}

// A Destination is a bucket.
type Destination struct {
	conf   Config
	key    *macro.Template
	packer *packer
	open   func(ctx context.Context) (Bucket, error)
}

// New makes a destination. open makes a client of the bucket that c names; it
// makes no call.
func New(c Config, open func(ctx context.Context) (Bucket, error)) (*Destination, error) {
	c = c.withDefaults()
	key, err := compile(c)
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	p, err := newPacker(c.Compress)
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	return &Destination{conf: c, key: key, packer: p, open: open}, nil
}

// Open implements out.Destination.
func (d *Destination) Open(ctx context.Context) (out.Session, error) {
	bucket, err := d.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	s := &session{
		conf: d.conf, key: d.key, bucket: bucket, packer: d.packer,
		full: make(chan *round), idle: make(chan struct{}, 1), broken: make(chan struct{}),
	}
	var life context.Context
	life, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.putter.Go(func() { s.put(life) })
	return s, nil
}

// session implements out.Session. Its caller gathers rounds; a goroutine, which
// Close waits for, puts them.
type session struct {
	conf   Config
	key    *macro.Template
	bucket Bucket
	packer *packer
	name   []byte
	line   []byte

	mu      sync.Mutex
	current *round // nil: none; guarded by mu, since put takes it when its time is over
	waiting bool   // nothing more waits behind current

	full    chan *round   // rounds that have ended
	idle    chan struct{} // Flush was called
	settled atomic.Uint64
	broken  chan struct{} // closed when err is set
	err     error
	cancel  context.CancelFunc
	putter  sync.WaitGroup
	closed  bool
}

// Send implements out.Session.
func (s *session) Send(ctx context.Context, batch out.Batch) error {
	for i := range batch.Messages {
		if err := s.add(ctx, batch, i); err != nil {
			return err
		}
	}
	return nil
}

// add puts a message into the round, or into the next one.
func (s *session) add(ctx context.Context, batch out.Batch, i int) error {
	m := &batch.Messages[i]
	s.name = s.key.Append(s.name[:0], m)
	s.line = appendLine(s.line[:0], m)
	ended, err := s.gather(batch, i)
	if err != nil || ended == nil {
		return err
	}
	if err := s.hand(ctx, ended); err != nil {
		return err
	}
	_, err = s.gather(batch, i)
	return err
}

// gather adds the line to the round. Where the round is over before it, it
// returns the round instead.
func (s *session) gather(batch out.Batch, i int) (ended *round, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	period := batch.Messages[i].Received.Truncate(s.conf.Age)
	s.waiting = false
	if r := s.current; r != nil && r.over(period, s.name, len(s.line), s.conf) {
		s.current = nil
		return r, nil
	}
	if s.current == nil {
		s.current = newRound(period)
	}
	o := s.current.object(s.name)
	if o.name == "" {
		o.name = objectName(s.name, batch, i, s.conf.Compress)
	}
	s.current.messages++
	s.current.bytes += int64(len(s.line))
	o.lines = append(o.lines, s.line...)
	if len(o.lines) >= packBytes {
		return nil, s.packer.pack(o)
	}
	return nil, nil
}

// objectName is made of the first message of an object.
func objectName(key []byte, batch out.Batch, i int, c Compression) string {
	at := batch.Messages[i].Received.UTC().Format("20060102T150405Z")
	return fmt.Sprintf("%s/%s-%s-%020d%s", key, at, batch.Log, batch.Numbers[i], c.suffix())
}

// hand gives a round that has ended to the goroutine that puts it.
func (s *session) hand(ctx context.Context, r *round) error {
	select {
	case s.full <- r:
		return nil
	case <-s.broken:
		return s.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Flush implements out.Session. Objects are held back on purpose, until their
// period is over.
func (s *session) Flush(context.Context) error {
	s.mu.Lock()
	s.waiting = true
	s.mu.Unlock()
	select {
	case s.idle <- struct{}{}:
	default:
	}
	select {
	case <-s.broken:
		return s.err
	default:
		return nil
	}
}

// Settled implements out.Session.
func (s *session) Settled() (n, refused uint64) { return s.settled.Load(), 0 }

// Broken implements out.Session.
func (s *session) Broken() <-chan struct{} { return s.broken }

// Close implements out.Session.
func (s *session) Close(ctx context.Context) error {
	if s.closed {
		return nil
	}
	s.closed = true
	stop := context.AfterFunc(ctx, s.cancel)
	defer stop()
	s.mu.Lock()
	last := s.current
	s.current = nil
	s.mu.Unlock()
	var err error
	if last != nil {
		err = s.hand(ctx, last)
	}
	close(s.full)
	s.putter.Wait()
	s.cancel()
	select {
	case <-s.broken:
		return s.err
	default:
		return err
	}
}

// put puts rounds, as they end, until one fails or there are no more.
func (s *session) put(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var r *round
		select {
		case next, more := <-s.full:
			if !more {
				return
			}
			r = next
		case <-s.idle:
			r = s.takeOver(timer)
		case <-timer.C:
			r = s.takeOver(timer)
		}
		if r == nil {
			continue
		}
		if err := r.put(ctx, s.bucket, s.packer); err != nil {
			s.err = fmt.Errorf("archive: %w", err)
			close(s.broken)
			return
		}
		s.settled.Add(r.messages)
	}
}

// takeOver takes the round, if its period is over and nothing more waits. If
// only its period is not over, the timer will tell.
func (s *session) takeOver(timer *time.Timer) *round {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.current
	if r == nil || !s.waiting {
		return nil
	}
	// A clock that was set back does not hold a round for ever.
	end := s.conf.Age + s.conf.grace()
	left := min(time.Until(r.period.Add(end)), time.Until(r.began.Add(end)))
	if left > 0 {
		timer.Reset(left)
		return nil
	}
	s.current = nil
	return r
}
