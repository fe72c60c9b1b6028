// Package deadman is for the night in which rondo itself is what fails. Nobody
// can tell that they are dead, so others watch: in two ways, which need each
// other as little as possible.
//
// # A sign of life
//
// A [Pinger] posts to an outside address at an interval, signed as webhooks are
// (see notify/webhook). It does so only while the alert engine checks rules: a
// process that still answers HTTP while its rules stand still gives no sign. Who
// receives it (a dead man's snitch, healthchecks.io, another rondo) raises the
// alarm when none comes.
//
//	alerts:
//	  deadman: {url: https://hc-ping.com/uuid, interval: 1m}
//
// # A witness
//
// A [Witness] runs on another machine, in an agent. It asks the server's /healthz,
// and when that fails so many times in a row it tells receivers of its own, and
// tells them the recovery:
//
//	                fails < tries
//	up ------------------------------> up
//	 |   tries failures in a row
//	 '--------------------------------> down: told to each receiver
//	up <------------------------------ down
//	      one answer: told to those who were told that it is down
//
// What it has told whom stands in a file, written before and after telling: a
// restart of the agent repeats nothing, but a notice in flight, with its key.
package deadman
