package deadman

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"rondo/alerts"
	"rondo/alerts/notify"
	"rondo/alerts/notify/post"
)

// RuleID is the alertname of what a witness tells.
const RuleID = "rondo-down"

// Defaults and bounds of a witness.
const (
	defaultLook  = 10 * time.Second
	defaultTries = 3
	maxTries     = 100
	lookTimeout  = 5 * time.Second
	tellTimeout  = time.Minute
)

// WitnessConfig says who is watched.
type WitnessConfig struct {
	URL      string        `yaml:"url"`      // of the server; its /healthz is asked
	Interval time.Duration `yaml:"interval"` // between two looks; default 10s
	Tries    int           `yaml:"tries"`    // failures in a row before it counts as down; default 3
	TLS      post.TLS      `yaml:"tls"`
}

// Validate says what is wrong, each with its key.
func (c WitnessConfig) Validate() error {
	errs := []error{post.CheckURL("url", notify.Secret(c.URL)), checkInterval(c.Interval), c.TLS.Validate()}
	if c.Tries < 0 || c.Tries > maxTries {
		errs = append(errs, fmt.Errorf("tries %d: want 1 to %d", c.Tries, maxTries))
	}
	return errors.Join(errs...)
}

// A Receiver is somebody whom a witness tells.
type Receiver struct {
	Name   string
	Sender notify.Sender
}

// A memory is what a witness must not forget over a restart.
type memory struct {
	Down  bool           `json:"down"`
	Since time.Time      `json:"since,omitzero"` // of the first failure
	At    time.Time      `json:"at,omitzero"`    // when it counted as down, or as up again
	Seq   int            `json:"seq"`            // of changes
	Why   string         `json:"why,omitempty"`
	Told  map[string]int `json:"told,omitempty"` // the newest change that each receiver was told
}

// A Witness watches a server from elsewhere.
type Witness struct {
	config WitnessConfig
	to     []Receiver
	file   string
	log    *slog.Logger
	look   func(ctx context.Context) error

	memory memory
	fails  int       // in a row
	first  time.Time // of these
}

// NewWitness makes the witness of a valid configuration. What it has told is
// kept in a file.
func NewWitness(c WitnessConfig, to []Receiver, file string, log *slog.Logger) (*Witness, error) {
	c.Interval, c.Tries = cmp.Or(c.Interval, defaultLook), cmp.Or(c.Tries, defaultTries)
	conf, err := c.TLS.Config()
	if err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	w := &Witness{config: c, to: to, file: file, log: log.With("component", "witness", "server", c.URL), look: looker(c.URL, conf)}
	b, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return w, nil
	case err != nil:
		return nil, fmt.Errorf("witness: %w", err)
	}
	if err := json.Unmarshal(b, &w.memory); err != nil {
		w.memory = memory{}
		w.log.Error("what was told is unreadable: beginning anew", "file", file, "err", err)
	}
	return w, nil
}

// looker asks a server whether it lives.
func looker(server string, conf *tls.Config) func(ctx context.Context) error {
	client := &http.Client{
		Timeout:       lookTimeout,
		Transport:     &http.Transport{TLSClientConfig: conf, DisableKeepAlives: true}, // a new connection is part of the question
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	address := strings.TrimSuffix(server, "/") + "/healthz"
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			if u, ok := errors.AsType[*url.Error](err); ok {
				return u.Err
			}
			return err
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, post.MaxAnswer))
		if resp.StatusCode/100 != 2 {
			return fmt.Errorf("/healthz answers %s", resp.Status)
		}
		return nil
	}
}

// Run watches until ctx ends.
func (w *Witness) Run(ctx context.Context) error {
	tick := time.NewTicker(w.config.Interval)
	defer tick.Stop()
	for {
		err := w.look(ctx)
		if ctx.Err() != nil {
			return nil
		}
		w.seen(err, time.Now())
		w.tell(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// seen counts one look. A change is stored before it is told.
func (w *Witness) seen(failed error, now time.Time) {
	if failed == nil {
		w.fails = 0
		if w.memory.Down {
			w.change(false, now, "it answers again")
		}
		return
	}
	if w.fails++; w.fails == 1 {
		w.first = now
	}
	if !w.memory.Down && w.fails >= w.config.Tries {
		w.memory.Since = w.first
		w.change(true, now, failed.Error())
	}
}

func (w *Witness) change(down bool, now time.Time, why string) {
	w.memory.Down, w.memory.At, w.memory.Why = down, now, why
	w.memory.Seq++
	w.log.Warn("the server's state has changed", "down", down, "why", why)
	w.save()
}

// tell tells the newest change to whom it concerns: that it is down to all,
// that it is up again to those who heard that it was down. What fails is tried
// again after the next look.
func (w *Witness) tell(ctx context.Context) {
	for _, r := range w.to {
		told := w.memory.Told[r.Name]
		if told == w.memory.Seq || !w.memory.Down && told != w.memory.Seq-1 {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, tellTimeout)
		err := r.Sender.Send(limited, w.notice(r.Name))
		cancel()
		if err != nil && !alerts.IsPermanent(err) {
			w.log.Warn("receiver is not told yet", "receiver", r.Name, "err", err)
			continue
		}
		if err != nil {
			w.log.Error("receiver is not told: refused", "receiver", r.Name, "err", err)
		}
		all := maps.Clone(w.memory.Told)
		if all == nil {
			all = make(map[string]int)
		}
		all[r.Name] = w.memory.Seq
		w.memory.Told = all
		w.save()
	}
}

// notice is the newest change. Its key is the same in every try.
func (w *Witness) notice(receiver string) notify.Notice {
	m := w.memory
	t := alerts.Transition{
		ID:   fmt.Sprintf("witness-%.16x-%d-%d", sha256.Sum256([]byte(w.config.URL)), m.Since.Unix(), m.Seq),
		Rule: RuleID, Labels: alerts.NewLabels(map[string]string{"server": w.config.URL}),
		To: alerts.Critical, Since: m.Since, At: m.At, Text: "rondo does not answer: " + m.Why,
	}
	if !m.Down {
		t.From, t.To, t.Text = alerts.Critical, alerts.OK, "rondo answers again"
	}
	return notify.OfTransition(t, receiver, "")
}

// save writes the memory: whole, or not at all.
func (w *Witness) save() {
	b, err := json.Marshal(w.memory)
	if err == nil {
		err = replace(w.file, b)
	}
	if err != nil {
		w.log.Error("what was told is not stored: a restart would repeat it", "err", err)
	}
}

func replace(file string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), "witness-*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
