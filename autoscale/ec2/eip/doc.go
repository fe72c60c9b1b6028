// Package eip keeps an Elastic IP on the first instance of a group: the address
// of a group of one outlives its instances.
//
//	autoscale:
//	  addresses:
//	    - {group: db, address: eipalloc-0123456789abcdef0}
//
// # Whose it is
//
// Of those in service the first: by rank where the groups' roster says ranks,
// else the one that was launched first. Who has the address keeps it while it
// is in service, whoever else comes; so it never goes back and forth.
//
//	old   in service | silent, draining, replaced ...   | terminated
//	new              booting ─────────> in service
//	address    on old ───────────────────────> on new      one call: AssociateAddress
//	                                                        with AllowReassociation
//
// It stays on the old one until another is in service, which is also the proof
// that heartbeats are heard at all; the old one's drain waits for that, as long
// as the group lets it drain. An address that nobody has goes to the first.
//
// An address that something else has, which is no member of the group, is left
// alone, and that is said: what was put there by hand is taken away by hand.
//
// # Where the truth is
//
// AWS knows who has the address. It is asked each 30 seconds, each 2 seconds
// while it is to move, and whenever the group's members change; nothing is kept.
// A call whose outcome is unclear is followed by the question, not by another
// call. Open connections do not move: AWS ends them with the association.
//
// # Calls and permissions
//
//	ec2:DescribeAddresses    the above
//	ec2:AssociateAddress     when the address is to move
//
// Both are asked for beforehand, with DryRun, by rondo group check.
package eip
