package join

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"

	"rondo/alerts/fleet/iid"
)

// Config says which instances' documents are believed.
type Config struct {
	Accounts     []string          `yaml:"accounts"`     // of AWS; without any no document is believed
	Regions      []string          `yaml:"regions"`      // without any: all whose certificate is known
	Certificates map[string]string `yaml:"certificates"` // region to file in PEM, besides those that are built in
	AnyAddress   bool              `yaml:"any_address"`  // agents come from other addresses than their own (NAT, load balancer)
}

// Validate says what is wrong.
func (c Config) Validate() error {
	for _, a := range c.Accounts {
		if len(a) != 12 || !digits(a) {
			return fmt.Errorf("identity: account %q: want the 12 digits of an AWS account", a)
		}
	}
	return nil
}

func digits(s string) bool {
	return !slices.ContainsFunc([]byte(s), func(c byte) bool { return c < '0' || c > '9' })
}

// Policy reads the files that the configuration names.
func (c Config) Policy() (Policy, error) {
	all, err := iid.AWS()
	if err != nil {
		return Policy{}, err
	}
	for region, file := range c.Certificates {
		text, err := os.ReadFile(file)
		if err == nil {
			err = all.Add(region, text)
		}
		if err != nil {
			return Policy{}, fmt.Errorf("identity: certificates: %s: %w", region, err)
		}
	}
	return Policy{Authorities: all, Accounts: c.Accounts, Regions: c.Regions, AnyAddress: c.AnyAddress}, nil
}

// A Policy decides whether an instance is who it says it is.
type Policy struct {
	Authorities iid.Authorities
	Accounts    []string
	Regions     []string // none: all
	AnyAddress  bool
	Cloud       Cloud // nil: an instance without a document is refused
}

// A Cloud knows the instances that are there.
type Cloud interface {
	// Instance describes one that exists; ErrNoInstance where there is none.
	Instance(ctx context.Context, id string) (Instance, error)
}

// ErrNoInstance is what a Cloud says of an ID that it does not have.
var ErrNoInstance = errors.New("join: there is no such instance")

// An Instance as the cloud has it.
type Instance struct {
	Group     string // as our tag has it
	PrivateIP netip.Addr
	Live      bool // starting or running
}

// What a clock may be behind EC2's.
const skew = 5 * time.Minute

// A proof is what was proven of who asks.
type proof struct {
	instance string
	pending  time.Time // zero where there was no document
}

// prove wants a document, or the cloud's word.
func (p *Policy) prove(ctx context.Context, r Request, group string, peer netip.Addr, now time.Time) (proof, error) {
	if len(r.Document) > 0 {
		return p.proveDocument(r, peer, now)
	}
	return p.proveByCloud(ctx, r, group, peer)
}

func (p *Policy) proveDocument(r Request, peer netip.Addr, now time.Time) (proof, error) {
	d, err := p.Authorities.Verify([]byte(r.Document))
	switch {
	case err != nil:
		return proof{}, refuse("document", "%v", err)
	case r.Instance != "" && r.Instance != d.Instance:
		return proof{}, refuse("instance", "the document is of %s, not of %.40q", d.Instance, r.Instance)
	case len(p.Accounts) == 0:
		return proof{}, refuse("account", "no account is trusted; add under agents:\n  identity: {accounts: [%q]}", d.Account)
	case !slices.Contains(p.Accounts, d.Account):
		return proof{}, refuse("account", "%s is of account %s, which is not configured (agents: identity: accounts)", d.Instance, d.Account)
	case len(p.Regions) > 0 && !slices.Contains(p.Regions, d.Region):
		return proof{}, refuse("region", "%s is in %s, which is not configured (agents: identity: regions)", d.Instance, d.Region)
	case !p.AnyAddress && peer != d.PrivateIP:
		return proof{}, refuse("address", "%s has the address %s, but %s asks (agents: identity: any_address, if there is a NAT between)", d.Instance, d.PrivateIP, peer)
	case d.Pending.After(now.Add(skew)):
		return proof{}, refuse("future", "%s was launched at %s, which is yet to come", d.Instance, d.Pending.Format(time.RFC3339))
	}
	return proof{d.Instance, d.Pending}, nil
}

func (p *Policy) proveByCloud(ctx context.Context, r Request, group string, peer netip.Addr) (proof, error) {
	switch {
	case r.Instance == "":
		return proof{}, refuse("no_proof", "neither a signed identity document nor an instance's ID was sent; a host outside EC2 needs a static token (rondo token create --static)")
	case !iid.IsInstance(r.Instance):
		return proof{}, refuse("instance", "%.40q is no ID of an instance", r.Instance)
	case p.Cloud == nil:
		return proof{}, refuse("no_proof", "no signed identity document was sent, and no EC2 is configured to ask for %s", r.Instance)
	}
	i, err := p.Cloud.Instance(ctx, r.Instance)
	switch {
	case errors.Is(err, ErrNoInstance):
		return proof{}, refuse("cloud", "EC2 does not know %s", r.Instance)
	case err != nil:
		return proof{}, &Refusal{Reason: "cloud_failed", Text: "EC2 cannot be asked now", Err: err}
	case !i.Live:
		return proof{}, refuse("cloud", "%s is neither starting nor running", r.Instance)
	case i.Group != group:
		return proof{}, refuse("tag", "%s carries the tag of group %q, the token is for %q", r.Instance, i.Group, group)
	case !i.PrivateIP.IsValid() || peer != i.PrivateIP:
		return proof{}, refuse("address", "%s has the address %s, but %s asks", r.Instance, i.PrivateIP, peer)
	}
	return proof{instance: r.Instance}, nil
}
