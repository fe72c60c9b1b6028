package route53

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"golang.org/x/time/rate"

	"rondo/autoscale"
	"rondo/autoscale/dns"
	"rondo/autoscale/ec2"
)

// The pace of requests; see the package.
const (
	requestsPerSecond = 3
	requestsAtOnce    = 3
	pageSize          = 100
	maxPages          = 5 // of sets of one name; there are a handful of types
)

// An Account is Route 53 as one account sees it: its zones share its pace.
type Account struct {
	client operations
	pace   *rate.Limiter
}

// operations are those of the SDK's client that are called; see package ec2 for
// why the client itself is not kept.
type operations struct {
	list   operation[sdk.ListResourceRecordSetsInput, sdk.ListResourceRecordSetsOutput]
	change operation[sdk.ChangeResourceRecordSetsInput, sdk.ChangeResourceRecordSetsOutput]
	get    operation[sdk.GetChangeInput, sdk.GetChangeOutput]
}

type operation[In, Out any] func(context.Context, *In, ...func(*sdk.Options)) (*Out, error)

// New makes a client. It makes no call.
func New(ctx context.Context, c ec2.Config) (*Account, error) {
	conf, err := ec2.SDK(ctx, c)
	if err != nil {
		return nil, err
	}
	client := sdk.NewFromConfig(conf, func(o *sdk.Options) { o.Retryer = aws.NopRetryer{} }) // the keeper asks again, at its pace
	return &Account{
		client: operations{list: client.ListResourceRecordSets, change: client.ChangeResourceRecordSets, get: client.GetChange},
		pace:   rate.NewLimiter(requestsPerSecond, requestsAtOnce),
	}, nil
}

// Zone is one of the account's zones.
func (a *Account) Zone(id string) *Zone { return &Zone{a, id} }

// A Zone is a hosted zone. It is a [dns.Provider], and safe for concurrent use.
type Zone struct {
	account *Account
	id      string
}

// Addresses implements [dns.Provider].
func (z *Zone) Addresses(ctx context.Context, names []string) (map[string]dns.Set, error) {
	out := make(map[string]dns.Set)
	for _, name := range names {
		sets, err := z.sets(ctx, name)
		if err != nil {
			return nil, err
		}
		set, err := addresses(sets)
		if err != nil {
			return nil, err
		}
		if len(set.Addrs) > 0 || set.Other != "" {
			out[name] = set
		}
	}
	return out, nil
}

// addresses are those of a name's sets.
func addresses(sets []types.ResourceRecordSet) (out dns.Set, err error) {
	for _, s := range sets {
		switch {
		case s.Type == types.RRTypeCname:
			return dns.Set{Other: "a CNAME"}, nil
		case s.Type != types.RRTypeA && s.Type != types.RRTypeAaaa:
			continue
		case s.AliasTarget != nil:
			return dns.Set{Other: "an alias of " + aws.ToString(s.AliasTarget.DNSName)}, nil
		case s.SetIdentifier != nil:
			return dns.Set{Other: "a name with a routing policy"}, nil
		}
		for _, r := range s.ResourceRecords {
			a, err := netip.ParseAddr(aws.ToString(r.Value))
			if err != nil {
				return out, dns.Errorf(dns.Failed, "route53: %s has a value that is no address: %v", aws.ToString(s.Name), err)
			}
			out.Addrs = append(out.Addrs, a)
		}
		out.TTL = max(out.TTL, time.Duration(aws.ToInt64(s.TTL))*time.Second)
	}
	return out, nil
}

// Texts implements [dns.Provider].
func (z *Zone) Texts(ctx context.Context, name string) (t dns.Texts, err error) {
	sets, err := z.sets(ctx, name)
	for _, s := range sets {
		if s.Type != types.RRTypeTxt {
			continue
		}
		t.TTL = time.Duration(aws.ToInt64(s.TTL)) * time.Second
		for _, r := range s.ResourceRecords {
			t.Values = append(t.Values, unquote(aws.ToString(r.Value)))
		}
	}
	return t, err
}

// sets lists the sets of one name.
func (z *Zone) sets(ctx context.Context, name string) (out []types.ResourceRecordSet, err error) {
	in := &sdk.ListResourceRecordSetsInput{HostedZoneId: &z.id, StartRecordName: aws.String(name + "."), MaxItems: aws.Int32(pageSize)}
	for range maxPages {
		if err := z.wait(ctx); err != nil {
			return nil, err
		}
		page, err := z.account.client.list(ctx, in)
		if err != nil {
			return nil, classify(err)
		}
		for _, s := range page.ResourceRecordSets {
			if !sameName(aws.ToString(s.Name), name) {
				return out, nil // names are in order: there are no more of this one
			}
			out = append(out, s)
		}
		if !page.IsTruncated {
			return out, nil
		}
		in.StartRecordName, in.StartRecordType, in.StartRecordIdentifier = page.NextRecordName, page.NextRecordType, page.NextRecordIdentifier
	}
	return nil, dns.Errorf(dns.Failed, "route53: %s has more than %d record sets", name, maxPages*pageSize)
}

func sameName(theirs, ours string) bool {
	return strings.EqualFold(strings.TrimSuffix(theirs, "."), ours)
}

