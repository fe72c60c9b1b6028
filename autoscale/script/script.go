package script

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"rondo/autoscale"
)

// A Cloud is a program that manages instances. It is safe for concurrent use.
type Cloud struct {
	command []string
	timeout time.Duration
}

// New makes the cloud of a valid configuration, and looks whether the program
// is there. It does not run it.
func New(p autoscale.Program) (*Cloud, error) {
	info, err := os.Stat(p.Command[0])
	if err != nil {
		return nil, fmt.Errorf("script: %w", err)
	}
	if info.IsDir() || info.Mode()&0o111 == 0 {
		return nil, fmt.Errorf("script: %s is not an executable file", p.Command[0])
	}
	return &Cloud{command: slices.Clone(p.Command), timeout: p.Timeout}, nil
}

// A request is what the program reads.
type request struct {
	Action  string            `json:"action"`
	Group   string            `json:"group"`
	Count   int               `json:"count,omitempty"`
	Desired int               `json:"desired,omitempty"`
	Token   string            `json:"token,omitempty"`
	Tags    map[string]string `json:"tags,omitempty"`
	IDs     []string          `json:"ids,omitempty"`
}

// Instances implements autoscale.Cloud.
func (c *Cloud) Instances(ctx context.Context, group string) ([]autoscale.Instance, error) {
	return c.ask(ctx, request{Action: "list", Group: group})
}

// Launch implements autoscale.Cloud. There is no request ID.
func (c *Cloud) Launch(ctx context.Context, l autoscale.Launch) ([]autoscale.Instance, string, error) {
	is, err := c.ask(ctx, request{
		Action: "launch", Group: l.Group, Count: l.Count, Desired: l.Desired, Token: l.Token, Tags: l.Tags,
	})
	if err != nil {
		return nil, "", err
	}
	if len(is) == 0 {
		// To believe it would be to launch again as soon as the list is read.
		return nil, "", unclear("launch ended well and printed no instance")
	}
	return is, "", nil
}

// Terminate lists the instances again right before it acts. One that is
// protected, and nothing at all is terminated; one that is not listed, as of
// another group, or that is over, is left out.
func (c *Cloud) Terminate(ctx context.Context, group string, ids []string) (string, error) {
	is, err := c.Instances(ctx, group)
	if err != nil {
		return "", err
	}
	var going []string
	for _, i := range is {
		switch {
		case !slices.Contains(ids, i.ID) || i.Phase == autoscale.Terminating || i.Phase == autoscale.Terminated:
		case i.Protected():
			return "", &autoscale.CallError{
				Failure: autoscale.Permanent, Code: "Refused", Err: fmt.Errorf("%s is protected by its tag %s", i.ID, autoscale.TagProtect),
			}
		default:
			going = append(going, i.ID)
		}
	}
	if len(going) == 0 {
		return "", nil
	}
	_, err = c.run(ctx, request{Action: "terminate", Group: group, IDs: going})
	return "", err
}

// ask runs the program and reads the instances that it prints.
func (c *Cloud) ask(ctx context.Context, r request) ([]autoscale.Instance, error) {
	out, err := c.run(ctx, r)
	if err != nil {
		return nil, err
	}
	is, err := parse(out)
	if err != nil {
		return nil, unclear("%s printed what cannot be read: %v", r.Action, err)
	}
	for _, i := range is {
		if own, tagged := i.Tags[autoscale.TagGroup]; tagged && own != r.Group {
			return nil, unclear("%s of group %s printed %s of group %s", r.Action, r.Group, i.ID, own)
		}
	}
	return is, nil
}

func unclear(format string, args ...any) error {
	return &autoscale.CallError{Failure: autoscale.Unclear, Err: fmt.Errorf(format, args...)}
}

// failure returns what an exit status leaves behind; the numbers are those of
// sysexits.h.
func failure(status int) autoscale.Failure {
	switch status {
	case 64, 78:
		return autoscale.Permanent
	case 69:
		return autoscale.NoRoom
	case 75:
		return autoscale.Throttled
	case 77:
		return autoscale.Denied
	}
	return autoscale.Unclear
}

var errTooMuch = errors.New("it printed more than 4 MiB")
