// Package fleet knows the hosts: who they are, which group they belong to,
// when they were last heard of, and which of them were withdrawn on purpose
// and may fall silent without an alarm.
//
// # Identity
//
// A sample names its host by the label "host", else by a Graphite template
// (fleet.<group>.<host>.<metric>); a log message by its HOSTNAME, else by its
// sender. The group is the label "group", else the template's.
package fleet
