package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"rondo/alerts"
)

// alertCmd shows the supervision states of a running server, and says what is
// not to be told, and to whom the rest.
type alertCmd struct {
	List      alertListCmd      `cmd:"" help:"List the states, the gravest first. Exits 0, 1, 2 or 3 as Nagios' plugins do."`
	Run       alertRunCmd       `cmd:"" help:"Make a check now, and see how its result is judged; nobody is told."`
	Passive   alertPassiveCmd   `cmd:"" help:"Send the result of a check that was made elsewhere."`
	Ack       alertAckCmd       `cmd:"" help:"Say that hard problems are known: they are told no more."`
	Unack     alertUnackCmd     `cmd:"" help:"Take that back."`
	Silence   alertSilenceCmd   `cmd:"" help:"Let problems that match not be told, until a time."`
	Silences  alertSilencesCmd  `cmd:"" help:"List the silences in force."`
	Unsilence alertUnsilenceCmd `cmd:"" help:"End a silence early."`
	Downtime  alertDowntimeCmd  `cmd:"" help:"Plan times in which trouble is expected."`
	Test      alertTestCmd      `cmd:"" help:"Run unit tests of rules, in promtool's format."`
	Replay    alertReplayCmd    `cmd:"" help:"Show what a rule would have told, from stored history."`
	Routes    alertRoutesCmd    `cmd:"" help:"Show the tree of routes of a configuration, and where labels would go."`
}

type alertListCmd struct {
	clientFlags
	All bool `help:"Show what is OK as well."`
}

func (alertListCmd) Help() string {
	return `Examples:
  rondo alert list
  rondo alert list --all -o json`
}

// A stateLine is one supervision state as the server writes it.
type stateLine struct {
	Rule     string            `json:"rule"`
	Labels   map[string]string `json:"labels"`
	Status   string            `json:"status"`
	Hard     bool              `json:"hard"`
	Attempts int               `json:"attempts"`
	Max      int               `json:"max_attempts"`
	Flapping bool              `json:"flapping"`
	Since    time.Time         `json:"since"`
	Text     string            `json:"text"`
	Mute     struct {
		Reason string `json:"reason"`
	} `json:"mute"`
}

// standing says how sure a state is, and why nobody is told of it.
func (s stateLine) standing() string {
	words := []string{"hard"}
	if !s.Hard {
		words[0] = fmt.Sprintf("soft %d/%d", s.Attempts, s.Max)
	}
	if s.Flapping && s.Mute.Reason != string(alerts.Flaps) {
		words = append(words, "flapping")
	}
	if s.Mute.Reason != "" {
		words = append(words, s.Mute.Reason)
	}
	return strings.Join(words, ", ")
}

// The exit codes of Nagios' plugins.
const (
	nagiosWarning  = 1
	nagiosCritical = 2
	nagiosUnknown  = 3
)

// nagios is the exit code for the gravest hard problem: critical, unknown,
// warning, in this order.
func nagios(states []stateLine) int {
	found := map[string]bool{}
	for _, s := range states {
		found[s.Status] = found[s.Status] || s.Hard
	}
	switch {
	case found["critical"]:
		return nagiosCritical
	case found["unknown"]:
		return nagiosUnknown
	case found["warning"]:
		return nagiosWarning
	}
	return 0
}

func (c alertListCmd) Run(ctx context.Context, out io.Writer) error {
	var answer json.RawMessage
	var states []stateLine
	err := c.get(ctx, "/api/alerts", nil, &answer)
	if err == nil {
		err = json.Unmarshal(answer, &states)
	}
	if err != nil {
		return &exitError{nagiosUnknown, err}
	}
	if c.Output == "json" {
		_, err = out.Write(answer)
	} else {
		err = c.print(out, states)
	}
	if code := nagios(states); err == nil && code != 0 {
		return &exitError{code, errors.New("there are hard problems")}
	}
	return err
}

func (c alertListCmd) print(out io.Writer, states []stateLine) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "STATUS\tSTATE\tRULE\tOF\tSINCE\tTEXT")
	for _, s := range states {
		if s.Status == "ok" && !c.All {
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", s.Status, s.standing(), s.Rule, seriesName(s.Labels), s.Since.Local().Format(time.DateTime), s.Text)
	}
	return w.Flush()
}
