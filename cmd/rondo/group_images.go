package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"rondo/autoscale"
)

type groupImagesCmd struct {
	clientFlags
	Name string `arg:"" help:"The group."`
}

func (groupImagesCmd) Help() string {
	return `Examples:
  rondo group images web

The next launch takes the one with a star.`
}

func (c groupImagesCmd) Run(ctx context.Context, out io.Writer) error {
	path := groupPath(c.Name) + "/images"
	if c.Output == "json" {
		return c.copyTo(ctx, out, path, nil)
	}
	var all autoscale.Images
	if err := c.get(ctx, path, nil, &all); err != nil {
		return err
	}
	if all.Error != "" {
		fmt.Fprintln(out, all.Error)
	}
	if !all.Filter.IsSet() {
		_, err := fmt.Fprintf(out, "%s: image %s, as configured\n", c.Name, cmp.Or(all.Chosen, "of the launch template"))
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tIMAGE\tNAME\tOWNER\tCREATED")
	for _, i := range all.Found {
		star := ""
		if i.ID == all.Chosen {
			star = "*"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", star, i.ID, i.Name, i.Owner, i.Created.Local().Format(time.DateTime))
	}
	return w.Flush()
}
