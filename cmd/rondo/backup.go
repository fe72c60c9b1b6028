package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"rondo/autoscale/s3"
	"rondo/cmd/rondo/backup"
	"rondo/rrd/seglog"
	"rondo/syslogd"
)

// placeFlags say where backups are.
type placeFlags struct {
	Config     string `help:"Take place, keys and recipients from the backup section of this configuration file." type:"path" placeholder:"FILE"`
	S3Endpoint string `name:"s3-endpoint" help:"Server of the bucket, if it is not AWS's: http(s)://host[:port]. Keys come from AWS's usual places." placeholder:"URL"`
	S3Region   string `name:"s3-region" help:"Region of the bucket." placeholder:"REGION"`
}

// conf is the backup section that the flags amount to.
func (f placeFlags) conf(place string) (backupConfig, error) {
	c := backupConfig{Config: backup.DefaultConfig()}
	if f.Config != "" {
		whole, err := loadConfig(f.Config)
		if err != nil {
			return c, err
		}
		c = whole.Backup
	}
	if place != "" {
		c.To = place
	}
	if f.S3Endpoint != "" {
		c.S3.Endpoint = f.S3Endpoint
	}
	if f.S3Region != "" {
		c.S3.Region = f.S3Region
	}
	return c, errors.Join(c.Config.Validate(), c.S3.Validate())
}

// backupCmd makes, lists and verifies backups.
type backupCmd struct {
	placeFlags
	Data      string   `help:"Data directory of the server." default:"./data" env:"RONDO_DATA" placeholder:"DIR"`
	To        string   `help:"Where to: a directory, or s3://bucket/prefix. Without it the server makes the backup that it is configured for." placeholder:"PLACE"`
	Recipient []string `help:"Encrypt to this public key of age, age1...; can be given several times." placeholder:"KEY"`
	Plain     bool     `help:"Write plain text even where the last backup is encrypted."`
	Keep      int      `help:"How many backups stay at the place; 0 keeps the configured number, else 7."`
	List      bool     `help:"List the backups at the place." xor:"what"`
	Verify    bool     `help:"Read the newest backup, or that of --at, and check every checksum." xor:"what"`
	At        string   `help:"The newest backup that is not after this time: RFC 3339, -2d." default:"latest" placeholder:"TIME"`
	Identity  string   `help:"File of secret keys of age, to verify what is encrypted as well." type:"existingfile" placeholder:"FILE"`
	Output    string   `help:"table or json." short:"o" enum:"table,json" default:"table"`
}

func (backupCmd) Help() string {
	return `Examples:
  rondo backup                                   # what the server is configured for, now
  rondo backup --to=/mnt/usb/rondo
  rondo backup --to=s3://bucket/rondo --recipient=age1...
  rondo backup --list
  rondo backup --verify --to=s3://bucket/rondo --identity=key.txt

With --to this command writes the backup itself, with the rights of who runs it:
a running server only makes a snapshot in its data directory (hard links, for a
moment) and is never told to write elsewhere. Without a running server the data
directory is read as it is. Only what is new since the last backup is sent.`
}

func (c backupCmd) Run(ctx context.Context, out io.Writer, stderr errorWriter) error {
	if c.List || c.Verify {
		return c.inspect(ctx, out, stderr)
	}
	var r *backupResult
	var err error
	if c.To == "" && c.Config == "" {
		r, err = c.ask(ctx, stderr)
	} else {
		r, err = c.make(ctx, stderr)
	}
	if err != nil {
		return err
	}
	if c.Output == "json" {
		return json.NewEncoder(out).Encode(r)
	}
	_, err = fmt.Fprintf(out, "backup of %s: %d files, %s; %s sent, %s were there already\n",
		r.Time.Format(time.RFC3339), r.Files, mega(r.Bytes), mega(r.Sent), mega(r.Reused))
	return err
}

