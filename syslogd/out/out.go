package out

import (
	"context"
	"strconv"

	"rondo/syslogd/syslog"
)

// A Destination is a place that messages are delivered to. It is used by one
// goroutine at a time.
type Destination interface {
	// Open begins a session. After an error it is called again, ever more
	// slowly.
	Open(ctx context.Context) (Session, error)
}

// A Session is one connection to a destination, one open file, and the like.
// It is used by one goroutine at a time.
type Session interface {
	// Send gives a batch to the destination. It retains neither the batch nor
	// its strings. It may return before the batch is delivered. After an error
	// the session is closed, and what is not settled is sent in another one.
	Send(ctx context.Context, batch Batch) error
	// Flush is called when nothing more waits: what is held back to make
	// larger portions goes out now, unless it is held back on purpose.
	Flush(ctx context.Context) error
	// Settled is how many messages of this session are done with, in the order
	// in which they were sent: delivered for good, or, as many as refused says,
	// refused for good by the other side. Both only grow.
	Settled() (n, refused uint64)
	// Broken is closed when the other side has gone: a session learns that
	// while nothing is being sent, too. It may be nil.
	Broken() <-chan struct{}
	// Close ends the session; what it holds back and can still deliver, it
	// does, before ctx ends. Settled is asked once more after it.
	Close(ctx context.Context) error
}

// A Batch is some messages, in order, each with its number in the queue.
type Batch struct {
	Log      string   // names the queue for ever; letters and digits
	Numbers  []uint64 // of each message; they grow, with gaps
	Messages []syslog.Message
}

// Key is the name of the message i of the batch: the same whenever it is sent
// again, and no other message has it.
func (b Batch) Key(i int) string {
	return b.Log + "-" + strconv.FormatUint(b.Numbers[i], 10)
}

// From is the batch without its first n messages.
func (b Batch) From(n int) Batch {
	return Batch{b.Log, b.Numbers[n:], b.Messages[n:]}
}

// A Counter is a Destination that counts more than the messages that it
// delivers, such as those that it had to cut. Counters may be asked at any
// time, by any goroutine; they only grow. Their names are words joined by "_".
type Counter interface {
	Counters() map[string]uint64
}
