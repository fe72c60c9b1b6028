package ec2sim

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// Run moves instances from state to state, boots them and runs commands, until
// ctx ends and all Boot and Command functions have returned.
func (s *Sim) Run(ctx context.Context) error {
	var busy sync.WaitGroup
	defer busy.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-s.wake:
		}
		next := s.advance(time.Now(), func(i Instance) {
			life, stop := context.WithCancel(ctx)
			s.stops[i.ID] = stop
			busy.Go(func() {
				defer stop()
				if s.opt.Boot != nil {
					s.opt.Boot(life, i)
				}
			})
		})
		for _, c := range s.begin() {
			busy.Go(func() { s.execute(ctx, c) })
		}
		timer.Reset(next)
	}
}

// idle is how long Run sleeps when nothing is due.
const idle = time.Minute

// advance makes all transitions that are due and returns the time to the next.
func (s *Sim) advance(now time.Time, boot func(Instance)) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := idle
	for _, id := range slices.Clone(s.order) {
		i := s.instances[id]
		for at := i.next(); !at.IsZero(); at = i.next() {
			if wait := at.Sub(now); wait > 0 {
				next = min(next, wait)
				break
			}
			s.step(i, now, boot)
		}
	}
	for _, g := range slices.Clone(s.groups) {
		if due := s.reconcile(g, now); !due.IsZero() {
			next = min(next, due.Sub(now))
		}
	}
	s.forgetTokens(now)
	return next
}

// step makes one transition, which is due.
func (s *Sim) step(i *Instance, now time.Time, boot func(Instance)) {
	if !i.Doomed.IsZero() && !now.Before(i.Doomed) {
		s.end(i, i.doom)
		return
	}
	switch i.State {
	case Pending:
		i.State, i.due, i.Ran = Running, time.Time{}, now
		if i.PublicIP == "" {
			i.PublicIP = publicIP(i)
		}
		s.opt.Log.Info("instance runs", "instance", i.ID, "host", i.Hostname())
		if !i.Silent {
			boot(i.copy())
		}
	case ShuttingDown:
		i.State, i.due = Terminated, now.Add(s.opt.Forget)
		s.strip(i)
		s.opt.Log.Info("instance is terminated", "instance", i.ID)
	case Terminated:
		i.due = time.Time{}
		delete(s.instances, i.ID)
		s.order = slices.DeleteFunc(s.order, func(id string) bool { return id == i.ID })
	case Stopping:
		i.State, i.due = Stopped, time.Time{}
		s.strip(i)
	case Running, Stopped:
		i.due = time.Time{}
	}
}

// EC2 honours a ClientToken for 24 hours at least.
const tokenLife = 24 * time.Hour

func (s *Sim) forgetTokens(now time.Time) {
	maps.DeleteFunc(s.tokens, func(_ string, r reservation) bool { return now.Sub(r.at) > tokenLife })
}

// Terminate ends instances as if their owner had, or as EC2 does on its own
// account: reason is shown in Describe.
func (s *Sim) Terminate(reason string, ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if i := s.instances[id]; i != nil {
			s.end(i, reason)
		}
	}
}

// end shuts an instance down. Callers hold s.mu.
func (s *Sim) end(i *Instance, reason string) {
	i.Doomed = time.Time{}
	if i.State.over() {
		return
	}
	i.State, i.Reason, i.due = ShuttingDown, reason, time.Now().Add(s.opt.StopTime)
	s.halt(i)
}

// halt ends what Boot began. Callers hold s.mu.
func (s *Sim) halt(i *Instance) {
	if stop := s.stops[i.ID]; stop != nil {
		stop()
		delete(s.stops, i.ID)
	}
	s.poke()
}
