package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"rondo/rrd"
	"rondo/rrd/store"
)

// setCmd is for sets: RRDtool's files in the store.
type setCmd struct {
	Change setChangeCmd `cmd:"" help:"Change sets as rrdtool tune and resize do, while readings come."`
	Drop   setDropCmd   `cmd:"" help:"Forget sets and their history."`
}

// setChangeCmd changes one set after the other.
type setChangeCmd struct {
	clientFlags
	Name          []string `arg:"" help:"Names of sets, or globs such as 'web-*/load'."`
	Heartbeat     []string `help:"Longest silence that is no gap." sep:"none" placeholder:"DS:SPAN"`
	Min           []string `help:"Lower limit, or U for none." sep:"none" placeholder:"DS:NUMBER"`
	Max           []string `help:"Upper limit, or U for none." sep:"none" placeholder:"DS:NUMBER"`
	Rename        []string `help:"Rename a data source; other flags use the new name." sep:"none" placeholder:"OLD=NEW"`
	Add           []string `help:"Add a data source." sep:"none" placeholder:"DS:NAME:TYPE:HEARTBEAT:MIN:MAX"`
	RemoveSource  []string `help:"Remove a data source and its history." sep:"none" placeholder:"DS"`
	AddArchive    []string `help:"Add an archive, which is filled as far as the primary points reach." sep:"none" placeholder:"RRA:CF:XFF:STEPS:ROWS"`
	RemoveArchive []string `help:"Remove an archive." sep:"none" placeholder:"CF:STEPS[:ROWS]"`
	Resize        []string `help:"Give an archive another number of rows; the newest are kept." sep:"none" placeholder:"CF:STEPS[:ROWS]=ROWS"`
	Step          string   `hidden:"" help:"Refused, in words."`
	DryRun        bool     `help:"Only say what would change, and what would be lost."`
}

func (setChangeCmd) Help() string {
	return `Examples:
  rondo set change 'web-*/load' --heartbeat=short:300 --max=short:U
  rondo set change db1/disk --rename=in=read --add=DS:wait:GAUGE:120:0:U
  rondo set change '*' --resize=AVERAGE:1=2880 --add-archive=RRA:MAX:0.5:60:1000 --dry-run

Each set is changed whole or not at all, and no reading is lost. Sets that are so already are left
alone: what was interrupted goes on when it is run again.

A set's step cannot be changed (rrdtool tune --step does nothing, either): its points were made of
readings that nobody has any more. For longer rows add an archive; for another step make another set.
Archives of the Holt-Winters family are removed all together, and neither added nor resized.`
}

var errSetStep = errors.New("the step of a set cannot be changed: its points were made of readings that nobody has any more; for longer rows use --add-archive, for another step make another set")

// A setAnswer is what became of one set.
type setAnswer struct {
	Name string `json:"name"`
	store.SetChange
	Error string `json:"error,omitempty"`
}

func (c setChangeCmd) Run(ctx context.Context, out io.Writer, stderr errorWriter) error {
	edit := rrd.SetEdit{
		Rename: c.Rename, RemoveSource: c.RemoveSource, Heartbeat: c.Heartbeat, Min: c.Min, Max: c.Max, Add: c.Add,
		RemoveArchive: c.RemoveArchive, Resize: c.Resize, AddArchive: c.AddArchive,
	}
	if c.Step != "" {
		return &exitError{usageCode, errSetStep}
	}
	if edit.Empty() {
		return &exitError{usageCode, errors.New("what is to be changed? see --help")}
	}
	words, err := json.Marshal(edit)
	if err != nil {
		return err
	}
	names, err := c.sets(ctx, c.Name)
	if err != nil {
		return err
	}
	changed, failed := 0, 0
	for i, name := range names {
		a := setAnswer{Name: name}
		q := url.Values{"name": {name}, "edit": {string(words)}}
		if c.DryRun {
			q.Set("dry", "1")
		}
		if err := c.post(ctx, "/api/sets/change", q, &a.SetChange); isRefusal(err) {
			a.Error = err.Error()
			failed++
		} else if err != nil {
			return fmt.Errorf("%d of %d sets are done, run it again to go on: %w", i, len(names), err)
		}
		if a.Changed {
			changed++
		}
		if err := c.print(out, stderr, i+1, len(names), &a); err != nil {
			return err
		}
	}
	if c.Output != "json" {
		fmt.Fprintf(out, "%d sets: changed %d, so already %d, refused %d\n", len(names), changed, len(names)-changed-failed, failed)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d sets were refused", failed, len(names))
	}
	return nil
}

// print shows what became of a set: the answer, or progress on the way.
func (c setChangeCmd) print(out, stderr io.Writer, done, of int, a *setAnswer) error {
	if c.Output == "json" {
		return json.NewEncoder(out).Encode(a)
	}
	if a.Error != "" {
		fmt.Fprintf(stderr, "refused %s: %s\n", a.Name, a.Error)
	}
	for _, lost := range a.Lost {
		fmt.Fprintf(out, "%s: %d rows lost of %s\n", a.Name, lost.Rows, lost.Archive)
	}
	if a.Changed && c.DryRun {
		fmt.Fprintf(out, "%s: rings of at most %s, now %s\n", a.Name, bytesText(8*int64(a.Values)), bytesText(8*int64(a.Before)))
	}
	if done%100 == 0 {
		fmt.Fprintf(stderr, "%d of %d sets\n", done, of)
	}
	return nil
}

// isRefusal says whether an answer is about one set: others may do better.
func isRefusal(err error) bool {
	refused, ok := errors.AsType[*answerError](err)
	if !ok {
		return false
	}
	switch refused.status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusConflict:
		return true
	}
	return false
}

// setChange changes one set.
func (s *server) setChange(r *http.Request, q url.Values) (any, error) {
	var edit rrd.SetEdit
	if err := json.Unmarshal([]byte(q.Get("edit")), &edit); err != nil {
		return nil, fmt.Errorf("edit: %w", err)
	}
	c, err := s.stores.metrics.ChangeSet(r.Context(), q.Get("name"), &edit, q.Get("dry") != "")
	if err == nil && c.Changed && q.Get("dry") == "" {
		s.log.Info("set is changed", "set", q.Get("name"), "edit", q.Get("edit"))
	}
	return c, err
}
