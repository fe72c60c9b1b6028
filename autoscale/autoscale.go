package autoscale

import (
	"context"
	"time"
)

// Phase is where an instance is in its life.
type Phase string

// The phases of an instance. Pending, Booting and InService are capacity.
const (
	Pending     Phase = "pending"     // launched, not running yet
	Booting     Phase = "booting"     // running, no heartbeat yet
	InService   Phase = "in-service"  // heartbeat seen
	Silent      Phase = "silent"      // running, but its heartbeat ended or never came in time
	Draining    Phase = "draining"    // chosen to go, not terminated yet
	Replaced    Phase = "replaced"    // lost; another serves in its place, and it is to be terminated
	Terminating Phase = "terminating" // termination asked for
	Stopped     Phase = "stopped"     // stopped or set aside by someone else; not ours to start
	Terminated  Phase = "terminated"  // over; the cloud still remembers it
)

// The tags that rondo puts on an instance, and the one that it obeys.
const (
	TagGroup    = "rondo:group"    // the group that owns the instance
	TagDecision = "rondo:decision" // the journalled attempt that launched it
	TagProtect  = "rondo:protect"  // any value but "" and "false": never terminated by rondo
)

// An Instance of a group, as the cloud and the fleet see it.
type Instance struct {
	ID         string            `json:"id"`
	Type       string            `json:"type,omitempty"`
	Image      string            `json:"image,omitempty"`
	Zone       string            `json:"zone,omitempty"`
	Subnet     string            `json:"subnet,omitempty"`
	Market     Market            `json:"market,omitempty"`
	PrivateDNS string            `json:"private_dns,omitempty"`
	PrivateIP  string            `json:"private_ip,omitempty"`
	PublicDNS  string            `json:"public_dns,omitempty"`
	PublicIP   string            `json:"public_ip,omitempty"`
	Launched   time.Time         `json:"launched"`
	Phase      Phase             `json:"phase"`
	Tags       map[string]string `json:"tags,omitempty"`
	Host       string            `json:"host,omitempty"`      // the name it has in the fleet, once heard of
	FirstSeen  time.Time         `json:"first_seen,omitzero"` // when the group first heard of it
	LastSeen   time.Time         `json:"last_seen,omitzero"`  // its newest heartbeat
	Impaired   time.Time         `json:"impaired,omitzero"`   // since when it fails the cloud's own checks, or its balancer's
	Ailment    string            `json:"ailment,omitempty"`   // which check it fails; "": the cloud's own
	Template   string            `json:"template,omitempty"`  // the digest of what it was launched as; "" where nobody knows
	Outdated   bool              `json:"outdated,omitempty"`  // the configuration asks for something else now
	Locked     string            `json:"locked,omitempty"`    // why the cloud would not terminate it
	Waits      Transition        `json:"waits,omitempty"`     // a lifecycle hook holds it up
	Drains     string            `json:"drains,omitempty"`    // what it still has to do before it is terminated
	Notes      []string          `json:"notes,omitempty"`     // of what follows the group, such as a balancer's health check; only in a [View]
}

// Protected says whether the instance's tags forbid its termination, or the
// cloud would refuse it.
func (i Instance) Protected() bool {
	v := i.Tags[TagProtect]
	return v != "" && v != "false" || i.Locked != ""
}

// A Template is what instances of a group are launched as. Fields that are
// empty are left to the launch template, or to the cloud.
type Template struct {
	LaunchTemplate string            `yaml:"launch_template" json:"launch_template,omitempty"` // lt-... or its name
	Version        string            `yaml:"version" json:"version,omitempty"`                 // of the launch template; default its default version
	Image          string            `yaml:"image" json:"image,omitempty"`
	Type           string            `yaml:"type" json:"type,omitempty"`
	Subnet         string            `yaml:"subnet" json:"subnet,omitempty"`
	Zone           string            `yaml:"zone" json:"zone,omitempty"`
	Key            string            `yaml:"key" json:"key,omitempty"`
	SecurityGroups []string          `yaml:"security_groups" json:"security_groups,omitempty"` // IDs
	Profile        string            `yaml:"profile" json:"profile,omitempty"`                 // IAM instance profile's name
	UserData       string            `yaml:"user_data" json:"user_data,omitempty"`             // plain text, at most 16 KiB
	Tags           map[string]string `yaml:"tags" json:"tags,omitempty"`

	Images ImageFilter `yaml:"images" json:"images,omitzero"` // instead of image: the newest that fits

	// Where there is a choice, each launch goes to what [Pool] has room.
	Types   []string   `yaml:"types" json:"types,omitempty"`     // instead of type, the preferred first
	Zones   []string   `yaml:"zones" json:"zones,omitempty"`     // instead of zone; kept even
	Subnets []string   `yaml:"subnets" json:"subnets,omitempty"` // instead of zones: one in each zone
	Spot    SpotPolicy `yaml:"spot" json:"spot,omitzero"`
	Fleet   bool       `yaml:"fleet" json:"fleet,omitempty"` // ask for all pools in one call (CreateFleet); wants a launch template
}

