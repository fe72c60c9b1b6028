package route53

import (
	"context"
	"errors"
	"net/http/httptest"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rondo/autoscale/dns"
	"rondo/autoscale/ec2"
	"rondo/autoscale/ec2sim"
)

// emulated is a zone of the emulator, and a client of the SDK's that is another
// writer.
func emulated(t *testing.T, o ec2sim.Options) (*Zone, *sdk.Client, *ec2sim.Sim) {
	t.Helper()
	sim := ec2sim.New(o)
	srv := httptest.NewServer(sim)
	t.Cleanup(srv.Close)
	conf := ec2.Config{Endpoint: srv.URL, Region: "us-east-1", AccessKey: "test", SecretKey: "test"}
	account, err := New(t.Context(), conf)
	if err != nil {
		t.Fatal(err)
	}
	account.pace.SetLimit(1000) // tests of the pace set it themselves
	all, err := ec2.SDK(t.Context(), conf)
	if err != nil {
		t.Fatal(err)
	}
	client := sdk.NewFromConfig(all)
	zone, err := client.CreateHostedZone(t.Context(), &sdk.CreateHostedZoneInput{Name: aws.String("example.com"), CallerReference: aws.String("1")})
	if err != nil {
		t.Fatal(err)
	}
	id := strings.TrimPrefix(aws.ToString(zone.HostedZone.Id), "/hostedzone/")
	return account.Zone(id), client, sim
}

func set(ttl time.Duration, texts ...string) dns.Set {
	out := dns.Set{TTL: ttl}
	for _, s := range texts {
		out.Addrs = append(out.Addrs, netip.MustParseAddr(s))
	}
	return out
}

// others writes a set as somebody else would.
func others(t *testing.T, c *sdk.Client, z *Zone, r *types.ResourceRecordSet) {
	t.Helper()
	_, err := c.ChangeResourceRecordSets(t.Context(), &sdk.ChangeResourceRecordSetsInput{HostedZoneId: &z.id, ChangeBatch: &types.ChangeBatch{
		Changes: []types.Change{{Action: types.ChangeActionUpsert, ResourceRecordSet: r}},
	}})
	if err != nil {
		t.Fatal(err)
	}
}

func reasonOf(err error) dns.Reason {
	if e, ok := errors.AsType[*dns.Error](err); ok {
		return e.Reason
	}
	return ""
}

var compare = cmp.Options{cmpopts.EquateComparable(netip.Addr{}), cmpopts.SortSlices(netip.Addr.Less)}

func TestUpdates(t *testing.T) {
	t.Parallel()
	z, client, _ := emulated(t, ec2sim.Options{ZoneSync: 50 * time.Millisecond})
	first := dns.Update{
		Sets:   []dns.SetChange{{Name: "web.example.com", Is: set(30*time.Second, "10.0.0.1", "2001:db8::5")}},
		Ledger: dns.TextChange{Name: "_rondo.web.example.com", Is: dns.Texts{Values: []string{"rondo group=web 10.0.0.1", `a "b" \c`}, TTL: 30 * time.Second}},
	}
	receipt, err := z.Update(t.Context(), first)
	if err != nil || receipt == "" {
		t.Fatalf("%q, %v", receipt, err)
	}
	if done, err := z.Settled(t.Context(), receipt); done || err != nil {
		t.Errorf("settled at once: %v, %v", done, err)
	}
	for done := false; !done; {
		if done, err = z.Settled(t.Context(), receipt); err != nil {
			t.Fatal(err)
		}
	}
	texts, err := z.Texts(t.Context(), "_rondo.web.example.com")
	if diff := cmp.Diff(first.Ledger.Is, texts); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if _, err := z.Update(t.Context(), first); reasonOf(err) != dns.Changed {
		t.Errorf("again: %v", err)
	}
	// Another writer comes between: nothing is done, not even what would fit.
	others(t, client, z, recordSet("web.example.com", types.RRTypeA, 30*time.Second, []string{"10.0.0.1", "192.0.2.99"}))
	second := dns.Update{Sets: []dns.SetChange{
		{Name: "other.example.com", Is: set(30*time.Second, "10.0.0.9")},
		{Name: "web.example.com", Was: first.Sets[0].Is, Is: set(30*time.Second, "10.0.0.2")},
	}}
	if _, err := z.Update(t.Context(), second); reasonOf(err) != dns.Changed {
		t.Errorf("over another writer: %v", err)
	}
	got, err := z.Addresses(t.Context(), []string{"web.example.com", "other.example.com"})
	want := map[string]dns.Set{"web.example.com": set(30*time.Second, "10.0.0.1", "192.0.2.99", "2001:db8::5")}
	if diff := cmp.Diff(want, got, compare); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	second.Sets[1].Was, second.Sets[1].Is = got["web.example.com"], set(30*time.Second, "10.0.0.2", "192.0.2.99")
	if _, err := z.Update(t.Context(), second); err != nil {
		t.Errorf("with what is there in mind: %v", err)
	}
}

