package ec2sim

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// State is an instance's state as EC2 names it.
type State string

// The states.
const (
	Pending      State = "pending"
	Running      State = "running"
	ShuttingDown State = "shutting-down"
	Terminated   State = "terminated"
)

// code is EC2's number of a state.
func (s State) code() int {
	switch s {
	case Pending:
		return 0
	case Running:
		return 16
	case ShuttingDown:
		return 32
	case Terminated:
		return 48
	}
	return 0
}

// Market is how an instance is paid; the zero value is on demand.
type Market string

// Spot is the market of spare capacity, which EC2 takes back.
const Spot Market = "spot"

// An Instance of the emulator.
type Instance struct {
	ID          string            `json:"id"`
	Reservation string            `json:"reservation"`
	State       State             `json:"state"`
	Reason      string            `json:"reason,omitempty"` // of the end
	Image       string            `json:"image"`
	Type        string            `json:"type"`
	Zone        string            `json:"zone"`
	Subnet      string            `json:"subnet,omitempty"`
	Key         string            `json:"key,omitempty"`
	Profile     string            `json:"profile,omitempty"`
	Market      Market            `json:"market,omitempty"`
	Group       string            `json:"group,omitempty"` // the Auto Scaling group that it is part of
	PrivateIP   string            `json:"private_ip"`
	PrivateDNS  string            `json:"private_dns"`
	UserData    string            `json:"user_data,omitempty"` // decoded
	Token       string            `json:"token,omitempty"`     // ClientToken of its launch
	Index       int               `json:"index"`               // within its reservation
	Tags        map[string]string `json:"tags"`

	SecurityGroups []string `json:"security_groups,omitempty"`

	Launched time.Time `json:"launched"`
	Visible  time.Time `json:"visible,omitzero"` // Describe shows it from then on

	due time.Time // of the next state
}

// Hostname is the first label of the private DNS name, as the machine itself
// would say.
func (i Instance) Hostname() string {
	for n := range len(i.PrivateDNS) {
		if i.PrivateDNS[n] == '.' {
			return i.PrivateDNS[:n]
		}
	}
	return i.PrivateDNS
}

// Options of an emulator. The zero value works.
type Options struct {
	Region   string        // default us-east-1
	BootTime time.Duration // pending until then; default 5s
	StopTime time.Duration // shutting-down until then; default 1s
	Forget   time.Duration // terminated instances are listed until then; default 1h
	Max      int           // instances that are not terminated; default 200

	// GroupDelay is how long an Auto Scaling group takes to act on a change of
	// its desired capacity; zero: it has acted when the call is answered.
	GroupDelay time.Duration

	// Boot is called in its own goroutine when an instance runs. ctx ends when
	// the instance shuts down, or when Run ends; Run waits for Boot to return.
	Boot func(ctx context.Context, i Instance)
	Log  *slog.Logger
}

func (o Options) withDefaults() Options {
	o.Region = cmp.Or(o.Region, "us-east-1")
	o.BootTime = cmp.Or(o.BootTime, 5*time.Second)
	o.StopTime = cmp.Or(o.StopTime, time.Second)
	o.Forget = cmp.Or(o.Forget, time.Hour)
	o.Max = cmp.Or(o.Max, 200)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// A Sim is one emulated region of one account. It is an http.Handler, and its
// instances live while Run runs.
type Sim struct {
	opt      Options
	services []*service
	wake     chan struct{}

	mu        sync.Mutex
	instances map[string]*Instance
	order     []string // IDs by launch
	tokens    map[string]reservation
	faults    []*Fault
	nextIP    int
	templates []*launchTemplate
	groups    []*group                      // by name
	stops     map[string]context.CancelFunc // of the booted
}

// A reservation is what a ClientToken stands for.
type reservation struct {
	params string // canonical; a repetition must have the same
	ids    []string
	at     time.Time
}

// New returns an emulator without instances.
func New(o Options) *Sim {
	return &Sim{
		opt: o.withDefaults(), services: services(), wake: make(chan struct{}, 1),
		instances: make(map[string]*Instance), tokens: make(map[string]reservation),
		stops: make(map[string]context.CancelFunc),
	}
}

// Run moves instances from state to state and boots them, until ctx ends and
// all Boot functions have returned.
func (s *Sim) Run(ctx context.Context) error {
	var booted sync.WaitGroup
	defer booted.Wait()
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
			booted.Go(func() {
				defer stop()
				if s.opt.Boot != nil {
					s.opt.Boot(life, i)
				}
			})
		})
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
		if i.due.IsZero() {
			continue
		}
		if wait := i.due.Sub(now); wait > 0 {
			next = min(next, wait)
			continue
		}
		s.step(i, now, boot)
		if !i.due.IsZero() {
			next = min(next, i.due.Sub(now))
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

// step makes one transition.
func (s *Sim) step(i *Instance, now time.Time, boot func(Instance)) {
	switch i.State {
	case Pending:
		i.State, i.due = Running, time.Time{}
		s.opt.Log.Info("instance runs", "instance", i.ID, "host", i.Hostname())
		boot(i.copy())
	case ShuttingDown:
		i.State, i.due = Terminated, now.Add(s.opt.Forget)
		s.opt.Log.Info("instance is terminated", "instance", i.ID)
	case Terminated:
		delete(s.instances, i.ID)
		s.order = slices.DeleteFunc(s.order, func(id string) bool { return id == i.ID })
	case Running:
		i.due = time.Time{}
	}
}

// EC2 honours a ClientToken for 24 hours at least.
const tokenLife = 24 * time.Hour

func (s *Sim) forgetTokens(now time.Time) {
	maps.DeleteFunc(s.tokens, func(_ string, r reservation) bool { return now.Sub(r.at) > tokenLife })
}

func (i *Instance) copy() Instance {
	c := *i
	c.Tags = maps.Clone(i.Tags)
	return c
}

// poke makes Run look now.
func (s *Sim) poke() {
	select {
	case s.wake <- struct{}{}:
	default: // it is about to look anyway
	}
}

// Instances returns all instances, the terminated among them, by launch.
func (s *Sim) Instances() []Instance {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Instance, 0, len(s.order))
	for _, id := range s.order {
		out = append(out, s.instances[id].copy())
	}
	return out
}

