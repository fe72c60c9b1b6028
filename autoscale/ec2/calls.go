package ec2

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"rondo/autoscale"
)

// Calls are those that one follower of groups makes: at their pace, each within
// its time, and counted. It is safe for concurrent use.
type Calls struct {
	Pace *rate.Limiter // nil: as they come

	mu sync.Mutex
	n  map[string]uint64
}

// callTime is how long one call may take.
const callTime = 15 * time.Second

// Do makes a call when it is its turn. Its error is an [autoscale.CallError],
// but where ctx ends before that.
func (c *Calls) Do(ctx context.Context, action string, do func(context.Context) error) error {
	if c.Pace != nil {
		if err := c.Pace.Wait(ctx); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	err := do(ctx)
	if err != nil {
		err = Classify(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = make(map[string]uint64)
	}
	c.n[action]++
	if err != nil {
		c.n[action+"_failed_"+string(FailureOf(err))]++
	}
	return err
}

// Stats returns how often what happened: calls by action, and failed ones by
// the class of their failure.
func (c *Calls) Stats() map[string]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.n)
}

// FailureOf is the class of a call's failure.
func FailureOf(err error) autoscale.Failure {
	if ce, ok := errors.AsType[*autoscale.CallError](err); ok {
		return ce.Failure
	}
	return autoscale.Unclear
}

// Brief is an error without what differs each time, such as a request's ID; "" of
// none.
func Brief(err error) string {
	if err == nil {
		return ""
	}
	if ce, ok := errors.AsType[*autoscale.CallError](err); ok && ce.Code != "" {
		return string(ce.Failure) + ": " + ce.Code
	}
	return fmt.Sprintf("%.200s", err.Error())
}
