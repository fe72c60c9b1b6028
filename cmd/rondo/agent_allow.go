package main

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"rondo/syslogd/tail"
)

// allowList names the files that a server may let an agent read: globs, whose
// last part may be ** for all that is below. Whoever holds the server must not
// be able to read any file of any host.
type allowList []string

// defaultAllow is what a server may read where nothing else is said.
func defaultAllow() allowList { return allowList{"/var/log/**"} }

func (l allowList) validate() error {
	var errs []error
	for _, a := range l {
		_, err := path.Match(a, "")
		if err != nil || !path.IsAbs(a) || path.Clean(a) != a {
			errs = append(errs, fmt.Errorf("allow_paths: %q: want an absolute glob without . and ..", a))
		}
		if strings.Contains(strings.TrimSuffix(a, "/**"), "**") {
			errs = append(errs, fmt.Errorf("allow_paths: %q: ** may stand at the end only", a))
		}
	}
	return errors.Join(errs...)
}

// allows says whether all that a glob can match is on the list.
func (l allowList) allows(glob string) bool {
	if !path.IsAbs(glob) || path.Clean(glob) != glob {
		return false
	}
	for _, a := range l {
		dir, whole := strings.CutSuffix(a, "/**")
		switch {
		case a == glob:
			return true
		case whole && covers(strings.Split(dir, "/"), strings.Split(glob, "/")):
			return true
		case !whole && !strings.ContainsAny(glob, `*?[\`):
			if ok, _ := path.Match(a, glob); ok { // its form was checked
				return true
			}
		}
	}
	return false
}

// covers says whether a glob lies below a folder, part by part: where the glob
// is no plain name, the folder must say the same.
func covers(dir, glob []string) bool {
	if len(glob) <= len(dir) {
		return false
	}
	for i, d := range dir {
		if d == glob[i] {
			continue
		}
		ok, _ := path.Match(d, glob[i])
		if !ok || strings.ContainsAny(glob[i], `*?[\`) {
			return false
		}
	}
	return true
}

// check refuses a profile that reads what is not on the list.
func (l allowList) check(p *profile) error {
	var errs []error
	for _, in := range p.Files {
		for _, glob := range in.Paths {
			if !l.allows(glob) {
				errs = append(errs, fmt.Errorf("%q is not among this host's allow_paths (%s)", glob, strings.Join(l, ", ")))
			}
		}
	}
	return errors.Join(errs...)
}

// leads is check behind links: it refuses an open file whose path, which has
// none in it, is not on the list.
func (l allowList) leads(file string) error {
	for _, a := range l {
		glob, whole := strings.CutSuffix(a, "/**")
		name := file
		if parts := strings.Count(glob, "/"); whole && strings.Count(file, "/") > parts {
			name = strings.Join(strings.Split(file, "/")[:parts+1], "/")
		} else if whole {
			continue
		}
		if ok, _ := path.Match(glob, name); ok { // its form was checked
			return nil
		}
	}
	return fmt.Errorf("it leads to %s, which is not among this host's allow_paths (%s); to have it read, add %s", file, strings.Join(l, ", "), path.Dir(file)+"/**")
}

// resolved is the list as it reads without links: in its folders, up to the
// first that is no plain name, they are those of who wrote it.
func (l allowList) resolved() allowList {
	out := make(allowList, len(l))
	for i, a := range l {
		parts := strings.Split(a, "/")
		n := 1
		for n < len(parts)-1 && !strings.ContainsAny(parts[n], `*?[\`) {
			n++
		}
		out[i] = a
		if real, err := filepath.EvalSymlinks(strings.Join(parts[:n], "/") + "/"); err == nil && !strings.ContainsAny(real, `*?[\`) {
			out[i] = path.Join(real, path.Join(parts[n:]...))
		}
	}
	return out
}

// limited are a profile's files, of which only those are read that the list
// allows.
func (l allowList) limited(files []tail.Input) []tail.Input {
	limited, allowed := slices.Clone(files), l.resolved()
	for i := range limited {
		limited[i].Allowed = allowed.leads
	}
	return limited
}
