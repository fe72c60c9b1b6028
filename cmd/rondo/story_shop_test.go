package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// service is how long a shop works for a request, one after the other: 20 a
// second are all that it can do.
const service = 50 * time.Millisecond

// shopPort is where shops listen, each at its instance's own address.
const shopPort = "8080"

// A shop is the program that the story's instances serve. Its load statistics
// go to rondo, its log to a file that the instance's agent reads.
type shop struct {
	host     string
	graphite string
	log      *os.File
	worker   sync.Mutex

	mu      sync.Mutex
	since   time.Time
	waiting int           // requests that are here
	queue   time.Duration // requests x time since then
	moved   time.Time     // when waiting changed last
	busy    time.Duration // of the worker since then
	served  int
	lastly  map[string]time.Time // by session: its newest request
}

// sessionEnds is when a session without a request has ended.
const sessionEnds = 3 * time.Second

// shopMain is an instance's life: an agent, and a shop that ends first. It is a
// process of its own, started by the emulator of EC2.
func shopMain() {
	if err := liveShop(); err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

func liveShop() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	dir := filepath.Join(os.Getenv("STORY_DIR"), os.Getenv("INSTANCE_ID"))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(dir, "shop.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	agent, err := shopAgent(dir)
	if err != nil {
		return err
	}
	s := &shop{host: os.Getenv("INSTANCE_HOST"), graphite: os.Getenv("STORY_GRAPHITE"), log: log, since: time.Now(), moved: time.Now(), lastly: map[string]time.Time{}}
	l, err := net.Listen("tcp", net.JoinHostPort(os.Getenv("INSTANCE_IP"), shopPort))
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: s, ReadHeaderTimeout: time.Second}
	go s.tell(ctx, stop)
	go func() { _ = srv.Serve(l) }()
	<-ctx.Done()
	ending, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	err = srv.Shutdown(ending)
	fmt.Fprintf(log, "last words of %s after %d requests\n", os.Getenv("INSTANCE_ID"), s.served)
	return errors.Join(err, agent.Process.Signal(syscall.SIGTERM), agent.Wait())
}

// shopAgent starts the instance's agent, out of reach of the signal that ends
// the instance: an init system ends services one after the other.
func shopAgent(dir string) (*exec.Cmd, error) {
	conf := fmt.Sprintf("server: http://%s\ntoken_file: %s\ndata: %s\nhost: %s\ngroup: %s\nec2: {off: true}\nmetrics: {interval: 1s}\nfiles: [{paths: [%q], app: shop}]\n",
		os.Getenv("STORY_SERVER"), filepath.Join(os.Getenv("STORY_DIR"), "token"), filepath.Join(dir, "agent"),
		os.Getenv("INSTANCE_HOST"), os.Getenv("INSTANCE_GROUP"), filepath.Join(dir, "shop.log"))
	file := filepath.Join(dir, "agent.yml")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		return nil, err
	}
	agent := exec.Command("rondo", "agent", "--config", file)
	agent.Stdout, agent.Stderr = os.Stdout, os.Stderr
	agent.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return agent, agent.Start()
}

// arrive and leave note how many requests are here.
func (s *shop) arrive(by int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.queue += time.Duration(s.waiting) * now.Sub(s.moved)
	s.waiting, s.moved = s.waiting+by, now
}

// ServeHTTP answers when the worker has done what came before.
func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	session := strings.Map(visible, r.URL.Query().Get("session"))
	s.arrive(1)
	defer s.arrive(-1)
	s.worker.Lock()
	time.Sleep(service)
	s.worker.Unlock()
	s.mu.Lock()
	s.busy += service
	s.served++
	s.lastly[session] = time.Now()
	s.mu.Unlock()
	fmt.Fprintf(s.log, "session %s served\n", session)
	w.Header().Set("Shop", s.host)
	fmt.Fprintln(w, "sold")
}

func visible(r rune) rune {
	if r > ' ' && r < 127 {
		return r
	}
	return '?'
}

// tell sends the load of the last second. A shop whose emulator was killed ends.
func (s *shop) tell(ctx context.Context, stop func()) {
	parent := os.Getppid()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if os.Getppid() != parent {
			stop()
		}
		text := s.load()
		conn, err := net.DialTimeout("tcp", s.graphite, time.Second)
		if err != nil {
			continue // the next one may be heard
		}
		_, _ = conn.Write([]byte(text))
		_ = conn.Close()
	}
}

// load is the load since it was asked for last, in Graphite's lines.
func (s *shop) load() string {
	s.arrive(0)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	seconds := now.Sub(s.since)
	runQueue, free := float64(s.queue)/float64(seconds), max(0, 1-float64(s.busy)/float64(seconds))
	s.since, s.queue, s.busy = now, 0, 0
	maps.DeleteFunc(s.lastly, func(_ string, at time.Time) bool { return now.Sub(at) > sessionEnds })
	var b strings.Builder
	for name, v := range map[string]float64{"run_queue": runQueue, "free": free, "sessions": float64(len(s.lastly))} {
		fmt.Fprintf(&b, "fleet.%s.%s.%s %g %d\n", os.Getenv("INSTANCE_GROUP"), s.host, name, v, now.Unix())
	}
	return b.String()
}
