package autoscale

import (
	"context"
	"time"
)

// Phase is where an instance is in its life.
type Phase string

// The phases of an instance.
const (
	Pending     Phase = "pending"     // launched, not running yet
	Booting     Phase = "booting"     // running, no heartbeat yet
	InService   Phase = "in-service"  // heartbeat seen
	Draining    Phase = "draining"    // chosen to go, not terminated yet
	Terminating Phase = "terminating" // termination asked for
)

// An Instance of a group, as the cloud and the fleet see it.
type Instance struct {
	ID         string
	Type       string
	Zone       string
	PrivateDNS string
	PrivateIP  string
	Launched   time.Time
	Phase      Phase
	Tags       map[string]string
}

// A Launch asks for instances.
type Launch struct {
	Group string
	Count int
	Token string            // ClientToken: the same token never launches twice
	Tags  map[string]string // put on at launch
}

// A Cloud is where instances come from. Calls are safe to repeat with the same arguments.
type Cloud interface {
	// Instances lists all that carry the group's tag and are not terminated.
	Instances(ctx context.Context, group string) ([]Instance, error)
	// Launch returns what was launched, and the API's request ID.
	Launch(ctx context.Context, l Launch) ([]Instance, string, error)
	// Terminate returns the API's request ID.
	Terminate(ctx context.Context, group string, ids []string) (string, error)
}

// Direction of a decision.
type Direction string

// The directions, and none.
const (
	Stay Direction = "stay"
	Out  Direction = "out"
	In   Direction = "in"
)

// A Point of the metric as a decision saw it.
type Point struct {
	Time  time.Time `json:"time"`
	Value float64   `json:"value"`
}

// A Decision is what the controller decided in one tick, and why.
type Decision struct {
	ID        string    `json:"id"`
	Group     string    `json:"group"`
	At        time.Time `json:"at"`
	Direction Direction `json:"direction"`
	From      int       `json:"from"` // capacity before
	To        int       `json:"to"`   // capacity wanted
	Reason    string    `json:"reason"`
	Held      string    `json:"held,omitempty"` // what kept it from acting
	Points    []Point   `json:"points,omitempty"`
	DryRun    bool      `json:"dry_run,omitempty"`
	Instances []string  `json:"instances,omitempty"`
	RequestID string    `json:"request_id,omitempty"`
	Outcome   string    `json:"outcome,omitempty"` // done, failed: ..., unclear: ...
}

// A View is one group as pages and commands see it.
type View struct {
	Name      string     `json:"name"`
	Mode      string     `json:"mode"` // act or dry-run
	Stopped   bool       `json:"stopped"`
	Min       int        `json:"min"`
	Max       int        `json:"max"`
	Desired   int        `json:"desired"`
	Metric    string     `json:"metric"`
	Value     float64    `json:"-"`
	Out       float64    `json:"out_above"`
	In        float64    `json:"in_below"`
	Cooldown  time.Time  `json:"cooldown_until"`
	Instances []Instance `json:"instances"`
	Last      Decision   `json:"last"`   // newest decision, acting or not
	Recent    []Decision `json:"recent"` // newest first; runs of the same non-decision appear once
}
