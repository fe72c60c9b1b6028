package autoscale

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A noted cloud only says who was asked.
type noted struct {
	name  string
	calls *[]string
}

func (n noted) Instances(_ context.Context, group string) ([]Instance, error) {
	*n.calls = append(*n.calls, n.name+" list "+group)
	return nil, nil
}

func (n noted) Launch(_ context.Context, l Launch) ([]Instance, string, error) {
	*n.calls = append(*n.calls, n.name+" launch "+l.Group)
	return nil, "r", nil
}

func (n noted) Terminate(_ context.Context, group string, ids []string) (string, error) {
	*n.calls = append(*n.calls, n.name+" terminate "+group+" "+ids[0])
	return "r", nil
}

func TestClouds(t *testing.T) {
	t.Parallel()
	var calls []string
	cs := Clouds{"web": noted{"ec2", &calls}, "db": noted{"asg", &calls}}
	for _, group := range []string{"web", "db", "gone"} {
		_, errList := cs.Instances(t.Context(), group)
		_, _, errLaunch := cs.Launch(t.Context(), Launch{Group: group})
		_, errEnd := cs.Terminate(t.Context(), group, []string{"i-1"})
		for _, err := range []error{errList, errLaunch, errEnd} {
			ce, ok := errors.AsType[*CallError](err)
			if wrong := group == "gone"; wrong != (err != nil) || wrong && (!ok || ce.Failure != Permanent) {
				t.Errorf("%s: %v", group, err)
			}
		}
	}
	want := []string{"ec2 list web", "ec2 launch web", "ec2 terminate web i-1", "asg list db", "asg launch db", "asg terminate db i-1"}
	if d := cmp.Diff(want, calls); d != "" {
		t.Error(d)
	}
	if own, ok := cloudOf(cs, "db").(noted); !ok || own.name != "asg" {
		t.Errorf("the cloud of db is %v", own)
	}
}

// The absolute capacity of a launch counts all that is there, not only what
// serves: a cloud that is told how many there shall be must not retire what
// drains.
func TestDesiredCountsAllThatIsThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		w.setDemand(1)
		l := w.live(web())
		defer l.stop()
		time.Sleep(time.Minute)
		w.setDemand(20)
		time.Sleep(time.Minute)
		var got []int
		_, entries, err := OpenJournal(w.store)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Kind == KindLaunch {
				got = append(got, e.Launch.Count, e.Launch.Desired)
			}
		}
		if d := cmp.Diff([]int{2, 2, 3, 5}, got); d != "" {
			t.Error(d)
		}
	})
}
