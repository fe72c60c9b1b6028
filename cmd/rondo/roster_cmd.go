package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"rondo/autoscale/fanout"
	"rondo/autoscale/roster"
)

// rosterCmd shows who is in the groups.
type rosterCmd struct {
	clientFlags `set:"outputs=table,json,hosts,inventory,ansible" set:"outputs_help=table, json, hosts (lines for /etc/hosts), inventory (for Ansible, INI) or ansible (what an inventory script answers to --list)"`

	Group string `help:"Of this group alone." placeholder:"NAME"`
	Watch bool   `help:"Stay, and show each change as it comes." short:"w"`
	List  bool   `help:"As -o ansible: so that Ansible can call this as an inventory script." hidden:""`
}

func (rosterCmd) Help() string {
	return `Examples:
  rondo roster
  rondo roster --group web --watch
  rondo roster -o hosts
  rondo roster -o inventory
  ansible-playbook -i rondo-inventory site.yml     # a script: exec rondo roster -o ansible

An instance's rank in its group, and so its alias (web-1), is its own while it
lives; a rank that is free is taken by the next that comes. The first that serves
goes by the group's plain name as well.`
}

func (c rosterCmd) Run(ctx context.Context, out io.Writer) error {
	if c.List {
		c.Output = "ansible"
	}
	if c.Watch {
		return c.watch(ctx, out)
	}
	var v roster.View
	if err := c.get(ctx, roster.Path, url.Values{"group": {c.Group}}, &v); err != nil {
		return err
	}
	return c.show(out, v)
}

// watch shows what there is, and each version after that, until it is ended.
func (c rosterCmd) watch(ctx context.Context, out io.Writer) error {
	client, base := c.client()
	f := &roster.Follower{Client: client, URL: base, Group: c.Group, Sign: func(r *http.Request) error {
		if c.Token != "" {
			r.Header.Set("Authorization", "Bearer "+c.Token)
		}
		return nil
	}}
	err := f.Follow(ctx, func(v roster.View) error {
		if c.Output == "table" {
			fmt.Fprintf(out, "version %d, %s\n", v.Version, v.At.Local().Format(time.DateTime))
		}
		return c.show(out, v)
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// show writes a view as it was asked for.
func (c rosterCmd) show(out io.Writer, v roster.View) error {
	switch c.Output {
	case "json":
		return c.printJSON(out, v.Of(""))
	case "ansible":
		return c.printJSON(out, roster.InventoryOf(v.Members))
	case "inventory":
		_, err := io.WriteString(out, roster.InventoryOf(v.Members).INI())
		return err
	case "hosts":
		_, err := io.WriteString(out, roster.HostsLines(v.Members))
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ALIAS\tGROUP\tPHASE\tADDRESS\tINSTANCE\tHOST\tZONE\tTYPE\tSINCE")
	for _, m := range v.Members {
		since := "-"
		if !m.Since.IsZero() {
			since = m.Since.Local().Format(time.DateTime)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", dash(m.Alias), m.Group, m.Phase, dash(m.Address()), m.ID, dash(m.Host), dash(m.Zone), dash(m.Type), since)
	}
	return w.Flush()
}

// encCmd is what Puppet calls to ask what a host is.
type encCmd struct {
	clientFlags
	Host string `arg:"" help:"The host's name, as its certificate has it, or its alias, instance ID or address."`
}

func (encCmd) Help() string {
	return `Examples:
  rondo enc ip-10-0-0-7.eu-central-1.compute.internal

Prints YAML with classes, parameters and environment, as Puppet wants it of an
external node classifier; exits 1 for a host that is in no group. In puppet.conf:

  [server]
    node_terminus = exec
    external_nodes = /usr/local/bin/rondo-enc    # exec rondo enc --server=URL "$1"`
}

func (c encCmd) Run(ctx context.Context, out io.Writer) error {
	body, err := c.do(ctx, http.MethodGet, "/api/enc/"+url.PathEscape(c.Host), nil)
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.Copy(out, body)
	return err
}

// groupRunCmd runs a command of the server's configuration.
type groupRunCmd struct {
	clientFlags
	Group     string        `arg:"" help:"The group."`
	Command   string        `arg:"" help:"The command's name in the server's configuration." optional:""`
	Host      []string      `help:"For these alone: aliases, instance IDs, names." placeholder:"NAME"`
	AtOnce    int           `help:"So many at a time; default: the command's." placeholder:"N"`
	Timeout   time.Duration `help:"For each; default: the command's." placeholder:"TIME"`
	All       time.Duration `help:"For all together." placeholder:"TIME"`
	StopAfter int           `help:"Begin no more after so many failures." placeholder:"N"`
	reason
}

func (groupRunCmd) Help() string {
	return `Examples:
  rondo group run web                   # which commands are there?
  rondo group run web reload
  rondo group run web reload --host web-1 --host web-2
  rondo group run web deploy --at-once 1 --stop-after 1 -m "release 42"

Runs a command for all of a group that serve. What it runs stands in the server's
configuration (autoscale: commands); here it has a name only. Exits 1 if it
failed for anybody.`
}

func (c groupRunCmd) Run(ctx context.Context, out io.Writer) error {
	if c.Command == "" {
		return c.list(ctx, out)
	}
	q := url.Values{"group": {c.Group}, "host": c.Host, "by": {c.Message}}
	for name, v := range map[string]any{"at_once": c.AtOnce, "timeout": c.Timeout, "all": c.All, "stop_after": c.StopAfter} {
		if text := fmt.Sprint(v); text != "0" && text != "0s" {
			q.Set(name, text)
		}
	}
	body, err := c.do(ctx, http.MethodPost, "/api/commands/"+url.PathEscape(c.Command), q)
	if err != nil {
		return err
	}
	defer body.Close()
	return c.print(out, body)
}

// print shows results as they come.
func (c groupRunCmd) print(out io.Writer, body io.Reader) error {
	for lines := json.NewDecoder(body); ; {
		var line runLine
		if err := lines.Decode(&line); err != nil {
			return fmt.Errorf("the server went away before all was done: %w", err)
		}
		if c.Output == "json" {
			if err := json.NewEncoder(out).Encode(line); err != nil {
				return err
			}
		}
		switch {
		case line.Failed == nil:
			c.printResult(out, *line.Result)
		case *line.Failed > 0:
			return fmt.Errorf("%d of %d failed", *line.Failed, line.Of)
		case line.Of == 0:
			return errors.New("nobody serves in group " + c.Group)
		default:
			return nil
		}
	}
}

func (c groupRunCmd) printResult(out io.Writer, r fanout.Result) {
	if c.Output == "json" {
		return
	}
	how := "ok"
	switch {
	case r.Error != "":
		how = "failed: " + r.Error
	case r.Exit != 0:
		how = fmt.Sprintf("exit %d", r.Exit)
	}
	fmt.Fprintf(out, "%-12s  %6.2fs  %s\n", r.Host.Label(), r.Took.Seconds(), how)
	for line := range strings.Lines(r.Output) {
		fmt.Fprintf(out, "    %s\n", strings.TrimRight(line, "\n"))
	}
}

// list shows the commands.
func (c groupRunCmd) list(ctx context.Context, out io.Writer) error {
	var all []commandView
	if err := c.get(ctx, "/api/commands", nil, &all); err != nil {
		return err
	}
	if c.Output == "json" {
		return c.printJSON(out, all)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "COMMAND\tOVER\tRUN")
	for _, v := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\n", v.Name, v.Over, strings.Join(v.Run, " "))
	}
	return w.Flush()
}
