package agent

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
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

// NewTransport makes a transport that holds one connection and little memory.
func NewTransport() *http.Transport {
	dial := net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dial.DialContext,
		MaxConnsPerHost: 2, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute,
		TLSHandshakeTimeout: 10 * time.Second, DisableCompression: true, WriteBufferSize: 16 << 10,
	}
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
		return fmt.Errorf("%w: %+v is too much for one push", ErrWire, l)
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
// mark is none.
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
	return c.Push(ctx, portions, nil)
}

// Run says hello and sends until ctx ends, which is no error, or ErrPutBack.
func (c *Client) Run(ctx context.Context) error {
	if _, err := c.greet(ctx); err != nil {
		return unless(ctx, err)
	}
	beat := time.NewTicker(c.o.Heartbeat)
	defer beat.Stop()
	var next *push
	for {
		if next == nil {
			select {
			case <-ctx.Done():
				return nil
			case next = <-c.waiting:
			case <-beat.C:
				c.rest()
			}
		}
		var group []*push
		group, next = c.gather(next)
		err := c.deliver(ctx, group)
		if ctx.Err() != nil {
			return nil
		}
		beat.Reset(c.o.Heartbeat)
		for _, p := range group {
			if err == nil {
				c.stored(p)
			}
			c.giveBack(p.frames)
			p.done <- err
		}
		if errors.Is(err, ErrPutBack) {
			return err
		}
	}
}

// unless is err, if ctx has not ended.
func unless(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// A load is what bounds a batch.
type load struct{ bytes, messages, samples, portions int }

func (l load) plus(p *push) load {
	return load{l.bytes + len(p.frames), l.messages + p.messages, l.samples + p.samples, l.portions + len(p.portions)}
}

func (l load) tooMuch(bytes int) bool {
	return l.bytes > bytes || l.messages > maxMessages || l.samples > maxSamples || l.portions > maxPortions
}

// gather takes what waits besides first, as much as is sent together. What does
// not fit any more is next. Without a first one there is only the status to
// send.
func (c *Client) gather(first *push) (group []*push, next *push) {
	if first == nil {
		return nil, nil
	}
	group = append(group, first)
	for sum := (load{}).plus(first); ; {
		select {
		case p := <-c.waiting:
			if sum = sum.plus(p); sum.tooMuch(mergeBytes) {
				return group, p
			}
			group = append(group, p)
		default:
			return group, nil
		}
	}
}

// stored notes the marks of a push that the server has.
func (c *Client) stored(p *push) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range p.portions {
		if c.marks[x.Source] = x.To; x.Forget {
			delete(c.marks, x.Source)
		}
	}
}

// deliver sends a batch until the server has it. It keeps its number: a server
// that has it already, and whose answer was lost, says so.
func (c *Client) deliver(ctx context.Context, group []*push) error {
	c.seq++
	for wait := firstPause; ; {
		err := c.send(ctx, group)
		if errors.Is(err, errAgain) {
			var at uint64
			if at, err = c.greet(ctx); err == nil && sameRun(at, c.seq) && at >= c.seq {
				return nil
			} else if err == nil {
				continue
			}
		}
		if err == nil || ctx.Err() != nil || errors.Is(err, ErrOverlap) || errors.Is(err, ErrPutBack) {
			return err
		}
		c.note(err)
		if !c.pause(ctx, &wait, err) {
			return err
		}
	}
}

// sameRun reports whether two numbers of batches are of the same process: their
// upper half is its own.
func sameRun(a, b uint64) bool { return a>>32 == b>>32 }

// greet says hello until the server answers, and returns the number of the
// newest batch that it has.
func (c *Client) greet(ctx context.Context) (seq uint64, err error) {
	for wait := firstPause; ; {
		var w welcome
		if w, err = c.hello(ctx); err == nil {
			return w.Seq, c.welcomed(w)
		}
		if ctx.Err() != nil {
			return 0, err
		}
		c.note(err)
		if !c.pause(ctx, &wait, err) {
			return 0, err
		}
	}
}

func (c *Client) hello(ctx context.Context) (w welcome, err error) {
	body, err := json.Marshal(hello{Version: wireVersion, Session: c.session, Identity: c.o.Identity, Status: c.o.Status()})
	if err != nil {
		return w, fmt.Errorf("agent: hello: %w", err)
	}
	answer, err := c.post(ctx, HelloPath, body)
	if err != nil {
		return w, err
	}
	if err := json.Unmarshal(answer, &w); err != nil {
		return w, fmt.Errorf("agent: hello: %w", err)
	}
	return w, nil
}

