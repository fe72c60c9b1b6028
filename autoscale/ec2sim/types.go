package ec2sim

import "strings"

// A kind is an instance type as DescribeInstanceTypes shows it.
type kind struct {
	name   string
	cpus   int
	memory int // MiB
	arch   string
	price  float64 // USD an hour on demand in us-east-1, about
}

// kinds are the instance types that the emulator describes. Any other one can
// be launched all the same.
func kinds() []kind {
	return []kind{
		{"t3.micro", 2, 1024, "x86_64", 0.0104}, {"t3.small", 2, 2048, "x86_64", 0.0208}, {"t3.medium", 2, 4096, "x86_64", 0.0416},
		{"t3.large", 2, 8192, "x86_64", 0.0832}, {"m1.small", 1, 1740, "x86_64", 0.044},
		{"c5.large", 2, 4096, "x86_64", 0.085}, {"c5.xlarge", 4, 8192, "x86_64", 0.17}, {"c5.2xlarge", 8, 16384, "x86_64", 0.34},
		{"c5a.large", 2, 4096, "x86_64", 0.077}, {"c6i.large", 2, 4096, "x86_64", 0.085}, {"c6i.xlarge", 4, 8192, "x86_64", 0.17},
		{"c7g.large", 2, 4096, "arm64", 0.0725}, {"c7g.xlarge", 4, 8192, "arm64", 0.145},
		{"m5.large", 2, 8192, "x86_64", 0.096}, {"m5.xlarge", 4, 16384, "x86_64", 0.192}, {"m6i.large", 2, 8192, "x86_64", 0.096},
		{"r5.large", 2, 16384, "x86_64", 0.126},
	}
}

func findKind(name string) (kind, bool) {
	for _, k := range kinds() {
		if k.name == name {
			return k, true
		}
	}
	return kind{}, false
}

// in says whether a zone has the type: the last zone has no Graviton, as young
// types are not everywhere.
func (k kind) in(zones []string, zone string) bool {
	return k.arch != "arm64" || zone != zones[len(zones)-1]
}

// offered refuses a known type in a zone that does not have it.
func (s *Sim) offered(like Instance) *apiError {
	k, ok := findKind(like.Type)
	if !ok || like.Zone == "" || k.in(s.zones(), like.Zone) {
		return nil
	}
	zones := s.zones()
	return apiErrorf("Unsupported", "Your requested instance type (%s) is not supported in your requested Availability Zone (%s). Please retry your request by not specifying an Availability Zone or choosing %s.",
		like.Type, like.Zone, strings.Join(zones[:len(zones)-1], ", "))
}
