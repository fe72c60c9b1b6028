package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rondo/alerts/state"
	"rondo/autoscale/s3"
	"rondo/autoscale/s3/s3test"
	"rondo/cmd/rondo/backup"
	"rondo/rrd"
	"rondo/syslogd"
	"rondo/syslogd/syslog"
)

// TestBackupUnderLoad: the server is killed in the middle of backups under
// load, goes on, and makes another. Restored, that one has all that was
// acknowledged before it began.
func TestBackupUnderLoad(t *testing.T) {
	rondo, err := exec.LookPath("rondo")
	if err != nil {
		t.Fatal(err)
	}
	const kills = 4
	vault := filepath.Join(t.TempDir(), "vault")
	p := newProc(t, crashConfig+"backup: {to: "+vault+"}\n")
	data := filepath.Join(p.dir, "data")
	told := acked{rounds: kills + 1}
	for round := range kills + 1 {
		p.start()
		stop := make(chan struct{})
		var load sync.WaitGroup
		load.Go(func() { told.metrics(p, round, stop) })
		load.Go(func() { told.logs(p, round, stop) })
		told.awaitMore(t)
		before := told.copy()
		c := exec.Command(rondo, "backup", "--data", data)
		if round < kills {
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(rand.N(120 * time.Millisecond))
			close(stop)
			p.kill()
			_ = c.Wait()
			load.Wait()
			continue
		}
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		close(stop)
		load.Wait()
		p.kill()
		q := newProc(t, crashConfig)
		for _, args := range [][]string{{"backup", "--verify", "--to", vault}, {"restore", "--from", vault, "--data", filepath.Join(q.dir, "data")}} {
			if out, err := exec.Command(rondo, args...).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
		q.start()
		before.check(t, q)
		q.stop()
		t.Logf("%d samples and %d messages were acknowledged before, all are there", len(before.samples), len(before.messages))
		if len(before.samples) == 0 || len(before.messages) == 0 {
			t.Error("nothing was acknowledged: the test has shown nothing")
		}
	}
}

// copy is what has been acknowledged so far.
func (a *acked) copy() *acked {
	a.mu.Lock()
	defer a.mu.Unlock()
	return &acked{rounds: a.rounds, samples: maps.Clone(a.samples), messages: maps.Clone(a.messages)}
}

// awaitMore waits until samples and messages are acknowledged.
func (a *acked) awaitMore(t *testing.T) {
	t.Helper()
	was := a.copy()
	waitFor(t, func() error {
		if now := a.copy(); len(now.samples) == len(was.samples) || len(now.messages) == len(was.messages) {
			return errors.New("the server acknowledges nothing")
		}
		return nil
	})
}

// stuck is a target that takes nothing until it is let go.
type stuck struct {
	backup.Target
	reached chan struct{}
	once    sync.Once
	free    chan struct{}
}

func (s *stuck) Put(ctx context.Context, name string, body io.Reader) error {
	s.once.Do(func() { close(s.reached) })
	<-s.free
	return s.Target.Put(ctx, name, body)
}

// TestSlowTarget: while a target takes nothing at all, everything else goes
// on, another snapshot included.
func TestSlowTarget(t *testing.T) {
	conf := defaultConfig()
	conf.Data = filepath.Join(t.TempDir(), "data")
	log := slog.New(slog.DiscardHandler)
	st, err := openStores(conf, log)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{conf: conf, stores: st, log: log}
	b := newBackups(conf, s.snapshot, log)
	message := func(text string) []syslog.Message {
		return []syslog.Message{syslog.Parse("<13>1 - h a - - - "+text, time.Now(), netip.Addr{})}
	}
	write := func(n int) {
		t.Helper()
		sample := rrd.Sample{Key: rrd.Key(fmt.Sprint("series", n)), Time: rrd.At(time.Now()), Value: 1}
		for _, err := range []error{
			st.metrics.Append(t.Context(), []rrd.Sample{sample}), st.logs.Put(t.Context(), message(fmt.Sprint("message", n))),
			st.state.Write(t.Context(), state.Put(fmt.Sprint("key", n), nil)), st.logs.Seal(),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	write(1)
	dir, free, err := b.snapshot()
	if err != nil {
		t.Fatal(err)
	}
	target, err := backup.OpenDir(filepath.Join(t.TempDir(), "target"), true)
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	slow := &stuck{Target: target, reached: make(chan struct{}), free: make(chan struct{})}
	made := make(chan error)
	go func() {
		_, err := backup.Create(t.Context(), slow, dir, backup.Options{Now: time.Now()})
		made <- err
	}()
	<-slow.reached
	write(2)
	for range 2 {
		_, freeNext, err := b.snapshot()
		if err == nil {
			freeNext()
		} else {
			t.Error(err)
		}
	}
	found := 0
	for _, err := range st.logs.Search(t.Context(), syslogd.Query{}) {
		if err != nil {
			t.Error(err)
		}
		found++
	}
	if found != 2 || st.metrics.Series() != 2 {
		t.Errorf("%d messages, %d series", found, st.metrics.Series())
	}
	close(slow.free)
	if err := <-made; err != nil {
		t.Error(err)
	}
	free()
	if err := st.close(); err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(filepath.Join(conf.Data, stageDir, "*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

// TestBackupToBucketThatDies: the S3 server is killed in the middle of a
// backup. That one fails, is none, and the next is whole.
func TestBackupToBucketThatDies(t *testing.T) {
	g := s3test.Start(t, "bucket")
	b, err := s3.New(t.Context(), s3.Config{Endpoint: g.URL(), AccessKey: s3test.AccessKey, SecretKey: s3test.SecretKey}, "bucket", "p")
	if err != nil {
		t.Fatal(err)
	}
	dir := makeTree(t, 6)
	ctx, cancel := context.WithCancel(t.Context())
	_, err = backup.Create(ctx, b, dir, backup.Options{Now: time.Now(), Progress: func(p backup.Progress) {
		if p.Sent > 0 {
			g.Kill()
			time.AfterFunc(100*time.Millisecond, cancel) // tries again long enough otherwise
		}
	}})
	if err == nil {
		t.Fatal("the server was killed, and the backup succeeded")
	}
	if err := g.Restart(); err != nil {
		t.Fatal(err)
	}
	if all, err := backup.List(t.Context(), b); err != nil || len(all) != 0 {
		t.Errorf("half a backup is listed: %v %v", all, err)
	}
	m, err := backup.Create(t.Context(), b, dir, backup.Options{Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	again := filepath.Join(t.TempDir(), "again")
	if err := backup.Restore(t.Context(), b, m, nil, again, nil); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("diff", "-r", dir, again).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestSchedule: backups are made at whole multiples of their period, whatever
// the hour of the start; one that fails is tried again soon.
func TestSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // begins at 2000-01-01T00:00Z
		conf := defaultConfig()
		conf.Data = t.TempDir()
		conf.Backup.To, conf.Backup.Every = filepath.Join(t.TempDir(), "vault"), 6*time.Hour
		var mu sync.Mutex // guards the two below
		var times []string
		fail := false
		ctx, cancel := context.WithCancel(t.Context())
		b := newBackups(conf, func(string) error {
			mu.Lock()
			defer mu.Unlock()
			times = append(times, time.Now().UTC().Format("15:04"))
			if fail {
				return fs.ErrPermission
			}
			return nil
		}, slog.New(slog.DiscardHandler))
		time.Sleep(65 * time.Minute)
		done := make(chan error)
		go func() { done <- b.run(ctx) }()
		time.Sleep(12 * time.Hour)
		expect := func(want string, failNext bool) {
			t.Helper()
			mu.Lock()
			defer mu.Unlock()
			if got := fmt.Sprint(times); got != want {
				t.Errorf("backups at %s, want %s", got, want)
			}
			times, fail = nil, failNext
		}
		expect("[01:05 06:00 12:00]", true)
		time.Sleep(5*time.Hour + 6*time.Minute) // 18:11
		expect("[18:00 18:10]", false)
		if got := b.words(time.Now()); got != "backup 6h11m0s old, the last one failed" {
			t.Errorf("%q", got)
		}
		b.asked <- struct{}{}
		synctest.Wait()
		if got := b.words(time.Now()); got != "backup 0s old" {
			t.Errorf("%q", got)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// makeTree makes a directory of so many files of 8 MiB that cannot be
// compressed.
func makeTree(t testing.TB, n int) string {
	t.Helper()
	dir := t.TempDir()
	rng := rand.NewChaCha8([32]byte{1})
	b := make([]byte, 8<<20)
	for i := range n {
		_, _ = rng.Read(b)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
