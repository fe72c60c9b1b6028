package ec2sim

import (
	"io"
	"net/http"
	"strings"
	"time"
)

// A service is one of AWS's interfaces: how its requests are told from those
// of the others, and the form of its answers.
type service struct {
	name    string // in the credential scope of a signature
	version string // the parameter Version of its requests, or the beginning of X-Amz-Target
	space   string // XML namespace of its answers
	form    protocol
	actions map[string]action

	denied, throttled string // the codes of these errors
}

// An action reads its parameters and returns what its service's protocol
// writes.
type action func(s *Sim, p params, now time.Time) (any, *apiError)

// version is the API version of EC2.
const version = "2016-11-15"

// services returns all that the emulator speaks; the first is taken for a
// request that does not say whose it is.
func services() []*service {
	return []*service{
		{
			name: "ec2", version: version, space: "http://ec2.amazonaws.com/doc/" + version + "/", form: ec2Protocol{},
			actions: ec2Actions(), denied: "UnauthorizedOperation", throttled: "RequestLimitExceeded",
		},
		query("autoscaling", "2011-01-01", "http://autoscaling.amazonaws.com/doc/2011-01-01/", groupActions()),
		query("elasticloadbalancing", "2015-12-01", "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/", elbActions()),
		query("sts", "2011-06-15", "https://sts.amazonaws.com/doc/2011-06-15/", stsActions()),
		{
			name: "route53", version: zoneVersion, space: "https://route53.amazonaws.com/doc/" + zoneVersion + "/", form: restProtocol{},
			actions: zoneActions(), denied: "AccessDenied", throttled: "Throttling",
		},
		{name: "ssm", version: "AmazonSSM", form: jsonProtocol{}, actions: ssmActions(), denied: "AccessDeniedException", throttled: "ThrottlingException"},
	}
}

func query(name, version, space string, actions map[string]action) *service {
	return &service{name: name, version: version, space: space, form: queryProtocol{}, actions: actions, denied: "AccessDenied", throttled: "Throttling"}
}

// ec2Actions returns EC2's.
func ec2Actions() map[string]action {
	return map[string]action{
		"RunInstances":                   (*Sim).runInstances,
		"CreateFleet":                    (*Sim).createFleet,
		"TerminateInstances":             (*Sim).terminateInstances,
		"StartInstances":                 (*Sim).startInstances,
		"StopInstances":                  (*Sim).stopInstances,
		"DescribeInstances":              (*Sim).describeInstances,
		"DescribeInstanceStatus":         (*Sim).describeInstanceStatus,
		"DescribeInstanceAttribute":      (*Sim).describeAttribute,
		"ModifyInstanceAttribute":        (*Sim).modifyAttribute,
		"GetConsoleOutput":               (*Sim).consoleOutput,
		"CreateLaunchTemplate":           (*Sim).createLaunchTemplate,
		"CreateLaunchTemplateVersion":    (*Sim).createTemplateVersion,
		"ModifyLaunchTemplate":           (*Sim).modifyTemplate,
		"DescribeLaunchTemplates":        (*Sim).describeTemplates,
		"DescribeLaunchTemplateVersions": (*Sim).describeTemplateVersions,
		"CreateTags":                     (*Sim).createTags,
		"DeleteTags":                     (*Sim).deleteTags,
		"DescribeTags":                   (*Sim).describeTags,
		"DescribeImages":                 (*Sim).describeImages,
		"DescribeSubnets":                (*Sim).describeSubnets,
		"DescribeSecurityGroups":         (*Sim).describeSecurityGroups,
		"AllocateAddress":                (*Sim).allocateAddress,
		"AssociateAddress":               (*Sim).associateAddress,
		"DisassociateAddress":            (*Sim).disassociateAddress,
		"DescribeAddresses":              (*Sim).describeAddresses,
		"ReleaseAddress":                 (*Sim).releaseAddress,
		"DescribeInstanceTypes":          (*Sim).describeTypes,
		"DescribeInstanceTypeOfferings":  (*Sim).describeOfferings,
		"DescribeSpotPriceHistory":       (*Sim).describeSpotPrices,
		"DescribeAvailabilityZones":      (*Sim).describeZones,
		"DescribeRegions":                (*Sim).describeRegions,
	}
}

// A request of a client, read.
type request struct {
	service *service
	action  string
	params  params
}

// read finds out which service's which action a request wants: a JSON service
// names both in X-Amz-Target, a query service its version among the
// parameters; a signature's credential scope names the service too.
func (s *Sim) read(r *http.Request) (request, *apiError) {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		return s.readJSON(r, target)
	}
	if strings.HasPrefix(r.URL.Path, "/"+zoneVersion+"/") {
		return s.readREST(r)
	}
	if err := r.ParseForm(); err != nil {
		return request{service: s.services[0]}, apiErrorf("MalformedQueryString", "%v", err)
	}
	c := request{action: r.Form.Get("Action"), params: params{Values: r.Form}}
	key, name := scope(r.Header.Get("Authorization"))
	c.params.key = key
	c.service = s.serviceOf(r.Form.Get("Version"), name)
	for name, values := range r.Form {
		if len(name) > maxName || len(values[0]) > maxValue {
			return c, apiErrorf("InvalidParameterValue", "The parameter %.40s is too long.", name)
		}
	}
	return c, nil
}

func (s *Sim) readJSON(r *http.Request, target string) (request, *apiError) {
	prefix, action, _ := strings.Cut(target, ".")
	for _, v := range s.services {
		if v.version != prefix {
			continue
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return request{service: v}, apiErrorf("SerializationException", "%v", err)
		}
		key, _ := scope(r.Header.Get("Authorization"))
		return request{service: v, action: action, params: params{body: body, key: key}}, nil
	}
	return request{service: s.services[0]}, apiErrorf("InvalidAction", "There is no service %s here.", prefix)
}

func (s *Sim) serviceOf(version, name string) *service {
	for _, v := range s.services {
		if version != "" && v.version == version {
			return v
		}
	}
	for _, v := range s.services {
		if v.name == name {
			return v
		}
	}
	return s.services[0]
}

// scope returns the access key of a signature and the service it is for:
// AWS4-HMAC-SHA256 Credential=KEY/20260102/us-east-1/autoscaling/aws4_request, ...
func scope(authorization string) (key, service string) {
	_, rest, _ := strings.Cut(authorization, "Credential=")
	credential, _, _ := strings.Cut(rest, ",")
	parts := strings.Split(credential, "/")
	if len(parts) != 5 {
		return "", ""
	}
	return parts[0], parts[3]
}
