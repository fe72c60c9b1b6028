package ec2sim

import (
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

// A filter is one condition: the field has one of the values, which may
// contain * and ?.
type filter struct {
	name   string
	values []string
}

// filters reads Filter.1.Name, Filter.1.Value.1 and so on.
func (p params) filters() (out []filter) {
	for n := 1; n <= maxBatch; n++ {
		at := "Filter." + strconv.Itoa(n)
		name := p.get(at + ".Name")
		if name == "" {
			break
		}
		out = append(out, filter{name, p.list(at + ".Value")})
	}
	return out
}

// A fieldFunc returns what a filter of a name looks at; false where there is
// no such filter.
type fieldFunc func(name string) ([]string, bool)

// check refuses filters that there are not.
func check(fs []filter, field fieldFunc) *apiError {
	for _, f := range fs {
		if _, ok := field(f.name); !ok {
			return apiErrorf("InvalidParameterValue", "The filter '%s' is invalid", f.name)
		}
	}
	return nil
}

// matches says whether something passes all filters.
func matches(fs []filter, field fieldFunc) bool {
	for _, f := range fs {
		have, _ := field(f.name)
		if !slices.ContainsFunc(have, func(v string) bool { return glob(f.values, v) }) {
			return false
		}
	}
	return true
}

// glob says whether one of the patterns matches. EC2 knows * and ?, and for
// them a slash is a character like any other.
func glob(patterns []string, v string) bool {
	plain := strings.NewReplacer("/", "\x00")
	for _, p := range patterns {
		if p == v {
			return true
		}
		p = strings.ReplaceAll(p, "[", `\[`)
		if ok, err := path.Match(plain.Replace(p), plain.Replace(v)); ok && err == nil {
			return true
		}
	}
	return false
}

// tagField is what the filter tag:KEY looks at.
func tagField(tags map[string]string, name string) ([]string, bool) {
	key, ok := strings.CutPrefix(name, "tag:")
	v, has := tags[key]
	return present(v, ok && has), ok
}

// present is a field that may be missing.
func present(v string, has bool) []string {
	if !has {
		return nil
	}
	return []string{v}
}

func keys(tags map[string]string) []string { return slices.Sorted(maps.Keys(tags)) }
