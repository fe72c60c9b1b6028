package ec2sim

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A recordSet is a name's records of one type, as Route 53 writes them.
type recordSet struct {
	Name       string   `xml:"Name"`
	Type       string   `xml:"Type"`
	Identifier string   `xml:"SetIdentifier,omitempty"`
	Weight     *int64   `xml:"Weight,omitempty"`
	TTL        *int64   `xml:"TTL,omitempty"`
	Records    []record `xml:"ResourceRecords>ResourceRecord,omitempty"`
	Alias      *alias   `xml:"AliasTarget,omitempty"`
}

type record struct {
	Value string `xml:"Value"`
}

type alias struct {
	Zone   string `xml:"HostedZoneId"`
	Name   string `xml:"DNSName"`
	Health bool   `xml:"EvaluateTargetHealth"`
}

// same says whether two sets have one place.
func (r recordSet) same(o recordSet) bool {
	return r.Name == o.Name && r.Type == o.Type && r.Identifier == o.Identifier
}

// equal says whether a set is the one that a DELETE describes, in whatever
// order.
func (r recordSet) equal(o recordSet) bool {
	number := func(n *int64) int64 {
		if n == nil {
			return -1
		}
		return *n
	}
	values := func(r recordSet) []string {
		var out []string
		for _, v := range r.Records {
			out = append(out, v.Value)
		}
		return slices.Sorted(slices.Values(out))
	}
	return number(r.TTL) == number(o.TTL) && number(r.Weight) == number(o.Weight) && slices.Equal(values(r), values(o)) && (r.Alias == nil) == (o.Alias == nil)
}

// order is that of lists: by name with its labels reversed, type and
// identifier.
func (r recordSet) order(o recordSet) int {
	return cmp.Or(strings.Compare(reversed(r.Name), reversed(o.Name)), strings.Compare(r.Type, o.Type), strings.Compare(r.Identifier, o.Identifier))
}

func (r recordSet) String() string {
	if r.Identifier != "" {
		return fmt.Sprintf("[name='%s', type='%s', set-identifier='%s']", r.Name, r.Type, r.Identifier)
	}
	return fmt.Sprintf("[name='%s', type='%s']", r.Name, r.Type)
}

type changeBatch struct {
	XMLName xml.Name `xml:"ChangeResourceRecordSetsRequest"`
	Changes []struct {
		Action string    `xml:"Action"`
		Set    recordSet `xml:"ResourceRecordSet"`
	} `xml:"ChangeBatch>Changes>Change"`
}

// changeRecordSets makes a batch of changes, all or none.
func (s *Sim) changeRecordSets(p params, now time.Time) (any, *apiError) {
	var in changeBatch
	if err := p.decodeXML(&in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	z, err := s.hostedZone(p)
	if err != nil {
		return nil, err
	}
	if err := in.size(); err != nil {
		return nil, err
	}
	next := hostedZone{id: z.id, name: z.name, sets: slices.Clone(z.sets)}
	var wrong []string
	for _, c := range in.Changes {
		c.Set.Name = fullName(c.Set.Name)
		if why := next.do(c.Action, c.Set); why != "" {
			wrong = append(wrong, why)
		}
	}
	if len(next.sets) > maxSets {
		wrong = append(wrong, fmt.Sprintf("Number of resource record sets exceeds the limit of %d", maxSets))
	}
	if len(wrong) > 0 {
		return nil, apiErrorf("InvalidChangeBatch", "[%s]", strings.Join(wrong, ", "))
	}
	slices.SortFunc(next.sets, recordSet.order)
	z.sets = next.sets
	return &changeResult{Change: *s.zoneChange(now)}, nil
}

// size refuses a batch that is empty or too large.
func (b changeBatch) size() *apiError {
	records, letters := 0, 0
	for _, c := range b.Changes {
		times := 1
		if c.Action == "UPSERT" {
			times = 2
		}
		records += times * max(len(c.Set.Records), 1)
		for _, r := range c.Set.Records {
			letters += times * len(r.Value)
		}
	}
	switch {
	case records == 0:
		return apiErrorf("InvalidInput", "1 validation error detected: Value '[]' at 'changeBatch.changes' failed to satisfy constraint: Member must have length greater than or equal to 1")
	case records > maxChanges:
		return apiErrorf("InvalidChangeBatch", "[Number of records limit of %d exceeded.]", maxChanges)
	case letters > maxChangeLetter:
		return apiErrorf("InvalidChangeBatch", "[Number of characters limit of %d exceeded.]", maxChangeLetter)
	}
	return nil
}

// do makes one change, or says why not.
func (z *hostedZone) do(action string, r recordSet) string {
	at := z.find(r)
	if action == "DELETE" {
		switch {
		case at < 0:
			return fmt.Sprintf("Tried to delete resource record set %s but it was not found", r)
		case !z.sets[at].equal(r):
			return fmt.Sprintf("Tried to delete resource record set %s but the values provided do not match the current values", r)
		case r.Name == z.name && (r.Type == "SOA" || r.Type == "NS"):
			return fmt.Sprintf("A HostedZone must contain at least one %s record for the zone itself.", r.Type)
		}
		z.sets = slices.Delete(z.sets, at, at+1)
		return ""
	}
	if action != "CREATE" && action != "UPSERT" {
		return fmt.Sprintf("Invalid action '%.20s'", action)
	}
	if why := cmp.Or(z.check(r), z.conflict(r)); why != "" {
		return why
	}
	switch {
	case at >= 0 && action == "CREATE":
		return fmt.Sprintf("Tried to create resource record set %s but it already exists", r)
	case at >= 0:
		z.sets[at] = r
	default:
		z.sets = append(z.sets, r)
	}
	return ""
}

// listRecordSets lists from a name, type and identifier on.
func (s *Sim) listRecordSets(p params, _ time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	z, err := s.hostedZone(p)
	if err != nil {
		return nil, err
	}
	most, err := p.number("maxitems", setsOnPage, 1, 100_000)
	if err != nil {
		return nil, apiErrorf("InvalidInput", "%s", err.message)
	}
	if p.get("type") != "" && p.get("name") == "" {
		return nil, apiErrorf("InvalidInput", "The resource record set type cannot be specified without a name.")
	}
	from := recordSet{Type: p.get("type"), Identifier: p.get("identifier")}
	if p.get("name") != "" {
		from.Name = fullName(p.get("name"))
	}
	out := &setsPage{MaxItems: most}
	for _, r := range z.sets {
		if from.Name != "" && r.order(from) < 0 {
			continue
		}
		if len(out.Sets) == min(most, setsOnPage) {
			out.Truncated, out.NextName, out.NextType, out.NextIdentifier = true, r.Name, r.Type, r.Identifier
			break
		}
		out.Sets = append(out.Sets, r)
	}
	return out, nil
}
