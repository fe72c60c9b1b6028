// Package elb keeps target groups of Elastic Load Balancing v2 (those of
// Application and Network Load Balancers) equal to a group's members.
//
//	autoscale:
//	  groups:
//	    - {name: web, ...}
//	  elb:
//	    - group: web
//	      target_group: arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/0123456789abcdef
//	      port: 8080                # default: the target group's own
//	      by: instance              # or ip; default: as the target group was made
//	      replace_unhealthy: true   # default: false
//
// # Who is a target
//
//	pending, booting     nobody registers it; what its own user data did is left alone
//	in service           registered, and again if somebody takes it out
//	silent               as it is: the balancer has health checks of its own
//	draining, replaced   deregistered
//	terminating, stopped deregistered
//	gone                 deregistered, where it was registered by rondo or seen as a member
//
// Each pass compares who is a member with what DescribeTargetHealth lists, and
// calls RegisterTargets and DeregisterTargets for the difference: a restart, or
// a call that failed, leaves nothing behind. What was registered is noted in
// the state store beforehand, by ID and address: of an instance that is over,
// EC2 knows no address any more, and a target of the type ip stays until it is
// taken out.
//
// Targets that never were ours are not touched. They are said with the group's
// decisions.
//
// The last healthy target is not taken out while there are members that are to
// serve: a drain waits until one of them is healthy, as long as the group's
// drain lasts at most. Nobody is taken out for not being in a list that is
// empty, or older than two minutes.
//
// # Draining
//
//	deregistered        draining               unused: not listed any more
//	     |----------- deregistration delay ----------|
//	     |  no new requests; those in flight end     |  now the instance may be terminated
//
// [Balancer.Waits] holds an instance's termination up until the balancer lists
// it no more. That takes the whole deregistration delay (300 s unless it was
// changed) even where nothing is in flight, for so Elastic Load Balancing does
// it. Where the group's drain is shorter than that, connections may be cut:
// this is said at the start and with the group's decisions.
//
// # Auto Scaling Groups
//
// A target group that is attached to an Auto Scaling Group is AWS's to fill and
// to drain: it deregisters an instance when that is terminated, and waits. Such
// a target group is read only, for its health, and that is said.
//
// # Health
//
// The state of each target is a note on its instance. With replace_unhealthy
// one that stays unhealthy for the group's replace is replaced, as one is that
// fails EC2's own status checks; not where more targets are unhealthy than
// healthy, for then it is the check, or what they all stand on.
//
// # Calls and permissions
//
//	elasticloadbalancing:DescribeTargetGroups, DescribeTargetGroupAttributes   at the start, each 10 minutes
//	elasticloadbalancing:DescribeTargetHealth                                  each 30 s; each 3 s while somebody comes or goes
//	elasticloadbalancing:RegisterTargets, DeregisterTargets                    up to 100 targets in one
//
// The last two can be limited to the ARNs of the target groups, the first three
// cannot. All target groups together make two calls a second at most; after a
// failure a target group pauses, for two minutes and half of that at most. While
// its health cannot be read, what was read last is gone by, with what was done
// since: a drain still takes a target out.
package elb