// A Launch asks for instances. It is journalled whole, so that a retry asks
// for exactly the same. Its user data is as configured: secrets are filled in
// for the call alone ([Options].UserData).
type Launch struct {
	Group    string            `json:"group"`
	Count    int               `json:"count"`             // as many as can be had, at least one
	Desired  int               `json:"desired,omitempty"` // Count and all that are there, draining and silent ones too
	Token    string            `json:"token"`             // ClientToken: the same token never launches twice
	Tags     map[string]string `json:"tags"`              // put on at launch
	Template Template          `json:"template"`

	// Pools say where from, the first before the next, instead of the template's
	// type, zone, subnet and market; none leave all that to the template. A
	// cloud that can ask for one only is given one only.
	Pools []Pool    `json:"pools,omitempty"`
	Asked time.Time `json:"asked,omitzero"` // when it was decided
	Rest  int       `json:"rest,omitempty"` // how many more the decision wants, which are asked for elsewhere
}

// A Cloud is where instances come from. Calls are safe to repeat with the same
// arguments. Their errors are *CallError where it is known what the failed call
// left behind; any other error counts as unclear.
type Cloud interface {
	// Instances lists all that carry the group's tag; those that are over too,
	// as Terminated, for as long as the cloud remembers them. An instance may
	// appear some time after Launch returned it.
	Instances(ctx context.Context, group string) ([]Instance, error)
	// Launch returns what was launched, and the API's request ID. Where that is
	// fewer than were asked for there was no room for more; an error of NoRoom
	// beside instances says in which pools. A cloud that only takes orders returns
	// none and no error, and lists what it was asked for as Pending.
	Launch(ctx context.Context, l Launch) ([]Instance, string, error)
	// Terminate reads the instances' tags and states again right before it acts,
	// and touches none of them if one is not the group's or is protected. It
	// returns the API's request ID.
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
	Time    time.Time `json:"time"`
	Value   float64   `json:"value"`
	Serving int       `json:"serving,omitempty"` // of how many instances the value is an average; 0: as many as serve now
}

// A Decision is what the controller decided in one tick, and why.
type Decision struct {
	ID        string    `json:"id,omitempty"`         // of the journalled attempt; "" where nothing was to be done
	Entry     uint64    `json:"entry,omitempty"`      // its number in the journal, once it is there
	Policy    string    `json:"policy,omitempty"`     // digest of the configuration in force
	Who       string    `json:"applied_by,omitempty"` // who applied it by hand, in a dry run
	Group     string    `json:"group"`
	At        time.Time `json:"at"`
	Direction Direction `json:"direction"`
	From      int       `json:"from"` // capacity before
	To        int       `json:"to"`   // capacity wanted
	Code      string    `json:"code"` // short stable name of the reason and of what held it
	Reason    string    `json:"reason"`
	Held      string    `json:"held,omitempty"`    // what kept it from acting
	Remarks   string    `json:"remarks,omitempty"` // of the cloud and of what follows the group: see Remarker and House
	Points    []Point   `json:"points,omitempty"`
	By        string    `json:"by,omitempty"`       // of several policies, the one that decided; "" where none was asked
	Policies  []Wish    `json:"policies,omitempty"` // what each of several wanted
	Saw       Saw       `json:"saw,omitzero"`       // what the arithmetic was done with, beside the points
	Forecast  *Forecast `json:"forecast,omitempty"` // of a policy that follows the load, where it decided
	Guards    []Guard   `json:"guards,omitempty"`   // the guard rails that were asked
	DryRun    bool      `json:"dry_run,omitempty"`
	Instances []string  `json:"instances,omitempty"`
	RequestID string    `json:"request_id,omitempty"`
	Outcome   string    `json:"outcome,omitempty"`  // done, failed: ..., unclear: ...
	Replaces  string    `json:"replaces,omitempty"` // the lost instance that this is about
	Heir      string    `json:"heir,omitempty"`     // what serves in its place
	Refresh   string    `json:"refresh,omitempty"`  // the ID of the refresh that this is a step of
	Count     int       `json:"count,omitempty"`    // ticks that came to this same non-decision
	First     time.Time `json:"first,omitzero"`     // the first of them
}

