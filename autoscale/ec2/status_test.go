package ec2_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/autoscale"
	"rondo/autoscale/ec2"
	"rondo/autoscale/ec2sim"
)

// canned is a client of a server that answers everything with one text.
func canned(t *testing.T, answer string) *ec2.Cloud {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }))
	t.Cleanup(srv.Close)
	cloud, err := ec2.New(t.Context(), ec2.Config{Endpoint: srv.URL, Region: "us-east-1", AccessKey: "demo", SecretKey: "demo"})
	if err != nil {
		t.Fatal(err)
	}
	return cloud
}

func TestImpaired(t *testing.T) {
	t.Parallel()
	cloud := canned(t, `<DescribeInstanceStatusResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><instanceStatusSet>
<item><instanceId>i-1</instanceId><systemStatus><status>ok</status></systemStatus><instanceStatus><status>impaired</status>
 <details><item><name>reachability</name><status>failed</status><impairedSince>2026-03-01T12:05:00.000Z</impairedSince></item></details></instanceStatus></item>
<item><instanceId>i-2</instanceId><systemStatus><status>ok</status></systemStatus><instanceStatus><status>initializing</status></instanceStatus></item>
<item><instanceId>i-3</instanceId><systemStatus><status>impaired</status>
 <details><item><name>reachability</name><status>failed</status><impairedSince>2026-03-01T12:00:00.000Z</impairedSince></item></details></systemStatus>
 <instanceStatus><status>impaired</status>
 <details><item><name>reachability</name><status>failed</status><impairedSince>2026-03-01T12:03:00.000Z</impairedSince></item></details></instanceStatus></item>
</instanceStatusSet></DescribeInstanceStatusResponse>`)
	got, err := cloud.Impaired(t.Context(), "web", []string{"i-1", "i-2", "i-3"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]time.Time{"i-1": time.Date(2026, 3, 1, 12, 5, 0, 0, time.UTC), "i-3": time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestImpairedInTheEmulator: a check that fails is seen where EC2 shows it.
func TestImpairedInTheEmulator(t *testing.T) {
	t.Parallel()
	sim, cloud := start(t, ec2sim.Options{BootTime: time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = sim.Run(ctx) })
	defer wg.Wait()
	defer cancel()
	is, err := sim.Launch(2, map[string]string{autoscale.TagGroup: "web"})
	if err != nil {
		t.Fatal(err)
	}
	two := []string{is[0].ID, is[1].ID}
	until(t, "two running instances", func() bool {
		all := sim.Instances()
		return all[0].State == ec2sim.Running && all[1].State == ec2sim.Running
	})
	inject(t, sim, ec2sim.Fault{Effect: ec2sim.EffectImpaired, Instance: two[1]})
	until(t, "an impaired one", func() bool {
		got, err := cloud.Impaired(ctx, "web", two)
		return err == nil && len(got) == 1 && !got[two[1]].IsZero()
	})
}
