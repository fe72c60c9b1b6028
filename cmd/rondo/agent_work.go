package main

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"rondo/collectors"
	"rondo/collectors/agent"
	"rondo/collectors/host"
	"rondo/syslogd/filter"
	"rondo/syslogd/stage"
	"rondo/syslogd/syslog"
	"rondo/syslogd/tail"
)

// agentWork is what an agent does by its own file and its server's profile. A
// new profile replaces it whole; sockets, spool and connection stay.
type agentWork struct {
	filters []*filter.Filter // a message is sent if all match
	pipe    *stage.Pipe
	stages  int
	tailer  *tail.Tailer         // nil: no files
	host    collectors.Collector // nil: off
}

// newWork adds a profile, which may be nil, to the agent's own file: its files
// are read too, what either filter leaves out is left out, and its stages come
// after the agent's own, so that nothing is sent that this machine redacts.
func (a *agentRun) newWork(p *profile) (w *agentWork, err error) {
	c := *a.conf
	w = &agentWork{filters: []*filter.Filter{c.Filter}}
	if p != nil {
		w.filters = append(w.filters, p.Filter)
		c.Tail.Files = slices.Concat(c.Tail.Files, c.AllowPaths.limited(p.Files))
		c.Stages = slices.Concat(c.Stages, p.Stages)
		if p.Interval != 0 {
			c.Metrics.Interval = p.Interval
		}
		if err := c.validate(); err != nil { // the bounds of an agent are narrower
			return nil, err
		}
	}
	w.stages = len(c.Stages)
	if w.pipe, err = stage.New(c.Stages); err != nil {
		return nil, err
	}
	if !c.Metrics.Off {
		own := c.Metrics.Config
		own.Host = c.Host
		env := collectors.Env{Log: a.log.With("collector", "host"), Store: a.spool, Stats: &collectors.Stats{}}
		if w.host, err = host.New(env, own); err != nil {
			return nil, err
		}
	}
	if len(c.Tail.Files) > 0 {
		w.tailer, err = tail.New(c.Tail, tail.Options{
			State: filepath.Join(c.Data, "positions"), Log: a.log.With("component", "tail"), Host: c.Host, Stats: a.tailed, Rest: restTime,
		})
	}
	return w, err
}

// apply replaces the work. It returns when the old one has ended; after an
// error the old one goes on.
func (a *agentRun) apply(ctx context.Context, p *profile) error {
	w, err := a.newWork(p)
	if err != nil {
		return err
	}
	select {
	case a.changes <- w:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// keepWorking does the present work, and another one when that is to replace
// it, until ctx ends.
func (a *agentRun) keepWorking(ctx context.Context) error {
	lasting, stop := a.lasting(ctx, restTime)
	defer stop()
	for {
		w := a.present()
		working, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- a.do(lasting, working, w) }()
		var next *agentWork
		var err error
		select {
		case err = <-ended:
			stop()
		case next = <-a.changes:
			stop()
			err = <-ended
		}
		a.replace(ctx, w, next)
		if next == nil || err != nil {
			return err
		}
	}
}

// do does the work until working ends. What the tailer has read is sent to the
// end all the same, for as long as ctx lives: half a batch would be sent again,
// and the server would have it in part.
func (a *agentRun) do(ctx, working context.Context, w *agentWork) error {
	g, working := errgroup.WithContext(working)
	if w.host != nil {
		g.Go(func() error { return w.host.Run(working) })
	}
	if w.stages > 0 {
		g.Go(func() error { return a.settleStages(working, w.pipe) })
	}
	if w.tailer != nil {
		send := tail.SinkFunc(func(_ context.Context, b tail.Batch) error { return a.sendLines(ctx, b) })
		g.Go(func() error { return a.tail(working, w.tailer, send) })
	}
	g.Go(func() error { <-working.Done(); return nil })
	return g.Wait()
}

// readStreams reads the journal and FIFOs until ctx ends. They are the agent's
// own file's, and no profile interrupts them: who writes to a FIFO that nobody
// reads is killed.
func (a *agentRun) readStreams(ctx context.Context) error {
	lasting, stop := a.lasting(ctx, restTime)
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	if journal := a.conf.Tail.Journal; journal != nil {
		g.Go(func() error {
			marks, err := a.marks(ctx)
			if err != nil {
				return nil // ctx has ended
			}
			send := tail.SinkFunc(func(_ context.Context, b tail.Batch) error { return a.sendLines(lasting, b) })
			return journal.Run(ctx, a.log, a.tailed, marks, send)
		})
	}
	for _, fifo := range a.conf.Tail.FIFOs {
		fifo.Host = cmp.Or(fifo.Host, a.conf.Host)
		g.Go(func() error { return fifo.Run(ctx, a.log, a.tailed, tail.SinkFunc(a.spoolLines)) })
	}
	return g.Wait()
}

const (
	// lastLines is how long log lines are still taken when the agent is to end: on a
	// machine that shuts down the others are told at the same time, and say their
	// last then.
	lastLines = time.Second
	// restTime is how long it may take to send what was read by then.
	restTime = 10 * time.Second
)

// lasting is a context that outlives ctx by a while, as long as the server is
// there.
func (a *agentRun) lasting(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		defer cancel()
		a.whileConnected(by, func() bool { return out.Err() == nil })
	})
	return out, func() { stop(); cancel() }
}

