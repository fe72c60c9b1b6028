// Package nrpe asks an NRPE daemon to run one of its commands: a plugin on
// another machine. It speaks versions 2, 3 and 4 of the protocol.
//
// # Packets
//
// All numbers are big-endian; the checksum is the CRC-32 of Ethernet over the
// whole packet with zeros in its own place.
//
//	version 2, always 1,036 bytes          version 3 and 4
//	 0  version = 2                         0  version
//	 2  type: 1 query, 2 response           2  type
//	 4  checksum                            4  checksum
//	 8  result: the exit code               8  result
//	10  text, 1,024 bytes, NUL within      10  zero
//	1034  two bytes of padding             12  n: length of the text
//	                                       16  text, n bytes, NUL within
//	                                           version 3 only: three more bytes
//
// A query's text is the command with its arguments, separated by !. A daemon
// takes arguments only where it was built for that and is told to
// (dont_blame_nrpe).
//
// # Which version
//
// A daemon closes the connection on a version that it does not know, and it
// knows 2 and mostly one more: 3.x takes 3, 4.x takes 4. [Client] begins with
// 4, goes down, and remembers by address what was answered.
//
// # TLS
//
// Daemons without a certificate encrypt by anonymous Diffie-Hellman, which
// authenticates nobody; it is no part of TLS 1.3, nor of Go's TLS at all. So a
// daemon needs a certificate (ssl_cert_file and ssl_privatekey_file in its
// nrpe.cfg), or must be asked without TLS, which is for loopback and tunnels:
// there is no authentication then, in either direction.
package nrpe
