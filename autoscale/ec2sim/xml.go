package ec2sim

import "strings"

// owner is the emulated account.
const owner = "000000000000"

// The answers, in EC2's element names. Empty sets are written, as EC2 does.

type stateItem struct {
	Code int    `xml:"code"`
	Name string `xml:"name"`
}

func stateOf(s State) stateItem { return stateItem{s.code(), string(s)} }

type tagItem struct {
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

type placement struct {
	Zone    string `xml:"availabilityZone"`
	Group   string `xml:"groupName"`
	Tenancy string `xml:"tenancy"`
}

type reasonItem struct {
	Code    string `xml:"code"`
	Message string `xml:"message"`
}

type instanceItem struct {
	ID          string      `xml:"instanceId"`
	Image       string      `xml:"imageId"`
	State       stateItem   `xml:"instanceState"`
	PrivateDNS  string      `xml:"privateDnsName"`
	DNS         string      `xml:"dnsName"`
	Reason      string      `xml:"reason"`
	StateReason *reasonItem `xml:"stateReason"`
	Key         string      `xml:"keyName,omitempty"`
	Index       int         `xml:"amiLaunchIndex"`
	Type        string      `xml:"instanceType"`
	Launched    string      `xml:"launchTime"`
	Placement   placement   `xml:"placement"`
	Subnet      string      `xml:"subnetId,omitempty"`
	PrivateIP   string      `xml:"privateIpAddress,omitempty"`
	PublicIP    string      `xml:"ipAddress,omitempty"`
	Arch        string      `xml:"architecture"`
	Root        string      `xml:"rootDeviceType"`
	Virt        string      `xml:"virtualizationType"`
	Lifecycle   Market      `xml:"instanceLifecycle,omitempty"`
	Groups      []groupID   `xml:"groupSet>item"`
	Profile     *profile    `xml:"iamInstanceProfile"`
	Token       string      `xml:"clientToken"`
	Tags        []tagItem   `xml:"tagSet>item"`
	Hypervisor  string      `xml:"hypervisor"`
}

type profile struct {
	ARN  string `xml:"arn,omitempty"`
	Name string `xml:"name,omitempty"`
}

type groupID struct {
	ID string `xml:"groupId"`
}

// item shows an instance as Describe and RunInstances do.
func item(i Instance) instanceItem {
	out := instanceItem{
		ID: i.ID, Image: i.Image, State: stateOf(i.State), PrivateDNS: i.PrivateDNS, PrivateIP: i.PrivateIP, DNS: i.publicDNS(), PublicIP: i.PublicIP,
		Key: i.Key, Index: i.Index, Type: i.Type, Launched: i.Launched.UTC().Format("2006-01-02T15:04:05.000Z"),
		Placement: placement{Zone: i.Zone, Tenancy: "default"}, Subnet: i.Subnet, Arch: "x86_64", Root: "ebs",
		Virt: "hvm", Token: i.Token, Tags: sortedTags(i.Tags), Hypervisor: "xen", Lifecycle: i.Market,
	}
	for _, id := range i.SecurityGroups {
		out.Groups = append(out.Groups, groupID{id})
	}
	if i.Profile != "" {
		out.Profile = &profile{ARN: "arn:aws:iam::" + owner + ":instance-profile/" + i.Profile}
	}
	if i.Reason != "" {
		out.Reason = i.Reason
		code, _, _ := strings.Cut(i.Reason, ":")
		out.StateReason = &reasonItem{code, i.Reason}
	}
	if i.State == Terminated {
		out.PrivateDNS, out.PrivateIP = "", "" // a terminated instance has given them back
	}
	return out
}

type reservationItem struct {
	Reservation string         `xml:"reservationId"`
	Owner       string         `xml:"ownerId"`
	Groups      struct{}       `xml:"groupSet"`
	Instances   []instanceItem `xml:"instancesSet>item"`
}

// reservationOf is the answer to RunInstances.
func reservationOf(is []Instance) reservationItem {
	r := reservationItem{Owner: owner}
	for _, i := range is {
		r.Reservation = i.Reservation
		r.Instances = append(r.Instances, item(i))
	}
	return r
}

type runResult struct {
	meta
	reservationItem
}

type describeResult struct {
	meta
	Items     []reservationItem `xml:"reservationSet>item"`
	NextToken string            `xml:"nextToken,omitempty"`
}

type changeItem struct {
	ID     string    `xml:"instanceId"`
	Now    stateItem `xml:"currentState"`
	Before stateItem `xml:"previousState"`
}

type terminateResult struct {
	meta
	Items []changeItem `xml:"instancesSet>item"`
}

type returnResult struct {
	meta
	Return bool `xml:"return"`
}

type statusItem struct {
	ID       string    `xml:"instanceId"`
	Zone     string    `xml:"availabilityZone"`
	State    stateItem `xml:"instanceState"`
	System   checkItem `xml:"systemStatus"`
	Instance checkItem `xml:"instanceStatus"`
}

type checkItem struct {
	Status string       `xml:"status"`
	Detail *checkDetail `xml:"details>item"`
}

type checkDetail struct {
	Since  string `xml:"impairedSince,omitempty"`
	Name   string `xml:"name"`
	Status string `xml:"status"`
}

type statusResult struct {
	meta
	Items     []statusItem `xml:"instanceStatusSet>item"`
	NextToken string       `xml:"nextToken,omitempty"`
}

type resourceTag struct {
	ID    string `xml:"resourceId"`
	Kind  string `xml:"resourceType"`
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

type tagsResult struct {
	meta
	Items []resourceTag `xml:"tagSet>item"`
}

type zoneItem struct {
	Name   string `xml:"zoneName"`
	State  string `xml:"zoneState"`
	Region string `xml:"regionName"`
	Kind   string `xml:"zoneType"`
}

type zonesResult struct {
	meta
	Items []zoneItem `xml:"availabilityZoneInfo>item"`
}

type regionItem struct {
	Name     string `xml:"regionName"`
	Endpoint string `xml:"regionEndpoint"`
}

type regionsResult struct {
	meta
	Items []regionItem `xml:"regionInfo>item"`
}
