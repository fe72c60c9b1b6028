package autoscale

import (
	"context"
	"maps"
	"slices"
	"time"
)

// A Vetter is a [Cloud] that knows which instances it would not terminate
// (EC2's termination protection). It is asked before a drain, for one that
// cannot end in a termination is work for nothing. Without it the tag
// rondo:protect alone keeps an instance.
type Vetter interface {
	// Locked returns which of the instances would not be terminated, and why.
	Locked(ctx context.Context, group string, ids []string) (map[string]string, error)
}

// How long an answer of a [Vetter] counts, and how long it may take.
const (
	vettedFor  = 10 * time.Minute
	vetTimeout = 15 * time.Second
)

// vetting is what the cloud said of instances' termination.
type vetting struct {
	asked  map[string]time.Time
	locked map[string]string
	asking bool
}

// forget drops answers that are old: who was locked may be asked about again.
func (v vetting) forget(now time.Time) {
	for id, at := range v.asked {
		if now.Sub(at) > vettedFor {
			delete(v.asked, id)
			delete(v.locked, id)
		}
	}
}

// vet says whether the cloud was asked about all of the instances lately, and
// asks about the others, beside the ticks: a launch does not wait for it. Where
// it does not answer they count as fit to go. Callers hold g.mu.
func (g *group) vet(ctx context.Context, now time.Time, ids []string) bool {
	vetter, ok := g.cloud.(Vetter)
	if !ok {
		return true
	}
	ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !g.vetted.asked[id].IsZero() })
	if len(ids) == 0 {
		return true
	}
	if g.vetted.asking {
		return false
	}
	g.vetted.asking = true
	g.calls.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, vetTimeout)
		defer cancel()
		locked, err := vetter.Locked(ctx, g.Name, ids)
		g.mu.Lock()
		defer g.mu.Unlock()
		if err != nil {
			g.counts.add("vet_failed_"+string(failureOf(err)), 1)
			g.log.Warn("cannot ask whether instances may be terminated", "err", err)
		}
		for _, id := range ids {
			g.vetted.asked[id] = time.Now()
		}
		maps.Copy(g.vetted.locked, locked)
		g.vetted.asking = false
		g.poke()
	})
	return false
}

// holdVet keeps a decision to terminate instances until the cloud was asked
// whether it would. Callers hold g.mu.
func (g *group) holdVet(ctx context.Context, now time.Time, d Decision, ids []string) bool {
	if g.vet(ctx, now, ids) {
		return false
	}
	hold(&d, []Guard{blocked("vetting", "whether they may be terminated is asked first")})
	g.record(ctx, d)
	return true
}