// TestNotOurs: aliases, CNAMEs and names with a routing policy are told apart,
// and a name's many sets come in pages.
func TestNotOurs(t *testing.T) {
	t.Parallel()
	z, client, _ := emulated(t, ec2sim.Options{})
	others(t, client, z, recordSet("cname.example.com", types.RRTypeCname, time.Minute, []string{"x.example.com"}))
	others(t, client, z, &types.ResourceRecordSet{Name: aws.String("alias.example.com"), Type: types.RRTypeA, AliasTarget: &types.AliasTarget{
		DNSName: aws.String("lb.example.com."), HostedZoneId: aws.String("Z1"),
	}})
	weighted := recordSet("weighted.example.com", types.RRTypeA, time.Minute, []string{"10.0.0.1"})
	weighted.SetIdentifier, weighted.Weight = aws.String("one"), aws.Int64(1)
	others(t, client, z, weighted)
	for n := range 150 {
		texts := recordSet("many.example.com", types.RRTypeTxt, time.Minute, []string{`"x"`})
		texts.SetIdentifier, texts.Weight = aws.String(strings.Repeat("x", n+1)), aws.Int64(1)
		others(t, client, z, texts)
	}
	got, err := z.Addresses(t.Context(), []string{"cname.example.com", "alias.example.com", "weighted.example.com", "many.example.com", "none.example.com"})
	want := map[string]dns.Set{
		"cname.example.com": {Other: "a CNAME"}, "alias.example.com": {Other: "an alias of lb.example.com."}, "weighted.example.com": {Other: "a name with a routing policy"},
	}
	if diff := cmp.Diff(want, got, compare); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	z, _, sim := emulated(t, ec2sim.Options{})
	f := func(what string, fault ec2sim.Fault, want dns.Reason) {
		t.Helper()
		fault.Count, fault.Action = 1, "ChangeResourceRecordSets"
		if err := sim.Inject(fault); err != nil {
			t.Fatal(err)
		}
		change := dns.Update{Sets: []dns.SetChange{{Name: "web.example.com", Is: set(time.Minute, "10.0.0.1")}}}
		if _, err := z.Update(t.Context(), change); reasonOf(err) != want {
			t.Errorf("%s: %v: %v, want %s", what, reasonOf(err), err, want)
		}
	}
	f("throttled", ec2sim.Fault{Effect: ec2sim.EffectError, Code: "Throttling"}, dns.Throttled)
	f("one after the other", ec2sim.Fault{Effect: ec2sim.EffectError, Code: "PriorRequestNotComplete"}, dns.Throttled)
	f("denied", ec2sim.Fault{Effect: ec2sim.EffectDeny}, dns.Denied)
	f("reset", ec2sim.Fault{Effect: ec2sim.EffectReset}, dns.Unreachable)
	f("broken", ec2sim.Fault{Effect: ec2sim.EffectError, Code: "ServiceUnavailable"}, dns.Failed)
	bad := dns.Update{Sets: []dns.SetChange{{Name: "web.example.org", Is: set(time.Minute, "10.0.0.1")}}}
	if _, err := z.Update(t.Context(), bad); reasonOf(err) != dns.Failed || !strings.Contains(err.Error(), "not permitted in zone example.com.") {
		t.Errorf("another zone: %v", err)
	}
	if _, err := z.account.Zone("ZNONE").Texts(t.Context(), "web.example.com"); reasonOf(err) != dns.Failed || !strings.Contains(err.Error(), "NoSuchHostedZone") {
		t.Errorf("no zone: %v", err)
	}
}

// TestPace: with Route 53's own bucket of five requests a second, ours are never
// one too many; where our turn does not come in time, that is said.
func TestPace(t *testing.T) {
	t.Parallel()
	z, _, _ := emulated(t, ec2sim.Options{Throttle: true})
	z.account.pace.SetLimit(requestsPerSecond)
	for range 6 {
		if _, err := z.Texts(t.Context(), "web.example.com"); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := z.Texts(ctx, "web.example.com"); reasonOf(err) != dns.Throttled {
		t.Errorf("out of turn: %v", err)
	}
}

// TestAWSCommandLine: Debian's awscli reads and writes what we do.
func TestAWSCommandLine(t *testing.T) {
	t.Parallel()
	bin, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("SKIPPED, NOT PASSED: the aws command is not installed (apt-get install awscli)")
	}
	sim := ec2sim.New(ec2sim.Options{ZoneSync: time.Nanosecond})
	srv := httptest.NewServer(sim)
	defer srv.Close()
	f := func(want string, args ...string) string {
		t.Helper()
		cmd := exec.Command(bin, append([]string{"--endpoint-url", srv.URL, "--region", "us-east-1", "--output", "text", "route53"}, args...)...)
		cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + t.TempDir(), "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b", "AWS_PAGER=", "AWS_MAX_ATTEMPTS=1"}
		out, err := cmd.CombinedOutput()
		got := strings.TrimSpace(string(out))
		if want != "" && !strings.Contains(got, want) {
			t.Errorf("%v: %v\n%s\nwant %s", args, err, got, want)
		}
		return got
	}
	id := strings.TrimPrefix(f("/hostedzone/Z", "create-hosted-zone", "--name", "example.com", "--caller-reference", "1", "--query", "HostedZone.Id"), "/hostedzone/")
	change := f("/change/C", "change-resource-record-sets", "--hosted-zone-id", id, "--query", "ChangeInfo.Id", "--change-batch",
		`{"Changes":[{"Action":"CREATE","ResourceRecordSet":{"Name":"web.example.com","Type":"A","TTL":30,"ResourceRecords":[{"Value":"10.0.0.1"}]}}]}`)
	f("INSYNC", "get-change", "--id", change, "--query", "ChangeInfo.Status")
	f("web.example.com.\tA\t30\t10.0.0.1", "list-resource-record-sets", "--hosted-zone-id", id, "--query", "ResourceRecordSets[?Type=='A'].[Name,Type,TTL,ResourceRecords[0].Value]")
}

func FuzzText(f *testing.F) {
	f.Add(`rondo group=web "x" \ y`)
	f.Fuzz(func(t *testing.T, text string) {
		if got := unquote(quote(text)); got != text {
			t.Errorf("%q became %q", text, got)
		}
		_ = unquote(text) // whatever others wrote
	})
}
