package ssm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rondo/autoscale/ec2"
	"rondo/autoscale/ec2sim"
	"rondo/autoscale/fanout"
)

// A wire takes the SDK's requests to the emulator without a socket.
type wire struct{ sim *ec2sim.Sim }

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	w.sim.ServeHTTP(rec, r.Clone(r.Context()))
	return rec.Result(), nil
}

func start(t *testing.T, sim *ec2sim.Sim) *Runner {
	t.Helper()
	r, err := New(t.Context(), ec2.Config{Endpoint: "http://ssm.test", Region: "us-east-1", AccessKey: "a", SecretKey: "b", Transport: wire{sim}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// on runs a test in a bubble with an emulator of n running instances.
func on(t *testing.T, n int, command func(context.Context, ec2sim.Instance, ec2sim.Command) (int, string, string), do func(*testing.T, *ec2sim.Sim, *Runner, []fanout.Host)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		sim := ec2sim.New(ec2sim.Options{BootTime: time.Second, Command: command})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = sim.Run(ctx) })
		defer wg.Wait()
		defer cancel()
		is, err := sim.Launch(n, nil)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		do(t, sim, start(t, sim), hosts(is))
	})
}

func hosts(is []ec2sim.Instance) (out []fanout.Host) {
	for n, i := range is {
		out = append(out, fanout.Host{ID: i.ID, Group: "web", Alias: fmt.Sprint("web-", n+1)})
	}
	return out
}

func tell(h fanout.Host) fanout.Command {
	return fanout.Command{Name: "job", Argv: []string{"job"}, Env: []string{"RONDO_ALIAS=" + h.Alias}}
}

// TestManyTogether: 120 instances are asked in three calls; each has its own
// result.
func TestManyTogether(t *testing.T) {
	t.Parallel()
	on(t, 120, func(_ context.Context, i ec2sim.Instance, c ec2sim.Command) (int, string, string) {
		_, mine, _ := strings.Cut(c.Parameters["commands"][0], i.ID+") ")
		mine, _, _ = strings.Cut(mine, " ;;")
		if strings.Contains(mine, "'web-7'") {
			return 3, "", "no disk"
		}
		return 0, mine, ""
	}, func(t *testing.T, sim *ec2sim.Sim, r *Runner, hs []fanout.Host) {
		results := fanout.Run(t.Context(), hs, fanout.Limits{AtOnce: 200}, r, tell, nil)
		for n, res := range results {
			want := fanout.Exited(hs[n], 0, "RONDO_ALIAS='"+hs[n].Alias+"' 'job' </dev/null")
			if n == 6 {
				want = fanout.Exited(hs[n], 3, "\n----------ERROR-------\nno disk")
			}
			if res.Exit != want.Exit || res.Output != want.Output || res.Error != "" {
				t.Errorf("%s: %+v, want %+v", hs[n].Alias, res, want)
			}
		}
		if s := r.Stats(); s["SendCommand"] != 3 {
			t.Errorf("%v, want 3 calls of SendCommand", s)
		}
		if n := len(sim.Commands()); n != 120 {
			t.Errorf("%d commands were run, want 120", n)
		}
	})
}

