package ec2sim

import (
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// zoneVersion is the API version of Route 53, with which its paths begin.
const zoneVersion = "2013-04-01"

// readREST reads a request of Route 53, which names its action by method and
// path.
func (s *Sim) readREST(r *http.Request) (request, *apiError) {
	c := request{service: s.serviceOf(zoneVersion, "route53")}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return c, apiErrorf("InvalidInput", "%v", err)
	}
	path := strings.Split(strings.Trim(strings.TrimPrefix(r.URL.Path, "/"+zoneVersion), "/"), "/")
	id := ""
	if len(path) > 1 {
		id, path[1] = path[1], "ID"
	}
	values := url.Values{"Id": {id}}
	for name, v := range r.URL.Query() {
		if len(name) > maxName || len(v[0]) > maxValue {
			return c, apiErrorf("InvalidInput", "The parameter %.40s is too long.", name)
		}
		values[name] = v
	}
	key, _ := scope(r.Header.Get("Authorization"))
	c.params = params{Values: values, body: body, key: key}
	c.action = map[string]string{
		"POST hostedzone":          "CreateHostedZone",
		"GET hostedzone":           "ListHostedZones",
		"GET hostedzonesbyname":    "ListHostedZonesByName",
		"GET hostedzone/ID":        "GetHostedZone",
		"DELETE hostedzone/ID":     "DeleteHostedZone",
		"POST hostedzone/ID/rrset": "ChangeResourceRecordSets",
		"GET hostedzone/ID/rrset":  "ListResourceRecordSets",
		"GET change/ID":            "GetChange",
	}[r.Method+" "+strings.Join(path, "/")]
	return c, nil
}

// decodeXML reads a body of XML.
func (p params) decodeXML(into any) *apiError {
	if err := xml.Unmarshal(p.body, into); err != nil {
		return apiErrorf("InvalidInput", "Invalid XML: %v", err)
	}
	return nil
}

// A restProtocol is that of Route 53: the result is the whole answer; errors are
// those of a queryProtocol.
type restProtocol struct{ queryProtocol }

func (restProtocol) encode(v *service, action, _ string, result any) ([]byte, error) {
	return element(xml.Name{Space: v.space, Local: action + "Response"}, result)
}

// The answers.

type hostedItem struct {
	ID        string `xml:"Id"`
	Name      string `xml:"Name"`
	Reference string `xml:"CallerReference"`
	Private   bool   `xml:"Config>PrivateZone"`
	Count     int    `xml:"ResourceRecordSetCount"`
}

func (z *hostedZone) item() hostedItem {
	return hostedItem{ID: "/hostedzone/" + z.id, Name: z.name, Reference: z.reference, Count: len(z.sets)}
}

// servers are the name servers of a zone.
func (z *hostedZone) servers() []string {
	return []string{"ns-1.awsdns-01.org", "ns-2.awsdns-02.co.uk"}
}

type changeInfo struct {
	ID        string `xml:"Id"`
	Status    string `xml:"Status"`
	Submitted string `xml:"SubmittedAt"`
}

type changeResult struct {
	Change changeInfo `xml:"ChangeInfo"`
}

type zoneResult struct {
	Zone    hostedItem  `xml:"HostedZone"`
	Change  *changeInfo `xml:"ChangeInfo,omitempty"`
	Servers []string    `xml:"DelegationSet>NameServers>NameServer"`
}

type zonesPage struct {
	Zones      []hostedItem `xml:"HostedZones>HostedZone"`
	Marker     string       `xml:"Marker,omitempty"`
	Truncated  bool         `xml:"IsTruncated"`
	NextMarker string       `xml:"NextMarker,omitempty"`
	MaxItems   int          `xml:"MaxItems"`
}

type zonesByName struct {
	Zones       []hostedItem `xml:"HostedZones>HostedZone"`
	DNSName     string       `xml:"DNSName,omitempty"`
	ID          string       `xml:"HostedZoneId,omitempty"`
	Truncated   bool         `xml:"IsTruncated"`
	NextDNSName string       `xml:"NextDNSName,omitempty"`
	NextID      string       `xml:"NextHostedZoneId,omitempty"`
	MaxItems    int          `xml:"MaxItems"`
}

type setsPage struct {
	Sets           []recordSet `xml:"ResourceRecordSets>ResourceRecordSet"`
	Truncated      bool        `xml:"IsTruncated"`
	NextName       string      `xml:"NextRecordName,omitempty"`
	NextType       string      `xml:"NextRecordType,omitempty"`
	NextIdentifier string      `xml:"NextRecordIdentifier,omitempty"`
	MaxItems       int         `xml:"MaxItems"`
}
