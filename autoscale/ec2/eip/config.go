package eip

import (
	"errors"
	"fmt"
	"strings"
)

// A Config lists the addresses that follow groups.
type Config []Binding

// A Binding has an Elastic IP follow a group.
type Binding struct {
	Group   string `yaml:"group"`
	Address string `yaml:"address"` // its allocation ID
}

// maxBindings bounds how many addresses are followed.
const maxBindings = 100

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	if len(c) > maxBindings {
		errs = append(errs, fmt.Errorf("addresses: %d addresses, %d are taken", len(c), maxBindings))
	}
	taken := make(map[string]bool)
	for n, b := range c {
		check := func(ok bool, format string, args ...any) {
			if !ok {
				errs = append(errs, fmt.Errorf("addresses: item %d: %s", n+1, fmt.Sprintf(format, args...)))
			}
		}
		check(b.Group != "", "group: the name of a group is wanted")
		check(strings.HasPrefix(b.Address, "eipalloc-") && len(b.Address) <= 64, "address %q: want the allocation ID of an Elastic IP, eipalloc-...", b.Address)
		check(!taken[b.Address], "address %s is another item's already", b.Address)
		taken[b.Address] = true
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
