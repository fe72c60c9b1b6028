// Package web is rondo's pages and the HTTP edge. It reads the stores through
// small interfaces and renders on the server, so that every page works without
// scripts; scripts then make it move.
//
//	client -> headers -> Host checked -> cross-origin checked -> router -> token
//	                                                                         |
//	            pages (web/pages)   Handle   Open   Stream   Command  <------+
//
// The router is echo's; everything that is mounted is a plain http.Handler, so
// that other packages export theirs without knowing it.
//
// # Who may do what
//
// On loopback everyone on this machine may read. Commands need the token, or
// rondo.sock in the data directory, whose mode 0600 is the permission. Beyond
// loopback TLS is required, and everything needs the token (as a bearer, or as
// the password that a browser asks for) or a client certificate. Only what was
// mounted with [Server.Open] is open: health checks, and what agents call, who
// have keys of their own. A Host header that is not ours is refused, since a page
// elsewhere could make its own name resolve to us and read what we show.
//
// # Bounds
//
// Headers, bodies, timeouts and the number of live readers are [Limits]. A
// page reads its stores for ten seconds at the most, and a page of rows at the
// most. A live reader that takes nothing for half a minute is left; so is, at a
// stop, who has not read its answer within ten seconds.
package web
