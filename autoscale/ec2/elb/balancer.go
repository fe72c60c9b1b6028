package elb

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"rondo/alerts/state"
	"rondo/autoscale"
	"rondo/autoscale/ec2"
)

// Options are what a Balancer works with.
type Options struct {
	Config Config
	Groups []autoscale.Group // that there are, for how long they let instances drain
	EC2    ec2.Config
	Store  state.Store // what was registered is noted there

	// Attached returns the ARNs of the target groups that are attached to a
	// group's Auto Scaling Group; false while that is not known. Nil: no group is
	// one.
	Attached func(group string) (arns []string, ok bool)

	Log *slog.Logger
}

// A Balancer keeps target groups equal to groups.
type Balancer struct {
	keepers []*keeper
	calls   ec2.Calls
}

// All target groups together make so many calls.
const (
	callsPerSecond = 2
	callsAtOnce    = 10
)

// New makes what follows the groups. It makes no call.
func New(ctx context.Context, o Options) (*Balancer, error) {
	conf, err := ec2.SDK(ctx, o.EC2)
	if err != nil {
		return nil, err
	}
	b, client := &Balancer{calls: ec2.Calls{Pace: rate.NewLimiter(callsPerSecond, callsAtOnce)}}, operationsOf(conf)
	for _, binding := range o.Config {
		log := o.Log.With("group", binding.Group, "target_group", binding.name())
		known, err := newKnown(o.Store, binding, log)
		if err != nil {
			return nil, err
		}
		k := &keeper{
			Binding: binding, client: client, calls: &b.calls, known: known, attached: func() (bool, bool) { return false, true }, log: log,
			outcomes: make(map[string]outcome), recent: make(map[target]time.Time), refused: make(map[target]*refusal),
		}
		for _, g := range o.Groups {
			if g.Name == binding.Group {
				k.drain = g.Drain
				if g.ASG != "" && o.Attached != nil {
					k.attached = func() (bool, bool) {
						arns, ok := o.Attached(binding.Group)
						return slices.Contains(arns, binding.TargetGroup), ok
					}
				}
			}
		}
		b.keepers = append(b.keepers, k)
	}
	return b, nil
}

// Run follows the groups until ctx ends.
//
//	members changed, or time to look ──> DescribeTargetHealth ──> plan ──> Register-, DeregisterTargets
//
// Each target group has a goroutine of its own: one that cannot be asked holds
// no other.
func (b *Balancer) Run(ctx context.Context, groups autoscale.Groups) error {
	var wg sync.WaitGroup
	for _, k := range b.keepers {
		wg.Go(func() { k.run(ctx, groups) })
	}
	wg.Wait()
	return nil
}

// of are the keepers of a group.
func (b *Balancer) of(group string) (out []*keeper) {
	for _, k := range b.keepers {
		if k.Group == group {
			out = append(out, k)
		}
	}
	return out
}

// Room is where Stats are counted.
func (b *Balancer) Room() string { return "elb" }

// Stats returns how often what happened: calls by action, and failed ones by
// the class of their failure.
func (b *Balancer) Stats() map[string]uint64 { return b.calls.Stats() }
