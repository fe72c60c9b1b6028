package roster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"text/template"
	"time"

	"rondo/alerts/check/plugin"
	"rondo/alerts/state"
	"rondo/autoscale"
)

const (
	maxFiles       = 100
	filePrefix     = "roster/file/"
	debounce       = 200 * time.Millisecond
	firstRetry     = time.Second
	lastRetry      = time.Minute
	defaultProgram = 30 * time.Second // for before and after
	filePrograms   = 4                // that run at once
	placeholder    = "{file}"
)

// A FileConfig is a file on the server that follows the members.
type FileConfig struct {
	Path     string        `yaml:"path"`
	Template string        `yaml:"template"` // hosts, inventory, inventory-json, haproxy, nginx, or a file
	Groups   []string      `yaml:"groups"`   // default: all
	Port     int           `yaml:"port"`     // for templates that want one
	Mode     string        `yaml:"mode"`     // octal, in quotes: "0644"
	Before   []string      `yaml:"before"`   // program that looks at the new file, {file}, before it is in place; it stays out if that fails
	After    []string      `yaml:"after"`    // program that is run when it is in place
	Timeout  time.Duration `yaml:"timeout"`  // of each; default 30s
}

// mode is the file's mode; 0 where none is said.
func (c FileConfig) mode() (fs.FileMode, error) {
	if c.Mode == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(c.Mode, 8, 32)
	if err != nil || n == 0 || n > 0o777 {
		return 0, fmt.Errorf("mode: %q: want it as chmod has it, in quotes: \"0644\"", c.Mode)
	}
	return fs.FileMode(n), nil
}

// ValidateFiles checks what can be checked without reading templates.
func ValidateFiles(all []FileConfig) error {
	var errs []error
	var seen []string
	for i, c := range all {
		bad := func(err error) { errs = append(errs, fmt.Errorf("files: %d: %w", i+1, err)) }
		if !filepath.IsAbs(c.Path) || filepath.Clean(c.Path) != c.Path || slices.Contains(seen, c.Path) {
			bad(fmt.Errorf("path: %q: want a whole path of its own", c.Path))
		}
		seen = append(seen, c.Path)
		if _, err := c.mode(); err != nil {
			bad(err)
		}
		if c.Template == "" {
			bad(errors.New("template is missing: want hosts, inventory, inventory-json, haproxy, nginx, or the whole path of a file"))
		}
		if c.Port < 0 || c.Port > 65535 {
			bad(fmt.Errorf("port: %d: want 1 to 65535", c.Port))
		}
		if c.Timeout < 0 || c.Timeout > 10*time.Minute {
			bad(fmt.Errorf("timeout: %v: want at most 10m", c.Timeout))
		}
		for name, argv := range map[string][]string{"before": c.Before, "after": c.After} {
			if len(argv) > 0 && !filepath.IsAbs(argv[0]) {
				bad(fmt.Errorf("%s: %q: want [/path/of/program, argument, ...]", name, argv[0]))
			}
		}
	}
	if len(all) > maxFiles {
		errs = append(errs, fmt.Errorf("files: %d of them: want at most %d", len(all), maxFiles))
	}
	return errors.Join(errs...)
}

// CheckFiles reads the templates, and tries them on members that there might
// be.
func CheckFiles(all []FileConfig) error {
	var errs []error
	for i, c := range all {
		t, err := parse(c.Template)
		if err == nil {
			_, err = render(t, Data{Version: 1, Groups: c.Groups, Members: examples(c.Groups), Port: c.Port})
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("files: %d: %w", i+1, err))
		}
	}
	return errors.Join(errs...)
}

// examples are two members of each group.
func examples(groups []string) (out []Member) {
	for g, name := range groups {
		for rank := 1; rank <= 2; rank++ {
			ip := fmt.Sprintf("192.0.2.%d", (2*g+rank)%250+1)
			out = append(out, Member{
				Group: name, Rank: rank, Alias: fmt.Sprintf("%s-%d", name, rank), ID: fmt.Sprintf("i-%d%d", g, rank),
				Host: "ip-192-0-2-1", PrivateIP: ip, PublicIP: ip, Phase: autoscale.InService,
			})
		}
	}
	return out
}

// A Keeper keeps files as the members are.
type Keeper struct {
	roster   *Roster
	store    state.Store
	log      *slog.Logger
	files    []file
	programs *plugin.Runner

	written, failed atomic.Uint64
}

// A file is one that is kept.
type file struct {
	FileConfig
	target   Target
	template *template.Template
}

// NewKeeper makes a keeper of a valid configuration; groups are all that there
// are.
func NewKeeper(all []FileConfig, groups []string, r *Roster, store state.Store, log *slog.Logger) (*Keeper, error) {
	k := &Keeper{roster: r, store: store, log: log, programs: plugin.NewRunner(filePrograms)}
	for i, c := range all {
		t, err := parse(c.Template)
		mode, bad := c.mode()
		if err := errors.Join(err, bad); err != nil {
			return nil, fmt.Errorf("roster: files: %d: %w", i+1, err)
		}
		if len(c.Groups) == 0 {
			c.Groups = groups
		}
		c.Timeout = cmp.Or(c.Timeout, defaultProgram)
		k.files = append(k.files, file{c, Target{c.Path, mode}, t})
	}
	return k, nil
}

