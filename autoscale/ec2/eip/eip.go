package eip

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsec2 "github.com/aws/aws-sdk-go-v2/service/ec2"

	"rondo/autoscale"
	"rondo/autoscale/ec2"
)

// Options are what a Mover works with.
type Options struct {
	Config Config
	EC2    ec2.Config
	Rank   func(group, instance string) int // from 1; 0 where it is not known; nil: nobody knows ranks
	Log    *slog.Logger
}

// A Mover keeps addresses on the first instances of groups.
type Mover struct {
	keepers []*keeper
	calls   ec2.Calls
}

// operations are those of the SDK's client that are called; see package ec2 for
// why the client itself is not kept.
type operations struct {
	describe  operation[awsec2.DescribeAddressesInput, awsec2.DescribeAddressesOutput]
	associate operation[awsec2.AssociateAddressInput, awsec2.AssociateAddressOutput]
}

type operation[In, Out any] func(context.Context, *In, ...func(*awsec2.Options)) (*Out, error)

// New makes what follows the groups. It makes no call.
func New(ctx context.Context, o Options) (*Mover, error) {
	conf, err := ec2.SDK(ctx, o.EC2)
	if err != nil {
		return nil, err
	}
	client := awsec2.NewFromConfig(conf, func(o *awsec2.Options) { o.Retryer = aws.NopRetryer{} })
	m := &Mover{}
	for _, b := range o.Config {
		k := &keeper{
			Binding: b, client: operations{client.DescribeAddresses, client.AssociateAddress}, calls: &m.calls,
			rank: func(string) int { return 0 }, log: o.Log.With("group", b.Group, "address", b.Address),
		}
		if o.Rank != nil {
			k.rank = func(id string) int { return o.Rank(b.Group, id) }
		}
		m.keepers = append(m.keepers, k)
	}
	return m, nil
}

// Run follows the groups until ctx ends.
func (m *Mover) Run(ctx context.Context, groups autoscale.Groups) error {
	var wg sync.WaitGroup
	for _, k := range m.keepers {
		wg.Go(func() { ec2.Follow(ctx, groups, k.pass) })
	}
	wg.Wait()
	return nil
}

// Room is where Stats are counted.
func (m *Mover) Room() string { return "addresses" }

// Stats returns how often what happened: calls by action, and failed ones by
// the class of their failure.
func (m *Mover) Stats() map[string]uint64 { return m.calls.Stats() }

// A keeper keeps one address on the first instance of one group.
type keeper struct {
	Binding
	client operations
	calls  *ec2.Calls
	rank   func(id string) int
	log    *slog.Logger

	mu      sync.Mutex // guards what follows, which pages and drains ask for
	at      association
	ip      string
	plan    plan
	when    time.Time // of the newest answer
	acts    bool
	trouble string
}

// When an address is looked at, and how long a call may take.
const (
	idle        = 30 * time.Second
	busy        = 2 * time.Second // while it is to move
	callTimeout = 15 * time.Second
)

// pass looks once, and moves the address where it is to move.
func (k *keeper) pass(ctx context.Context, all []autoscale.Membership) (time.Duration, error) {
	at := slices.IndexFunc(all, func(m autoscale.Membership) bool { return m.Group == k.Group })
	if at < 0 {
		return idle, nil // nothing is concluded of a group that is not listed
	}
	p, err := k.look(ctx, all[at])
	if err == nil && p.to != "" && all[at].Act {
		err = k.move(ctx, p.to)
	}
	if ctx.Err() == nil {
		k.tell(err)
	}
	if p.to != "" || p.alone {
		return busy, err
	}
	return idle, err
}

