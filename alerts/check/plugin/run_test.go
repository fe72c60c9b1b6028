package plugin

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rondo/alerts"
	"rondo/syslogd/peertest"
)

func script(t *testing.T, text string) []string {
	t.Helper()
	return []string{"/bin/sh", "-c", text}
}

func run(t *testing.T, argv []string, env ...string) Result {
	t.Helper()
	return NewRunner(1).Run(t.Context(), Command{Argv: argv, Env: env, Timeout: 20 * time.Second})
}

func TestStatuses(t *testing.T) {
	f := func(text string, status alerts.Status, want string) {
		t.Helper()
		r := run(t, script(t, text))
		if r.Status != status || !strings.Contains(r.Text, want) {
			t.Errorf("%s: %v %q, want %v %q", text, r.Status, r.Text, status, want)
		}
	}
	f("echo fine", alerts.OK, "fine")
	f("echo so so; exit 1", alerts.Warning, "so so")
	f("echo bad; exit 2", alerts.Critical, "bad")
	f("echo what; exit 3", alerts.Unknown, "what")
	f("echo out; exit 4", alerts.Unknown, "exit code 4 is none of a plugin: out")
	f("no-such-program", alerts.Unknown, "exit code 127 is none of a plugin (something it calls may be missing): plugin printed nothing; it complains: ")
	f("exec /etc/passwd", alerts.Unknown, "exit code 126 is none of a plugin (it may not be executable)")
	f("echo dying; kill -SEGV $$", alerts.Critical, "plugin was ended by signal 11 (segmentation fault): dying")
	f("exit 137", alerts.Unknown, "(something it calls was ended by signal 9)")
	f("exit 0", alerts.OK, "plugin printed nothing")
	f("cat", alerts.OK, "plugin printed nothing")
	f("yes | head -c 10000000; exit 1", alerts.Warning, "y")
	f("env | sort | tr '\\n' ' '", alerts.OK, "LC_ALL=C ")
	if r := run(t, []string{"/no/such/plugin"}); r.Status != alerts.Unknown || !strings.HasPrefix(r.Text, "plugin cannot be started: ") {
		t.Errorf("%v", r)
	}
	t.Setenv("SECRET", "hidden")
	if r := run(t, script(t, `echo "$SECRET-$MINE"`), "MINE=own"); r.Text != "-own" {
		t.Errorf("environment: %q", r.Text)
	}
}

// alive says whether any process is left of a group whose leader wrote its ID
// into a file.
func alive(t *testing.T, file string) bool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(string(text), &pid); err != nil {
		t.Fatal(err)
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z") && syscall.Kill(pid, 0) == nil
}

// gone waits for the end of a process that was killed.
func gone(t *testing.T, file string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); alive(t, file); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the process lives on")
		}
	}
}

func TestTimeout(t *testing.T) {
	r := NewRunner(1)
	got := r.Run(t.Context(), Command{Argv: []string{"/bin/sleep", "1000"}, Timeout: 50 * time.Millisecond})
	if got.Status != alerts.Critical || got.Text != "killed after 50ms: it printed nothing" {
		t.Errorf("%v", got)
	}
	if r.Snapshot()["plugin_timeouts"] != 1 {
		t.Error(r.Snapshot())
	}
}

// A plugin that is killed is killed with all that it started.
func TestTheWholeGroupIsKilled(t *testing.T) {
	child := filepath.Join(t.TempDir(), "child")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			if text, err := os.ReadFile(child); err == nil && len(text) > 0 {
				cancel()
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	got := NewRunner(1).Run(ctx, Command{
		Argv:    script(t, "sh -c 'echo $$ > "+child+"; exec sleep 1000' & while :; do sleep 1000; done"),
		Timeout: time.Minute,
	})
	if got.Status != alerts.Critical {
		t.Errorf("%v", got)
	}
	gone(t, child)
}

// A plugin that leaves a process behind which holds its output open does not
// hold us, and the process is ended.
func TestWhatIsLeftBehind(t *testing.T) {
	child := filepath.Join(t.TempDir(), "child")
	r := run(t, script(t, "sleep 1000 & echo $! > "+child+"; echo done; exit 1"))
	if r.Status != alerts.Warning || r.Text != "done" {
		t.Errorf("%v", r)
	}
	gone(t, child)
}

func TestPlaces(t *testing.T) {
	r := NewRunner(1)
	r.slots <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := r.Run(ctx, Command{Argv: script(t, "echo"), Timeout: time.Second}); got.Status != alerts.Unknown || !strings.Contains(got.Text, "not run: 1 plugins are running") {
		t.Errorf("%v", got)
	}
	if r.Snapshot()["plugin_no_place"] != 1 || r.Snapshot()["plugin_runs"] != 0 {
		t.Error(r.Snapshot())
	}
}

// Debian's plugins are run, and their output is understood.
func TestMonitoringPlugins(t *testing.T) {
	p := peertest.Find(t, "check_load")
	env := "LD_LIBRARY_PATH=" + p.Folders("usr/lib/x86_64-linux-gnu", "usr/lib")
	f := func(status alerts.Status, labels string, argv ...string) {
		t.Helper()
		argv[0] = filepath.Join(filepath.Dir(p.Path), argv[0])
		r := run(t, argv, env)
		var got []string
		for _, p := range r.Perf {
			got = append(got, p.Label)
		}
		if r.Status != status || strings.Join(got, " ") != labels || r.Bad != 0 || r.Text == "" {
			t.Errorf("%v: %v %q %v, %d bad", argv, r.Status, r.Text, got, r.Bad)
		}
	}
	f(alerts.OK, "load1 load5 load15", "check_load", "-w", "9999,9999,9999", "-c", "9999,9999,9999")
	f(alerts.Warning, "procs", "check_procs", "-w", "@0:99999", "-c", "0:99999")
	f(alerts.Critical, "procs", "check_procs", "-w", "0:", "-c", "99999:")
	f(alerts.OK, "/", "check_disk", "-w", "0%", "-c", "0%", "-p", "/")
	f(alerts.OK, "users", "check_users", "-w", "999", "-c", "999")
	f(alerts.Warning, "", "check_dummy", "1", "hello")
	f(alerts.Unknown, "", "check_dummy", "3")
	f(alerts.Critical, "", "check_tcp", "-H", "127.0.0.1", "-p", "1")
	f(alerts.Critical, "", "check_http", "-H", "127.0.0.1", "-p", "1")
	f(alerts.Critical, "", "check_ssh", "-p", "1", "127.0.0.1")
}
