package ssm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"rondo/autoscale"
	"rondo/autoscale/ec2"
	"rondo/autoscale/fanout"
)

// A batch is one command for several hosts, which go out together. Who joins it
// leaves it; with the last one it ends.
type batch struct {
	runner *Runner
	name   string
	full   chan struct{} // closed when no other has room
	done   chan struct{} // closed when its goroutine has ended
	stop   context.CancelFunc

	mu    sync.Mutex
	items []*item
	bytes int
	sent  bool
	left  int // who waits, or waited and has not left
}

// add takes in a host; false where there is no room, or it is too late.
func (b *batch) add(it *item) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sent || len(b.items) >= batchSize || b.bytes+len(it.line) > maxScript {
		return false
	}
	for _, other := range b.items {
		if other.host.ID == it.host.ID {
			return false // its line would never be found
		}
	}
	b.items, b.bytes, b.left = append(b.items, it), b.bytes+len(it.line), b.left+1
	if len(b.items) == batchSize {
		close(b.full)
	}
	return true
}

// leave ends the batch with the last who leaves.
func (b *batch) leave() {
	b.mu.Lock()
	b.left--
	last := b.left == 0
	b.sent = b.sent || last // it is about to end: who comes now begins another
	b.mu.Unlock()
	if last {
		b.stop()
		<-b.done
	}
}

// abandon says that nobody waits for a host any more.
func (b *batch) abandon(it *item) {
	b.mu.Lock()
	defer b.mu.Unlock()
	it.gone = true
}

// awaited are the hosts that somebody waits for.
func (b *batch) awaited(items []*item) (out []*item) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, it := range items {
		if !it.gone {
			out = append(out, it)
		}
	}
	return out
}

// work sends the batch when its hosts have come together, and follows it.
func (b *batch) work(ctx context.Context) {
	defer close(b.done)
	timer := time.NewTimer(gather)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-b.full:
	case <-ctx.Done():
	}
	b.runner.close(b)
	b.mu.Lock()
	b.sent = true
	items := b.items
	b.mu.Unlock()
	b.send(ctx, items)
}

// send sends a command for hosts; where one of them is refused, for each half.
func (b *batch) send(ctx context.Context, items []*item) {
	var pause ec2.Backoff
	for {
		items = b.awaited(items)
		if len(items) == 0 {
			return
		}
		id, err := b.ask(ctx, items)
		ce, known := errors.AsType[*autoscale.CallError](err)
		switch {
		case err == nil:
			b.follow(ctx, id, items)
			return
		case known && ce.Code == "InvalidInstanceId" && len(items) > 1:
			var halves sync.WaitGroup
			half := len(items) / 2
			halves.Go(func() { b.send(ctx, items[:half]) })
			b.send(ctx, items[half:])
			halves.Wait()
			return
		case known && ce.Failure == autoscale.Throttled && ctx.Err() == nil:
			pause.Fail(time.Now())
			ec2.Rest(ctx, pause.Left(time.Now()))
			continue
		case ec2.FailureOf(err) == autoscale.Unclear:
			err = fmt.Errorf("it is unclear whether it was sent: %w", err)
		}
		for _, it := range items {
			it.result <- fanout.Failed(it.host, fmt.Errorf("ssm: %w", err))
		}
		return
	}
}

// ask makes the call, and returns the command's ID. A call that is on its way is
// not broken off, for what it began would have to be cancelled.
func (b *batch) ask(ctx context.Context, items []*item) (id string, err error) {
	var ids []string
	most := time.Second
	for _, it := range items {
		ids = append(ids, it.host.ID)
		most = max(most, time.Until(it.end))
	}
	seconds := int((most + time.Second - 1) / time.Second)
	return id, b.runner.calls.Do(context.WithoutCancel(ctx), "SendCommand", func(ctx context.Context) error {
		out, err := b.runner.client.send(ctx, &sdk.SendCommandInput{
			DocumentName: aws.String("AWS-RunShellScript"), InstanceIds: ids, Comment: aws.String(fmt.Sprintf("rondo: %.80s", b.name)),
			Parameters:     map[string][]string{"commands": {script(items)}, "executionTimeout": {strconv.Itoa(seconds)}},
			TimeoutSeconds: aws.Int32(int32(max(30, seconds))), MaxConcurrency: aws.String(strconv.Itoa(batchSize)), MaxErrors: aws.String(strconv.Itoa(batchSize)),
		})
		if err != nil {
			return err
		}
		if out.Command == nil || aws.ToString(out.Command.CommandId) == "" {
			return errors.New("the answer has no command ID")
		}
		id = *out.Command.CommandId
		return nil
	})
}

