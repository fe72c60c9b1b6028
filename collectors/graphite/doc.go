// Package graphite takes samples in Graphite's plaintext protocol, over TCP
// and UDP:
//
//	path value timestamp\n
//	servers.web-1.load1 0.42 1790000000
//	disk.used;host=web-1;mount=/ 1.5e9 -1
//
// Fields are parted by blanks or tabs; a line may end in CRLF. The path is the
// series' name, unchanged; tags (Graphite 1.1) become labels. A timestamp is
// in seconds, with or without a fraction; -1, N or none stands for now.
//
// A bad line costs only itself: it is counted by reason and the rest goes on.
// Over TCP nobody answers, but once a client has closed its sending side, we
// close ours only when all it sent is on disk.
package graphite
