package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"rondo/rrd"
	"rondo/syslogd/syslog"
)

// ClientOptions are what a Client is made of.
type ClientOptions struct {
	URL      string // of the server: https://rondo.example:8080
	Key      func() (string, error)
	Identity Identity
	Status   func() Status
	// Transport carries the requests; see NewTransport.
	Transport http.RoundTripper
	// Heartbeat is how long the client is silent at most; 10 s.
	Heartbeat time.Duration
	Log       *slog.Logger
}

const (
	firstPause   = 500 * time.Millisecond
	longestPause = 30 * time.Second
	refusedPause = 5 * time.Second // first, when the server does not want us
	longestWait  = 5 * time.Minute
	answerTime   = 2 * time.Minute // for a server whose disk is slow
	maxAnswer    = 4 << 20
	mergeBytes   = 1 << 20 // pushes that wait are sent together up to this
	mostBytes    = maxBatch - maxStatus - 256
	keepBytes    = 64 << 10 // larger buffers are not kept by who is quiet
	maxBuffers   = 4

	severalSources = "several" // the portion with messages of more than one
)

// ErrOverlap says that the server has a portion in part: whoever read the source
// must begin again at its mark.
var ErrOverlap = errors.New("agent: part of a portion is stored already")

// ErrPutBack says that the server has less than it confirmed: it was put back to
// an earlier state, from a backup. Whoever runs the agent begins again, at the
// marks that the server has now.
var ErrPutBack = errors.New("agent: the server has less than it confirmed: it was put back to an earlier state")

// errTooMuch says that a server would not take a push of this size.
var errTooMuch = errors.New("agent: too much for one push")

// errAgain says that the server wants a hello.
var errAgain = errors.New("agent: the server does not know the session")

// A Client is an agent's end of the protocol: one request at a time, each sent
// until it is answered.
type Client struct {
	o       ClientOptions
	session string
	http    *http.Client
	encoder *zstd.Encoder
	waiting chan *push
	buffers chan []byte // to be used again

	// Run's own.
	seq         uint64
	plain, body []byte

	greeting sync.Once
	greeted  chan struct{} // closed after the first hello

	mu    sync.Mutex
	marks map[string]uint64
	state ClientState
}

// ClientState is how a client stands, for people.
type ClientState struct {
	Connected bool      `json:"connected"`
	Since     time.Time `json:"since"`
	Err       string    `json:"error,omitempty"`
	Host      string    `json:"host,omitempty"` // as the server calls us
	Group     string    `json:"group,omitempty"`
	Answered  time.Time `json:"answered,omitzero"` // the last answer
}

// push is what waits to be sent, in the bytes of its frames.
type push struct {
	frames   []byte
	portions []Portion // without their messages
	messages int
	samples  int
	done     chan error
}

// NewClient makes a client; Run connects it.
func NewClient(o ClientOptions) (*Client, error) {
	if err := o.Identity.validate(); err != nil {
		return nil, err
	}
	e, err := newEncoder()
	if err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = 10 * time.Second
	}
	o.URL = strings.TrimSuffix(o.URL, "/")
	return &Client{
		o: o, session: rand.Text(), seq: uint64(mathrand.Uint32()) << 32, http: &http.Client{Transport: o.Transport, Timeout: answerTime}, encoder: e,
		waiting: make(chan *push, 16), buffers: make(chan []byte, maxBuffers), greeted: make(chan struct{}), state: ClientState{Since: time.Now()},
	}, nil
}

// State returns how the client stands.
func (c *Client) State() ClientState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// Marks waits until the server has said how far each source is stored, and
// returns those of sources whose name begins with prefix.
func (c *Client) Marks(ctx context.Context, prefix string) (map[string]uint64, error) {
	select {
	case <-c.greeted:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	found := map[string]uint64{}
	for source, pos := range c.marks {
		if strings.HasPrefix(source, prefix) {
			found[source] = pos
		}
	}
	return found, nil
}

// Push sends portions and samples, and returns when the server has all of them
// on disk. It waits as long as that takes. After an error, which comes from ctx
// or is ErrOverlap, they are stored whole or not at all. It retains nothing.
func (c *Client) Push(ctx context.Context, portions []Portion, samples []rrd.Sample) error {
	p := c.encode(portions, samples)
	if l := (load{}).plus(p); l.tooMuch(mostBytes) {
		return fmt.Errorf("%w: %+v", errTooMuch, l)
	}
	select {
	case c.waiting <- p:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-p.done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// encode writes the frames of a push, into memory that is used again.
func (c *Client) encode(portions []Portion, samples []rrd.Sample) *push {
	p := &push{samples: len(samples), done: make(chan error, 1), frames: c.buffer()}
	payload := c.buffer()
	for i := range portions {
		payload = appendPortion(payload[:0], &portions[i])
		p.frames = appendFrame(p.frames, framePortion, payload)
		p.messages += len(portions[i].Messages)
		light := portions[i]
		light.Messages = nil
		p.portions = append(p.portions, light)
	}
	if len(samples) > 0 {
		payload = appendSamples(payload[:0], samples)
		p.frames = appendFrame(p.frames, frameSamples, payload)
	}
	c.giveBack(payload)
	return p
}

// buffer is an empty one, perhaps with room.
func (c *Client) buffer() []byte {
	select {
	case b := <-c.buffers:
		return b[:0]
	default:
		return nil
	}
}

// giveBack keeps a buffer for the next push.
func (c *Client) giveBack(b []byte) {
	select {
	case c.buffers <- b:
	default:
	}
}

// rest gives up what a quiet client does not need.
func (c *Client) rest() {
	for len(c.buffers) > 0 {
		<-c.buffers
	}
	if cap(c.plain) > keepBytes {
		c.plain, c.body = nil, nil
	}
}

// PushMarked is Push for who knows how far each source has been read with the
// messages, but not which of them is of which source. To forget a source, its
// mark is none. What stages have made too large for one push goes in several, of
// which the last has the marks: then a crash between them sends some twice,
// where otherwise nothing of the source would ever be sent again.
func (c *Client) PushMarked(ctx context.Context, messages []syslog.Message, marks []Mark, forget []string) error {
	portions := make([]Portion, 0, len(marks)+len(forget)+1)
	if len(messages) > 0 && len(marks) != 1 {
		portions = append(portions, Portion{Source: severalSources, Messages: messages})
	}
	c.mu.Lock()
	for _, m := range marks {
		from, known := c.marks[m.Source]
		p := Portion{Source: m.Source, From: from, To: m.Pos}
		if m.Pos < from || !known {
			p.From = m.Pos // nothing is known of what lies before
			p.Reset = known
		}
		portions = append(portions, p)
	}
	c.mu.Unlock()
	if len(marks) == 1 {
		portions[0].Messages = messages
	}
	for _, source := range forget {
		portions = append(portions, Portion{Source: source, Forget: true})
	}
	if len(portions) == 0 {
		return nil
	}
	err := c.Push(ctx, portions, nil)
	if half := len(messages) / 2; errors.Is(err, errTooMuch) && half > 0 {
		if err := c.PushMarked(ctx, messages[:half], nil, nil); err != nil {
			return err
		}
		return c.PushMarked(ctx, messages[half:], marks, forget)
	}
	return err
}