// Snapshot returns the counters.
func (k *Keeper) Snapshot() map[string]uint64 {
	return map[string]uint64{"files_written": k.written.Load(), "files_failed": k.failed.Load()}
}

// Run keeps the files until ctx ends. It goes by the roster, which goes by the
// groups.
func (k *Keeper) Run(ctx context.Context, _ autoscale.Groups) error {
	var wait sync.WaitGroup
	for _, f := range k.files {
		wait.Go(func() { k.keep(ctx, f) })
	}
	wait.Wait()
	return nil
}

// keep writes a file when members have changed, and again until that succeeds.
func (k *Keeper) keep(ctx context.Context, f file) {
	changed, end := k.roster.Subscribe()
	defer end()
	problem, pause := "", time.Duration(0)
	for {
		err := k.refresh(ctx, f)
		problem = k.note(f, problem, err)
		var again <-chan time.Time
		if pause = min(2*pause, lastRetry); err == nil {
			pause = 0
		} else {
			pause = max(pause, firstRetry)
			again = time.After(pause)
		}
		select {
		case <-ctx.Done():
			return
		case <-again:
		case <-changed:
			select { // those that change together are written together
			case <-ctx.Done():
				return
			case <-time.After(debounce):
			}
		}
	}
}

// note says when a file begins to fail, fails otherwise, or is kept again.
func (k *Keeper) note(f file, before string, err error) string {
	if err == nil {
		if before != "" {
			k.log.Info("file is kept again", "file", f.Path)
		}
		return ""
	}
	k.failed.Add(1)
	if err.Error() != before {
		k.log.Error("file cannot be kept as the members are; it is tried again", "file", f.Path, "err", err)
	}
	return err.Error()
}

// refresh writes the file if it is another, and runs the program after it,
// unless that has run for this content already: whoever stopped us in between.
func (k *Keeper) refresh(ctx context.Context, f file) error {
	if !k.roster.Knows(f.Groups) {
		return nil // nobody has said yet who is there: an empty file would be a lie
	}
	v := k.roster.View()
	d := Data{Version: v.Version, Groups: f.Groups, Port: f.Port}
	for _, m := range v.Members {
		if slices.Contains(f.Groups, m.Group) {
			d.Members = append(d.Members, m)
		}
	}
	text, err := render(f.template, d)
	if err != nil {
		return err
	}
	var approve func(string) error
	if len(f.Before) > 0 {
		approve = func(file string) error { return k.program(ctx, "before", f.Before, file, f.Timeout) }
	}
	changed, err := f.target.Replace(text, approve)
	if err != nil {
		return err
	}
	if changed {
		k.written.Add(1)
		k.log.Info("file is written", "file", f.Path, "version", v.Version)
	}
	return k.after(ctx, f, text)
}

// after runs the program of a file whose content it has not been run for.
func (k *Keeper) after(ctx context.Context, f file, text []byte) error {
	if len(f.After) == 0 {
		return nil
	}
	digest, key := fmt.Sprintf("%08x %d", crc32.ChecksumIEEE(text), len(text)), filePrefix+f.Path
	done, err := k.store.Get(key)
	if err == nil && string(done) == digest {
		return nil
	}
	if err == nil { // a program that fails may have taken effect: the content before is not in force for certain any more
		if err := k.store.Write(context.WithoutCancel(ctx), state.Delete(key)); err != nil {
			return err
		}
	}
	if err := k.program(ctx, "after", f.After, f.Path, f.Timeout); err != nil {
		return err
	}
	return k.store.Write(context.WithoutCancel(ctx), state.Put(key, []byte(digest)))
}

// program runs a program of the configuration.
func (k *Keeper) program(ctx context.Context, what string, argv []string, file string, timeout time.Duration) error {
	argv = slices.Clone(argv)
	for i := range argv {
		argv[i] = strings.ReplaceAll(argv[i], placeholder, file)
	}
	e := k.programs.Exec(ctx, plugin.Command{Argv: argv, Env: []string{"RONDO_FILE=" + file}, Timeout: timeout})
	said := plugin.Parse(cmp.Or(e.Stderr, e.Stdout)).Text
	switch {
	case e.State == nil:
		return fmt.Errorf("%s: %s: %w", what, argv[0], e.Err)
	case e.Late:
		return fmt.Errorf("%s: %s was killed after %v", what, argv[0], timeout)
	case !e.State.Success():
		return errors.New(strings.TrimSuffix(fmt.Sprintf("%s: %s: %v: %s", what, argv[0], e.State, said), ": "))
	}
	return nil
}
