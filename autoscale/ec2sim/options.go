package ec2sim

import (
	"cmp"
	"context"
	"log/slog"
	"net/netip"
	"time"
)

// Options of an emulator. The zero value works.
type Options struct {
	Region   string        // default us-east-1
	BootTime time.Duration // pending until then; default 5s
	Boots    Times         // instead of BootTime, where it is not zero
	StopTime time.Duration // shutting-down until then; default 1s
	Forget   time.Duration // terminated instances are listed until then; default 1h
	Max      int           // instances that are not terminated; default 1000

	// Network is the /16 that addresses are taken from, by default 10.0.0.0/16.
	// In 127.0.0.0/8 each instance has an address that its process can listen at.
	Network netip.Prefix

	Seed uint64 // of Boots, Unseen and the faults that strike a share

	// Unseen is how long Describe does not show a new instance: AWS's lists
	// are eventually consistent.
	Unseen Times

	// CheckTime is how long the status checks of an instance that runs are
	// initializing; zero: they pass at once.
	CheckTime time.Duration

	// Throttle refuses requests as AWS documents: a token bucket for each
	// action, and one of instances.
	Throttle bool

	// GroupDelay is how long an Auto Scaling group takes to act on a change of
	// its desired capacity; zero: it has acted when the call is answered.
	GroupDelay time.Duration

	// ZoneSync is how long a change of a hosted zone is PENDING; default 1s.
	ZoneSync time.Duration

	// Rebalance lets groups even out their zones (AZRebalance), as AWS does
	// when an instance of the owner's choice went: another one then follows.
	Rebalance bool

	// Boot is called in its own goroutine when an instance runs. ctx ends when
	// the instance shuts down, or when Run ends; Run waits for Boot to return.
	Boot func(ctx context.Context, i Instance)

	// Command is called in its own goroutine for each instance that SendCommand
	// is for, and returns the exit code and what was written; nil: all succeed.
	// ctx ends with the command's time, or when Run ends.
	Command func(ctx context.Context, i Instance, c Command) (code int, output, complaint string)

	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	o.Region = cmp.Or(o.Region, "us-east-1")
	o.BootTime = cmp.Or(o.BootTime, 5*time.Second)
	o.StopTime = cmp.Or(o.StopTime, time.Second)
	o.Forget = cmp.Or(o.Forget, time.Hour)
	o.ZoneSync = cmp.Or(o.ZoneSync, time.Second)
	o.Max = cmp.Or(o.Max, 1000)
	if !o.Network.IsValid() {
		o.Network = netip.PrefixFrom(netip.AddrFrom4([4]byte{10}), 16)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o Options) boots() Times {
	if o.Boots != (Times{}) {
		return o.Boots
	}
	return Times{low: o.BootTime}
}
