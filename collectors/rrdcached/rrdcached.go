package rrdcached

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"rondo/collectors"
)

// Config is the collector's section of the configuration.
type Config struct {
	Socket string `yaml:"socket"` // unix socket, relative to the data directory; "": none
	Mode   string `yaml:"mode"`   // of the socket, octal: who may open it
	Group  string `yaml:"group"`  // of the socket; "": the server's own
	// Listen and Allow are for TCP. An empty Listen, the default, is none.
	collectors.Bind `yaml:",inline"`
	// Bases are directories whose absolute paths are taken too, besides rrd in
	// the data directory.
	Bases []string `yaml:"bases"`
	// Create makes a set by the first schema that matches, where an UPDATE names
	// one that was never created and has no file.
	Create bool `yaml:"create"`
	// WriteFiles leaves a .rrd in the base directory at CREATE and FLUSH over
	// the unix socket, for clients that then read the file themselves.
	WriteFiles bool `yaml:"write_files"`
	// NoOverwrite lets no CREATE replace a set (rrdcached -O).
	NoOverwrite    bool          `yaml:"no_overwrite"`
	MaxConnections int           `yaml:"max_connections"`
	IdleTimeout    time.Duration `yaml:"idle_timeout"`
}

// DefaultConfig listens on rrdcached.sock in the data directory.
func DefaultConfig() Config {
	return Config{
		Socket:         "rrdcached.sock",
		Mode:           "0600",
		Create:         true,
		WriteFiles:     true,
		MaxConnections: 1024,
		IdleTimeout:    time.Hour,
	}
}

// Validate says what is wrong with c.
func (c Config) Validate() error {
	if _, err := c.mode(); err != nil {
		return err
	}
	if c.MaxConnections < 1 {
		return fmt.Errorf("max_connections %d: want at least 1", c.MaxConnections)
	}
	if c.IdleTimeout <= 0 {
		return fmt.Errorf("idle_timeout %v: want more than nothing", c.IdleTimeout)
	}
	for _, b := range c.Bases {
		if !filepath.IsAbs(b) {
			return fmt.Errorf("base %q: want an absolute path", b)
		}
	}
	if c.Socket == "" && c.Listen == "" {
		return errors.New("neither socket nor listen is set")
	}
	if c.Listen == "" {
		return nil
	}
	return c.Bind.Validate()
}

func (c Config) mode() (fs.FileMode, error) {
	n, err := strconv.ParseUint(c.Mode, 8, 32)
	if err != nil || n > 0o777 {
		return 0, fmt.Errorf("mode %q: want the octal mode of a socket, such as 0660", c.Mode)
	}
	return fs.FileMode(n), nil
}

// Kind is what the configuration calls "rrdcached". It runs by default.
func Kind() collectors.Kind { return collectors.KindOf("rrdcached", true, DefaultConfig, New) }

// A Collector speaks rrdcached's protocol.
type Collector struct {
	env       collectors.Env
	conf      Config
	bases     *bases
	unix, tcp net.Listener // nil where not wanted
	counts    counts
	suspended suspended

	reading  *semaphore.Weighted // bytes of files that are taken over
	fetching *semaphore.Weighted // values of large answers
	writing  sync.Mutex          // held while a .rrd is written
	failed   collectors.Notice
	refused  collectors.Notice
	denied   collectors.Notice
}

// New binds the sockets and opens the base directories, which Run will own.
func New(env collectors.Env, c Config) (_ *Collector, err error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("rrdcached: %w", err)
	}
	if env.Sets == nil {
		return nil, errors.New("rrdcached: there is no store of sets")
	}
	s := &Collector{env: env, conf: c, reading: semaphore.NewWeighted(maxReading), fetching: semaphore.NewWeighted(maxFetching)}
	defer func() {
		if err != nil {
			err = fmt.Errorf("rrdcached: %w", errors.Join(err, s.close()))
		}
	}()
	own := filepath.Join(env.Data, "rrd")
	if err := os.MkdirAll(own, 0o755); err != nil {
		return nil, err
	}
	if s.bases, err = openBases(append([]string{own}, c.Bases...)); err != nil {
		return nil, err
	}
	ctx := context.Background()
	if c.Socket != "" {
		if s.unix, err = c.listenUnix(ctx, env.Data); err != nil {
			return nil, err
		}
	}
	if c.Listen != "" {
		if s.tcp, err = c.ListenTCP(ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (c Config) listenUnix(ctx context.Context, data string) (net.Listener, error) {
	path := c.Socket
	if !filepath.IsAbs(path) {
		path = filepath.Join(data, path)
	}
	mode, err := c.mode()
	if err != nil {
		return nil, err
	}
	l, err := collectors.ListenUnix(ctx, path, mode)
	if err != nil || c.Group == "" {
		return l, err
	}
	gid := -1
	group, err := user.LookupGroup(c.Group)
	if err == nil {
		gid, err = strconv.Atoi(group.Gid)
	}
	if err == nil {
		err = os.Chown(path, -1, gid)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("group of %s: %w", path, err), l.Close())
	}
	return l, nil
}

// close gives back what New has opened.
func (s *Collector) close() error {
	var errs []error
	for _, l := range []net.Listener{s.unix, s.tcp} {
		if l != nil {
			errs = append(errs, l.Close())
		}
	}
	if s.bases != nil {
		errs = append(errs, s.bases.close())
	}
	return errors.Join(errs...)
}

// TCPAddr is where the collector listens for TCP, or nil.
func (s *Collector) TCPAddr() net.Addr {
	if s.tcp == nil {
		return nil
	}
	return s.tcp.Addr()
}

// Run serves the sockets until ctx ends, and returns when all that was read is
// on disk.
func (s *Collector) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, l := range []net.Listener{s.unix, s.tcp} {
		if l == nil {
			continue
		}
		s.env.Log.Info("listening", "proto", l.Addr().Network(), "addr", l.Addr().String())
		conns := &collectors.ConnServer{
			Env: s.env, Listener: l, Bind: s.conf.Bind, MaxConns: s.conf.MaxConnections, Handle: s.serve,
		}
		g.Go(func() error { return conns.Serve(ctx) })
	}
	return errors.Join(g.Wait(), s.bases.close())
}
