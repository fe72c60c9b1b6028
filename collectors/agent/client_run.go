package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"time"
)

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
