package script_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rondo/autoscale"
	"rondo/autoscale/cloudtest"
	"rondo/autoscale/script"
)

// abs is the absolute path of a program of the tests.
func abs(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// put writes a file that is there whole or not at all.
func put(t *testing.T, path, text string) {
	t.Helper()
	part := path + ".part"
	if err := os.WriteFile(part, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(part, path); err != nil {
		t.Fatal(err)
	}
}

// names lists a directory of the pool.
func names(t *testing.T, dir string) (ids []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		ids = append(ids, e.Name())
	}
	return ids
}

// open makes a pool of instances that are files, whose answers can be lost.
func open(t *testing.T) cloudtest.World {
	t.Helper()
	dir, other := t.TempDir(), t.TempDir()
	program := autoscale.Program{Command: []string{abs(t, "lossy.sh"), dir}, Timeout: 30 * time.Second}
	cloud, err := script.New(program)
	if err != nil {
		t.Fatal(err)
	}
	live := filepath.Join(dir, "live")
	return cloudtest.World{
		Cloud: cloud, Group: autoscale.Group{Name: "web", Exec: &program},
		Alive: func() []string { return names(t, live) },
		Up: func() (hosts []string) {
			for _, id := range names(t, live) {
				hosts = append(hosts, id+".pool")
			}
			return hosts
		},
		Lose: func(action string) { put(t, filepath.Join(dir, "lose"), action) },
		Protect: func(id string) {
			b, err := os.ReadFile(filepath.Join(live, id))
			if err != nil {
				t.Fatal(err)
			}
			put(t, filepath.Join(dir, "protected"), strings.Replace(string(b), `"tags":{`, `"tags":{"rondo:protect":"yes",`, 1))
			if err := os.Rename(filepath.Join(dir, "protected"), filepath.Join(live, id)); err != nil {
				t.Fatal(err)
			}
		},
		Foreign: func() (string, func() bool) {
			foreign, err := script.New(autoscale.Program{Command: []string{abs(t, "pool.sh"), other}, Timeout: 30 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			is, _, err := foreign.Launch(t.Context(), autoscale.Launch{Group: "db", Count: 1, Token: "rondo-db"})
			if err != nil {
				t.Fatal(err)
			}
			return is[0].ID, func() bool { return slices.Contains(names(t, filepath.Join(other, "live")), is[0].ID) }
		},
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	cloudtest.Run(t, open)
}

func TestClosedLoop(t *testing.T) {
	t.Parallel()
	cloudtest.Story(t, open(t))
}

// sh makes a cloud of a few lines of shell.
func sh(t *testing.T, timeout time.Duration, text string) *script.Cloud {
	t.Helper()
	c, err := script.New(autoscale.Program{Command: []string{"/bin/sh", "-c", text, "pool"}, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// What a run leaves behind, by how it ends.
func TestFailures(t *testing.T) {
	t.Parallel()
	f := func(text string, want autoscale.Failure, says string) {
		t.Helper()
		is, _, err := sh(t, 10*time.Second, text).Launch(t.Context(), autoscale.Launch{Group: "web", Count: 1})
		ce, ok := errors.AsType[*autoscale.CallError](err)
		switch {
		case !ok:
			t.Errorf("%s: %v, %v", text, is, err)
		case ce.Failure != want || !strings.Contains(err.Error(), says):
			t.Errorf("%s: %v\nwant %s: %s", text, err, want, says)
		}
	}
	f("echo the disk is full >&2; exit 64", autoscale.Permanent, "permanent: exit 64: launch failed: the disk is full")
	f("exit 78", autoscale.Permanent, "exit 78")
	f("exit 69", autoscale.NoRoom, "exit 69")
	f("exit 75", autoscale.Throttled, "exit 75")
	f("exit 77", autoscale.Denied, "exit 77")
	f("exit 1", autoscale.Unclear, "exit 1")
	f("no-such-command-here", autoscale.Unclear, "exit 127: launch failed: pool: 1: no-such-command-here: not found")
	f("kill -9 $$", autoscale.Unclear, "signal: killed")
	f("exit 0", autoscale.Unclear, "printed no instance")
	f("echo hello", autoscale.Unclear, "launch printed what cannot be read")
	f(`echo '{"launched":1}'`, autoscale.Unclear, `id "": want 1 to 200 printable characters`)
	f(`echo '{"id":"vm-1"}'`, autoscale.Unclear, "vm-1: launched is missing")
	f(`echo '{"id":"vm-1","launched":1,"tags":{"rondo:group":"db"}}'`, autoscale.Unclear, "printed vm-1 of group db")
	f("printf 'a\\033[31mb\\n' >&2; exit 1", autoscale.Unclear, "launch failed: a?[31mb")
	f("yes | head -c 5000000", autoscale.Unclear, "it printed more than 4 MiB")
	f("yes no | head -c 100000 >&2; exit 1", autoscale.Unclear, "no no")
}

// A program that hangs is killed with all that it started: after its time, or
// when we stop.
func TestKilled(t *testing.T) {
	t.Parallel()
	if _, err := sh(t, 100*time.Millisecond, "sleep 1000").Instances(t.Context(), "web"); err == nil || !strings.Contains(err.Error(), "unclear: list was killed after ") {
		t.Errorf("a program that hangs: %v", err)
	}
	mark := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := sh(t, 30*time.Second, "sleep 1000 & echo $! >"+mark+".part; mv "+mark+".part "+mark+"; wait").Instances(ctx, "web")
		ended <- err
	}()
	var pid []byte
	eventually(t, "the shell", func() bool {
		b, err := os.ReadFile(mark)
		pid = b
		return err == nil
	})
	cancel()
	if err := <-ended; err == nil {
		t.Error("a run outlives its context")
	}
	eventually(t, "the end of what it started", func() bool {
		_, err := os.Stat("/proc/" + strings.TrimSpace(string(pid)) + "/exe")
		return err != nil
	})
}

// eventually waits in real time; its limit is for a broken test alone.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute for %s", what)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// The program sees the request and nothing of our secrets.
func TestWhatAProgramGets(t *testing.T) {
	t.Setenv("RONDO_SECRET", "x")
	c := sh(t, 10*time.Second, `read -r request; printf '{"id":"vm-1","launched":"2026-01-02T03:04:05Z","type":"%s/%s","tags":{"request":"%s"}}' "$1" "$RONDO_SECRET" "$(printf %s "$request" | sed 's/"/\\"/g')"`)
	is, _, err := c.Launch(t.Context(), autoscale.Launch{Group: "web", Count: 2, Desired: 5, Token: "tok", Tags: map[string]string{"a": "b"}})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"action":"launch","group":"web","count":2,"desired":5,"token":"tok","tags":{"a":"b"}}`
	if i := is[0]; i.Type != "launch/" || i.Tags["request"] != want || !i.Launched.Equal(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) {
		t.Errorf("%+v", i)
	}
}

func TestNewLooks(t *testing.T) {
	t.Parallel()
	f := func(program, want string) {
		t.Helper()
		_, err := script.New(autoscale.Program{Command: []string{program}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", program, err, want)
		}
	}
	f("/no/such/file", "script: stat /no/such/file: no such file or directory")
	f("/etc", "script: /etc is not an executable file")
	f("/etc/passwd", "script: /etc/passwd is not an executable file")
}
