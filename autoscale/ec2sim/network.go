package ec2sim

import (
	"fmt"
	"net/netip"
	"time"
)

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

// vpc is the one network of the region.
const vpc = "vpc-00000000000000001"

type subnetItem struct {
	ID      string `xml:"subnetId"`
	ARN     string `xml:"subnetArn"`
	State   string `xml:"state"`
	VPC     string `xml:"vpcId"`
	Block   string `xml:"cidrBlock"`
	Free    int    `xml:"availableIpAddressCount"`
	Zone    string `xml:"availabilityZone"`
	Default bool   `xml:"defaultForAz"`
	Owner   string `xml:"ownerId"`
}

func (i subnetItem) field(name string) ([]string, bool) {
	switch name {
	case "subnet-id":
		return []string{i.ID}, true
	case "availability-zone", "availabilityZone":
		return []string{i.Zone}, true
	case "vpc-id":
		return []string{i.VPC}, true
	case "state":
		return []string{i.State}, true
	case "default-for-az", "defaultForAz":
		return []string{fmt.Sprint(i.Default)}, true
	}
	return tagField(nil, name)
}

type subnetsResult struct {
	meta
	Items []subnetItem `xml:"subnetSet>item"`
}

// describeSubnets lists the default subnet of each zone, and any other one
// that is asked for by its ID.
func (s *Sim) describeSubnets(p params, _ time.Time) (any, *apiError) {
	fs := p.filters()
	if err := check(fs, subnetItem{}.field); err != nil {
		return nil, err
	}
	ids := p.list("SubnetId")
	if len(ids) == 0 {
		for n := range zoneCount {
			ids = append(ids, subnetID(n))
		}
	}
	out := new(subnetsResult)
	for n, id := range ids {
		item := subnetItem{
			ID: id, ARN: "arn:aws:ec2:" + s.opt.Region + ":" + owner + ":subnet/" + id, State: "available", VPC: vpc,
			Block: s.block(n), Free: 4091, Zone: s.zoneOf(id), Default: true, Owner: owner,
		}
		if matches(fs, item.field) {
			out.Items = append(out.Items, item)
		}
	}
	return out, nil
}

// block is what subnet number n has of the network.
func (s *Sim) block(n int) string {
	ip := s.opt.Network.Addr().As4()
	ip[2] = byte(16 * n)
	return netip.PrefixFrom(netip.AddrFrom4(ip), 20).String()
}

type securityGroupItem struct {
	ID          string `xml:"groupId"`
	Name        string `xml:"groupName"`
	Description string `xml:"groupDescription"`
	VPC         string `xml:"vpcId"`
	Owner       string `xml:"ownerId"`
}

type securityGroupsResult struct {
	meta
	Items []securityGroupItem `xml:"securityGroupInfo>item"`
}

// describeSecurityGroups lists the default group, or those that are asked for.
func (s *Sim) describeSecurityGroups(p params, _ time.Time) (any, *apiError) {
	ids := p.list("GroupId")
	if len(ids) == 0 {
		ids = []string{"sg-00000000000000001"}
	}
	out := new(securityGroupsResult)
	for _, id := range ids {
		out.Items = append(out.Items, securityGroupItem{id, "default", "default VPC security group", vpc, owner})
	}
	return out, nil
}
