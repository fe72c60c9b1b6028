// Package peertest is for tests that talk to real syslog programs, and to
// servers with certificates: it finds the programs that .ci/deps has installed
// or unpacked, runs them, and issues certificates.
package peertest