// TestEnds: what takes too long, what is cancelled, and what is over by itself.
func TestEnds(t *testing.T) {
	t.Parallel()
	slow := func(ctx context.Context, _ ec2sim.Instance, _ ec2sim.Command) (int, string, string) {
		<-ctx.Done()
		return 0, "", ""
	}
	on(t, 3, slow, func(t *testing.T, sim *ec2sim.Sim, r *Runner, hs []fanout.Host) {
		for _, res := range fanout.Run(t.Context(), hs, fanout.Limits{Timeout: 20 * time.Second}, r, tell, nil) {
			if res.Exit != -1 || !strings.Contains(res.Error, "ssm:") {
				t.Errorf("over its time: %+v", res)
			}
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(5*time.Second, func() { cancel(errors.New("somebody broke it off")) })
		for _, res := range fanout.Run(ctx, hs, fanout.Limits{}, r, tell, nil) {
			if res.Exit != -1 {
				t.Errorf("cancelled: %+v", res)
			}
		}
		time.Sleep(time.Second)
		for _, c := range sim.Commands() {
			if c.Status != "Cancelled" && c.Status != "TimedOut" {
				t.Errorf("%s is %s: it goes on", c.Instance, c.Status)
			}
		}
	})
}

// TestTrouble: throttled calls are repeated, an answer that got lost is not; an
// instance that is not managed keeps no other waiting.
func TestTrouble(t *testing.T) {
	t.Parallel()
	on(t, 5, nil, func(t *testing.T, sim *ec2sim.Sim, r *Runner, hs []fanout.Host) {
		run := func(hs []fanout.Host, faults ...ec2sim.Fault) (good int, errs string) {
			t.Helper()
			if err := sim.Inject(faults...); err != nil {
				t.Fatal(err)
			}
			for _, res := range fanout.Run(t.Context(), hs, fanout.Limits{}, r, tell, nil) {
				if res.OK() {
					good++
				} else {
					errs = res.Error
				}
			}
			return good, errs
		}
		if good, errs := run(hs, ec2sim.Fault{Action: "SendCommand", Effect: ec2sim.EffectError, Code: "ThrottlingException", Count: 3},
			ec2sim.Fault{Action: "ListCommandInvocations", Effect: ec2sim.EffectError, Code: "ThrottlingException", Count: 3}); good != 5 {
			t.Errorf("throttled: %d of 5 were good: %s", good, errs)
		}
		before := len(sim.Commands())
		good, errs := run(hs, ec2sim.Fault{Action: "SendCommand", Effect: ec2sim.EffectResetAfter, Count: 1})
		if ran := len(sim.Commands()) - before; good != 0 || ran > 5 || !strings.Contains(errs, "it is unclear whether it was sent") {
			t.Errorf("a lost answer: %d good, %d ran: %s", good, ran, errs)
		}
		if good, errs := run(hs, ec2sim.Fault{Action: "SendCommand", Effect: ec2sim.EffectDeny, Count: 1}); good != 0 || !strings.Contains(errs, "auth: AccessDeniedException") {
			t.Errorf("denied: %d good: %s", good, errs)
		}
		sim.Terminate("Server.InternalError", hs[2].ID)
		if good, errs := run(hs); good != 4 || !strings.Contains(errs, "InvalidInstanceId") {
			t.Errorf("one is gone: %d of 4 were good: %s", good, errs)
		}
		odd := fanout.Host{ID: "i-0) rm -rf / ;;"}
		if good, errs := run([]fanout.Host{odd}); good != 0 || !strings.Contains(errs, "is no instance of EC2") {
			t.Errorf("an odd ID: %d good: %s", good, errs)
		}
	})
}

// TestShell runs scripts as an instance would: each finds its own line, with its
// words, variables and input, whatever is in them.
func TestShell(t *testing.T) {
	t.Parallel()
	f := func(c fanout.Command, want string) {
		t.Helper()
		items := []*item{{host: fanout.Host{ID: "i-0a"}, line: "echo another"}, {host: fanout.Host{ID: "i-0b"}, line: line(c)}}
		cmd := exec.Command("/bin/sh", "-c", script(items))
		cmd.Env = []string{"PATH=/usr/bin:/bin", "AWS_SSM_INSTANCE_ID=i-0b"}
		got, err := cmd.CombinedOutput()
		if err != nil || string(got) != want {
			t.Errorf("%q: %q, %v; want %q", c.Argv, got, err, want)
		}
	}
	f(fanout.Command{Argv: []string{"echo", "it's", `"$HOME"`, "a;b"}}, "it's \"$HOME\" a;b\n")
	f(fanout.Command{Argv: []string{"sh", "-c", "echo $RONDO_ALIAS"}, Env: []string{"RONDO_ALIAS=we'b"}}, "we'b\n")
	f(fanout.Command{Argv: []string{"cat"}, Input: []byte(`{"a":"it's {{ ssm:secret }}"}`)}, `{"a":"it's {{ ssm:secret }}"}`)
	long := strings.Repeat(`{"alias":"web-1"} `, 100)
	f(fanout.Command{Argv: []string{"cat"}, Input: []byte(long)}, long)
	f(fanout.Command{Argv: []string{"echo", "{{ ssm:secret }}", "it's"}}, "{{ ssm:secret }} it's\n")
	items := []*item{{host: fanout.Host{ID: "i-0a"}, line: line(fanout.Command{Argv: []string{"echo", "{{ x }}"}})}}
	if s := script(items); strings.Contains(s, "{{") {
		t.Errorf("Systems Manager would fill in: %s", s)
	}
	cmd := exec.Command("/bin/sh", "-c", script(items))
	cmd.Env = []string{"PATH=/usr/bin:/bin", "AWS_SSM_INSTANCE_ID=i-0c"}
	cmd.Stderr = io.Discard
	if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != 126 {
		t.Errorf("on another instance: %v", err)
	}
}
