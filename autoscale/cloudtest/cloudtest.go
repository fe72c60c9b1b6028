// Package cloudtest is the conformance suite of autoscale.Cloud: what the
// controller relies on when it spends money, every provider must pass.
//
// [Run] asks a cloud directly. [Story] puts the controller before it and plays
// a crowd that comes and goes, with answers that are lost and a restart.
package cloudtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"rondo/autoscale"
)

// A World is a cloud under test, and what a test must know of it that no cloud
// tells.
type World struct {
	Cloud autoscale.Cloud
	Group autoscale.Group // its name, and where its instances come from

	// Alive returns the IDs of the group's instances that run or will.
	Alive func() []string
	// Up returns the hosts that send heartbeats now.
	Up func() []string
	// Lose lets the next launch, or terminate, be carried out and its answer be
	// lost.
	Lose func(action string)
	// Protect puts the tag rondo:protect on an instance.
	Protect func(id string)
	// Foreign makes an instance that is not the group's, and returns its ID and
	// whether it is still alive.
	Foreign func() (id string, alive func() bool)
}

// Run runs the suite. open makes a new world without instances.
func Run(t *testing.T, open func(t *testing.T) World) {
	for name, f := range map[string]func(*testing.T, World){
		"a launch is made once": launchOnce, "a lost launch": lostLaunch,
		"what is terminated ends": terminated, "a lost termination": lostTermination,
		"protected": protected, "foreign": foreign, "lists are complete": complete,
		"nothing to be done": nothing,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, open(t))
		})
	}
}

// patience is how long a test waits for what must come; it is for a broken
// cloud alone.
const patience = time.Minute

// pause is between two looks.
const pause = 20 * time.Millisecond

// until waits for a condition in real time.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", patience, what)
		}
		<-time.After(pause)
	}
}

// stays looks a few times more whether a number of instances is what remains.
func (w World) stays(t *testing.T, n int) {
	t.Helper()
	for range 10 {
		if alive := w.Alive(); len(alive) != n {
			t.Fatalf("%d instances are alive, want %d to stay: %v", len(alive), n, alive)
		}
		<-time.After(pause)
	}
}

func (w World) launch(token string, count, desired int) autoscale.Launch {
	return autoscale.Launch{
		Group: w.Group.Name, Count: count, Desired: desired, Token: "rondo-" + token, Template: w.Group.Launch,
		Tags: map[string]string{autoscale.TagGroup: w.Group.Name, autoscale.TagDecision: token},
	}
}

// start launches n instances and waits until the list has them, by their IDs.
func (w World) start(t *testing.T, n int) []string {
	t.Helper()
	w.must(t, func(ctx context.Context) error {
		_, _, err := w.Cloud.Launch(ctx, w.launch("0123456789abcdef", n, n))
		return err
	})
	until(t, fmt.Sprintf("%d instances", n), func() bool {
		return len(w.Alive()) == n && slices.Equal(w.capacity(t), w.Alive())
	})
	return w.Alive()
}

// must repeats a call whose outcome is unclear, as the controller does.
func (w World) must(t *testing.T, call func(context.Context) error) {
	t.Helper()
	until(t, "an answer that is clear", func() bool {
		err := call(t.Context())
		if err != nil && failure(err) != autoscale.Unclear {
			t.Fatal(err)
		}
		return err == nil
	})
}

func (w World) terminate(ids ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := w.Cloud.Terminate(ctx, w.Group.Name, ids)
		return err
	}
}

func failure(err error) autoscale.Failure {
	if ce, ok := errors.AsType[*autoscale.CallError](err); ok {
		return ce.Failure
	}
	return autoscale.Unclear
}

