// Package loki serves Loki's HTTP interface over the log store: what Promtail,
// Alloy, Vector and Fluent Bit push is stored as messages, and LogQL is
// answered as far as it maps onto messages.
//
// # What a pushed line becomes
//
//	label                                            field
//	host, hostname, instance, node                   host: the first of these
//	app, service_name, job, container, program       app: the first of these
//	level, severity, detected_level                  severity, by any spelling; info where there is none
//	pid, facility                                    the same
//	all others, and those named by another name      [loki@0 NAME="VALUE"], so that sd.NAME finds them
//	structured metadata                              [lokimeta@0 NAME="VALUE"]; its level and pid
//	                                                 count where the stream has none
//	timestamp                                        time, to the nanosecond
//	line                                             text and line
//
// Received is our clock, sender the address of the client. The answer 204 means
// that all is on disk. While the disk is full it is 503, and 429 while too many
// push at a time: Loki's clients send again after these. A stream whose labels
// cannot be stored is refused by 400, and the other streams of the request are
// stored, as with Loki. Lines of any age and order are taken. Tenants
// (X-Scope-OrgID) mean nothing here.
package loki
