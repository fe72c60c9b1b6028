package elb

import (
	"errors"
	"fmt"
	"strings"
)

// A Config lists the target groups that follow groups.
type Config []Binding

// A Binding has a target group follow a group.
type Binding struct {
	Group       string `yaml:"group"`
	TargetGroup string `yaml:"target_group"`      // its ARN
	Port        int    `yaml:"port"`              // of the targets; 0: the target group's own
	By          By     `yaml:"by"`                // empty: as the target group was made
	Replace     bool   `yaml:"replace_unhealthy"` // unhealthy targets are replaced as those are that fail EC2's checks
}

// By is what a target is named by.
type By string

// Instances are registered by their IDs, or by their private addresses.
const (
	ByInstance By = "instance"
	ByIP       By = "ip"
)

// maxBindings bounds how many target groups are followed: each has a goroutine
// and calls of its own.
const maxBindings = 100

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	if len(c) > maxBindings {
		errs = append(errs, fmt.Errorf("elb: %d target groups, %d are taken", len(c), maxBindings))
	}
	type place struct {
		arn  string
		port int
	}
	taken := make(map[place]string)
	for n, b := range c {
		check := func(ok bool, format string, args ...any) {
			if !ok {
				errs = append(errs, fmt.Errorf("elb: item %d: %s", n+1, fmt.Sprintf(format, args...)))
			}
		}
		check(b.Group != "", "group: the name of a group is wanted")
		check(isTargetGroup(b.TargetGroup), "target_group %q: want its ARN, arn:aws:elasticloadbalancing:REGION:ACCOUNT:targetgroup/NAME/ID", b.TargetGroup)
		check(b.Port >= 0 && b.Port <= 65535, "port %d: want 1 to 65535, or none for the target group's own", b.Port)
		check(b.By == "" || b.By == ByInstance || b.By == ByIP, "by %q: want instance or ip", b.By)
		at := place{b.TargetGroup, b.Port}
		check(taken[at] == "" || taken[at] != b.Group, "group %q has this target group and port already", b.Group)
		taken[at] = b.Group
	}
	return errors.Join(errs...)
}

// Groups names the groups that are followed.
func (c Config) Groups() (names []string) {
	for _, b := range c {
		names = append(names, b.Group)
	}
	return names
}

// isTargetGroup says whether a text is a target group's ARN.
func isTargetGroup(s string) bool {
	parts := strings.SplitN(s, ":", 6)
	return len(s) <= 512 && len(parts) == 6 && parts[0] == "arn" && parts[2] == "elasticloadbalancing" &&
		strings.HasPrefix(parts[5], "targetgroup/") && strings.Count(parts[5], "/") == 2
}

// name is what the target group is called in texts.
func (b Binding) name() string {
	parts := strings.Split(b.TargetGroup, "/")
	return parts[max(0, len(parts)-2)]
}
