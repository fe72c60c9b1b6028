// Package syslogd is the log server: it receives syslog over UDP, TCP and unix
// sockets, and routes messages to sinks (the log store, relays).
//
//	socket -> frame -> syslog.Parse -> Router -> Sink (logstore)
//	                                         \-> Relay -> another server
package syslogd
