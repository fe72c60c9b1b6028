package ec2sim

import (
	"math"
	"slices"
	"strings"
)

// maxListed bounds what is kept, the terminated included.
const maxListed = 20_000

// room says how many instances of a kind can be launched, low at least, or
// what EC2 says where they cannot. Callers hold s.mu.
func (s *Sim) room(like Instance, low int) (int, *apiError) {
	if err := s.offered(like); err != nil {
		return 0, err
	}
	room := s.opt.Max - s.alive()
	if room < low || len(s.order) >= maxListed {
		return 0, apiErrorf("InstanceLimitExceeded", "You have requested more instances (%d) than your current instance limit of %d allows for the specified instance type.", s.alive()+low, s.opt.Max)
	}
	free, full := s.capacity(like)
	if free < low {
		return 0, s.noRoom(like, full)
	}
	return min(room, free), nil
}

// capacity is how many more instances of a kind EC2 has, and the fault that
// says so.
func (s *Sim) capacity(like Instance) (int, *Fault) {
	if like.Zone != "" {
		return s.free(like)
	}
	total, least := 0, (*Fault)(nil)
	for _, zone := range s.zones() {
		like.Zone = zone
		n, f := s.free(like)
		if total = min(total+n, math.MaxInt32); f != nil {
			least = f
		}
	}
	like.Zone = ""
	if n, f := s.free(like); n < total {
		return n, f
	}
	return total, least
}

// free is what the faults of EffectNoRoom leave for one pool.
func (s *Sim) free(like Instance) (int, *Fault) {
	n, least := math.MaxInt32, (*Fault)(nil)
	for _, f := range s.faults {
		if f.Effect != EffectNoRoom || !f.on() || !f.matches(like) {
			continue
		}
		used := 0
		for _, i := range s.instances {
			if i.State != Terminated && f.matches(*i) {
				used++
			}
		}
		if left := max(0, f.Room-used); left < n {
			n, least = left, f
		}
	}
	return n, least
}

// noRoom refuses a launch in EC2's words, and spends the fault that did.
func (s *Sim) noRoom(like Instance, full *Fault) *apiError {
	code := "InsufficientInstanceCapacity"
	if full != nil {
		if full.Code != "" {
			code = full.Code
		}
		s.spend(full)
	}
	switch {
	case code != "InsufficientInstanceCapacity":
		return apiErrorf(code, "%s: there is no room for %s in %s.", code, like.Type, like.Zone)
	case like.Market == Spot:
		return apiErrorf(code, "There is no Spot capacity available that matches your request.")
	case like.Zone == "":
		return apiErrorf(code, "We currently do not have sufficient %s capacity in this region. Our system will be working on provisioning additional capacity.", like.Type)
	}
	others := slices.DeleteFunc(s.zones(), func(z string) bool { return z == like.Zone })
	return apiErrorf(code, "We currently do not have sufficient %s capacity in the Availability Zone you requested (%s). Our system will be working on provisioning additional capacity. You can currently get %s capacity by not specifying an Availability Zone in your request or choosing %s.",
		like.Type, like.Zone, like.Type, strings.Join(others, ", "))
}

// roomyZone is the next zone in turn that has room.
func (s *Sim) roomyZone(like Instance, turn int) string {
	zones := s.zones()
	for n := range zones {
		like.Zone = zones[(turn+n)%len(zones)]
		if free, _ := s.free(like); free > 0 {
			return like.Zone
		}
	}
	return zones[turn%len(zones)]
}

// mayLaunch says why one more instance cannot be launched for a group, in
// EC2's words. Faults that strike RunInstances with an error strike here too:
// a group calls it on its owner's behalf. Callers hold s.mu.
func (s *Sim) mayLaunch(like Instance) *apiError {
	if fault, ok := s.take(func(f *Fault) bool { return f.Action == "RunInstances" && f.Effect == EffectError }); ok {
		return apiErrorf(fault.Code, "%s: fault on demand.", fault.Code)
	}
	_, err := s.room(like, 1)
	return err
}
