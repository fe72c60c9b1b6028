package forward

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"rondo/syslogd/out"
)

// A session is one lane, or several that share the messages: those of one
// source go the same way, so that they stay in order.
type session struct {
	d     *Destination
	lanes []*lane

	settled uint64   // messages of lanes that took part before, and of order
	order   []uint8  // of messages that may not be settled: which lane has them. With one lane: unused
	taken   []uint64 // messages of each lane that settled has counted

	better chan *lane // a server that works again
	broken chan struct{}
	fail   func() // closes broken, once
	done   <-chan struct{}
	stop   context.CancelFunc // closes done
	wg     sync.WaitGroup
}

func (d *Destination) newSession(ctx context.Context, lanes []*lane) *session {
	// The session outlives the context of Open; Close ends it.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &session{d: d, better: make(chan *lane), broken: make(chan struct{}), done: ctx.Done(), stop: cancel}
	s.fail = sync.OnceFunc(func() { close(s.broken) })
	s.use(lanes)
	if missing := s.missing(); len(missing) > 0 {
		s.wg.Go(func() { s.search(ctx, missing) })
	}
	return s
}

// use goes on with these lanes. All that was sent before is settled.
func (s *session) use(lanes []*lane) {
	for _, l := range lanes {
		if !slices.Contains(s.lanes, l) {
			s.wg.Go(func() { s.watch(l) })
		}
	}
	s.lanes, s.order, s.taken = lanes, s.order[:0], make([]uint64, len(lanes))
	for i, l := range lanes {
		s.taken[i] = l.sent
	}
}

// watch ends the session when a lane breaks.
func (s *session) watch(l *lane) {
	select {
	case <-l.broken():
		if !l.retired.Load() {
			s.fail()
		}
	case <-s.done:
	}
}

func (s *session) Send(ctx context.Context, batch out.Batch) error {
	select {
	case l := <-s.better:
		if err := s.change(ctx, l); err != nil {
			return fmt.Errorf("forward: %w", err)
		}
	default:
	}
	for i := range batch.Messages {
		m := keyed{&batch.Messages[i], batch.Log, batch.Numbers[i]}
		way := s.wayOf(m)
		if err := s.lanes[way].send(ctx, m); err != nil {
			return fmt.Errorf("forward: %w", err)
		}
		if len(s.lanes) > 1 {
			s.order = append(s.order, uint8(way))
		}
	}
	return nil
}

// wayOf is the lane of a message: the one whose server the source draws the
// highest number for, so that a server that leaves or joins moves no other's
// sources.
func (s *session) wayOf(m keyed) (way int) {
	if len(s.lanes) == 1 {
		return 0
	}
	var most uint64
	source := sourceOf(m.Message)
	for i, l := range s.lanes {
		if drawn := mix(source ^ mix(uint64(l.server)+1)); drawn >= most {
			way, most = i, drawn
		}
	}
	return way
}

// mix spreads a number over all bits (the finalizer of MurmurHash3).
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

func (s *session) Flush(ctx context.Context) error {
	for _, l := range s.lanes {
		if err := l.flush(ctx); err != nil {
			return fmt.Errorf("forward: %w", err)
		}
	}
	return nil
}

// Settled implements out.Session. No server refuses a message for good.
func (s *session) Settled() (n, refused uint64) {
	if len(s.lanes) == 1 {
		now := s.lanes[0].settled()
		s.settled += now - s.taken[0]
		s.taken[0] = now
		return s.settled, 0
	}
	settled := make([]uint64, len(s.lanes))
	for i, l := range s.lanes {
		settled[i] = l.settled()
	}
	i := 0
	for ; i < len(s.order); i++ {
		way := s.order[i]
		if s.taken[way] == settled[way] {
			break
		}
		s.taken[way]++
	}
	s.settled += uint64(i)
	s.order = append(s.order[:0], s.order[i:]...)
	return s.settled, 0
}

func (s *session) Broken() <-chan struct{} { return s.broken }

// Close closes all lanes at once, so that a slow one costs no other its time.
func (s *session) Close(ctx context.Context) error {
	s.stop()
	s.wg.Wait()
	errs := make([]error, len(s.lanes))
	var all sync.WaitGroup
	for i, l := range s.lanes {
		all.Go(func() { errs[i] = l.close(ctx) })
	}
	all.Wait()
	s.fail()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("forward: %w", err)
	}
	return nil
}

// missing are the servers that would be better to have: with failover those
// before the one in use, else all that are not in use.
func (s *session) missing() (servers []int) {
	n := len(s.d.cfg.To)
	if s.d.cfg.Mode == Failover {
		n = s.lanes[0].server
	}
	for i := range n {
		if !slices.ContainsFunc(s.lanes, func(l *lane) bool { return l.server == i }) {
			servers = append(servers, i)
		}
	}
	return servers
}

// search tries the missing servers again and again, and hands over those that
// work, until there are none.
func (s *session) search(ctx context.Context, missing []int) {
	ticker := time.NewTicker(s.d.cfg.Failback)
	defer ticker.Stop()
	for len(missing) > 0 {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		for i, server := range missing {
			l, err := s.d.dial(ctx, server)
			if err != nil || !s.offer(ctx, l) {
				continue
			}
			if s.d.cfg.Mode == Failover {
				missing = missing[:i]
			} else {
				missing = slices.Delete(missing, i, i+1)
			}
			break
		}
	}
}

// offer waits until a lane is taken over, and closes it if it never is.
func (s *session) offer(ctx context.Context, l *lane) bool {
	select {
	case s.better <- l:
		return true
	case <-l.broken():
	case <-ctx.Done():
	}
	_ = l.close(ctx) // nothing was sent over it
	return false
}

// change has a lane take over, or take part. All that was sent over the others
// is settled before: else a source's next message could overtake it.
func (s *session) change(ctx context.Context, l *lane) error {
	if err := s.drain(ctx); err != nil {
		_ = l.close(ctx) // nothing was sent over it
		return err
	}
	s.d.changes.Add(1)
	s.d.log.Info("a server works again", "to", s.d.cfg.To[l.server])
	if s.d.cfg.Mode == Balance {
		s.use(append(slices.Clone(s.lanes), l))
		return nil
	}
	s.lanes[0].retired.Store(true)
	if err := s.lanes[0].close(ctx); err != nil {
		s.d.log.Debug("the connection to the other server ended badly", "err", err) // all of it is settled
	}
	s.use([]*lane{l})
	return nil
}

// drain waits until everything is settled.
func (s *session) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	if err := s.Flush(ctx); err != nil {
		return err
	}
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		s.Settled()
		if s.drained() {
			return nil
		}
		select {
		case <-ticker.C:
		case <-s.broken:
			return errGone
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *session) drained() bool {
	for i, l := range s.lanes {
		if s.taken[i] != l.sent {
			return false
		}
	}
	return true
}
