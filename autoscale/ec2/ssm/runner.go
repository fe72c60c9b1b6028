package ssm

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ssm"
	"golang.org/x/time/rate"

	"rondo/autoscale/ec2"
	"rondo/autoscale/fanout"
)

// A Runner runs commands by Systems Manager. It is safe for concurrent use.
type Runner struct {
	client operations
	calls  ec2.Calls
	log    *slog.Logger

	mu   sync.Mutex
	open map[string]*batch // that still take hosts, by command
}

// operations are those of the SDK's client that are called; see package ec2 for
// why the client itself is not kept.
type operations struct {
	send   operation[sdk.SendCommandInput, sdk.SendCommandOutput]
	list   operation[sdk.ListCommandInvocationsInput, sdk.ListCommandInvocationsOutput]
	cancel operation[sdk.CancelCommandInput, sdk.CancelCommandOutput]
}

type operation[In, Out any] func(context.Context, *In, ...func(*sdk.Options)) (*Out, error)

// Limits of calls.
const (
	callsPerSecond = 5
	callsAtOnce    = 10
	gather         = 100 * time.Millisecond // hosts come together in it
	batchSize      = 50                     // instances in one SendCommand
)

// New makes a runner. It makes no call.
func New(ctx context.Context, c ec2.Config, log *slog.Logger) (*Runner, error) {
	conf, err := ec2.SDK(ctx, c)
	if err != nil {
		return nil, err
	}
	client := sdk.NewFromConfig(conf, func(o *sdk.Options) { o.Retryer = aws.NopRetryer{} })
	return &Runner{
		client: operations{client.SendCommand, client.ListCommandInvocations, client.CancelCommand},
		calls:  ec2.Calls{Pace: rate.NewLimiter(callsPerSecond, callsAtOnce)}, log: log, open: make(map[string]*batch),
	}, nil
}

// An item is one host's part in a batch.
type item struct {
	host   fanout.Host
	line   string
	end    time.Time // when it is over at the latest
	result chan fanout.Result

	gone bool // nobody waits for it any more; guarded by the batch's mu
}

// Run implements [fanout.Runner].
func (r *Runner) Run(ctx context.Context, h fanout.Host, c fanout.Command) fanout.Result {
	if !managed(h.ID) {
		return fanout.Failed(h, fmt.Errorf("ssm: %q is no instance of EC2 or of Systems Manager", h.ID))
	}
	it := &item{host: h, line: line(c), result: make(chan fanout.Result, 1)}
	if len(it.line) > maxScript/2 {
		return fanout.Failed(h, fmt.Errorf("ssm: the command and its input have %d bytes, %d are taken", len(it.line), maxScript/2))
	}
	var ok bool
	if it.end, ok = ctx.Deadline(); !ok {
		it.end = time.Now().Add(fanout.MaxTimeout)
	}
	b := r.join(ctx, c.Name, it)
	defer b.leave()
	select {
	case res := <-it.result:
		return res
	case <-ctx.Done():
		b.abandon(it)
		return fanout.Failed(h, fmt.Errorf("ssm: %w", context.Cause(ctx)))
	}
}

// join adds a host to the batch of its command that is about to be sent, or
// begins one.
func (r *Runner) join(ctx context.Context, name string, it *item) *batch {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.open[name]
	if b == nil || !b.add(it) {
		b = &batch{runner: r, name: name, full: make(chan struct{}), done: make(chan struct{})}
		var own context.Context
		own, b.stop = context.WithCancel(context.WithoutCancel(ctx))
		b.add(it)
		r.open[name] = b
		go b.work(own)
	}
	return b
}

// close lets no more hosts into a batch.
func (r *Runner) close(b *batch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open[b.name] == b {
		delete(r.open, b.name)
	}
}

// Room is where Stats are counted.
func (r *Runner) Room() string { return "ssm" }

// Stats returns how often what happened: calls by action, and failed ones by
// the class of their failure.
func (r *Runner) Stats() map[string]uint64 { return r.calls.Stats() }
