package redirect

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rondo/autoscale"
)

const www = "http://www.example.com"

// TestSessionKeepsItsServer through a drain, and not beyond it.
func TestSessionKeepsItsServer(t *testing.T) {
	w := newWorld()
	w.members = []autoscale.Membership{web(autoscale.InService, autoscale.InService)}
	r := newRedirector(t, w, site(), nil)
	c := &client{r: r}
	status, to := c.get(www + "/shop/a%2Fb?x=1&y=%20")
	if status != http.StatusTemporaryRedirect || !strings.HasSuffix(to, ":8080/shop/a%2Fb?x=1&y=%20") {
		t.Fatalf("%d %s", status, to)
	}
	first := c.server(www)
	for range 50 {
		if got := c.server(www); got != first {
			t.Fatalf("the session went from %s to %s", first, got)
		}
	}
	phase := func(n int, p autoscale.Phase) {
		w.members[0].Instances[n].Phase = p
		r.look(t.Context(), w.members, time.Now())
	}
	its, other := 0, 1
	if first == "10.0.0.2" {
		its, other = 1, 0
	}
	phase(its, autoscale.Draining)
	if got := c.server(www); got != first {
		t.Errorf("while its server drains the session goes to %s, not %s", got, first)
	}
	for range 50 {
		if got := (&client{r: r}).server(www); got == first {
			t.Fatalf("a new session goes to %s, which drains", got)
		}
	}
	phase(its, autoscale.Terminating)
	if got, want := c.server(www), w.members[0].Instances[other].PrivateIP; got != want {
		t.Errorf("when its server is gone the session goes to %s, want %s", got, want)
	}
	phase(other, autoscale.Draining)
	if got := (&client{r: r}).server(www); got != "503" {
		t.Errorf("with nobody in service: %s, want 503", got)
	}
	rec := httptest.NewRecorder()
	r.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, www, nil))
	if got := rec.Header().Get("Retry-After"); got != "5" {
		t.Errorf("Retry-After %q, want 5", got)
	}
}

// TestSessionEnds by its idle time, and by the longest there may be.
// TestClockSetBack: the cookie of a session that began later than now can still
// be read the next time.
func TestClockSetBack(t *testing.T) {
	w := newWorld()
	w.members = []autoscale.Membership{web(autoscale.InService, autoscale.InService)}
	r := newRedirector(t, w, site(), nil)
	g, s := r.groups["web"], r.routes[0].signer
	now := time.Now()
	began := token{now.Add(30 * time.Second), now.Add(30 * time.Second), "i-2"}
	c := g.choose(began, true, now, 0)
	got, ok := s.read(s.write(c.token))
	if !ok || c.begins || got.instance != "i-2" || !g.alive(got, now) {
		t.Errorf("%+v became %+v, %v", began, got, ok)
	}
}

func TestSessionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.members = []autoscale.Membership{web(autoscale.InService)}
		g := newRedirector(t, w, site(), nil).groups["web"]
		at, begin := time.Now(), time.Now()
		tok := g.choose(token{}, false, at, 0).token
		for at.Sub(begin) < g.conf.Longest {
			at = at.Add(29 * time.Minute)
			c := g.choose(tok, true, at, 0)
			if want := at.Sub(begin) >= g.conf.Longest; c.begins != want {
				t.Fatalf("after %v it begins anew: %v", at.Sub(begin), c.begins)
			}
			tok = c.token
		}
		if c := g.choose(tok, true, at.Add(31*time.Minute), 0); !c.begins {
			t.Error("after half an hour without a request it goes on")
		}
	})
}

// TestRoutes: several groups at one redirector, by host and path.
func TestRoutes(t *testing.T) {
	w := newWorld()
	conf := site()
	conf.Groups = []Group{
		{Group: "any", URL: "http://any.example"},
		{Group: "shop", URL: "https://shop.example/base/", Hosts: []string{"Www.Example.com"}, Path: "/shop"},
		{Group: "www", URL: "http://www-1.example", Hosts: []string{"www.example.com"}},
	}
	for _, g := range conf.Groups {
		m := web(autoscale.InService)
		m.Group = g.Group
		w.members = append(w.members, m)
	}
	r := newRedirector(t, w, conf, nil)
	for target, want := range map[string]string{
		"http://www.example.com/":           "http://www-1.example/",
		"http://www.example.com:80/x":       "http://www-1.example/x",
		"http://www.example.com./x":         "http://www-1.example/x",
		"http://www.example.com/shop":       "https://shop.example/base/shop",
		"http://www.example.com/shop/1?a=b": "https://shop.example/base/shop/1?a=b",
		"http://www.example.com/shopping":   "http://www-1.example/shopping",
		"http://other/shop":                 "http://any.example/shop",
		"http://other//evil.example/":       "http://any.example//evil.example/",
		"http://other/\\evil.example":       "http://any.example/%5Cevil.example",
		"http://other/?\u00fc":              "http://any.example/?%C3%BC",
	} {
		if _, got := (&client{r: r}).get(target); got != want {
			t.Errorf("%s leads to %s, want %s", target, got, want)
		}
	}
	if status, _ := (&client{r: r}).get("http://any.example/"); status != http.StatusLoopDetected {
		t.Errorf("a server that is the redirector: %d, want 508", status)
	}
	q := httptest.NewRequest(http.MethodOptions, "*", nil)
	rec := httptest.NewRecorder()
	if r.ServeHTTP(rec, q); rec.Code != http.StatusBadRequest {
		t.Errorf("OPTIONS *: %d, want 400", rec.Code)
	}
}

// TestCookieForged: one that we did not sign chooses no server.
func TestCookieForged(t *testing.T) {
	w := newWorld()
	w.members = []autoscale.Membership{web(autoscale.InService, autoscale.Draining)}
	r := newRedirector(t, w, site(), nil)
	forged := signer{[]byte("a key of my own choice"), "web"}.write(token{time.Now(), time.Now(), "i-2"})
	c := &client{r: r, cookies: []*http.Cookie{{Name: "rondo_web", Value: forged}}}
	if got := c.server(www); got != "10.0.0.1" {
		t.Errorf("sent to %s", got)
	}
	if n := r.books.Snapshot()["refused_bad-cookie"]; n != 1 {
		t.Errorf("counted %d, want 1", n)
	}
}

// FuzzLocation: whatever is asked, the answer leads to a server of the group.
func FuzzLocation(f *testing.F) {
	w := newWorld()
	w.members = []autoscale.Membership{web(autoscale.InService)}
	r := newRedirector(f, w, site(), nil)
	f.Add("GET", "/", "www.example.com", "")
	f.Add("POST", "//evil.example/..//", "evil.example", "AQ")
	f.Add("GET", "/\\evil.example?@evil.example#x", "www", "=")
	f.Add("GET", "/%0d%0aLocation:%20http://evil.example", "www\r\n", ";")
	f.Fuzz(func(t *testing.T, method, target, host, cookie string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		q := &http.Request{Method: method, URL: u, Host: host, Header: http.Header{"Cookie": {"rondo_web=" + cookie}}}
		rec := httptest.NewRecorder()
		r.ServeHTTP(rec, q)
		to := rec.Header().Get("Location")
		if to == "" {
			return
		}
		got, err := url.Parse(to)
		if err != nil || got.Host != "10.0.0.1:8080" || got.User != nil || strings.ContainsAny(to, "\r\n \x00") {
			t.Fatalf("%s %q leads to %q: %v", method, target, to, err)
		}
	})
}