func mega(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

func (c backupCmd) client() clientFlags { return clientFlags{Data: c.Data} }

// pollEvery is how often a running backup is asked how far it is.
const pollEvery = 200 * time.Millisecond

// ask has the server make the configured backup, and waits for it.
func (c backupCmd) ask(ctx context.Context, stderr io.Writer) (*backupResult, error) {
	var before, now backupStatus
	began := time.Now().Truncate(time.Millisecond) // as manifests are stamped
	if err := c.client().get(ctx, "/api/backup", nil, &before); err != nil {
		return nil, err
	}
	body, err := c.client().do(ctx, http.MethodPost, "/api/backup", nil)
	if err != nil {
		return nil, err
	}
	body.Close()
	p := newProgressLine(stderr)
	for {
		if err := c.client().get(ctx, "/api/backup", nil, &now); err != nil {
			return nil, err
		}
		if now.Running != nil {
			p.show(*now.Running)
		} else if !now.Tried.Equal(before.Tried) && (now.Error != "" || !now.Last.Time.Before(began)) {
			break
		}
		select {
		case <-time.After(pollEvery):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		now = backupStatus{}
	}
	if now.Error != "" {
		return nil, errors.New(now.Error)
	}
	return now.Last, nil
}

// make makes a backup in this process.
func (c backupCmd) make(ctx context.Context, stderr io.Writer) (_ *backupResult, err error) {
	conf, err := c.conf(c.To)
	if err != nil {
		return nil, err
	}
	if c.Keep > 0 {
		conf.Keep = c.Keep
	}
	if len(c.Recipient) > 0 {
		conf.Recipients = c.Recipient
	}
	if err := conf.validate(c.Data); err != nil {
		return nil, err
	}
	o := backup.Options{Progress: newProgressLine(stderr).show, Plain: c.Plain}
	dir, free, err := c.source(ctx, &o)
	if err != nil {
		return nil, err
	}
	defer free()
	r, err := conf.make(ctx, dir, o)
	return &r, err
}

// source is the directory to read: a running server's snapshot, else the data
// directory itself, held so that no server starts on it meanwhile.
func (c backupCmd) source(ctx context.Context, o *backup.Options) (dir string, free func(), err error) {
	body, err := c.client().do(ctx, http.MethodPost, "/api/backup/snapshot", nil)
	if err == nil {
		var s staged
		if err := json.NewDecoder(bufio.NewReader(body)).Decode(&s); err != nil {
			return "", nil, errors.Join(fmt.Errorf("the server's answer is not understood: %w", err), body.Close())
		}
		o.Now = s.Time
		return s.Dir, func() { body.Close() }, nil // which tells the server
	}
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) {
		return "", nil, err
	}
	log := filepath.Join(c.Data, "metrics", "log")
	if _, err := os.Stat(log); err != nil {
		return "", nil, fmt.Errorf("%s is no data directory of rondo: %w", c.Data, err)
	}
	lock, err := seglog.OS{}.Lock(log) // the first that a server takes
	if err != nil {
		return "", nil, err
	}
	o.Now, o.Skip = time.Now(), leftOut
	return c.Data, func() { lock.Close() }, nil
}

// leftOut says what of a data directory that nobody uses is not worth a
// place: locks, what was being written or removed, what was set aside as
// damaged, and old snapshots.
func leftOut(name string, dir bool) bool {
	room, _, _ := strings.Cut(name, "/")
	if dir {
		switch path.Ext(name) {
		case ".dead", ".bad", ".corrupt":
			return room == "metrics" || room == "logs"
		}
		return name == stageDir
	}
	switch path.Base(name) {
	case "lock", "LOCK", "DISCARD", "checkpoint.tmp", socketName:
		return true
	}
	return false
}

// inspect lists or verifies.
func (c backupCmd) inspect(ctx context.Context, out, stderr io.Writer) error {
	conf, err := c.conf(c.To)
	if err == nil && conf.To == "" {
		conf, err = c.servers(ctx)
	}
	if err != nil {
		return err
	}
	if c.List {
		return conf.list(ctx, out, c.Output)
	}
	return conf.read(ctx, c.At, c.Identity, func(t backup.Target, m *backup.Manifest, ids backup.Identities) error {
		if err := backup.Verify(ctx, t, m, ids, newProgressLine(stderr).show); err != nil {
			return err
		}
		how := "every checksum is right"
		if len(m.Recipients) > 0 && len(ids) == 0 {
			how = "what is stored is as it was written (without --identity it was not decrypted)"
		}
		_, err := fmt.Fprintf(out, "backup of %s: %d files, %s: %s\n", m.Time.Format(time.RFC3339), len(m.Files), mega(m.Bytes()), how)
		return err
	})
}

// servers is the place of the running server's backups; keys are ours.
func (c backupCmd) servers(ctx context.Context) (backupConfig, error) {
	var s backupStatus
	if err := c.client().get(ctx, "/api/backup", nil, &s); err != nil {
		return backupConfig{}, err
	}
	if s.To == "" {
		return backupConfig{}, errors.New("the server has no backup configured; say where with --to")
	}
	return backupConfig{Config: backup.Config{To: s.To}, S3: s3.Config{Endpoint: s.Endpoint, Region: s.Region}}, nil
}

// list prints the backups at the place.
func (c backupConfig) list(ctx context.Context, out io.Writer, format string) (err error) {
	t, closeIt, err := c.open(ctx, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeIt()) }()
	all, err := backup.List(ctx, t)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if format == "table" {
		fmt.Fprintln(w, "TIME\tFILES\tSIZE\tSTORED\tENCRYPTED\tRONDO")
	}
	for _, b := range all {
		m, err := backup.Load(ctx, t, b)
		if err != nil {
			return err
		}
		if format == "json" {
			err = json.NewEncoder(w).Encode(map[string]any{
				"time": m.Time, "files": len(m.Files), "bytes": m.Bytes(), "stored": m.Stored(), "recipients": m.Recipients, "rondo": m.Rondo,
			})
		} else {
			_, err = fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%v\t%s\n", m.Time.Format(time.RFC3339), len(m.Files), mega(m.Bytes()), mega(m.Stored()), len(m.Recipients) > 0, m.Rondo)
		}
		if err != nil {
			return err
		}
	}
	return w.Flush()
}

