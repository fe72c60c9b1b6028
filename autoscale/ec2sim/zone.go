package ec2sim

import (
	"cmp"
	crand "crypto/rand"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// A hostedZone is a zone of Route 53. All is guarded by Sim.mu.
type hostedZone struct {
	id, name, reference string
	sets                []recordSet // in Route 53's order
}

// Limits of Route 53: see "Quotas" in its Developer Guide.
const (
	maxZones        = 500
	maxSets         = 10_000
	maxRecords      = 400  // values of a set
	maxChanges      = 1000 // values in a batch, those of an UPSERT twice
	maxChangeLetter = 32_000
	setsOnPage      = 300 // sets on a page
)

func zoneActions() map[string]action {
	return map[string]action{
		"CreateHostedZone":         (*Sim).createHostedZone,
		"DeleteHostedZone":         (*Sim).deleteHostedZone,
		"GetHostedZone":            (*Sim).getHostedZone,
		"ListHostedZones":          (*Sim).listHostedZones,
		"ListHostedZonesByName":    (*Sim).listHostedZonesByName,
		"ChangeResourceRecordSets": (*Sim).changeRecordSets,
		"ListResourceRecordSets":   (*Sim).listRecordSets,
		"GetChange":                (*Sim).getChange,
	}
}

// hostedZone finds the zone that a request names. Callers hold s.mu.
func (s *Sim) hostedZone(p params) (*hostedZone, *apiError) {
	for _, z := range s.hosted {
		if z.id == p.get("Id") {
			return z, nil
		}
	}
	return nil, apiErrorf("NoSuchHostedZone", "No hosted zone found with ID: %.40s", p.get("Id"))
}

func (s *Sim) createHostedZone(p params, now time.Time) (any, *apiError) {
	var in struct {
		Name            string `xml:"Name"`
		CallerReference string `xml:"CallerReference"`
	}
	if err := p.decodeXML(&in); err != nil {
		return nil, err
	}
	name := fullName(in.Name)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case name == "." || len(name) > 255:
		return nil, apiErrorf("InvalidDomainName", "%q is not a valid domain name", in.Name)
	case in.CallerReference == "":
		return nil, apiErrorf("InvalidInput", "CallerReference is missing")
	case slices.ContainsFunc(s.hosted, func(z *hostedZone) bool { return z.reference == in.CallerReference }):
		return nil, apiErrorf("HostedZoneAlreadyExists", "A hosted zone has already been created with the specified caller reference.")
	case len(s.hosted) >= maxZones:
		return nil, apiErrorf("TooManyHostedZones", "You have reached the limit of %d hosted zones.", maxZones)
	}
	z := &hostedZone{id: zoneID("Z"), name: name, reference: in.CallerReference}
	z.sets = []recordSet{
		{Name: name, Type: "NS", TTL: new(int64(172800)), Records: []record{{"ns-1.awsdns-01.org."}, {"ns-2.awsdns-02.co.uk."}}},
		{Name: name, Type: "SOA", TTL: new(int64(900)), Records: []record{{"ns-1.awsdns-01.org. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"}}},
	}
	s.hosted = append(s.hosted, z)
	return &zoneResult{Zone: z.item(), Change: s.zoneChange(now), Servers: z.servers()}, nil
}

func (s *Sim) deleteHostedZone(p params, now time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	z, err := s.hostedZone(p)
	if err != nil {
		return nil, err
	}
	if len(z.sets) > 2 {
		return nil, apiErrorf("HostedZoneNotEmpty", "The specified hosted zone contains non-required resource record sets and so cannot be deleted.")
	}
	s.hosted = slices.DeleteFunc(s.hosted, func(o *hostedZone) bool { return o == z })
	return &changeResult{Change: *s.zoneChange(now)}, nil
}

func (s *Sim) getHostedZone(p params, _ time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	z, err := s.hostedZone(p)
	if err != nil {
		return nil, err
	}
	return &zoneResult{Zone: z.item(), Servers: z.servers()}, nil
}

func (s *Sim) listHostedZones(p params, _ time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	most, err := p.number("maxitems", 100, 1, 100)
	if err != nil {
		return nil, apiErrorf("InvalidInput", "%s", err.message)
	}
	out := &zonesPage{Marker: p.get("marker"), MaxItems: most}
	from := max(slices.IndexFunc(s.hosted, func(z *hostedZone) bool { return z.id == out.Marker }), 0)
	for _, z := range s.hosted[from:] {
		if len(out.Zones) == most {
			out.Truncated, out.NextMarker = true, z.id
			break
		}
		out.Zones = append(out.Zones, z.item())
	}
	return out, nil
}

// listHostedZonesByName lists from a name on, in the order of reversed labels.
func (s *Sim) listHostedZonesByName(p params, _ time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	most, err := p.number("maxitems", 100, 1, 100)
	if err != nil {
		return nil, apiErrorf("InvalidInput", "%s", err.message)
	}
	zones := slices.SortedFunc(slices.Values(s.hosted), func(a, b *hostedZone) int {
		return cmp.Or(strings.Compare(reversed(a.name), reversed(b.name)), strings.Compare(a.id, b.id))
	})
	out := &zonesByName{DNSName: p.get("dnsname"), ID: p.get("hostedzoneid"), MaxItems: most}
	for _, z := range zones {
		if from := reversed(fullName(out.DNSName)); out.DNSName != "" && (reversed(z.name) < from || z.name == fullName(out.DNSName) && z.id < out.ID) {
			continue
		}
		if len(out.Zones) == most {
			out.Truncated, out.NextDNSName, out.NextID = true, z.name, z.id
			break
		}
		out.Zones = append(out.Zones, z.item())
	}
	return out, nil
}