func (a *agentRun) present() *agentWork {
	a.swapping.RLock()
	defer a.swapping.RUnlock()
	return a.work
}

// replace ends what the stages of the old work still hold, and lets messages
// go through the next one, if there is one.
func (a *agentRun) replace(ctx context.Context, old, next *agentWork) {
	a.swapping.Lock()
	made := old.pipe.Close(time.Now())
	if next != nil {
		a.work = next
	}
	a.swapping.Unlock()
	a.settle(ctx, old.pipe, made)
}

// settleStages puts what the stages have to say into the spool.
func (a *agentRun) settleStages(ctx context.Context, pipe *stage.Pipe) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			a.settle(ctx, pipe, pipe.Due(now))
		case <-ctx.Done():
			return nil // replace does the rest
		}
	}
}

func (a *agentRun) settle(ctx context.Context, pipe *stage.Pipe, made []syslog.Message) {
	pipe.Report(a.counts.Add)
	if err := a.spool.Write(context.WithoutCancel(ctx), made); err != nil {
		a.log.Error("what stages have counted is not kept", "messages", len(made), "err", err)
	}
}

// prepare leaves out what is not to be sent, and takes the rest through the
// stages.
func (a *agentRun) prepare(batch []syslog.Message) []syslog.Message {
	a.swapping.RLock()
	defer a.swapping.RUnlock()
	kept := batch
	for _, f := range a.work.filters {
		kept = keepMatching(f, kept)
	}
	a.counts.Add("filtered", len(batch)-len(kept))
	return a.work.pipe.Apply(time.Now(), kept)
}

// keepMatching copies only if something is left out.
func keepMatching(f *filter.Filter, batch []syslog.Message) []syslog.Message {
	if f == nil || f.Root == nil {
		return batch
	}
	for i := range batch {
		if f.Match(&batch[i]) {
			continue
		}
		kept := append([]syslog.Message(nil), batch[:i]...)
		for j := i + 1; j < len(batch); j++ {
			if f.Match(&batch[j]) {
				kept = append(kept, batch[j])
			}
		}
		return kept
	}
	return batch
}

// tail reads files, from where the server has got to.
func (a *agentRun) tail(ctx context.Context, t *tail.Tailer, sink tail.SinkFunc) error {
	marks, err := a.marks(ctx)
	if err != nil {
		return nil // ctx has ended
	}
	return t.Run(ctx, marks, sink)
}

// marks are what the server has of this agent. It fails only if ctx ends.
func (a *agentRun) marks(ctx context.Context) ([]tail.Mark, error) {
	known, err := a.client.Marks(ctx, "")
	var marks []tail.Mark
	for source, pos := range known {
		marks = append(marks, tail.Mark{Source: source, Pos: pos})
	}
	return marks, err
}

// spoolLines keeps what cannot be read again.
func (a *agentRun) spoolLines(ctx context.Context, b tail.Batch) error {
	return a.spool.Write(ctx, a.prepare(b.Messages))
}

// sendLines returns when the server has the batch.
func (a *agentRun) sendLines(ctx context.Context, b tail.Batch) error {
	marks := make([]agent.Mark, len(b.Marks))
	for i, m := range b.Marks {
		marks[i] = agent.Mark{Source: m.Source, Pos: m.Pos}
	}
	return a.client.PushMarked(ctx, a.prepare(b.Messages), marks, b.Forget)
}

// startWork makes the first work: by the profile that was kept, if it can be.
func (a *agentRun) startWork() (err error) {
	var kept *profile
	if a.profiles != nil {
		kept = a.profiles.kept()
	}
	a.work, err = a.newWork(kept)
	if err != nil && kept != nil {
		a.profiles.forget()
		w, other := a.newWork(nil)
		a.log.Error("the profile that was kept cannot be applied", "err", err)
		a.work, err = w, errors.Join(other)
	}
	return err
}
