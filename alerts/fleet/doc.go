// Package fleet knows the hosts: who they are, which group they belong to,
// when they were last heard of, and which of them were withdrawn on purpose
// and may fall silent without an alarm.
//
// # Identity
//
// A sample names its host by the label "host", else by a Graphite template
// (fleet.<group>.<host>.*); a log message by its HOSTNAME, else by its
// sender. The group is the label "group", else the template's.
//
// A name and the same name with a domain (web-1, web-1.example.com) are one
// host, under the name that its samples carry. The EC2 instance is the label
// "instance" where that begins with "i-", else what the autoscaler says
// ([Fleet.Bind]), which knows the private DNS name.
//
// Selectors may ask for the host and the group of a series, whichever way it names
// them: see [Series].
//
// # Life of a host
//
//	first recent sample or message
//	          |
//	          v          Withdraw              Keep passes
//	      expected ---------------> withdrawn -------------> forgotten
//	          ^                         |
//	          +-- a sample newer than --+
//	              withdrawal + Margin, Expect, or Bind to another instance
//
// A machine that is shut down goes on sending for a while; the margin keeps
// those last samples from making it expected again. A host that only logs
// owes no heartbeat and is forgotten when it has not logged for LogKeep, or
// sooner where its place is wanted by a host that sends samples.
//
// A series whose newest sample is older than NewWithin makes no new host: the
// store remembers the series of machines that left years ago.
//
// # Clocks
//
// A sample carries the time of its sender, and a sender's clock may be wrong.
// So a host was heard of when a poll (one a second) first saw its newest
// sample, not when that sample claims to be from: a host whose clock is up to a
// day behind is not silent, and one whose clock is ahead does not live on after
// its death. Only of what was stored before our own start is the sample's time
// all that is known. A host that is new must not be behind further than
// NewWithin. After a clock that was ahead has been put right, the host looks
// silent until its samples are the newest again: not for longer than the store
// takes samples from the future, 10 minutes.
//
// # What is kept
//
// Names, groups, instances, withdrawals (alerts/state), and each ten minutes and
// at the end when a host logged last. When its samples came last is read from
// their store again.
package fleet
