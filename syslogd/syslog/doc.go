// Package syslog is the vocabulary and the codec of syslog: messages,
// facilities, severities, a parser that never fails and never loses the text,
// and the framing of streams (RFC 5424, RFC 3164, RFC 6587).
//
// The package imports the standard library only, knows no clock, no goroutine
// and no network.
package syslog