// Acts says whether the decision is to be carried out.
func (d Decision) Acts() bool { return d.Direction != Stay && d.Held == "" && !d.DryRun }

// Said is the reason, and what the cloud remarks.
func (d Decision) Said() string {
	if d.Remarks == "" {
		return d.Reason
	}
	return d.Reason + "; " + d.Remarks
}

// A Saw is what a decision looked at beside the points. With them it is enough
// to ask [Want] again.
type Saw struct {
	InService int       `json:"in_service"` // and warm: what the metric is an average of
	Coming    int       `json:"on_their_way,omitempty"`
	Draining  int       `json:"draining,omitempty"`
	Silent    int       `json:"silent,omitempty"`
	Overdue   int       `json:"never_heard_of,omitempty"` // among the silent ones
	Forgiven  int       `json:"forgiven,omitempty"`       // never heard of either, from before the group was started by hand
	Last      Change    `json:"last,omitzero"`            // the change of capacity before
	Watched   time.Time `json:"watched_since,omitzero"`
	Stopped   string    `json:"stopped,omitempty"`      // by whom
	Launched  int       `json:"launched,omitempty"`     // within the window of max_launches
	Spent     float64   `json:"spent,omitempty"`        // this month, of a group with a budget
	Boot      float64   `json:"boot_seconds,omitempty"` // as it was taken to be
	Boots     int       `json:"boots_known,omitempty"`  // from so many instances; 0: as configured
}

// A Guard is what one guard rail said to a decision.
type Guard struct {
	Name   string `json:"name"`             // stable, in codes too
	Text   string `json:"text"`             // with its figures
	Blocks bool   `json:"blocks,omitempty"` // else it let the decision pass
}

// A PolicyView is one policy of a group as pages and commands see it.
type PolicyView struct {
	Name   string   `json:"name"`
	Kind   string   `json:"kind"`
	Metric string   `json:"metric,omitempty"`
	Title  string   `json:"title"`
	Value  *float64 `json:"value"`               // nil while missing
	Out    *float64 `json:"out_above,omitempty"` // nil where the metric has no such level
	In     *float64 `json:"in_below,omitempty"`
}

// A View is one group as pages and commands see it.
type View struct {
	Name       string       `json:"name"`
	Mode       string       `json:"mode"` // act or dry-run
	Stopped    bool         `json:"stopped"`
	StoppedBy  string       `json:"stopped_by,omitempty"` // who stopped it and why
	Down       string       `json:"down,omitempty"`       // until when it is shut down, or kept up, and by whom
	Min        int          `json:"min"`
	Max        int          `json:"max"`
	Desired    int          `json:"desired"`
	Metric     string       `json:"metric"` // the first policy's, as title, value, out and in
	Title      string       `json:"title"`  // what the metric is called in reasons
	Value      float64      `json:"-"`      // NaN while missing
	Out        float64      `json:"out_above"`
	In         float64      `json:"in_below"`
	Track      bool         `json:"track,omitempty"` // it follows the load: Out is the share of use that it aims at, and there is no In
	Policies   []PolicyView `json:"policies"`
	Cooldown   time.Time    `json:"cooldown_until"`
	Boot       float64      `json:"boot_seconds"`          // from launch to first heartbeat
	BootsKnown int          `json:"boots_known,omitempty"` // from how many instances Boot was learnt; 0: it is as configured
	Preflight  *Preflight   `json:"preflight,omitempty"`   // what the cloud would allow, as asked last
	Instances  []Instance   `json:"instances"`
	Breakers   []Breaker    `json:"breakers,omitempty"` // those that are not closed
	Spending   *Spending    `json:"spending,omitempty"` // of a group with a budget
	Shadow     *ShadowView  `json:"shadow,omitempty"`   // of a group with a shadow policy
	Refresh    *RefreshView `json:"refresh,omitempty"`  // of a group with outdated instances, or that was refreshed
	Last       Decision     `json:"last"`               // newest decision, acting or not
	Recent     []Decision   `json:"recent"`             // newest first; runs of the same non-decision appear once
}
