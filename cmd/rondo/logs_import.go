package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"text/tabwriter"
	"time"

	"rondo/syslogd"
	"rondo/syslogd/filter"
	"rondo/syslogd/logimport"
	"rondo/syslogd/logstore"
	"rondo/syslogd/stage"
	"rondo/syslogd/syslog"
)

// logsImportCmd takes back what the archive keeps, and takes over other log
// files.
type logsImportCmd struct {
	clientFlags
	bucketFlags
	Paths    []string       `arg:"" name:"path" help:"Files, directories, and s3://bucket/prefix."`
	From     string         `help:"Oldest message, by its own time: -7d, RFC 3339 or epoch seconds." placeholder:"TIME"`
	To       string         `help:"Newest message." placeholder:"TIME"`
	Filter   *filter.Filter `help:"Which messages." placeholder:"FILTER"`
	Host     string         `help:"Host of messages that name none." placeholder:"NAME"`
	TimeZone string         `help:"Zone of times without one, such as Europe/Berlin." default:"Local" placeholder:"ZONE"`
	List     bool           `help:"List the files and what was imported of them, and import nothing." xor:"what"`
	DryRun   bool           `help:"Read and select everything, and import nothing." xor:"what"`
	Identity string         `help:"File of secret keys of age, where files are encrypted." type:"existingfile" placeholder:"FILE"`
	Again    bool           `help:"Import files of which something else was imported before; what both select is there twice then."`
}

func (logsImportCmd) Help() string {
	return `Examples:
  rondo logs import s3://bucket/prefix/logs/2026/11/21
  rondo logs import s3://bucket/prefix --from=-7d --filter='host:web* severity<=err'
  rondo logs import /mnt/old/log --time-zone=Europe/Berlin --dry-run
  journalctl -o export > /tmp/journal && rondo logs import /tmp/journal --host=web-1

Files may be the archive's objects, syslog files, JSON lines or journal exports,
plain, gzip or zstd; the content tells. Each is imported once: what was
interrupted is just run again, and goes on where it stopped, but for times such
as -7d, which mean others by then: it says what to write for them. The running server
is asked through rondo.sock; where none runs the store is opened directly.

Messages are found by their own time. Their day of reception is kept as long as
retention keeps that day; older ones count as received now. Of the archive,
objects are passed over without being read that were received more than a day
before --from or after --to.`
}

func (c logsImportCmd) Run(ctx context.Context, out io.Writer, stderr errorWriter) (err error) {
	selection, err := c.selection()
	if err != nil {
		return &exitError{usageCode, err}
	}
	files, err := c.find(ctx, selection)
	if err != nil {
		return err
	}
	to, closeTo, err := c.target(ctx, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeTo()) }()
	if c.List {
		return c.list(ctx, out, to, files)
	}
	job := &logsImport{
		tally: newTally(imported, stderr), dry: c.DryRun,
		importer: logimport.Importer{Target: to, Selection: selection, DryRun: c.DryRun, Again: c.Again},
	}
	job.inside = func() string { return fmt.Sprintf("%d messages read", job.read.Load()) }
	job.importer.Progress = func(read, _ uint64) { job.read.Add(read) }
	if flags := c.fixed(selection); flags != "" && !c.DryRun {
		_, _ = fmt.Fprintf(stderr, "should this be interrupted, go on with%s\n", flags) // where nobody sees it, it does not matter
	}
	err = job.run(ctx, files)
	return errors.Join(err, job.sum(out, c.Output))
}

// selection is what the flags select.
func (c logsImportCmd) selection() (s logimport.Selection, err error) {
	now := time.Now()
	var errs [3]error
	s.From, _, errs[0] = moment(c.From, now)
	s.To, _, errs[1] = moment(c.To, now)
	s.Zone, errs[2] = time.LoadLocation(c.TimeZone)
	s.Filter, s.Host = c.Filter, c.Host
	text := ""
	if c.Filter != nil {
		text = c.Filter.String()
	}
	s.Text = fmt.Sprintf("%q %q %q", momentText(s.From), momentText(s.To), text)
	return s, errors.Join(errs[:]...)
}

// moment is the time that a flag means now. Such as -7d, which means another
// one later, is a whole second.
func moment(flag string, now time.Time) (t time.Time, relative bool, err error) {
	t, err = syslogd.ParseTime(flag, now)
	later, _ := syslogd.ParseTime(flag, now.Add(48*time.Hour))
	if relative = !later.Equal(t); relative {
		t = t.Truncate(time.Second)
	}
	return t, relative, err
}

// momentText names a time, however it was written.
func momentText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// fixed says with which flags the same is selected later, where those that were
// given will mean something else; else nothing.
func (c logsImportCmd) fixed(s logimport.Selection) (flags string) {
	for _, f := range []struct {
		name, given string
		is          time.Time
	}{{"from", c.From, s.From}, {"to", c.To, s.To}} {
		if _, relative, _ := moment(f.given, time.Now()); relative {
			flags += " --" + f.name + "=" + momentText(f.is)
		}
	}
	return flags
}

