package ec2

import (
	"context"
	"math/rand/v2"
	"time"

	"rondo/autoscale"
)

// breath is how long changes may come together that come in a row.
const breath = 500 * time.Millisecond

// Follow has pass look at the groups when their members have changed, and when
// the time is over that it asked for last, until ctx ends. After a failure it
// pauses.
func Follow(ctx context.Context, groups autoscale.Groups, pass func(context.Context, []autoscale.Membership) (next time.Duration, err error)) {
	changed, end := groups.Subscribe()
	defer end()
	var pause Backoff
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-changed:
		}
		if left := pause.Left(time.Now()); left > 0 {
			timer.Reset(left)
			continue
		}
		next, err := pass(ctx, groups.Members())
		if err != nil {
			pause.Fail(time.Now())
			timer.Reset(pause.Left(time.Now()))
			continue
		}
		pause.Succeed()
		timer.Reset(next)
		Rest(ctx, breath)
	}
}

// Rest waits for d or the end of ctx.
func Rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// A Backoff doubles the wait after each failure in a row. Its end is drawn by
// lot, so that what failed together does not come back together.
type Backoff struct {
	failures int
	until    time.Time
}

// The bounds of a backoff.
const (
	firstWait = time.Second
	maxWait   = 2 * time.Minute
)

// Fail takes note of a failure.
func (b *Backoff) Fail(now time.Time) {
	wait := min(firstWait<<min(b.failures, 10), maxWait)
	b.failures++
	b.until = now.Add(wait + rand.N(wait/2))
}

// Succeed forgets all failures.
func (b *Backoff) Succeed() { *b = Backoff{} }

// Left is how long to wait yet.
func (b *Backoff) Left(now time.Time) time.Duration { return max(0, b.until.Sub(now)) }
