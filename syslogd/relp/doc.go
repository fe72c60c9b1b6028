// Package relp is the codec of RELP, the Reliable Event Logging Protocol of
// rsyslog: frames and offers. It knows no session and no network.
//
// # Why
//
// Plain syslog over TCP tells its sender nothing: what lies in socket buffers
// when a machine dies is gone. In RELP each message has a number and is
// answered by it, so that a sender keeps what was not answered and sends it
// again over the next connection: at least once.
//
// # Frames
//
//	TXNR SP COMMAND SP DATALEN [SP DATA] LF
//
//	TXNR     1 to 9 digits. Counts up from 1, and begins again at 1 after
//	         999999999; 0 is for what the server says unasked. An answer has
//	         the number of what it answers.
//	COMMAND  1 to 32 letters
//	DATALEN  1 to 9 digits, octets of DATA; with 0 there is neither SP nor DATA
//
// # A session
//
//	client                                      server
//	1 open 86 relp_version=0 ...           ->
//	                                       <-   1 rsp 93 200 OK ...
//	2 syslog 29 <13>Oct 11 22:14:15 h su: a ->
//	3 syslog 29 <13>Oct 11 22:14:16 h su: b ->
//	                                       <-   2 rsp 6 200 OK
//	                                       <-   3 rsp 6 200 OK
//	4 close 0                              ->
//	                                       <-   4 rsp 0
//	                                       <-   0 serverclose 0
//
// A client has a window of frames that it sends ahead of their answers, 128
// in librelp. An answer begins with a code of three digits: 200, or 500 and
// the reason.
//
// Offers, in the data of open and its answer, are lines NAME=VALUE. Both
// sides name the version, their software and the commands that they have.
package relp
