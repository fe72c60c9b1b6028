package ec2sim

import "fmt"

// zoneCount is how many zones the region has.
const zoneCount = 3

// zones names the region's.
func (s *Sim) zones() []string {
	out := make([]string, 0, zoneCount)
	for n := range zoneCount {
		out = append(out, s.opt.Region+string(rune('a'+n)))
	}
	return out
}

// subnetID names the default subnet of zone number n.
func subnetID(n int) string { return fmt.Sprintf("subnet-%017x", n+1) }

// zoneOf is the zone that a subnet is in: that of its last digit, so that any
// subnet is taken as given.
func (s *Sim) zoneOf(subnet string) string {
	if subnet == "" {
		return ""
	}
	last := int(subnet[len(subnet)-1])
	return s.zones()[(last+2)%zoneCount] // '1' is the first
}

// subnetIn returns the first of the subnets that is in a zone.
func (s *Sim) subnetIn(subnets []string, zone string) string {
	for _, id := range subnets {
		if s.zoneOf(id) == zone {
			return id
		}
	}
	return ""
}
