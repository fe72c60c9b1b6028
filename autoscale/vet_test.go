package autoscale

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// A warden is a session whose cloud keeps some instances from termination.
type warden struct {
	Cloud
	locked func(ids []string) (map[string]string, error)
}

func (w warden) Locked(_ context.Context, _ string, ids []string) (map[string]string, error) {
	return w.locked(ids)
}

// TestLockedIsNotDrained: what the cloud would not terminate is not chosen, and
// others are in its place; a cloud that does not answer keeps nobody.
func TestLockedIsNotDrained(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		w.setDemand(24)
		locked, failed, asked := map[string]string{}, error(nil), 0
		w.wrap = func(c Cloud) Cloud {
			return warden{c, func(ids []string) (map[string]string, error) {
				w.mu.Lock()
				defer w.mu.Unlock()
				asked += len(ids)
				out := map[string]string{}
				for _, id := range ids {
					if why := locked[id]; why != "" {
						out[id] = why
					}
				}
				return out, failed
			}}
		}
		l := w.live(web())
		defer l.stop()
		time.Sleep(time.Minute)
		w.mu.Lock()
		all := w.alive()
		for _, id := range all[2:] {
			locked[id] = "termination protection"
		}
		w.mu.Unlock()
		w.setDemand(1)
		time.Sleep(2 * time.Minute)
		w.mu.Lock()
		left := w.alive()
		w.mu.Unlock()
		if len(all) != 6 || !slices.Equal(left, all[2:]) {
			t.Errorf("%v of %v are left; want the 4 that are locked", left, all)
		}
		for _, d := range l.Views()[0].Recent {
			if d.Direction == In && d.Acts() && d.Outcome != "done" {
				t.Errorf("a drain that could not end: %+v", d)
			}
		}
		w.mu.Lock()
		if asked > 12 {
			t.Errorf("asked about %d instances", asked)
		}
		locked, failed = nil, errors.New("no answer")
		w.mu.Unlock()
		time.Sleep(vettedFor + 2*time.Minute)
		if w.count() != 2 {
			t.Errorf("%d are left, want min 2", w.count())
		}
	})
}

// TestLockedWhileItDrains: termination protection that comes during a drain
// keeps one instance, and not those from their end that drain beside it.
func TestLockedWhileItDrains(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		w.setDemand(24)
		locked := "" // by the cloud, which refuses a termination whole
		w.wrap = func(c Cloud) Cloud {
			return lockedOne{warden{c, func(ids []string) (map[string]string, error) {
				w.mu.Lock()
				defer w.mu.Unlock()
				if slices.Contains(ids, locked) {
					return map[string]string{locked: "termination protection"}, nil
				}
				return nil, nil
			}}, func() string { w.mu.Lock(); defer w.mu.Unlock(); return locked }}
		}
		c := web()
		c.Groups[0].Drain = time.Minute
		l := w.live(c)
		defer l.stop()
		time.Sleep(time.Minute)
		w.setDemand(2)
		time.Sleep(30 * time.Second)
		v, _ := l.View("web")
		for _, i := range v.Instances {
			if i.Phase == Draining {
				w.mu.Lock()
				locked = i.ID
				w.mu.Unlock()
			}
		}
		time.Sleep(20 * time.Minute)
		if locked == "" || w.count() > 3 {
			t.Errorf("%d instances are left, one of them (%s) is locked: want min 2, and that one at most", w.count(), locked)
		}
	})
}

// A lockedOne is a cloud that terminates nothing while one is locked.
type lockedOne struct {
	warden
	locked func() string
}

func (l lockedOne) Terminate(ctx context.Context, group string, ids []string) (string, error) {
	if slices.Contains(ids, l.locked()) {
		return "", &CallError{Failure: Permanent, Code: "OperationNotPermitted", Err: errors.New("disableApiTermination")}
	}
	return l.Cloud.Terminate(ctx, group, ids)
}
