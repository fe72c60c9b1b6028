package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// alertCmd shows the supervision states of a running server.
type alertCmd struct {
	List alertListCmd `cmd:"" help:"List the states, the gravest first. Exits 0, 1, 2 or 3 as Nagios' plugins do."`
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
	Since    time.Time         `json:"since"`
	Text     string            `json:"text"`
}

// The Nagios exit codes of the statuses.
var nagiosCode = map[string]int{"ok": 0, "warning": 1, "critical": 2, "unknown": 3}

func (c alertListCmd) Run(ctx context.Context, out io.Writer) error {
	if c.Output == "json" {
		return c.copyTo(ctx, out, "/api/alerts", nil)
	}
	var states []stateLine
	if err := c.get(ctx, "/api/alerts", nil, &states); err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "STATUS\tSTATE\tRULE\tOF\tSINCE\tTEXT")
	worst := 0
	for _, s := range states {
		if s.Status == "ok" && !c.All {
			continue
		}
		state := "hard"
		if !s.Hard {
			state = fmt.Sprintf("soft %d/%d", s.Attempts, s.Max)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", s.Status, state, s.Rule, seriesName(s.Labels), s.Since.Local().Format(time.DateTime), s.Text)
		if s.Hard {
			worst = max(worst, nagiosCode[s.Status])
		}
	}
	if err := w.Flush(); err != nil || worst == 0 {
		return err
	}
	return &exitError{code: worst, err: fmt.Errorf("there are hard problems")}
}
