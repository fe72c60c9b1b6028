package ec2sim

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// A parameter is one of SSM's: the aliases of images are among them.
type parameter struct {
	value   string
	version int
	at      time.Time
}

// maxParameters is how many parameters an account may have.
const maxParameters = 10_000

// amiAlias is where Amazon keeps the newest image of an architecture.
const amiAlias = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-"

// standardParameters are the aliases of the newest standard images.
func standardParameters() map[string]parameter {
	out := make(map[string]parameter)
	for _, i := range standardImages() { // by date
		out[amiAlias+i.Arch] = parameter{i.ID, out[amiAlias+i.Arch].version + 1, i.Created}
	}
	return out
}

type parameterItem struct {
	ARN      string
	Name     string
	Type     string
	DataType string
	Value    string
	Version  int
	Modified float64 `json:"LastModifiedDate"`
}

func (s *Sim) parameterItem(name string) (parameterItem, bool) {
	one, ok := s.parameters[name]
	return parameterItem{"arn:aws:ssm:" + s.opt.Region + ":" + owner + ":parameter" + name, name, "String", "text", one.value, one.version, epoch(one.at)}, ok
}

type parameterResult struct {
	Parameter parameterItem
}

type parametersResult struct {
	Parameters []parameterItem
	Invalid    []string `json:"InvalidParameters,omitempty"`
}

func (s *Sim) getParameter(p params, _ time.Time) (any, *apiError) {
	var in struct{ Name string }
	if err := p.decode(&in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	item, ok := s.parameterItem(in.Name)
	if !ok {
		return nil, apiErrorf("ParameterNotFound", "Parameter %s not found.", in.Name)
	}
	return &parameterResult{item}, nil
}

func (s *Sim) getParameters(p params, _ time.Time) (any, *apiError) {
	var in struct{ Names []string }
	if err := p.decode(&in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := &parametersResult{Parameters: []parameterItem{}}
	for _, name := range in.Names {
		if item, ok := s.parameterItem(name); ok {
			out.Parameters = append(out.Parameters, item)
		} else {
			out.Invalid = append(out.Invalid, name)
		}
	}
	return out, nil
}

// parametersByPath lists those right under a path, or all under it.
func (s *Sim) parametersByPath(p params, _ time.Time) (any, *apiError) {
	var in struct {
		Path      string
		Recursive bool
	}
	if err := p.decode(&in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := &parametersResult{Parameters: []parameterItem{}}
	for _, name := range slices.Sorted(maps.Keys(s.parameters)) {
		rest, under := strings.CutPrefix(name, strings.TrimSuffix(in.Path, "/")+"/")
		if under && (in.Recursive || !strings.Contains(rest, "/")) {
			item, _ := s.parameterItem(name)
			out.Parameters = append(out.Parameters, item)
		}
	}
	return out, nil
}

type putParameterResult struct {
	Version int
	Tier    string
}

func (s *Sim) putParameter(p params, now time.Time) (any, *apiError) {
	var in struct {
		Name, Value string
		Overwrite   bool
	}
	if err := p.decode(&in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.parameters[in.Name]
	switch {
	case in.Name == "" || len(in.Name) > 2048 || in.Value == "" || len(in.Value) > 8192:
		return nil, apiErrorf("ValidationException", "Name and Value are wanted, of up to 2048 and 8192 characters.")
	case ok && !in.Overwrite:
		return nil, apiErrorf("ParameterAlreadyExists", "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.")
	case !ok && len(s.parameters) >= maxParameters:
		return nil, apiErrorf("ParameterLimitExceeded", "You have reached the limit of %d parameters.", maxParameters)
	}
	s.parameters[in.Name] = parameter{in.Value, old.version + 1, now}
	return &putParameterResult{old.version + 1, "Standard"}, nil
}

// resolveSSM is how an image is named by its alias.
const resolveSSM = "resolve:ssm:"

// imageOf returns the image that a launch names, by its ID or alias. Callers
// hold s.mu.
func (s *Sim) imageOf(name string) (string, *apiError) {
	alias, ok := strings.CutPrefix(name, resolveSSM)
	if !ok {
		return name, nil
	}
	one, ok := s.parameters[alias]
	if !ok || !strings.HasPrefix(one.value, "ami-") {
		return "", apiErrorf("InvalidParameterValue", "Invalid value for parameter ImageId: %s does not name an image.", name)
	}
	return one.value, nil
}
