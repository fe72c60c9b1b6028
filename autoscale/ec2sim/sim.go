package ec2sim

import (
	"context"
	crand "crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"time"
)

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
	rand      *rand.Rand
	buckets   map[string]*bucket // by action
	images    []Image

	elasticIPs  []*elasticIP
	nextElastic int

	targetGroups []*targetGroup
	commands     []*Command // by time
	parameters   map[string]parameter
	hosted       []*hostedZone
	zoneChanges  map[string]time.Time // when they were made, by ID

	sessions  map[string]time.Time // ends of the access keys that AssumeRole gave
	templates []*launchTemplate
	groups    []*group                      // by name
	stops     map[string]context.CancelFunc // of the booted
}

// A reservation is what a ClientToken stands for.
type reservation struct {
	params string // canonical; a repetition must have the same
	ids    []string
	at     time.Time
	fleet  *fleetResult // of CreateFleet
}

// New returns an emulator without instances.
func New(o Options) *Sim {
	return &Sim{
		opt: o.withDefaults(), services: services(), wake: make(chan struct{}, 1),
		instances: make(map[string]*Instance), tokens: make(map[string]reservation),
		buckets: make(map[string]*bucket), images: standardImages(), parameters: standardParameters(), sessions: make(map[string]time.Time),
		zoneChanges: make(map[string]time.Time),
		rand:        rand.New(rand.NewPCG(o.Seed, 0)),
		stops:       make(map[string]context.CancelFunc),
	}
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
		i.Launched, i.due = now, now.Add(s.opt.boots().draw(s.rand))
		if unseen := max(hidden, s.opt.Unseen.draw(s.rand)); unseen > 0 {
			i.Visible = now.Add(unseen)
		}
		s.address(&i)
		s.afflict(&i, now)
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
	if i.Zone == "" {
		i.Zone = s.roomyZone(*i, n)
	}
	ip := s.opt.Network.Addr().As4()
	ip[2], ip[3] = byte(1+n/250%250), byte(4+n%250)
	i.PrivateIP = netip.AddrFrom4(ip).String()
	domain := s.opt.Region + ".compute.internal"
	if s.opt.Region == "us-east-1" {
		domain = "ec2.internal"
	}
	i.PrivateDNS = fmt.Sprintf("ip-%s.%s", strings.ReplaceAll(i.PrivateIP, ".", "-"), domain)
}

// newID makes an identifier as EC2 does: 17 hex digits after the prefix.
func newID(prefix string) string {
	b := make([]byte, 9)
	// crypto/rand never fails (see its documentation).
	_, _ = crand.Read(b)
	return prefix + hex.EncodeToString(b)[:17]
}
