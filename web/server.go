package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/sync/errgroup"

	"rondo/web/pages"
	"rondo/web/static"
)

// Deps is what the pages read. Parts that are not configured stay nil; the
// page that would show them says so.
type Deps = pages.Deps

// The parts of Deps that no package of ours declares elsewhere.
type (
	Ranger  = pages.Ranger
	Alerts  = pages.Alerts
	Telling = pages.Telling
	Fleet   = pages.Fleet
	Groups  = pages.Groups
	System  = pages.System
	Dir     = pages.Dir
	// A Destination is a place that log messages are delivered to.
	Destination = pages.Destination
	// A LogRoute is a way that log messages go.
	LogRoute = pages.LogRoute
)

// grace is how long a stop waits for answers that are being written.
const grace = 10 * time.Second

// A Server is the HTTP edge: it owns routing, limits and access, and serves
// the pages. What other packages answer is mounted with Handle, Open, Stream
// and Command before Run.
type Server struct {
	cfg     Config
	log     *slog.Logger
	echo    *echo.Echo
	handler http.Handler
	open    map[string]bool // routes, in echo's words, that need no token
	streams chan struct{}   // a place for each live reader
	closing context.Context // ends when Run does: streams hang on it, answers do not
	close   context.CancelFunc
}

// New makes a server with all pages mounted.
func New(cfg Config, deps Deps, log *slog.Logger) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	p, err := pages.New(deps, log)
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	s := &Server{cfg: cfg, log: log, echo: echo.New(), open: map[string]bool{}, streams: make(chan struct{}, cfg.Limits.MaxStreams)}
	s.closing, s.close = context.WithCancel(context.Background())
	s.echo.Use(s.survive)
	if cfg.exposed() {
		s.echo.Use(s.guard)
	}
	s.echo.HTTPErrorHandler = s.routeError(p)
	s.handler = s.chain()
	s.Handle("GET /static/{path...}", http.StripPrefix("/static/", static.Handler()))
	for _, r := range p.Routes() {
		if r.Stream {
			s.Stream(r.Pattern, r.Handler)
			continue
		}
		s.Handle(r.Pattern, r.Handler)
	}
	return s, nil
}

// chain puts the checks before the router, the cheapest first.
func (s *Server) chain() http.Handler {
	var h http.Handler = s.echo
	h = http.NewCrossOriginProtection().Handler(h)
	h = s.checkHost(h)
	return secureHeaders(http.MaxBytesHandler(h, s.cfg.Limits.MaxBody))
}

// guard wants the token for every route that is not open, where other machines
// can reach us. It asks for the route that was found, not for the path, so that
// no spelling of a path is open and leads elsewhere.
func (s *Server) guard(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if !s.open[c.Path()] && !s.authorized(c.Request()) {
			s.refuse(c.Response())
			return nil
		}
		return next(c)
	}
}

// survive logs a handler's panic and answers 500. Where the answer has begun it
// is cut, so that nobody takes it for whole.
func (s *Server) survive(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v != http.ErrAbortHandler { // which is how a handler cuts its answer on purpose
				s.log.Error("a handler panicked", "method", c.Request().Method, "path", c.Request().URL.Path, "panic", v, "stack", string(debug.Stack()))
			}
			if v == http.ErrAbortHandler || c.Response().Committed {
				panic(http.ErrAbortHandler)
			}
			err = echo.ErrInternalServerError
		}()
		return next(c)
	}
}

// Handle mounts h. The pattern is written as for [http.ServeMux]: an optional
// method, then a path whose {name} and {name...} are r.PathValue's; a path
// that ends in / serves all below it.
func (s *Server) Handle(pattern string, h http.Handler) {
	method, path, names := parsePattern(pattern)
	serve := func(c echo.Context) error {
		r := c.Request()
		for i, n := range names {
			r.SetPathValue(n, c.ParamValues()[i])
		}
		h.ServeHTTP(c.Response(), r)
		return nil
	}
	switch method {
	case "":
		s.echo.Any(path, serve)
	case http.MethodGet:
		s.echo.Match([]string{http.MethodGet, http.MethodHead}, path, serve)
	default:
		s.echo.Add(method, path, serve)
	}
}

// Open mounts a handler that checks its callers itself, or answers everybody,
// beyond loopback too: agents have keys of their own, and load balancers ask
// for our health without a token.
func (s *Server) Open(pattern string, h http.Handler) {
	_, path, _ := parsePattern(pattern)
	s.open[path] = true
	s.Handle(pattern, h)
}

// Shared mounts a handler for all who may read our pages, and for those whom
// allowed lets in besides: agents read some of what people do, with keys of
// their own.
func (s *Server) Shared(pattern string, allowed func(*http.Request) bool, h http.Handler) {
	s.Open(pattern, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.cfg.exposed() && !s.authorized(r) && !allowed(r) {
			s.refuse(w)
			return
		}
		h.ServeHTTP(w, r)
	}))
}

// Command mounts a handler that changes something: it needs the token or the
// unix socket, even on loopback.
func (s *Server) Command(pattern string, h http.Handler) { s.Handle(pattern, s.requireToken(h)) }

// ServeHTTP answers one request with all checks.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Run serves on the listeners, which it closes, until ctx ends; then it ends
// the streams and waits a while for the answers that are being written. Its
// error is that of a listener.
func (s *Server) Run(ctx context.Context, listeners ...net.Listener) error {
	l := s.cfg.Limits
	var fresh newConns
	srv := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: l.ReadHeader, ReadTimeout: l.Read, WriteTimeout: l.Write, IdleTimeout: l.Idle,
		MaxHeaderBytes: l.MaxHeader,
		ConnContext:    markSocket,
		ConnState:      fresh.note,
		ErrorLog:       slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, ln := range listeners {
		g.Go(func() error {
			if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("web: %w", err)
			}
			return nil
		})
	}
	g.Go(func() error {
		<-ctx.Done()
		s.close()
		fresh.close()
		s.stop(srv)
		return nil
	})
	return g.Wait()
}

// stop waits for running answers, then cuts what is left: that a client is slow
// is no failure of ours.
func (s *Server) stop(srv *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		s.log.Warn("stopped before all answers were written", "waited", grace, "err", errors.Join(err, srv.Close()))
	}
}

// routeError answers where no route does.
func (s *Server) routeError(p *pages.Pages) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		status := http.StatusInternalServerError
		if he, ok := errors.AsType[*echo.HTTPError](err); ok {
			status = he.Code
		}
		if c.Response().Committed {
			return
		}
		p.Error(c.Response(), c.Request(), status)
	}
}

// parsePattern translates a ServeMux pattern into echo's words.
func parsePattern(pattern string) (method, path string, names []string) {
	path = pattern
	if m, p, ok := strings.Cut(pattern, " "); ok {
		method, path = m, p
	}
	parts := strings.Split(path, "/")
	for i, part := range parts {
		name, ok := strings.CutPrefix(part, "{")
		if !ok {
			continue
		}
		name = strings.TrimSuffix(name, "}")
		parts[i] = ":" + name
		if rest, ok := strings.CutSuffix(name, "..."); ok {
			parts[i], name = "*", rest
		}
		names = append(names, name)
	}
	path = strings.Join(parts, "/")
	if strings.HasSuffix(path, "/") && path != "/" {
		path += "*"
	}
	return method, path, names
}
