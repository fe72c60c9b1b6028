package web

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// policy forbids everything but our own files: no inline script or style, no
// other host, no frame around us.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// secureHeaders go with every answer.
func secureHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// socketKey marks the context of a connection over rondo.sock, with who is at
// its other end.
type socketKey struct{}

func markSocket(ctx context.Context, c net.Conn) context.Context {
	if u, ok := c.(*net.UnixConn); ok {
		return context.WithValue(ctx, socketKey{}, peerUser(u))
	}
	return ctx
}

// unknownUser is who can reach the socket, and so is its owner or root.
const unknownUser = "a local user"

// Caller says who sent a request that is authorized, for the books: the user at
// the other end of rondo.sock, the name in a client certificate, or that it was
// the token. It is never a secret.
func (s *Server) Caller(r *http.Request) string {
	if name, ok := r.Context().Value(socketKey{}).(string); ok {
		return name
	}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return "certificate " + r.TLS.VerifiedChains[0][0].Subject.CommonName
	}
	if name, _, ok := r.BasicAuth(); ok && name != "" {
		return "token, as " + name
	}
	return "token"
}

func overSocket(r *http.Request) bool { return r.Context().Value(socketKey{}) != nil }

// checkHost refuses names that are not ours, so that a page elsewhere cannot
// make its own name resolve to us and read what we show (DNS rebinding).
func (s *Server) checkHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if overSocket(r) || s.knownHost(r.Host) {
			next.ServeHTTP(w, r)
			return
		}
		host, _ := splitHost(r.Host)
		msg := fmt.Sprintf("rondo does not answer to the host name %q; if it is yours, add under web:\n  hosts: [%s]\n", host, host)
		http.Error(w, msg, http.StatusMisdirectedRequest)
	})
}

func (s *Server) knownHost(hostport string) bool {
	host, ok := splitHost(hostport)
	if !ok {
		return false
	}
	if isLoopback(host) {
		return true
	}
	// An address cannot be rebound; beyond loopback clients may well use ours.
	if _, err := netip.ParseAddr(host); err == nil && s.cfg.exposed() {
		return true
	}
	return slices.ContainsFunc(s.cfg.Hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

// splitHost takes the port off a Host header.
func splitHost(hostport string) (string, bool) {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.Trim(host, "[]"), ".")
	return host, host != ""
}

// requireToken lets through who holds the token, a client certificate, or
// rondo.sock.
func (s *Server) requireToken(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.authorized(r) {
			next.ServeHTTP(w, r)
			return
		}
		s.refuse(w)
	})
}

// refuse answers who may not do what he asks for, and says what he needs.
func (s *Server) refuse(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Basic realm="rondo: any user name, the token as password", charset="UTF-8"`)
	msg := "this needs the token: Authorization: Bearer <token>, or the socket " + SocketName + " in the data directory\n"
	if s.cfg.Token == "" {
		msg = "commands are off over TCP, since no token is set; use the socket " + SocketName +
			" in the data directory, or add under web:\n  token: ${RONDO_TOKEN}\n"
	}
	http.Error(w, msg, http.StatusUnauthorized)
}

// Authorized says whether a request comes with the token, a client certificate
// or over rondo.sock, for handlers mounted by Open that let others in as well.
func (s *Server) Authorized(r *http.Request) bool { return s.authorized(r) }

func (s *Server) authorized(r *http.Request) bool {
	if overSocket(r) || r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return true
	}
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		_, given, ok = r.BasicAuth()
	}
	return ok && s.cfg.Token != "" && sameSecret(given, s.cfg.Token)
}

// sameSecret compares in a time that tells neither length nor content.
func sameSecret(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
