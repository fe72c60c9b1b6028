package collectors

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/semaphore"

	"rondo/rrd"
)

// MaxPending bounds the text, in bytes, that the Buffers of one Feed have taken
// and not yet written. Samples of very short lines take up to 8 times that.
const MaxPending = 16 << 20

// maxBatch bounds the samples of one Append or Write.
const maxBatch = 16384

// A Feed brings samples to the store, and counts and logs what becomes of
// them: "samples" (taken), the reasons of rrd.Refusal, and "not_stored" where
// the store failed.
type Feed struct {
	env     Env
	budget  *semaphore.Weighted
	refused Notice
	failed  Notice

	mu    sync.Mutex
	spare [][]rrd.Sample // empty batches
}

// NewFeed returns a Feed to env's store.
func NewFeed(env Env) *Feed {
	return &Feed{env: env, budget: semaphore.NewWeighted(MaxPending)}
}

// Append brings the batch to disk. Refused samples are no error: they are
// counted by reason, and one a minute is logged. The error says that the store
// failed, which is already counted and logged too.
func (f *Feed) Append(ctx context.Context, batch []rrd.Sample) error {
	return f.put(ctx, batch, f.env.Store.Append)
}

// Write takes the samples of a block of lines into the store without waiting
// for the device: the death of the process loses none of them. Its error is as
// Append's.
func (f *Feed) Write(ctx context.Context, block string, parse Parser) error {
	batch := parse(f.empty(), block)
	defer f.recycle(batch)
	return f.write(ctx, batch)
}

func (f *Feed) write(ctx context.Context, batch []rrd.Sample) error {
	if w, ok := f.env.Store.(rrd.Writer); ok {
		return f.put(ctx, batch, w.Write)
	}
	return f.put(ctx, batch, f.env.Store.Append)
}

// Flush waits until all that was written is on disk.
func (f *Feed) Flush(ctx context.Context) error {
	w, ok := f.env.Store.(rrd.Writer)
	if !ok {
		return nil
	}
	err := w.Flush(ctx)
	if err != nil {
		f.failed.Warn(f.env.Log, "samples could not be brought to disk", "err", err)
	}
	return err
}

// put gives the store batches of a bounded size.
func (f *Feed) put(ctx context.Context, batch []rrd.Sample, put func(context.Context, []rrd.Sample) error) error {
	var failed error
	for len(batch) > 0 {
		n := min(maxBatch, len(batch))
		if err := f.settle(batch[:n], put(ctx, batch[:n])); err != nil {
			failed = err
		}
		batch = batch[n:]
	}
	return failed
}

// settle counts what became of a batch, and returns the error of a store that
// failed.
func (f *Feed) settle(batch []rrd.Sample, err error) error {
	if refusal, ok := errors.AsType[*rrd.BatchError](err); ok {
		f.countRefused(batch, refusal.Refused)
		return nil
	}
	if err != nil {
		f.env.Stats.Add("not_stored", len(batch))
		f.failed.Warn(f.env.Log, "samples could not be stored", "samples", len(batch), "err", err)
		return err
	}
	f.env.Stats.Add("samples", len(batch))
	return nil
}

func (f *Feed) countRefused(batch []rrd.Sample, refused []rrd.Refused) {
	reasons := make(map[rrd.Refusal]int)
	for _, r := range refused {
		reasons[r.Reason]++
	}
	for reason, n := range reasons {
		f.env.Stats.Add(string(reason), n)
	}
	f.env.Stats.Add("samples", len(batch)-len(refused))
	if len(refused) > 0 {
		first := refused[0]
		f.refused.Warn(f.env.Log, "samples refused", "samples", len(refused),
			"series", batch[first.Index].Key.String(), "reason", string(first.Reason), "detail", first.Detail)
	}
}

// A Parser appends the samples of a block of lines to dst. The block may be
// kept: it is nobody else's.
type Parser func(dst []rrd.Sample, block string) []rrd.Sample

// A Buffer collects the samples of many small packets while an earlier batch
// is being written, in order and never two at once.
type Buffer struct {
	feed *Feed

	mu     sync.Mutex
	filled *sync.Cond   // open is not empty, or closed
	open   []rrd.Sample // collected
	text   int64        // what open holds of the budget
	closed bool
	err    error // of the first batch that the store failed to take

	done chan struct{}
}

// NewBuffer starts the goroutine that writes. Close ends it.
func (f *Feed) NewBuffer(ctx context.Context) *Buffer {
	b := &Buffer{feed: f, done: make(chan struct{})}
	b.filled = sync.NewCond(&b.mu)
	// What was read is brought home even where we are told to stop.
	go b.run(context.WithoutCancel(ctx))
	return b
}

// Add parses block. It waits while MaxPending is reached, and returns ctx's
// error or that of a store that failed.
func (b *Buffer) Add(ctx context.Context, block string, parse Parser) error {
	cost := int64(min(len(block), MaxPending))
	if err := b.feed.budget.Acquire(ctx, cost); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open == nil {
		b.open = b.feed.empty()
	}
	b.open = parse(b.open, block)
	if len(b.open) == 0 {
		b.feed.budget.Release(cost)
		return b.err
	}
	b.text += cost
	b.filled.Signal()
	return b.err
}

// Close waits until all that was added is written. Its error is that of the
// first batch that the store failed to take.
func (b *Buffer) Close() error {
	b.mu.Lock()
	b.closed = true
	b.filled.Signal()
	b.mu.Unlock()
	<-b.done
	return b.err
}

func (b *Buffer) run(ctx context.Context) {
	defer close(b.done)
	for {
		batch, text := b.take()
		if len(batch) == 0 {
			return
		}
		err := b.feed.write(ctx, batch)
		b.feed.budget.Release(text)
		b.feed.recycle(batch)
		b.mu.Lock()
		if b.err == nil {
			b.err = err
		}
		b.mu.Unlock()
	}
}

// take waits for samples. It returns none when the buffer is closed.
func (b *Buffer) take() (batch []rrd.Sample, text int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.open) == 0 && !b.closed {
		b.filled.Wait()
	}
	batch, text = b.open, b.text
	b.open, b.text = nil, 0
	return batch, text
}

// Empty batches are shared by all buffers, so that idle connections have none.
// Those of a burst are left to the garbage collector.
const (
	maxSpare      = 8
	maxSpareBatch = 4 * maxBatch
)

// empty returns an empty batch.
func (f *Feed) empty() []rrd.Sample {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(f.spare)
	if n == 0 {
		return nil
	}
	batch := f.spare[n-1]
	f.spare = f.spare[:n-1]
	return batch
}

func (f *Feed) recycle(batch []rrd.Sample) {
	if cap(batch) > maxSpareBatch {
		return
	}
	clear(batch) // let go of the text
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.spare) < maxSpare {
		f.spare = append(f.spare, batch[:0])
	}
}