// ErrNoRoom says that there are Options.Max instances already.
var ErrNoRoom = errors.New("ec2sim: as many instances as the emulator takes")

// Seed adds n instances with tags that have booted: the fleet that was there
// before the story begins.
func (s *Sim) Seed(n int, tags map[string]string) error {
	out, err := s.Launch(n, tags)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range out {
		s.instances[i.ID].due = i.Launched
	}
	s.poke()
	return err
}

// Launch starts n instances with tags, as RunInstances would.
func (s *Sim) Launch(n int, tags map[string]string) ([]Instance, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.alive()+n > s.opt.Max {
		return nil, ErrNoRoom
	}
	return s.launch(n, Instance{Image: "ami-00000000000000001", Type: "t3.micro", Tags: tags}, 0), nil
}

// alive counts the instances that are not terminated. Callers hold s.mu.
func (s *Sim) alive() int {
	n := 0
	for _, i := range s.instances {
		if i.State != Terminated {
			n++
		}
	}
	return n
}

// launch adds n instances like the given one. Callers hold s.mu.
func (s *Sim) launch(n int, like Instance, hidden time.Duration) []Instance {
	now := time.Now()
	like.Reservation = newID("r-")
	out := make([]Instance, 0, n)
	for index := range n {
		i := like
		i.ID, i.State, i.Index, i.Tags = newID("i-"), Pending, index, maps.Clone(like.Tags)
		i.Launched, i.due = now, now.Add(s.opt.BootTime)
		if hidden > 0 {
			i.Visible = now.Add(hidden)
		}
		s.address(&i)
		s.instances[i.ID] = &i
		s.order = append(s.order, i.ID)
		out = append(out, i.copy())
	}
	s.poke()
	return out
}

// address gives an instance its zone, IP address and name.
func (s *Sim) address(i *Instance) {
	n := s.nextIP
	s.nextIP++
	i.Zone = cmp.Or(i.Zone, s.zoneOf(i.Subnet), s.zones()[n%zoneCount])
	a, b := 1+n/250%250, 4+n%250
	i.PrivateIP = fmt.Sprintf("10.0.%d.%d", a, b)
	domain := s.opt.Region + ".compute.internal"
	if s.opt.Region == "us-east-1" {
		domain = "ec2.internal"
	}
	i.PrivateDNS = fmt.Sprintf("ip-10-0-%d-%d.%s", a, b, domain)
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
	if i.State == ShuttingDown || i.State == Terminated {
		return
	}
	i.State, i.Reason, i.due = ShuttingDown, reason, time.Now().Add(s.opt.StopTime)
	if stop := s.stops[i.ID]; stop != nil {
		stop()
		delete(s.stops, i.ID)
	}
	s.poke()
}

// newID makes an identifier as EC2 does: 17 hex digits after the prefix.
func newID(prefix string) string {
	b := make([]byte, 9)
	// crypto/rand never fails (see its documentation).
	_, _ = rand.Read(b)
	return prefix + hex.EncodeToString(b)[:17]
}
