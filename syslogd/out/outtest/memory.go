package outtest

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"

	"rondo/syslogd/out"
	"rondo/syslogd/syslog"
)

// ErrCut is what a Memory returns when it was told to fail.
var ErrCut = errors.New("outtest: cut")

// A Memory is a destination that keeps what it gets, and fails when told to.
// All methods may be used while it is.
type Memory struct {
	// Portion is how many messages are held back until there are so many, or
	// Flush is called. They are delivered, and settled, together.
	Portion int
	// Refuse says of which messages the other side wants nothing. nil: none.
	Refuse func(m *syslog.Message) bool
	// Lasts is after how many messages, at most, a session is cut by itself:
	// within a portion too, of which a part has then arrived and is not
	// settled. 0: never.
	Lasts int

	mu       sync.Mutex
	messages []syslog.Message
	keys     []string
	down     bool
	stalled  bool
	left     int // messages until the session is cut
	session  *memorySession
}

// NewMemory returns a destination that never fails by itself.
func NewMemory(portion int) *Memory { return &Memory{Portion: portion} }

// Messages are those that have arrived, and their keys.
func (d *Memory) Messages() (messages []syslog.Message, keys []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.messages[:len(d.messages):len(d.messages)], d.keys[:len(d.keys):len(d.keys)]
}

// Cut ends the session, if there is one; what it holds back is not delivered.
func (d *Memory) Cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.session != nil {
		d.session.cut()
	}
}

// SetDown says whether there is another side.
func (d *Memory) SetDown(down bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down = down; down && d.session != nil {
		d.session.cut()
	}
}

// Stall has the other side take nothing from now on.
func (d *Memory) Stall() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stalled = true
}

// Open implements out.Destination.
func (d *Memory) Open(context.Context) (out.Session, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down {
		return nil, ErrCut
	}
	if d.left = math.MaxInt; d.Lasts > 0 {
		d.left = rand.N(d.Lasts)
	}
	d.session = &memorySession{d: d, broken: make(chan struct{})}
	return d.session, nil
}

// A memorySession is guarded by its destination's mutex.
type memorySession struct {
	d        *Memory
	held     []syslog.Message
	heldKeys []string
	settled  uint64
	refused  uint64
	failed   bool
	broken   chan struct{}
}

func (s *memorySession) Send(ctx context.Context, batch out.Batch) error {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	for i := range batch.Messages {
		s.held = append(s.held, batch.Messages[i].Clone())
		s.heldKeys = append(s.heldKeys, batch.Key(i))
		if len(s.held) < s.d.Portion {
			continue
		}
		if err := s.deliver(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *memorySession) Flush(ctx context.Context) error {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	return s.deliver(ctx)
}

// deliver has what is held back arrive. A cut comes behind any message of it.
func (s *memorySession) deliver(ctx context.Context) error {
	if s.d.stalled && len(s.held) > 0 {
		s.d.mu.Unlock()
		<-ctx.Done()
		s.d.mu.Lock()
		return ctx.Err()
	}
	var refused uint64
	for i := range s.held {
		if s.d.left == 0 {
			s.cut()
		}
		if s.failed {
			return ErrCut
		}
		s.d.left--
		if s.d.Refuse != nil && s.d.Refuse(&s.held[i]) {
			refused++
			continue
		}
		s.d.messages = append(s.d.messages, s.held[i])
		s.d.keys = append(s.d.keys, s.heldKeys[i])
	}
	s.settled += uint64(len(s.held))
	s.refused += refused
	s.held, s.heldKeys = s.held[:0], s.heldKeys[:0]
	return nil
}

func (s *memorySession) Settled() (n, refused uint64) {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	return s.settled, s.refused
}

func (s *memorySession) Broken() <-chan struct{} { return s.broken }

func (s *memorySession) Close(ctx context.Context) error {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	err := s.deliver(ctx)
	s.cut()
	if s.d.session == s {
		s.d.session = nil
	}
	return err
}

// cut makes the session fail from now on.
func (s *memorySession) cut() {
	if !s.failed {
		s.failed = true
		close(s.broken)
	}
}