// zoneChange is a change that all name servers have after Options.ZoneSync.
// Callers hold s.mu.
func (s *Sim) zoneChange(now time.Time) *changeInfo {
	id := zoneID("C")
	s.zoneChanges[id] = now
	for id, at := range s.zoneChanges {
		if now.Sub(at) > time.Hour {
			delete(s.zoneChanges, id) // AWS remembers longer; nobody asks
		}
	}
	return s.changeInfo(id, now, now)
}

func (s *Sim) changeInfo(id string, at, now time.Time) *changeInfo {
	out := &changeInfo{ID: "/change/" + id, Status: "INSYNC", Submitted: at.UTC().Format("2006-01-02T15:04:05.000Z")}
	if now.Sub(at) < s.opt.ZoneSync {
		out.Status = "PENDING"
	}
	return out
}

func (s *Sim) getChange(p params, now time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.zoneChanges[p.get("Id")]
	if !ok {
		return nil, apiErrorf("NoSuchChange", "A change with ID %.40s could not be found.", p.get("Id"))
	}
	return &changeResult{Change: *s.changeInfo(p.get("Id"), at, now)}, nil
}

// zoneID makes an identifier as Route 53 does.
func zoneID(prefix string) string { return prefix + crand.Text()[:13] }

// fullName is a name in lower case with a dot at its end; an asterisk is
// written as Route 53 answers it.
func fullName(name string) string {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return strings.ReplaceAll(name, "*", `\052`) + "."
}

// reversed orders names as Route 53 does: by labels, the last first.
func reversed(name string) string {
	labels := strings.Split(strings.TrimSuffix(name, "."), ".")
	slices.Reverse(labels)
	return strings.Join(labels, ".") + "."
}

func (z *hostedZone) find(like recordSet) int {
	return slices.IndexFunc(z.sets, func(r recordSet) bool { return r.same(like) })
}

// check says why a set cannot be in the zone, in Route 53's words; "" if it can.
func (z *hostedZone) check(r recordSet) string {
	switch {
	case r.Name != z.name && !strings.HasSuffix(r.Name, "."+z.name):
		return fmt.Sprintf("RRSet with DNS name %s is not permitted in zone %s", r.Name, z.name)
	case !slices.Contains([]string{"A", "AAAA", "CNAME", "TXT", "NS", "SOA", "MX", "SRV", "PTR", "CAA", "SPF"}, r.Type):
		return fmt.Sprintf("Invalid type '%.20s'", r.Type)
	case r.Alias != nil && (r.TTL != nil || len(r.Records) > 0):
		return fmt.Sprintf("Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId], but found more than one in Change with [Action=CREATE, Name=%s, Type=%s, SetIdentifier=%s]", r.Name, r.Type, r.Identifier)
	case r.Alias != nil:
		return ""
	case r.TTL == nil || len(r.Records) == 0:
		return fmt.Sprintf("Invalid request: Missing field 'TTL' or 'ResourceRecords' in Change with [Action=CREATE, Name=%s, Type=%s, SetIdentifier=%s]", r.Name, r.Type, r.Identifier)
	case *r.TTL < 0 || *r.TTL > 1<<31-1:
		return fmt.Sprintf("Invalid TTL %d", *r.TTL)
	case len(r.Records) > maxRecords:
		return fmt.Sprintf("Number of values of %s exceeds the limit of %d", r.Name, maxRecords)
	}
	for i, v := range r.Records {
		if why := checkValue(r.Type, v.Value); why != "" {
			return fmt.Sprintf("Invalid Resource Record: 'FATAL problem: %s encountered with '%.60s''", why, v.Value)
		}
		if slices.Contains(r.Records[:i], v) {
			return fmt.Sprintf("Duplicate Resource Record: '%.60s'", v.Value)
		}
	}
	return ""
}

func checkValue(kind, value string) string {
	a, err := netip.ParseAddr(value)
	switch {
	case kind == "A" && (err != nil || !a.Is4()):
		return "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)"
	case kind == "AAAA" && (err != nil || !a.Is6()):
		return "AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)"
	case kind == "TXT" && (len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"'):
		return "InvalidCharacterString (Value should be enclosed in quotation marks)"
	case kind == "TXT" && !strings.Contains(value, `" "`) && len(value) > 257:
		return "CharacterStringTooLong (Value is too long)"
	}
	return ""
}

// conflict says which other set of its name a set cannot stand beside.
func (z *hostedZone) conflict(r recordSet) string {
	for _, o := range z.sets {
		switch {
		case o.Name != r.Name || o.same(r):
		case o.Type == r.Type && (o.Identifier == "") != (r.Identifier == ""):
			return fmt.Sprintf("RRSet with DNS name %s, type %s, SetIdentifier %s cannot be created because a non multivalue answer rrset exists with the same name and type.", r.Name, r.Type, r.Identifier)
		case o.Type != r.Type && r.Type == "CNAME":
			return fmt.Sprintf("RRSet of type CNAME with DNS name %s is not permitted as it conflicts with other records with the same DNS name in zone %s", r.Name, z.name)
		case o.Type == "CNAME" && o.Type != r.Type:
			return fmt.Sprintf("RRSet of type %s with DNS name %s is not permitted because a conflicting RRSet of type CNAME with the same DNS name already exists in zone %s", r.Type, r.Name, z.name)
		}
	}
	return ""
}