// look asks AWS who has the address.
func (k *keeper) look(ctx context.Context, own autoscale.Membership) (plan, error) {
	now := time.Now()
	at, ip, err := k.describe(ctx)
	if err != nil {
		return plan{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.at, k.ip, k.when, k.acts = at, ip, now, own.Act
	k.plan = next(at, own.Instances, k.rank)
	return k.plan, nil
}

func (k *keeper) describe(ctx context.Context) (at association, ip string, err error) {
	var out *awsec2.DescribeAddressesOutput
	err = k.calls.Do(ctx, "DescribeAddresses", func(ctx context.Context) (err error) {
		out, err = k.client.describe(ctx, &awsec2.DescribeAddressesInput{AllocationIds: []string{k.Address}})
		return err
	})
	switch {
	case err != nil:
		return at, "", err
	case len(out.Addresses) != 1:
		return at, "", fmt.Errorf("eip: %d addresses are listed for %s", len(out.Addresses), k.Address)
	}
	a := out.Addresses[0]
	return association{aws.ToString(a.AssociationId), aws.ToString(a.InstanceId)}, aws.ToString(a.PublicIp), nil
}

// move gives the address to an instance. From nobody it is taken that was not
// seen to have it.
func (k *keeper) move(ctx context.Context, to string) error {
	k.mu.Lock()
	from := k.at
	k.mu.Unlock()
	var out *awsec2.AssociateAddressOutput
	err := k.calls.Do(ctx, "AssociateAddress", func(ctx context.Context) (err error) {
		out, err = k.client.associate(ctx, &awsec2.AssociateAddressInput{AllocationId: &k.Address, InstanceId: &to, AllowReassociation: aws.Bool(from.id != "")})
		return err
	})
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.at, k.plan.to, k.plan.alone = association{aws.ToString(out.AssociationId), to}, "", false
	k.log.Info("the address has moved", "ip", k.ip, "from", from.instance, "to", to)
	return nil
}

// tell logs trouble when it begins, changes or ends.
func (k *keeper) tell(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	text := ec2.Brief(err)
	switch {
	case text == k.trouble:
	case text == "":
		k.log.Info("the address is in order again")
	default:
		k.log.Warn("the address cannot be kept on its group", "err", err)
	}
	k.trouble = text
}

// of are the keepers of a group.
func (m *Mover) of(group string) (out []*keeper) {
	for _, k := range m.keepers {
		if k.Group == group {
			out = append(out, k)
		}
	}
	return out
}

// join puts together what the keepers of a group say.
func (m *Mover) join(group string, say func(*keeper) string) (said []string) {
	for _, k := range m.of(group) {
		if s := say(k); s != "" {
			said = append(said, s)
		}
	}
	return said
}

// Waits implements [autoscale.Drainer]: an instance keeps the address until
// another one is in service that takes it, if any is to come.
func (m *Mover) Waits(group string, i autoscale.Instance, since time.Time) string {
	return strings.Join(m.join(group, func(k *keeper) string { return k.waits(i.ID, since) }), "; ")
}

func (k *keeper) waits(id string, since time.Time) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	said := ""
	switch {
	case !k.when.After(since):
		said = "it is to be seen whether it has the address " + k.Address
	case k.at.instance != id || k.plan.alone && !k.plan.hope:
		return ""
	case k.plan.alone:
		said = "it has the address " + k.ip + ", and nobody else is in service yet"
	case !k.acts:
		said = "it has the address " + k.ip + ", and in a dry run nobody moves it"
	default:
		said = "it has the address " + k.ip + ", which is to move"
	}
	if k.trouble != "" {
		said += " (" + k.trouble + ")"
	}
	return said
}

// Note says which addresses an instance has.
func (m *Mover) Note(group, instance string) string {
	return strings.Join(m.join(group, func(k *keeper) string {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.at.instance != instance || instance == "" {
			return ""
		}
		return "address " + k.ip
	}), "; ")
}

// Remarks are what is to be said of a group's addresses with each decision.
func (m *Mover) Remarks(group string) []string {
	return m.join(group, func(k *keeper) string {
		k.mu.Lock()
		defer k.mu.Unlock()
		switch {
		case k.trouble != "":
			return "address " + k.Address + " cannot be kept on the group: " + k.trouble
		case k.plan.foreign && k.at.instance == "":
			return "address " + k.ip + " is on something that is no instance, and is left there"
		case k.plan.foreign:
			return "address " + k.ip + " is on " + k.at.instance + ", which is not of the group, and is left there"
		}
		return ""
	})
}

// Needs is what a preflight asks of those who follow a group: EC2 says by
// DryRun whether it would do it.
func (m *Mover) Needs(ctx context.Context, group string) (needs []autoscale.Requirement) {
	for _, k := range m.of(group) {
		needs = append(needs, k.needs(ctx)...)
	}
	return needs
}

func (k *keeper) needs(ctx context.Context) []autoscale.Requirement {
	at, ip, err := k.describe(ctx)
	needs := []autoscale.Requirement{ec2.Required("ec2:DescribeAddresses", strings.TrimSpace(k.Address+" "+ip), err)}
	if at.instance == "" {
		return append(needs, autoscale.Requirement{
			Name: "ec2:AssociateAddress", State: autoscale.Unsure, Text: "no instance has " + k.Address + " to ask about", Policy: autoscale.Allow("ec2:AssociateAddress", "*"),
		})
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, dry := k.client.associate(ctx, &awsec2.AssociateAddressInput{AllocationId: &k.Address, InstanceId: &at.instance, AllowReassociation: aws.Bool(true), DryRun: aws.Bool(true)})
	return append(needs, ec2.Required("ec2:AssociateAddress", k.Address, ec2.Dried(dry)))
}
