package redirect

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A route leads requests to a group.
type route struct {
	hosts      []string // in small letters; none: all
	path       string
	servers    *servers
	signer     signer
	cookie     string
	status     int
	retryAfter string
}

func newRoute(conf Group, g *servers, s signer) route {
	r := route{path: conf.Path, servers: g, signer: s, cookie: cookieOf(conf.Group), status: conf.Status}
	r.retryAfter = strconv.Itoa(int(conf.RetryAfter.Round(time.Second).Seconds()))
	for _, h := range conf.Hosts {
		r.hosts = append(r.hosts, strings.ToLower(h))
	}
	return r
}

// cookieOf is the name of a group's cookie: a token (RFC 9110, section 5.6.2),
// whatever the group is called.
func cookieOf(group string) string {
	return "rondo_" + strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.ContainsRune("_-.", c) {
			return c
		}
		return '_'
	}, group)
}

// sortRoutes puts the more particular before the others: with a host before
// those without, long paths before short ones.
func sortRoutes(routes []route) {
	slices.SortStableFunc(routes, func(a, b route) int {
		return cmp.Or(-cmp.Compare(min(len(a.hosts), 1), min(len(b.hosts), 1)), -cmp.Compare(len(a.path), len(b.path)))
	})
}

// fits says whether a request goes this way. A path of /app is that of /app and
// /app/x, not of /apple.
func (r route) fits(host, path string) bool {
	rest, ok := strings.CutPrefix(path, r.path)
	if !ok || rest != "" && rest[0] != '/' && !strings.HasSuffix(r.path, "/") {
		return false
	}
	return len(r.hosts) == 0 || slices.Contains(r.hosts, host)
}

// ServeHTTP sends a client to the server of its session, or a new session to
// one with free capacity.
func (r *Redirector) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	path := q.URL.EscapedPath()
	if path == "" && q.Method != http.MethodConnect {
		path = "/" // as RFC 9112, section 3.2.2, has it
	}
	if !strings.HasPrefix(path, "/") { // OPTIONS *, CONNECT
		r.fail(w, badRequest, http.StatusBadRequest, "a path is wanted")
		return
	}
	host := strings.ToLower(q.Host)
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(host, ".") // a name that is given in full
	i := slices.IndexFunc(r.routes, func(t route) bool { return t.fits(host, cmp.Or(q.URL.Path, "/")) })
	if i < 0 {
		r.fail(w, noGroup, http.StatusNotFound, "nothing is served here")
		return
	}
	to := r.routes[i]
	to.servers.await(q.Context())
	now := time.Now()
	t, valid := to.session(q)
	if !valid && len(q.CookiesNamed(to.cookie)) > 0 {
		r.books.refuse(badToken) // and it is a new session
	}
	c := to.servers.choose(t, valid, now, rand.Float64())
	if c.base == nil {
		w.Header().Set("Retry-After", to.retryAfter)
		r.fail(w, noServer, http.StatusServiceUnavailable, "no server is in service; try again soon")
		return
	}
	if leadsBack(c.base, q) {
		r.fail(w, inLoop, http.StatusLoopDetected, fmt.Sprintf("the url of group %s leads back to this redirector", to.servers.conf.Group))
		return
	}
	h := w.Header()
	h.Set("Location", location(c.base, path, q.URL))
	h.Set("Cache-Control", "no-store") // the next session may go elsewhere
	if c.tell {
		h.Set("Set-Cookie", to.setCookie(c.token, q.TLS != nil))
	}
	w.WriteHeader(to.status)
}

// leadsBack says whether a server's address is the one that was called.
func leadsBack(base *url.URL, q *http.Request) bool {
	called := &url.URL{Scheme: "http", Host: q.Host}
	if q.TLS != nil {
		called.Scheme = "https"
	}
	port := func(u *url.URL) string {
		return cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	}
	return strings.EqualFold(base.Host, q.Host) || strings.EqualFold(base.Hostname(), called.Hostname()) && port(base) == port(called)
}

// location is where a request goes on: the server's address, and the request's
// own path and query. The address is whole, so that a path such as //elsewhere
// leads to no other host.
func location(base *url.URL, path string, asked *url.URL) string {
	var b strings.Builder
	b.WriteString(base.Scheme)
	b.WriteString("://")
	b.WriteString(base.Host)
	b.WriteString(base.EscapedPath())
	b.WriteString(path)
	if asked.RawQuery != "" || asked.ForceQuery {
		b.WriteByte('?')
		writeASCII(&b, asked.RawQuery)
	}
	return b.String()
}

// writeASCII writes a query as it came, but for bytes that have no place in a
// header.
func writeASCII(b *strings.Builder, s string) {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
			continue
		}
		b.WriteByte(s[i])
	}
}

// session is what a request's cookie says.
func (r route) session(q *http.Request) (token, bool) {
	for _, c := range q.CookiesNamed(r.cookie) {
		if t, ok := r.signer.read(c.Value); ok {
			return t, true
		}
	}
	return token{}, false
}

func (r route) setCookie(t token, secure bool) string {
	c := http.Cookie{
		Name: r.cookie, Value: r.signer.write(t), Path: r.path, MaxAge: int(r.servers.conf.Session.Seconds()),
		HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode,
	}
	return c.String()
}

// fail refuses a request.
func (r *Redirector) fail(w http.ResponseWriter, why reason, status int, text string) {
	r.books.refuse(why)
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, text, status)
}
