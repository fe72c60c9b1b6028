package plugin

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// A Target is what a check is made on.
type Target struct {
	Host    string            `yaml:"host"`    // becomes the label host
	Address string            `yaml:"address"` // default: the host
	Labels  map[string]string `yaml:"labels"`  // of its state, beside host

	PrivateIP string `yaml:"-"` // of a host of the fleet, where the cloud says it
}

// At is the address, or the host where there is none.
func (t Target) At() string {
	if t.Address == "" {
		return t.Host
	}
	return t.Address
}

// Validate says why a target is none. Its words end up as arguments of
// programs, in addresses and in queries, and a fleet's are what machines say
// of themselves: none may look like an option, or hold what separates words.
func (t Target) Validate() error {
	words := map[string]string{"host": t.Host, "address": t.Address, "private_ip": t.PrivateIP}
	for name, v := range t.Labels {
		words[name] = v
	}
	for name, v := range words {
		if strings.HasPrefix(v, "-") || strings.ContainsFunc(v, separates) || len(v) > 255 {
			return fmt.Errorf("%s %q: want no - in front, no blanks, quotes or other signs of shells, 255 bytes at most", name, v)
		}
	}
	if t.Host == "" {
		return fmt.Errorf("host is missing")
	}
	return nil
}

func separates(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune("!\"'`$&|;<>(){}\\?#*", r)
}

// private is the private address, or the best that is known.
func (t Target) private() string {
	if t.PrivateIP == "" {
		return t.At()
	}
	return t.PrivateIP
}

// Expand puts a target's words for {host}, {address}, {private_ip} and {label}
// into texts. A text stays one text: nothing is split.
func (t Target) Expand(texts ...string) []string {
	pairs := []string{"{host}", t.Host, "{address}", t.At(), "{private_ip}", t.private()}
	for name, v := range t.Labels {
		pairs = append(pairs, "{"+name+"}", v)
	}
	r := strings.NewReplacer(pairs...)
	out := slices.Clone(texts)
	for i, s := range out {
		out[i] = r.Replace(s)
	}
	return out
}