// read calls f with the place, the backup of a time there, and the keys of a
// file that may be needed to read it.
func (c backupConfig) read(ctx context.Context, at, identity string, f func(backup.Target, *backup.Manifest, backup.Identities) error) (err error) {
	t, closeIt, err := c.open(ctx, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeIt()) }()
	m, err := chosen(ctx, t, at)
	if err != nil {
		return err
	}
	ids, err := identities(identity)
	if err != nil {
		return err
	}
	return f(t, m, ids)
}

// chosen loads the backup of a time.
func chosen(ctx context.Context, t backup.Target, at string) (*backup.Manifest, error) {
	var when time.Time
	if at != "latest" {
		var err error
		if when, err = syslogd.ParseTime(at, time.Now()); err != nil {
			return nil, err
		}
	}
	all, err := backup.List(ctx, t)
	if err != nil {
		return nil, err
	}
	b, err := backup.Choose(all, when)
	if err != nil {
		return nil, err
	}
	return backup.Load(ctx, t, b)
}

func identities(file string) (backup.Identities, error) {
	if file == "" {
		return nil, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return backup.ParseIdentities(f)
}

// restoreCmd writes a backup back.
type restoreCmd struct {
	placeFlags
	From     string `help:"Where the backup is: a directory, or s3://bucket/prefix." placeholder:"PLACE"`
	At       string `help:"The newest backup that is not after this time: RFC 3339, -2d." default:"latest" placeholder:"TIME"`
	Data     string `help:"Data directory to make; must not exist or be empty." required:"" placeholder:"DIR"`
	Identity string `help:"File of secret keys of age, where the backup is encrypted." type:"existingfile" placeholder:"FILE"`
}

func (restoreCmd) Help() string {
	return `Examples:
  rondo restore --from=/mnt/usb/rondo --data=/var/lib/rondo
  rondo restore --from=s3://bucket/rondo --at=2026-11-20T12:00:00Z --identity=key.txt --data=/tmp/then

The files are written beside the data directory, and get its name when every
checksum was right and all is on disk; else nothing is left. Then start the
server on it. No server is needed, and none is touched.

A restored server goes on from the moment of the backup: it may tell alerts and
relay messages again that had gone out since, and knows nothing of instances
that were launched since.`
}

func (c restoreCmd) Run(ctx context.Context, out io.Writer, stderr errorWriter) error {
	conf, err := c.conf(c.From)
	if err != nil {
		return err
	}
	if conf.To == "" {
		return &exitError{usageCode, errors.New("say where the backup is: --from=PLACE, or --config=FILE")}
	}
	return conf.read(ctx, c.At, c.Identity, func(t backup.Target, m *backup.Manifest, ids backup.Identities) error {
		if err := backup.Restore(ctx, t, m, ids, c.Data, newProgressLine(stderr).show); err != nil {
			return err
		}
		_, err := fmt.Fprintf(out, "restored the backup of %s to %s: %d files, %s, every checksum is right\n", m.Time.Format(time.RFC3339), c.Data, len(m.Files), mega(m.Bytes()))
		return err
	})
}

// progressLine tells every few seconds how far something is.
type progressLine struct {
	w    io.Writer
	told time.Time
}

// progressEvery is how often a person is told.
const progressEvery = 2 * time.Second

func newProgressLine(w io.Writer) *progressLine { return &progressLine{w: w, told: time.Now()} }

func (p *progressLine) show(now backup.Progress) {
	if time.Since(p.told) < progressEvery {
		return
	}
	p.told = time.Now()
	fmt.Fprintf(p.w, "%d files, %s; %s transferred, %s were there already\n", now.Files, mega(now.Bytes), mega(now.Sent), mega(now.Reused))
}
