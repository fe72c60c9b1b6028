package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A crowd of shoppers visits the shops: half of them by way of the redirector,
// half of them through HAProxy. A visit is a session of several requests; the
// next one begins as somebody else.
type shoppers struct {
	ways map[string]string // where visits begin, by what stands there
	many atomic.Int64      // how many shop now

	mu       sync.Mutex
	visits   int
	requests int
	failed   []string
	moved    []string
	servedBy map[string]map[string]int // requests by way and shop
	first    map[string]time.Time      // by shop: its first request
	slowest  time.Duration
}

// pause is between two requests of a visit.
const pause = 200 * time.Millisecond

// run sends up to most shoppers until ctx ends.
func (s *shoppers) run(ctx context.Context, most int) {
	s.servedBy, s.first = make(map[string]map[string]int), make(map[string]time.Time)
	for way := range s.ways {
		s.servedBy[way] = make(map[string]int)
	}
	ways := slices.Sorted(maps.Keys(s.ways))
	var wg sync.WaitGroup
	for n := range most {
		wg.Go(func() {
			for ctx.Err() == nil {
				if int64(n) >= s.many.Load() {
					time.Sleep(50 * time.Millisecond)
					continue
				}
				s.visit(ctx, ways[n%len(ways)], fmt.Sprintf("%d-%d", n, rand.Uint32()))
			}
		})
	}
	wg.Wait()
}

// visit is one session. It ends early when the crowd goes home, but is never cut
// within a request.
func (s *shoppers) visit(ctx context.Context, way, session string) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // it has no error to return
	}
	transport := &http.Transport{MaxIdleConns: 4}
	defer transport.CloseIdleConnections()
	client := &http.Client{Jar: jar, Transport: transport, Timeout: 30 * time.Second}
	s.count(func() { s.visits++ })
	at, shop := s.ways[way], ""
	for range 5 + rand.IntN(10) {
		began := time.Now()
		final, by, err := buy(client, at, session)
		s.count(func() {
			s.requests++
			s.slowest = max(s.slowest, time.Since(began))
			switch {
			case err != nil:
				s.failed = append(s.failed, fmt.Sprintf("%s %s of session %s at %s (%s): %v", time.Now().Format(time.TimeOnly), way, session, at, shop, err))
			case shop != "" && by != shop:
				s.moved = append(s.moved, fmt.Sprintf("%s %s: session %s from %s to %s", time.Now().Format(time.TimeOnly), way, session, shop, by))
			}
			s.servedBy[way][by]++
			if s.first[by].IsZero() {
				s.first[by] = time.Now()
			}
		})
		if err != nil || ctx.Err() != nil {
			return
		}
		at, shop = final, by
		time.Sleep(pause/2 + rand.N(pause))
	}
}

func (s *shoppers) count(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// buy is one request: it returns where it was answered, and by whom.
func buy(client *http.Client, at, session string) (final, shop string, err error) {
	resp, err := client.Get(at + "/?" + url.Values{"session": {session}}.Encode())
	if err != nil {
		return "", "", err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || resp.Header.Get("Shop") == "") {
		err = fmt.Errorf("%s says %s", resp.Request.URL.Host, resp.Status)
	}
	return "http://" + resp.Request.URL.Host, resp.Header.Get("Shop"), err
}

// told reports what went wrong, and what the crowd has seen.
func (s *shoppers) told(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	t.Logf("%d visits, %d requests, slowest %v", s.visits, s.requests, s.slowest.Round(time.Millisecond))
	for way, shops := range s.servedBy {
		t.Logf("%s: %v", way, shops)
		if len(shops) < 10 {
			t.Errorf("%s sent visits to %d shops alone", way, len(shops))
		}
	}
	for _, f := range s.failed[:min(len(s.failed), 10)] {
		t.Errorf("lost: %s", f)
	}
	for _, m := range s.moved[:min(len(s.moved), 10)] {
		t.Errorf("moved: %s", m)
	}
	if len(s.failed)+len(s.moved) > 0 {
		t.Errorf("%d of %d requests were lost, %d sessions moved", len(s.failed), s.requests, len(s.moved))
	}
}