// target finds the server, or opens the store.
func (c logsImportCmd) target(ctx context.Context, stderr io.Writer) (_ logimport.Target, closeIt func() error, err error) {
	client, base := c.client()
	remote := &logimport.Remote{
		Do: func(ctx context.Context, method, path string, q url.Values, body io.Reader) (io.ReadCloser, error) {
			return c.send(ctx, client, method, base+path, q, body)
		},
		Conflict: func(err error) bool {
			answer, ok := errors.AsType[*answerError](err)
			return ok && answer.status == http.StatusConflict
		},
	}
	nothing := func() error { return nil }
	if c.Server != "" {
		return remote, nothing, nil
	}
	socket := filepath.Join(c.Data, socketName)
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	switch {
	case err == nil:
		return remote, nothing, conn.Close()
	case !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED):
		return nil, nil, dialError(socket, err)
	}
	dir := filepath.Join(c.Data, "logs")
	if _, err := os.Stat(dir); err != nil {
		return nil, nil, fmt.Errorf("no server answers at %s, and there is no store: is --data right?", socket)
	}
	conf, err := loadConfig(c.Config)
	if err != nil {
		return nil, nil, err
	}
	_, _ = fmt.Fprintf(stderr, "no server answers at %s: the store there is opened directly\n", socket)
	store, err := logstore.Open(dir, logstore.Options{
		Config: conf.Syslogd.Store, Log: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return nil, nil, err
	}
	redact, err := redactor(conf.Syslogd.Server.Stages)
	if err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	return logimport.NewLocal(store, redact), store.Close, nil
}

// A redaction returns a batch without its secrets.
type redaction = func(batch []syslog.Message) []syslog.Message

// redact is the present redaction.
func (s *server) redact(batch []syslog.Message) []syslog.Message { return s.parts.Load().redact(batch) }

// redactor takes secrets out of messages, as the stages that redact do.
func redactor(stages []stage.Config) (redaction, error) {
	only := slices.DeleteFunc(slices.Clone(stages), func(c stage.Config) bool { return c.Redact == nil })
	pipe, err := stage.New(only)
	if err != nil {
		return nil, err
	}
	return func(batch []syslog.Message) []syslog.Message { return pipe.Apply(time.Now(), batch) }, nil
}

// list prints the files, and how far they were imported.
func (c logsImportCmd) list(ctx context.Context, out io.Writer, to logimport.Target, files []logimport.File) error {
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	if c.Output != "json" {
		fmt.Fprintln(table, "FILE\tBYTES\tCHANGED\tIMPORTED")
	}
	for _, f := range files {
		id, err := f.Identity(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		found, err := to.Positions(ctx, id+"/")
		if err != nil {
			return err
		}
		if c.Output == "json" {
			err := json.NewEncoder(out).Encode(map[string]any{"file": f.Name, "bytes": f.Size, "changed": f.Changed, "imported": append([]logimport.Position{}, found...)})
			if err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\n", f.Name, f.Size, f.Changed.Local().Format(time.DateTime), importedWords(found))
	}
	return table.Flush()
}

func importedWords(found []logimport.Position) string {
	switch {
	case len(found) == 0:
		return "-"
	case len(found) > 1:
		return fmt.Sprintf("%d selections of it", len(found))
	case found[0].Done:
		return "yes"
	}
	return fmt.Sprintf("up to message %d", found[0].Taken)
}

// logsImport is one run.
type logsImport struct {
	*tally
	importer logimport.Importer
	dry      bool
	results  []logimport.Result // of a dry run
	read     atomic.Uint64
	stored   uint64
	others   uint64
	cut      uint64
}

// run imports all files. Its error is one that stopped it.
func (j *logsImport) run(ctx context.Context, files []logimport.File) error {
	stop := make(chan struct{})
	var shown sync.WaitGroup
	shown.Go(func() { j.show(stop) })
	defer shown.Wait()
	defer close(stop)
	for range files {
		j.find()
	}
	for _, f := range files {
		r, err := j.importer.File(ctx, f)
		j.stored, j.others, j.cut = j.stored+r.Stored, j.others+r.Others, j.cut+r.Cut
		if j.dry {
			j.results = append(j.results, r)
		}
		switch {
		case err == nil && r.Done:
			j.skip()
		case err == nil:
			j.finish()
		case ctx.Err() != nil || errors.Is(err, logimport.ErrTarget):
			return fmt.Errorf("%s: the import stopped: %w; run it again to go on", f.Name, err)
		default:
			j.refuse(f.Name, innermost(err))
		}
	}
	return nil
}

// sum prints what became of the files, and is an error if one was refused.
func (j *logsImport) sum(out io.Writer, format string) error {
	if format == "json" {
		err := json.NewEncoder(out).Encode(map[string]any{
			"files": j.done, "skipped": j.skipped, "refused": append([]refusedFile{}, j.refused...),
			"messages": j.stored, "others": j.others, "cut": j.cut, "dry_run": j.dry, "details": j.results,
		})
		return errors.Join(err, j.verdict())
	}
	verb := "imported"
	if j.dry {
		verb = "would import"
		table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
		fmt.Fprintln(table, "FILE\tFORMAT\tMESSAGES\tOLDEST\tNEWEST")
		for _, r := range j.results {
			fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\n", r.File, r.Format, r.Stored, shortTime(r.Oldest), shortTime(r.Newest))
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "%s %d messages of %d files; not selected %d messages, already there %d files, refused %d files\n",
		verb, j.stored, j.done, j.others, j.skipped, len(j.refused))
	if j.cut > 0 {
		fmt.Fprintf(out, "%d messages were too long and are cut\n", j.cut)
	}
	j.reasons(out)
	return j.verdict()
}

func (j *logsImport) verdict() error {
	if n := len(j.refused); n > 0 {
		return fmt.Errorf("%d of %d files were refused", n, j.worked())
	}
	return nil
}

func shortTime(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateTime)
}