// welcomed notes where the server is. What it has confirmed it must have: nobody
// will send it again. If it has the newest batch, a mark that went back did so
// with that.
func (c *Client) welcomed(w welcome) error {
	c.mu.Lock()
	was := c.marks
	if sameRun(w.Seq, c.seq) && w.Seq >= c.seq {
		was = nil
	}
	c.marks = make(map[string]uint64, len(w.Marks))
	var err error
	for _, m := range w.Marks {
		if c.marks[m.Source] = m.Pos; m.Pos < was[m.Source] {
			err = fmt.Errorf("%w: %s up to %d, and it was %d", ErrPutBack, m.Source, m.Pos, was[m.Source])
		}
	}
	c.state.Host, c.state.Group = w.Host, w.Group
	c.mu.Unlock()
	c.note(err)
	if err == nil {
		c.greeting.Do(func() { close(c.greeted) })
	}
	return err
}

// send sends a batch once.
func (c *Client) send(ctx context.Context, group []*push) error {
	c.plain = appendHead(c.plain[:0], c.session, c.seq)
	for _, p := range group {
		c.plain = append(c.plain, p.frames...)
	}
	status, err := json.Marshal(c.o.Status())
	if err != nil {
		return fmt.Errorf("agent: status: %w", err)
	}
	c.plain = appendFrame(c.plain, frameStatus, status)
	c.body = c.encoder.EncodeAll(c.plain, c.body[:0])
	_, err = c.post(ctx, PushPath, c.body)
	if err == nil {
		c.note(nil)
	}
	return err
}

// A statusError is an answer that is no success.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string {
	return fmt.Sprintf("agent: the server answers %d: %s", e.status, e.text)
}

// Is tells apart what is done about an answer.
func (e *statusError) Is(target error) bool {
	return target == errAgain && e.status == statusAgain || target == ErrOverlap && e.status == statusOverlap
}

// refused reports whether the server does not want us, or what we send, so that
// to come again soon is in vain. Nothing is thrown away for that: a server that
// is put right takes it.
func (e *statusError) refused() bool {
	return e.status >= 400 && e.status < 500 || e.status == http.StatusInsufficientStorage
}

// post sends a request and returns the answer's body.
func (c *Client) post(ctx context.Context, path string, body []byte) ([]byte, error) {
	key, err := c.o.Key()
	if err != nil {
		return nil, fmt.Errorf("agent: key: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.o.URL+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/octet-stream")
	r.Header.Set(idHeader, c.o.Identity.ID)
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	if answer.StatusCode == http.StatusOK {
		return b, nil
	}
	e := &statusError{status: answer.StatusCode}
	var said refusal
	if err := json.Unmarshal(b, &said); err == nil {
		e.text = said.Error
	}
	return nil, e
}

// note notes how the last request went, and logs each change.
func (c *Client) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, was := time.Now(), c.state
	if c.state.Connected = err == nil; err == nil {
		c.state.Answered, c.state.Err = now, ""
	} else {
		c.state.Err = err.Error()
	}
	switch {
	case was.Connected && err != nil:
		c.state.Since = now
		c.o.Log.Warn("server is away", "url", c.o.URL, "err", err)
	case !was.Connected && err == nil:
		c.state.Since = now
		c.o.Log.Info("server is there", "url", c.o.URL, "host", c.state.Host, "group", c.state.Group)
	case was.Err != c.state.Err:
		c.o.Log.Warn("server does not take what we send", "url", c.o.URL, "err", err)
	}
}

// pause waits ever longer, by chance up to half of it less, so that all the
// agents of a server that comes back do not come at once. It reports false if
// ctx ends first.
func (c *Client) pause(ctx context.Context, wait *time.Duration, err error) bool {
	longest := longestPause
	if e, ok := errors.AsType[*statusError](err); ok && e.refused() {
		*wait, longest = max(*wait, refusedPause), longestWait
	}
	t := time.NewTimer(*wait/2 + mathrand.N(*wait/2))
	defer t.Stop()
	*wait = min(2**wait, longest)
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
