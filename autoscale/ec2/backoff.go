package ec2

import (
	"math/rand/v2"
	"time"
)

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
