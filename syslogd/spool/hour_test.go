package spool

import (
	"testing"
	"testing/synctest"
	"time"

	"rondo/syslogd/out/outtest"
)

// TestDeadForAnHour: while three destinations are dead for an hour, one that
// works gets all as it comes; when they are back, each has what its bounds let
// wait, in order, and every other message has been dropped for a reason.
func TestDeadForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const perMinute, minutes = 200, 60
		s := openAt(t, t.TempDir())
		limits := []Limits{{}, {Bytes: minBytes}, {Age: 10 * time.Minute}, {}}
		configs := []QueueConfig{{"all", limits[0]}, {"small", limits[1]}, {"young", limits[2]}, {"alive", limits[3]}}
		queues, err := s.Queues(configs)
		if err != nil {
			t.Fatal(err)
		}
		var ends []*outtest.Memory
		var stops []func()
		for i, q := range queues {
			d := outtest.NewMemory(50)
			d.SetDown(i < 3)
			ends = append(ends, d)
			stops = append(stops, run(t, q, d))
		}
		pad := string(make([]byte, 200))
		for minute := range minutes {
			batch := messages(minute*perMinute, (minute+1)*perMinute)
			for i := range batch {
				batch[i].SD = pad
			}
			put(t, s, queues, batch, 15)
			time.Sleep(time.Minute)
			if got, _ := ends[3].Messages(); len(got) != (minute+1)*perMinute {
				t.Fatalf("minute %d: %d have arrived where all works", minute, len(got))
			}
		}
		for _, d := range ends[:3] {
			d.SetDown(false)
		}
		time.Sleep(2 * time.Minute)
		for i, q := range queues {
			stops[i]()
			st := check(t, q)
			got, _ := ends[i].Messages()
			if st.Routed != perMinute*minutes || st.Waiting != 0 || int(st.Delivered) != len(got) {
				t.Errorf("%s: %d arrived: %+v", q.Name(), len(got), st)
			}
			first := perMinute*minutes - len(got) // the newest have arrived, without a gap
			for k, m := range got {
				if want := message(first + k).Text; m.Text != want {
					t.Fatalf("%s: %q is number %d of %d, want %q", q.Name(), m.Text, k, len(got), want)
				}
			}
		}
		for name, st := range map[string]QueueStats{"all": queues[0].Stats(), "alive": queues[3].Stats()} {
			if st.Delivered != st.Routed {
				t.Errorf("%s: %+v", name, st)
			}
		}
		small, young := queues[1].Stats(), queues[2].Stats()
		if n := small.Dropped[QueueFull]; n == 0 || n+small.Delivered != small.Routed {
			t.Errorf("small: %+v", small)
		}
		if n := young.Dropped[TooOld]; n+young.Delivered != young.Routed || young.Delivered < 9*perMinute || young.Delivered > 11*perMinute {
			t.Errorf("young: %+v", young)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestClockStep: the clock was set back, or far ahead, while the program did
// not run. Nothing is lost untold, and a queue without an age loses nothing.
func TestClockStep(t *testing.T) {
	for _, step := range []time.Duration{-24 * time.Hour, time.Hour} {
		dir := t.TempDir()
		s := openAt(t, dir)
		configs := []QueueConfig{{"young", Limits{Age: 10 * time.Minute}}, {"all", Limits{}}}
		queues, err := s.Queues(configs)
		if err != nil {
			t.Fatal(err)
		}
		put(t, s, queues, messages(0, 100), 3)
		kill(t, s)

		s = openAt(t, dir)
		if queues, err = s.Queues(configs); err != nil {
			t.Fatal(err)
		}
		put(t, s, queues, messages(100, 101), 3) // written by the clock of now
		s.expire(time.Now().Add(step))
		young, all := check(t, queues[0]), check(t, queues[1])
		if step < 0 && young.Waiting != 101 || step > 0 && young.Dropped[TooOld] != 101 {
			t.Errorf("step %v: %+v", step, young)
		}
		if all.Waiting != 101 {
			t.Errorf("step %v: %+v", step, all)
		}
		d := outtest.NewMemory(1)
		stop := run(t, queues[1], d)
		for deadline := time.Now().Add(20 * time.Second); queues[1].Stats().Delivered < 101 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		}
		stop()
		if got, _ := d.Messages(); len(got) != 101 {
			t.Errorf("step %v: %d have arrived", step, len(got))
		}
		kill(t, s)
	}
}
