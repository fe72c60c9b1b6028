package autoscale

import (
	"context"
	"fmt"
	"reflect"
	"time"
)

// Clouds are the clouds of several groups, by the group's name: one group may
// be plain EC2 instances, the next an Auto Scaling Group, a third a script's.
// It is itself a Cloud. A group that is not in it is a Permanent error.
type Clouds map[string]Cloud

// Instances implements [Cloud].
func (c Clouds) Instances(ctx context.Context, group string) ([]Instance, error) {
	own, err := c.of(group)
	if err != nil {
		return nil, err
	}
	return own.Instances(ctx, group)
}

// Launch implements [Cloud].
func (c Clouds) Launch(ctx context.Context, l Launch) ([]Instance, string, error) {
	own, err := c.of(l.Group)
	if err != nil {
		return nil, "", err
	}
	return own.Launch(ctx, l)
}

// Terminate implements [Cloud].
func (c Clouds) Terminate(ctx context.Context, group string, ids []string) (string, error) {
	own, err := c.of(group)
	if err != nil {
		return "", err
	}
	return own.Terminate(ctx, group, ids)
}

func (c Clouds) of(group string) (Cloud, error) {
	if own, ok := c[group]; ok {
		return own, nil
	}
	return nil, &CallError{Failure: Permanent, Code: "NoCloud", Err: fmt.Errorf("group %q has no cloud", group)}
}

// cloudOf returns the cloud of one group, so that what it can do beyond [Cloud]
// is found on it, and not looked for on the [Clouds] around it.
func cloudOf(c Cloud, group string) Cloud {
	if all, ok := c.(Clouds); ok {
		if own, ok := all[group]; ok {
			return own
		}
	}
	return c
}

// A Program manages a group's instances in place of EC2: see package script.
type Program struct {
	Command []string      `yaml:"command"` // an absolute path, and arguments; no shell
	Timeout time.Duration `yaml:"timeout"` // of one run; default and most 30s
}

// maxProgram is the longest a program may run, as any call to a cloud.
const maxProgram = callTimeout

// validateSource checks that a group says where its instances come from, and
// says it once. A group that does not act may leave it open.
func (g Group) validateSource(check func(bool, string, ...any)) {
	launches := !reflect.ValueOf(g.Launch).IsZero()
	named := 0
	for _, is := range []bool{launches, g.ASG != "", g.Exec != nil} {
		if is {
			named++
		}
	}
	check(named <= 1, "launch, asg and exec exclude each other: instances come from one of them")
	check(g.Mode != Act || named > 0, "mode act needs launch.image, launch.images or launch.launch_template, or asg (an Auto Scaling Group), or exec (a program)")
	check(g.Mode != Act || !launches || g.Launch.Image != "" || g.Launch.Images.IsSet() || g.Launch.LaunchTemplate != "", "mode act needs launch.image, launch.images or launch.launch_template")
	check(len(g.Launch.UserData) <= 16<<10, "launch.user_data: %d bytes, EC2 takes 16384", len(g.Launch.UserData))
	check(len(g.ASG) <= 255, "asg: %d characters, EC2 Auto Scaling takes 255", len(g.ASG))
	if p := g.Exec; p != nil {
		check(len(p.Command) > 0 && len(p.Command[0]) > 0 && p.Command[0][0] == '/', "exec.command: want an absolute path, and arguments")
		check(p.Timeout > 0 && p.Timeout <= maxProgram, "exec.timeout %v: want more than 0, to %v", p.Timeout, maxProgram)
	}
}