// capacity lists what counts as capacity, sorted by ID.
func (w World) capacity(t *testing.T) (ids []string) {
	t.Helper()
	var is []autoscale.Instance
	w.must(t, func(ctx context.Context) (err error) {
		is, err = w.Cloud.Instances(ctx, w.Group.Name)
		return err
	})
	for _, i := range is {
		if i.Phase == autoscale.Pending || i.Phase == autoscale.Booting {
			ids = append(ids, i.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

func launchOnce(t *testing.T, w World) {
	l := w.launch("0123456789abcdef", 3, 3)
	for range 3 {
		returned, _, err := w.Cloud.Launch(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		// What was launched is returned, or listed at once: else the need that
		// launched it would launch again.
		if n := max(len(returned), len(w.capacity(t))); n != 3 {
			t.Fatalf("%d instances are known after the launch of 3", n)
		}
	}
	until(t, "3 instances", func() bool { return len(w.Alive()) == 3 && slices.Equal(w.capacity(t), w.Alive()) })
	w.stays(t, 3)
}

func lostLaunch(t *testing.T, w World) {
	l := w.launch("fedcba9876543210", 2, 2)
	w.Lose("launch")
	if _, _, err := w.Cloud.Launch(t.Context(), l); err == nil || failure(err) != autoscale.Unclear {
		t.Fatalf("launch whose answer is lost: %v; want an unclear failure", err)
	}
	w.must(t, func(ctx context.Context) error {
		_, _, err := w.Cloud.Launch(ctx, l)
		return err
	})
	until(t, "2 instances", func() bool { return len(w.Alive()) == 2 })
	w.stays(t, 2)
}

func terminated(t *testing.T, w World) {
	ids := w.start(t, 3)
	for range 3 { // twice too many: that does no harm
		w.must(t, w.terminate(ids[0]))
	}
	until(t, "the end of one", func() bool { return slices.Equal(w.Alive(), ids[1:]) })
	until(t, "a list without it", func() bool { return slices.Equal(w.capacity(t), ids[1:]) })
	w.stays(t, 2)
	w.must(t, w.terminate(ids...))
	until(t, "the end of all", func() bool { return len(w.Alive()) == 0 })
	w.stays(t, 0)
}

func lostTermination(t *testing.T, w World) {
	ids := w.start(t, 3)
	w.Lose("terminate")
	if err := w.terminate(ids[1])(t.Context()); err == nil || failure(err) != autoscale.Unclear {
		t.Fatalf("termination whose answer is lost: %v; want an unclear failure", err)
	}
	w.must(t, w.terminate(ids[1]))
	until(t, "the end of one", func() bool { return slices.Equal(w.Alive(), []string{ids[0], ids[2]}) })
	w.stays(t, 2)
}

func protected(t *testing.T, w World) {
	ids := w.start(t, 2)
	w.Protect(ids[1])
	var err error
	until(t, "an answer that is clear", func() bool {
		err = w.terminate(ids...)(t.Context())
		return err == nil || failure(err) != autoscale.Unclear
	})
	if err == nil || failure(err) != autoscale.Permanent {
		t.Errorf("termination of a protected one: %v; want a refusal", err)
	}
	w.stays(t, 2)
}

func foreign(t *testing.T, w World) {
	w.start(t, 1)
	id, alive := w.Foreign()
	if err := w.terminate(id)(t.Context()); err != nil && failure(err) != autoscale.Permanent {
		t.Errorf("termination of another group's: %v; want a refusal, or nothing at all", err)
	}
	if slices.Contains(w.capacity(t), id) {
		t.Errorf("%s is listed, and is not the group's", id)
	}
	if !alive() {
		t.Errorf("%s was terminated, and is not the group's", id)
	}
	w.stays(t, 1)
}

// many is more than fits one batch of any provider.
const many = 130

func complete(t *testing.T, w World) {
	ids := w.start(t, many)
	w.must(t, w.terminate(ids[5:]...))
	until(t, "5 instances that are left", func() bool { return slices.Equal(w.Alive(), ids[:5]) })
	until(t, "a list of them", func() bool { return slices.Equal(w.capacity(t), ids[:5]) })
}

func nothing(t *testing.T, w World) {
	if got := w.capacity(t); len(got) != 0 {
		t.Errorf("a new group has %v", got)
	}
	w.must(t, w.terminate())
	w.must(t, w.terminate("i-0123456789abcdef0"))
	w.stays(t, 0)
}
