package ec2sim

import (
	"fmt"
	"strings"
	"time"
)

// A bucket is a token bucket: it holds up to size tokens, and gets refill of
// them each second.
type bucket struct {
	size, refill float64
	level        float64
	at           time.Time // when level was right
}

// take takes n tokens, or none.
func (b *bucket) take(n float64, now time.Time) bool {
	if b.at.IsZero() {
		b.level = b.size
	} else {
		b.level = min(b.size, b.level+b.refill*now.Sub(b.at).Seconds())
	}
	b.at = now
	if b.level < n {
		return false
	}
	b.level -= n
	return true
}

// bucketOf is the bucket of an action's requests, as AWS documents those of an
// account, a region and an action: sizes for actions that change something,
// for those that list without any filter or page, and for all others.
func bucketOf(action string, p params) bucket {
	unfiltered := p.get("Filter.1.Name") == "" && p.get("MaxResults") == "" && p.get("InstanceId.1") == ""
	switch {
	case action == "RunInstances":
		return bucket{size: 5, refill: 2}
	case action == "TerminateInstances":
		return bucket{size: 100, refill: 5}
	case strings.HasPrefix(action, "Describe") && unfiltered:
		return bucket{size: 50, refill: 10}
	case strings.HasPrefix(action, "Describe") || strings.HasPrefix(action, "Get") || strings.HasPrefix(action, "List"):
		return bucket{size: 100, refill: 20}
	}
	return bucket{size: 50, refill: 5}
}

// throttle refuses a request that is one too many. RunInstances and
// TerminateInstances take tokens for their instances too.
func (s *Sim) throttle(r request, now time.Time) *apiError {
	if !s.opt.Throttle {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	want := bucketOf(r.action, r.params)
	if r.service.name == "route53" { // of the account, whatever the action
		want, r.action = bucket{size: 5, refill: 5}, "route53"
	}
	// With a filter and without one an action has two buckets.
	ok := s.bucket(fmt.Sprint(r.action, want.size), want).take(1, now)
	switch r.action {
	case "RunInstances":
		n, _ := r.params.number("MaxCount", 1, 1, maxBatch)
		ok = ok && s.bucket("RunInstances: instances", bucket{size: 1000, refill: 2}).take(float64(n), now)
	case "TerminateInstances":
		n := len(r.params.list("InstanceId"))
		ok = ok && s.bucket("TerminateInstances: instances", bucket{size: 1000, refill: 20}).take(float64(n), now)
	}
	if ok {
		return nil
	}
	return apiErrorf(r.service.throttled, "Request limit exceeded.")
}

// bucket finds a bucket or makes it. Callers hold s.mu.
func (s *Sim) bucket(name string, like bucket) *bucket {
	if s.buckets[name] == nil {
		s.buckets[name] = &like
	}
	return s.buckets[name]
}
