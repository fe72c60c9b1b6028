package ec2sim

import (
	"maps"
	"slices"
	"strings"
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
	Stopping     State = "stopping"
	Stopped      State = "stopped"
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
	case Stopping:
		return 64
	case Stopped:
		return 80
	}
	return 0
}

// over says whether an instance of that state is on its way out for good.
func (s State) over() bool { return s == ShuttingDown || s == Terminated }

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
	Keep        bool              `json:"keep,omitempty"`  // disableApiTermination
	PrivateIP   string            `json:"private_ip"`
	PrivateDNS  string            `json:"private_dns"`
	PublicIP    string            `json:"public_ip,omitempty"` // while it runs
	UserData    string            `json:"user_data,omitempty"` // decoded
	Token       string            `json:"token,omitempty"`     // ClientToken of its launch
	Index       int               `json:"index"`               // within its reservation
	Tags        map[string]string `json:"tags"`

	SecurityGroups []string `json:"security_groups,omitempty"`

	Launched time.Time `json:"launched"`
	Ran      time.Time `json:"ran,omitzero"`      // when it last began to run
	Visible  time.Time `json:"visible,omitzero"`  // Describe shows it from then on
	Impaired time.Time `json:"impaired,omitzero"` // its status checks fail from then on
	Notice   time.Time `json:"notice,omitzero"`   // its interruption is announced from then on
	Doomed   time.Time `json:"doomed,omitzero"`   // it ends by itself
	Silent   bool      `json:"silent,omitempty"`  // Boot is not called

	due  time.Time // of the next state
	doom string    // the reason of an end that is to come
}

// Hostname is the first label of the private DNS name, as the machine itself
// would say.
func (i Instance) Hostname() string {
	name, _, _ := strings.Cut(i.PrivateDNS, ".")
	return name
}

func (i *Instance) copy() Instance {
	c := *i
	c.Tags = maps.Clone(i.Tags)
	c.SecurityGroups = slices.Clone(i.SecurityGroups)
	return c
}

// next is when something is to happen to the instance; zero: never.
func (i *Instance) next() time.Time {
	if i.due.IsZero() || !i.Doomed.IsZero() && i.Doomed.Before(i.due) {
		return i.Doomed
	}
	return i.due
}