// Update implements [dns.Provider].
func (z *Zone) Update(ctx context.Context, u dns.Update) (string, error) {
	if err := z.wait(ctx); err != nil {
		return "", err
	}
	out, err := z.account.client.change(ctx, &sdk.ChangeResourceRecordSetsInput{
		HostedZoneId: &z.id, ChangeBatch: &types.ChangeBatch{Changes: batch(u)},
	})
	if err != nil {
		return "", classify(err)
	}
	if out.ChangeInfo == nil || out.ChangeInfo.Status == types.ChangeStatusInsync {
		return "", nil
	}
	return strings.TrimPrefix(aws.ToString(out.ChangeInfo.Id), "/change/"), nil
}

// batch writes an update: all that goes before all that comes.
func batch(u dns.Update) (out []types.Change) {
	var comes []types.Change
	add := func(was, is *types.ResourceRecordSet) {
		if was != nil {
			out = append(out, types.Change{Action: types.ChangeActionDelete, ResourceRecordSet: was})
		}
		if is != nil {
			comes = append(comes, types.Change{Action: types.ChangeActionCreate, ResourceRecordSet: is})
		}
	}
	for _, c := range u.Sets {
		for _, kind := range []types.RRType{types.RRTypeA, types.RRTypeAaaa} {
			add(addressSet(c.Name, kind, c.Was), addressSet(c.Name, kind, c.Is))
		}
	}
	if c := u.Ledger; !slices.Equal(c.Was.Values, c.Is.Values) {
		add(textSet(c.Name, c.Was), textSet(c.Name, c.Is))
	}
	return append(out, comes...)
}

// addressSet is nil where there are no addresses of the type.
func addressSet(name string, kind types.RRType, s dns.Set) *types.ResourceRecordSet {
	var values []string
	for _, a := range s.Addrs {
		if a.Is4() == (kind == types.RRTypeA) {
			values = append(values, a.String())
		}
	}
	return recordSet(name, kind, s.TTL, values)
}

func textSet(name string, t dns.Texts) *types.ResourceRecordSet {
	var values []string
	for _, v := range t.Values {
		values = append(values, quote(v))
	}
	return recordSet(name, types.RRTypeTxt, t.TTL, values)
}

func recordSet(name string, kind types.RRType, ttl time.Duration, values []string) *types.ResourceRecordSet {
	if len(values) == 0 {
		return nil
	}
	out := &types.ResourceRecordSet{Name: aws.String(name + "."), Type: kind, TTL: aws.Int64(int64(ttl / time.Second))}
	for _, v := range values {
		out.ResourceRecords = append(out.ResourceRecords, types.ResourceRecord{Value: aws.String(v)})
	}
	return out
}

// quote writes a text as a value of one string.
func quote(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

// unquote reads a value of one string or more, which are put together; what
// others wrote may hold octal escapes.
func unquote(value string) string {
	var out strings.Builder
	inside := false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '"':
			inside = !inside
		case c == '\\' && i+3 < len(value) && isOctal(value[i+1:i+4]):
			n, _ := strconv.ParseUint(value[i+1:i+4], 8, 8) // checked
			out.WriteByte(byte(n))
			i += 3
		case c == '\\' && i+1 < len(value):
			i++
			out.WriteByte(value[i])
		case inside:
			out.WriteByte(c)
		}
	}
	return out.String()
}

func isOctal(s string) bool {
	_, err := strconv.ParseUint(s, 8, 8)
	return err == nil
}

// Settled implements [dns.Provider]: it asks for a change.
func (z *Zone) Settled(ctx context.Context, receipt string) (bool, error) {
	if err := z.wait(ctx); err != nil {
		return false, err
	}
	out, err := z.account.client.get(ctx, &sdk.GetChangeInput{Id: &receipt})
	if err != nil {
		return false, classify(err)
	}
	return out.ChangeInfo != nil && out.ChangeInfo.Status == types.ChangeStatusInsync, nil
}

// Lag implements [dns.Provider]: changes generally propagate within a minute.
func (z *Zone) Lag() time.Duration { return time.Minute }

// wait keeps the pace.
func (z *Zone) wait(ctx context.Context) error {
	if err := z.account.pace.Wait(ctx); err != nil {
		return dns.Errorf(dns.Throttled, "route53: our own pace of %d requests a second: %v", requestsPerSecond, err)
	}
	return nil
}

// classify says why a call failed.
func classify(err error) error {
	call, ok := errors.AsType[*autoscale.CallError](ec2.Classify(err))
	if !ok || call.Code == "" {
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
			return dns.Errorf(dns.Timeout, "route53: no answer in time: %w", err)
		}
		return dns.Errorf(dns.Unreachable, "route53: %w", err)
	}
	text := call.Err.Error()
	if batch, ok := errors.AsType[*types.InvalidChangeBatch](err); ok && len(batch.Messages) > 0 {
		text = strings.Join(batch.Messages, ", ")
	}
	return dns.Errorf(reason(call, text), "route53: %s: %.500s", call.Code, text)
}

func reason(call *autoscale.CallError, text string) dns.Reason {
	switch {
	case call.Code == "InvalidChangeBatch":
		for _, sign := range []string{"already exists", "was not found", "do not match the current values"} {
			if strings.Contains(text, sign) {
				return dns.Changed
			}
		}
	case call.Code == "PriorRequestNotComplete", call.Failure == autoscale.Throttled:
		return dns.Throttled
	case call.Failure == autoscale.Denied:
		return dns.Denied
	}
	return dns.Failed
}
