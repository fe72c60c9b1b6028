package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"text/tabwriter"
	"time"

	"rondo/autoscale"
)

type groupJournalCmd struct {
	clientFlags
	Name   string `arg:"" help:"The group."`
	All    bool   `help:"Entries of all groups: one chain goes through them."`
	Limit  int    `help:"So many of the newest at most." default:"50"`
	Verify bool   `help:"Read the whole journal and check each entry's hash and place. Exits 0 where it is whole, 2 where it is not, 3 where that cannot be told."`
}

func (groupJournalCmd) Help() string {
	return `Examples:
  rondo group journal web
  rondo group journal web --all --limit=500 -o json
  rondo group journal web --verify

Each entry has the SHA-256 of its own bytes, which contain that of the entry
before. Whoever keeps a hash elsewhere can tell later that nothing up to it was
changed, dropped or inserted.`
}

func (c groupJournalCmd) Run(ctx context.Context, out io.Writer) error {
	path := groupPath(c.Name) + "/journal"
	if c.Verify {
		return c.verify(ctx, out, path+"/check")
	}
	q := url.Values{"limit": {strconv.Itoa(c.Limit)}}
	if c.All {
		q.Set("all", "1")
	}
	if c.Output == "json" {
		return c.copyTo(ctx, out, path, q)
	}
	var lines []autoscale.Line
	if err := c.get(ctx, path, q, &lines); err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ENTRY\tAT\tGROUP\tKIND\tHASH\tBEFORE\tWHAT")
	for _, l := range lines {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%.12s\t%.12s\t%s\n", l.Seq, l.At.Local().Format(time.DateTime), l.Group, l.Kind, l.Hash, cmp.Or(l.Prev, "-"), entryWords(l))
	}
	return w.Flush()
}

// entryWords says in short what an entry records.
func entryWords(l autoscale.Line) string {
	switch d := l.Decision; {
	case l.Launch != nil:
		return fmt.Sprintf("%d -> %d, %d wanted, attempt %.12s", d.From, d.To, l.Launch.Count, l.Attempt)
	case d != nil && d.ID != "":
		return fmt.Sprintf("%d -> %d, decision %.12s", d.From, d.To, d.ID)
	case d != nil:
		return fmt.Sprintf("%s, %d times", d.Code, d.Count)
	}
	text := cmp.Or(l.Text, "done")
	if l.Attempt != "" {
		text += fmt.Sprintf(", attempt %.12s", l.Attempt)
	}
	if l.RequestID != "" {
		text += ", request " + l.RequestID
	}
	if n := len(l.Instances); n > 0 {
		text += fmt.Sprintf(", %d instances", n)
	}
	return text
}

// verify prints what the check found, as Nagios' plugins do.
func (c groupJournalCmd) verify(ctx context.Context, out io.Writer, path string) error {
	var chain autoscale.Chain
	if err := c.get(ctx, path, nil, &chain); err != nil {
		return &exitError{nagiosUnknown, err}
	}
	if c.Output == "json" {
		if err := c.printJSON(out, chain); err != nil {
			return err
		}
	} else {
		word := "OK: the chain is whole"
		if len(chain.Broken) > 0 {
			word = "CRITICAL: the chain is broken"
		}
		fmt.Fprintf(out, "%s, %d entries from %d to %d, sha256 %s\n", word, chain.Entries, chain.First, chain.Last, cmp.Or(chain.Hash, "-"))
		for _, b := range chain.Broken {
			fmt.Fprintln(out, b)
		}
	}
	if len(chain.Broken) > 0 {
		return &exitError{nagiosCritical, errors.New("the journal's chain is broken")}
	}
	return nil
}
