package ec2sim

import (
	"net/url"
	"strconv"
	"strings"
)

// params are a request's parameters. Lists are numbered from 1:
// InstanceId.1, Filter.1.Name, Filter.1.Value.1.
type params struct {
	url.Values
	body  []byte // of a JSON service instead
	fault Fault  // that struck the request
	key   string // access key of its signature
}

func (p params) get(name string) string { return p.Values.Get(name) }

// list returns name.1, name.2 and so on.
func (p params) list(name string) (out []string) {
	for n := 1; n <= maxBatch; n++ {
		v, ok := p.Values[name+"."+strconv.Itoa(n)]
		if !ok {
			break
		}
		out = append(out, v[0])
	}
	return out
}

// next is the token of the next page: that of the last one, where a fault says
// so.
func (p params) next(token string) string {
	if p.fault.Effect == EffectSamePage && p.get("NextToken") != "" {
		return p.get("NextToken")
	}
	return token
}

// number reads a whole number between low and high.
func (p params) number(name string, def, low, high int) (int, *apiError) {
	text := p.get(name)
	if text == "" {
		return def, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return 0, apiErrorf("InvalidParameterValue", "Value ( %s ) for parameter %s is invalid. Expecting a number from %d to %d.", text, name, low, high)
	}
	return n, nil
}

// tags reads prefix.1.Key, prefix.1.Value and so on.
func (p params) tags(prefix string) (map[string]string, *apiError) {
	tags := make(map[string]string)
	for n := 1; n <= maxBatch; n++ {
		at := prefix + "." + strconv.Itoa(n)
		key, ok := p.Values[at+".Key"]
		if !ok {
			break
		}
		value := p.get(at + ".Value")
		if key[0] == "" || len(key[0]) > 127 || len(value) > 255 || strings.HasPrefix(key[0], "aws:") {
			return nil, apiErrorf("InvalidParameterValue", "Tag %q is not a valid tag.", key[0])
		}
		tags[key[0]] = value
	}
	if len(tags) > maxTags {
		return nil, errTags()
	}
	return tags, nil
}

// maxTags is how many tags a resource may have.
const maxTags = 50

func errTags() *apiError {
	return apiErrorf("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
}
