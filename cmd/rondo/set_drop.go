package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// setDropCmd drops one set after the other.
type setDropCmd struct {
	clientFlags
	Name []string `arg:"" help:"Names of sets, or globs such as 'web-*/load'."`
	Yes  bool     `help:"Really drop them. Without it they are only listed."`
}

func (setDropCmd) Help() string {
	return `Examples:
  rondo set drop 'web-7/*'           # which are they?
  rondo set drop 'web-7/*' --yes

The history is gone, as with rm of a .rrd. A .rrd that FLUSH wrote into a base directory of the
rrdcached collector stays: remove it first, since the next UPDATE would take it over again.`
}

func (c setDropCmd) Run(ctx context.Context, out io.Writer) error {
	names, err := c.sets(ctx, c.Name)
	if err != nil {
		return err
	}
	for i, name := range names {
		if c.Yes {
			var done struct{}
			if err := c.post(ctx, "/api/sets/drop", url.Values{"name": {name}}, &done); err != nil {
				return fmt.Errorf("%d of %d sets are dropped: %w", i, len(names), err)
			}
		}
		if c.Output == "json" {
			err = json.NewEncoder(out).Encode(name)
		} else {
			_, err = fmt.Fprintln(out, name)
		}
		if err != nil {
			return err
		}
	}
	if !c.Yes {
		return fmt.Errorf("%d sets would be dropped; add --yes", len(names))
	}
	return nil
}

// sets finds the sets that names or globs mean. A * meets slashes too.
func (c clientFlags) sets(ctx context.Context, globs []string) ([]string, error) {
	body, err := c.do(ctx, http.MethodGet, setsPath, nil)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	all, err := readNames(body)
	if err != nil {
		return nil, fmt.Errorf("%s: answer is not understood: %w", setsPath, err)
	}
	var names []string
	met := make([]bool, len(globs))
	flat := strings.NewReplacer("/", "\x00").Replace
	for _, name := range all {
		meant := false
		for i, glob := range globs {
			ok, err := path.Match(flat(glob), flat(name))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", glob, err)
			}
			met[i], meant = met[i] || ok, meant || ok
		}
		if meant {
			names = append(names, name)
		}
	}
	for i, glob := range globs {
		if !met[i] {
			return nil, fmt.Errorf("there is no set %s", glob)
		}
	}
	return names, nil
}

// setDrop drops one set.
func (s *server) setDrop(r *http.Request, q url.Values) (any, error) {
	name := q.Get("name")
	if name == "" {
		return nil, errors.New("name: which set?")
	}
	if err := s.stores.metrics.DropSet(r.Context(), name); err != nil {
		return nil, err
	}
	s.log.Info("set is dropped", "set", name)
	return struct{}{}, nil
}
