package ec2sim

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// An elasticIP is an address that its owner moves from instance to instance.
// All is guarded by Sim.mu.
type elasticIP struct {
	id, ip      string // allocation and address
	association string // "": it is not in use
	instance    string // that has it
	tags        map[string]string
}

// maxElasticIPs is the quota of a region.
const maxElasticIPs = 5

// field returns what a filter of that name looks at.
func (e *elasticIP) field(name string) ([]string, bool) {
	switch name {
	case "allocation-id":
		return []string{e.id}, true
	case "association-id":
		return present(e.association, e.association != ""), true
	case "instance-id":
		return present(e.instance, e.instance != ""), true
	case "public-ip":
		return []string{e.ip}, true
	case "domain":
		return []string{"vpc"}, true
	case "tag-key":
		return keys(e.tags), true
	}
	return tagField(e.tags, name)
}

// elastic finds an address by its allocation. Callers hold s.mu.
func (s *Sim) elastic(id string) (*elasticIP, *apiError) {
	for _, e := range s.elasticIPs {
		if e.id == id {
			return e, nil
		}
	}
	return nil, apiErrorf("InvalidAllocationID.NotFound", "The allocation ID '%s' does not exist", id)
}

type allocateResult struct {
	meta
	IP     string `xml:"publicIp"`
	Domain string `xml:"domain"`
	ID     string `xml:"allocationId"`
	Pool   string `xml:"publicIpv4Pool"`
	Border string `xml:"networkBorderGroup"`
}

func (s *Sim) allocateAddress(p params, _ time.Time) (any, *apiError) {
	tags, err := p.tagsOf("elastic-ip", "")
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.elasticIPs) >= maxElasticIPs {
		return nil, apiErrorf("AddressLimitExceeded", "The maximum number of addresses has been reached.")
	}
	s.nextElastic++
	e := &elasticIP{id: newID("eipalloc-"), ip: fmt.Sprintf("203.0.113.%d", s.nextElastic%250), tags: tags}
	s.elasticIPs = append(s.elasticIPs, e)
	return &allocateResult{IP: e.ip, Domain: "vpc", ID: e.id, Pool: "amazon", Border: s.opt.Region}, nil
}

func (s *Sim) releaseAddress(p params, _ time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.elastic(p.get("AllocationId"))
	switch {
	case err != nil:
		return nil, err
	case e.association != "":
		return nil, apiErrorf("InvalidIPAddress.InUse", "Address %s is in use.", e.ip)
	}
	s.elasticIPs = slices.DeleteFunc(s.elasticIPs, func(o *elasticIP) bool { return o == e })
	return &returnResult{Return: true}, nil
}

type associateResult struct {
	meta
	Return      bool   `xml:"return"`
	Association string `xml:"associationId"`
}

// associateAddress gives an address to an instance; one that is in use only
// where the request says so.
func (s *Sim) associateAddress(p params, _ time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.elastic(p.get("AllocationId"))
	if err != nil {
		return nil, err
	}
	i, err := s.one(p)
	switch {
	case err != nil:
		return nil, err
	case i.State != Running && i.State != Stopped:
		return nil, apiErrorf("InvalidInstanceID", "The %s instance '%s' is not in a valid state for this operation.", i.State, i.ID)
	case e.instance == i.ID:
		return &associateResult{Return: true, Association: e.association}, nil
	case e.association != "" && p.get("AllowReassociation") != "true":
		return nil, apiErrorf("Resource.AlreadyAssociated", "resource %s is already associated with associate-id %s", e.id, e.association)
	}
	s.unassociate(e)
	for _, other := range s.elasticIPs { // it has one address
		if other.instance == i.ID {
			s.unassociate(other)
		}
	}
	e.association, e.instance = newID("eipassoc-"), i.ID
	i.PublicIP = e.ip
	return &associateResult{Return: true, Association: e.association}, nil
}

// unassociate takes an address from the instance that has it, which gets another one.
func (s *Sim) unassociate(e *elasticIP) {
	if i := s.instances[e.instance]; i != nil && i.PublicIP == e.ip {
		i.PublicIP = publicIP(i)
	}
	e.association, e.instance = "", ""
}

func (s *Sim) disassociateAddress(p params, _ time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := p.get("AssociationId")
	for _, e := range s.elasticIPs {
		if id != "" && e.association == id {
			s.unassociate(e)
			return &returnResult{Return: true}, nil
		}
	}
	return nil, apiErrorf("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", id)
}

type addressItem struct {
	IP          string    `xml:"publicIp"`
	ID          string    `xml:"allocationId"`
	Domain      string    `xml:"domain"`
	Instance    string    `xml:"instanceId,omitempty"`
	Association string    `xml:"associationId,omitempty"`
	Private     string    `xml:"privateIpAddress,omitempty"`
	Pool        string    `xml:"publicIpv4Pool"`
	Border      string    `xml:"networkBorderGroup"`
	Tags        []tagItem `xml:"tagSet>item"`
}

type addressesResult struct {
	meta
	Items []addressItem `xml:"addressesSet>item"`
}

func (s *Sim) describeAddresses(p params, _ time.Time) (any, *apiError) {
	ids, ips, fs := p.list("AllocationId"), p.list("PublicIp"), p.filters()
	if err := check(fs, new(elasticIP).field); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if _, err := s.elastic(id); err != nil {
			return nil, err
		}
	}
	out := new(addressesResult)
	for _, e := range s.elasticIPs {
		if len(ids) > 0 && !slices.Contains(ids, e.id) || len(ips) > 0 && !slices.Contains(ips, e.ip) || !matches(fs, e.field) {
			continue
		}
		item := addressItem{IP: e.ip, ID: e.id, Domain: "vpc", Instance: e.instance, Association: e.association, Pool: "amazon", Border: s.opt.Region, Tags: sortedTags(e.tags)}
		if i := s.instances[e.instance]; i != nil {
			item.Private = i.PrivateIP
		}
		out.Items = append(out.Items, item)
	}
	return out, nil
}

// publicIP is the address that an instance has of its own while it runs: the
// private one's place in a range for benchmarks (RFC 2544).
func publicIP(i *Instance) string {
	own, err := netip.ParseAddr(i.PrivateIP)
	if err != nil {
		return ""
	}
	a := own.As4()
	return netip.AddrFrom4([4]byte{198, 18, a[2], a[3]}).String()
}

// publicDNS is the name of an instance's public address.
func (i Instance) publicDNS() string {
	if i.PublicIP == "" || i.Zone == "" {
		return ""
	}
	name := "ec2-" + strings.ReplaceAll(i.PublicIP, ".", "-")
	if region := i.Zone[:len(i.Zone)-1]; region != "us-east-1" {
		return name + "." + region + ".compute.amazonaws.com"
	}
	return name + ".compute-1.amazonaws.com"
}

// strip takes the public addresses of an instance that does not run any more; an
// elastic one stays with it while it is stopped. Callers hold s.mu.
func (s *Sim) strip(i *Instance) {
	kept := false
	for _, e := range s.elasticIPs {
		if e.instance != i.ID {
			continue
		}
		if kept = i.State == Stopped; !kept {
			e.association, e.instance = "", ""
		}
	}
	if !kept {
		i.PublicIP = ""
	}
}
