// Package fanout runs one command for many instances at once, and tells how it
// went on each.
//
//	hosts ──> Run ──┬─ at most AtOnce at a time ──> Runner: here (a program of ours)
//	                ├─ Timeout for each, All for    Runner: ssh (on the instance)
//	                │  all together                 Runner: webhook (somebody else's)
//	                └─ none is begun after          Runner: ssm (AWS Systems Manager,
//	                   StopAfter have failed                in autoscale/ec2)
//	                       │
//	                       └──> a Result for each host, in their order
//
// # Named commands only
//
// What is run stands in the configuration and has a name; a request names a
// command and a group, never words of a command line:
//
//	autoscale:
//	  commands:
//	    - {name: reload, over: ssh, user: deploy, key: /etc/rondo/id_ed25519, known_hosts: /etc/rondo/known_hosts,
//	       run: [sudo, systemctl, reload, app], timeout: 30s}
//	    - {name: tell-cmdb, over: webhook, url: https://cmdb.example/hosts}
//	    - {name: dns-cache, over: here, run: [/usr/sbin/rndc, flush]}
//
// # What a command gets
//
// In RONDO_* variables it finds what it is about ([Command.Env]), and the whole
// as JSON on its standard input ([Command.Input]); over a webhook that is the
// body, and [Command.Key] the header Idempotency-Key. A server that takes SSH
// accepts variables only where its AcceptEnv says so, so they are put before
// the command as a shell has them ([Command.Shell], where each word is quoted):
//
//	RONDO_GROUP='web' RONDO_ALIAS='web-1' 'sudo' 'systemctl' 'reload' 'app'
//
// # Host keys
//
// SSH wants the host's key in known_hosts, under the instance's ID, its address
// or its name; lines with @cert-authority let an authority vouch for all. With
// learn: true the key of an instance that is met for the first time is taken
// and written there under its ID, as OpenSSH does with accept-new and
// HostKeyAlias: an address that a cloud gives away again is no false alarm, and
// another key of the same instance is refused.
//
// # How it ends
//
// A result is good where the command exited with 0, or the webhook answered
// 2xx. What could not be reached, was killed for its time, or not begun at all
// has the exit code -1 and an error. Of the output the head is kept ([MaxOutput]);
// the rest is read and left out.
//
// A command over SSH whose time is up is ended by a signal (RFC 4254 section
// 6.9), and then its connection is closed. OpenSSH passes no signal on in
// sessions of root: log in as somebody else, or put timeout(1) before the words.
package fanout
