// Package peertest is for tests that talk to real programs, and to servers with
// certificates: it finds the programs that .ci/deps has installed or unpacked,
// runs some of them (rsyslog, syslog-ng, BIND), and issues certificates.
package peertest
