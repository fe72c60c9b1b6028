// Package valid has what the configurations of the log server and its parts
// check alike. Each error begins with its key, so that whoever reads the file
// can put the place in front of it.
package valid

import (
	"fmt"
	"slices"
	"strings"
)

// OneOf checks a value that must be one of some words. "" among them, for what
// may be left out, is allowed and not told.
func OneOf[T ~string](key string, v T, known ...T) error {
	if slices.Contains(known, v) {
		return nil
	}
	var words []string
	for _, k := range known {
		if k != "" {
			words = append(words, string(k))
		}
	}
	return fmt.Errorf("%s: %q is none of %s", key, v, strings.Join(words, ", "))
}

// Errors splits joined errors into single ones, so that each gets its place.
func Errors(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, Errors(e)...)
	}
	return all
}
