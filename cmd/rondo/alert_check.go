package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"rondo/alerts/check"
	"rondo/alerts/check/plugin"
)

// alertRunCmd makes a check without consequences.
type alertRunCmd struct {
	clientFlags
	Name string `arg:"" help:"Name of the rule."`
}

func (alertRunCmd) Help() string {
	return `Examples:
  rondo alert run disk
  rondo alert run shop -o json

The server makes the check now, as its own user, and says what it found and how
that is judged. States, series and receivers see nothing of it. Exits 0, 1, 2
or 3 by the gravest status, as Nagios' plugins do.`
}

// Run asks the server.
func (c alertRunCmd) Run(ctx context.Context, out io.Writer) error {
	var raw json.RawMessage
	var found []check.Trial
	err := c.post(ctx, check.RunPath, url.Values{"check": {c.Name}}, &raw)
	if err == nil {
		err = json.Unmarshal(raw, &found)
	}
	if err != nil {
		return &exitError{nagiosUnknown, err}
	}
	if c.Output == "json" {
		_, err = out.Write(append(raw, '\n'))
	} else {
		err = printTrials(out, found)
	}
	states := make([]stateLine, len(found))
	for i, f := range found {
		states[i] = stateLine{Status: f.Status.String(), Hard: true}
	}
	if code := nagios(states); err == nil && code != 0 {
		return &exitError{code, errors.New("not all is well")}
	}
	return err
}

func printTrials(out io.Writer, found []check.Trial) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "STATUS\tOF\tTEXT")
	for _, f := range found {
		fmt.Fprintf(w, "%s\t%s\t%s\n", f.Status, seriesName(f.Labels), f.Text)
		if f.Long != "" {
			for line := range strings.SplitSeq(f.Long, "\n") {
				fmt.Fprintf(w, "\t\t%s\n", line)
			}
		}
		for _, p := range f.Perf {
			fmt.Fprintf(w, "\t\tperf: %s\n", p)
		}
		if f.Bad > 0 {
			fmt.Fprintf(w, "\t\tperf: %d words are no performance values\n", f.Bad)
		}
	}
	return w.Flush()
}

// alertPassiveCmd sends the result of a passive check.
type alertPassiveCmd struct {
	clientFlags
	Check  string    `required:"" help:"Name of the passive check." placeholder:"NAME"`
	Host   string    `help:"Host that the result is of; default: this one." placeholder:"HOST"`
	Status string    `required:"" help:"ok, warning, critical or unknown, or the exit code of a plugin: 0 to 3." placeholder:"STATUS"`
	Text   string    `help:"What to say of it, as a plugin prints it, performance values included; - reads it from standard input." placeholder:"TEXT"`
	At     time.Time `help:"When the result was made; default: now." placeholder:"RFC3339"`
}

func (alertPassiveCmd) Help() string {
	return `Examples:
  rondo alert passive --check backup --status ok --text "all is saved|took=90s"
  pg_check | rondo alert passive --check postgres --host db-1 --status $? --text - \
    --server https://rondo.example.org:8443     # RONDO_TOKEN: that of the check, or rondo's

The check must be declared under alerts: passive, with the host among its
targets or groups. When the command exits with 0 the result is on disk.`
}

// Run sends it.
func (c alertPassiveCmd) Run(ctx context.Context, out io.Writer) error {
	form := url.Values{"check": {c.Check}, "host": {c.Host}, "output": {c.Text}}
	if c.Host == "" {
		name, err := os.Hostname()
		if err != nil {
			return err
		}
		form.Set("host", name)
	}
	if c.Text == "-" {
		text, err := io.ReadAll(io.LimitReader(os.Stdin, plugin.MaxOutput))
		if err != nil {
			return fmt.Errorf("standard input: %w", err)
		}
		form.Set("output", string(text))
	}
	field := "status"
	if _, err := strconv.Atoi(c.Status); err == nil {
		field = "return_code"
	}
	form.Set(field, c.Status)
	if !c.At.IsZero() {
		form.Set("at", c.At.Format(time.RFC3339))
	}
	client, base := c.client()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+check.PassivePath, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	body, err := c.roundTrip(client, req)
	if err != nil {
		return err
	}
	defer body.Close()
	var taken struct{ Status string }
	if err := json.NewDecoder(body).Decode(&taken); err != nil {
		return fmt.Errorf("answer is not understood: %w", err)
	}
	_, err = fmt.Fprintf(out, "%s of %s is stored as %s\n", c.Check, form.Get("host"), taken.Status)
	return err
}