// The pace at which a command is looked at.
const (
	firstLook  = time.Second
	slowest    = 5 * time.Second
	cancelTime = 5 * time.Second // to tell that nobody waits any more
)

// follow looks until each host has a result or nobody waits.
func (b *batch) follow(ctx context.Context, id string, items []*item) {
	open := make(map[string]*item)
	for _, it := range items {
		open[it.host.ID] = it
	}
	var pause ec2.Backoff
	for every := firstLook; len(open) > 0; every = min(every+every/4, slowest) {
		ec2.Rest(ctx, max(every, pause.Left(time.Now())))
		b.drop(id, open)
		if ctx.Err() != nil {
			return
		}
		if err := b.look(ctx, id, open); err == nil {
			pause.Succeed()
		} else if ctx.Err() == nil {
			pause.Fail(time.Now())
			b.runner.log.Debug("cannot look at a command", "command", b.name, "err", err)
		}
	}
}

// drop cancels the command where nobody waits for it any more.
func (b *batch) drop(id string, open map[string]*item) {
	var ids []string
	b.mu.Lock()
	for _, it := range open {
		if it.gone {
			ids = append(ids, it.host.ID)
			delete(open, it.host.ID)
		}
	}
	b.mu.Unlock()
	if len(ids) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), cancelTime)
	defer cancel()
	if err := b.runner.calls.Do(ctx, "CancelCommand", func(ctx context.Context) error {
		_, err := b.runner.client.cancel(ctx, &sdk.CancelCommandInput{CommandId: &id, InstanceIds: ids})
		return err
	}); err != nil {
		b.runner.log.Warn("a command may go on though nobody waits for it", "command", b.name, "instances", ids, "err", err)
	}
}

// look reads how the command stands, page by page.
func (b *batch) look(ctx context.Context, id string, open map[string]*item) error {
	in := &sdk.ListCommandInvocationsInput{CommandId: &id, Details: true, MaxResults: aws.Int32(batchSize)}
	seen := make(map[string]bool)
	for {
		var out *sdk.ListCommandInvocationsOutput
		err := b.runner.calls.Do(ctx, "ListCommandInvocations", func(ctx context.Context) (err error) {
			out, err = b.runner.client.list(ctx, in)
			return err
		})
		if err != nil {
			return err
		}
		for _, v := range out.CommandInvocations {
			it := open[aws.ToString(v.InstanceId)]
			if it == nil {
				continue
			}
			if res, over := result(it.host, v); over {
				it.result <- res
				delete(open, it.host.ID)
			}
		}
		next := aws.ToString(out.NextToken)
		if next == "" || seen[next] {
			return nil
		}
		seen[next], in.NextToken = true, out.NextToken
	}
}

// result is how a command went on one instance; false while it is under way.
func result(h fanout.Host, v types.CommandInvocation) (res fanout.Result, over bool) {
	code, output := 0, ""
	for _, p := range v.CommandPlugins {
		code, output = int(p.ResponseCode), aws.ToString(p.Output)
	}
	details := cmp.Or(aws.ToString(v.StatusDetails), string(v.Status))
	switch v.Status {
	case types.CommandInvocationStatusPending, types.CommandInvocationStatusInProgress, types.CommandInvocationStatusDelayed, types.CommandInvocationStatusCancelling:
		return res, false
	case types.CommandInvocationStatusSuccess:
		return fanout.Exited(h, code, output), true
	case types.CommandInvocationStatusFailed:
		if code > 0 {
			return fanout.Exited(h, code, output), true
		}
	}
	res = fanout.Failed(h, fmt.Errorf("ssm: %s: %s", v.Status, details))
	res.Output, res.Cut = fanout.Head(output)
	return res, true
}
