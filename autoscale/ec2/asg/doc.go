// Package asg is the autoscale.Cloud of existing Auto Scaling Groups: the group
// stays AWS's, with its launch template, zones, load balancers and health
// checks, and rondo says how many instances it has and which go.
//
//	autoscale:
//	  groups:
//	    - name: web
//	      asg: web-asg     # the Auto Scaling Group's name; no launch:
//
// # Capacity
//
// rondo speaks of instances that there are, the Auto Scaling Group of a number
// that there shall be:
//
//	DesiredCapacity   |-------------------------------------|
//	members           |== InService ==|= Pending =|
//	                                              |# ordered #|  listed as web-asg#7, web-asg#8, ...
//
// What was ordered and is no instance yet is listed as pending, so that the
// need that ordered it does not order again. Orders that cannot be filled, as
// the group's newest scaling activity says, are not listed: they are no
// capacity. Why not is said with every decision and as the failure of the next
// launch, in the words of the activity (InsufficientInstanceCapacity and the
// like).
//
// Launch sets the desired capacity to an absolute number and never lowers it,
// so that the same launch again does no harm. It honours no cooldown of the
// Auto Scaling Group: rondo has its own. It stops at the group's own MaxSize,
// and fails with its name where that is reached.
//
// Who else sets the desired capacity is not fought: what is there counts. It is
// noticed and said.
//
// # Who goes
//
// That is rondo's choice alone. So instances are protected from the group's own
// scale-in (AZRebalance, its alarms, a lowered desired capacity), and the
// protection ends right before rondo terminates one. Protection that a human has
// set cannot be told from that: the tag rondo:protect is what rondo obeys.
//
// TerminateInstanceInAutoScalingGroup lowers the desired capacity each time it
// is called. So an instance's state is read right before, what is terminating
// already is left out, and after an answer that is unclear nothing is repeated
// before the list has had the time to show it.
//
// # Lifecycle hooks
//
// A hook whose name begins with "rondo" is completed by rondo; all others are
// someone else's, who has their own reasons to wait.
//
//	autoscaling:EC2_INSTANCE_LAUNCHING     CONTINUE at the first heartbeat
//	autoscaling:EC2_INSTANCE_TERMINATING   CONTINUE when the instance has drained, as the
//	                                       group's drain says; until then heartbeats keep it
//
// The second lets what AWS itself ends (an unhealthy instance, a Spot
// interruption, someone at the console) drain as what rondo ends, and its
// silence is no alarm.
//
// # Tags
//
// The claim of the controller that acts (rondo:owner, rondo:epoch,
// rondo:claimed) is on the Auto Scaling Group, from its first launch on: another
// one that finds it there refuses.
//
// An agent on such an instance joins its group by AWS's own tag
// aws:autoscaling:groupName; rondo puts none on.
//
// # Permissions
//
//	autoscaling:DescribeAutoScalingGroups, DescribeScalingActivities, DescribePolicies, DescribeLifecycleHooks
//	autoscaling:SetDesiredCapacity, TerminateInstanceInAutoScalingGroup, SetInstanceProtection
//	autoscaling:CreateOrUpdateTags                                            the controller's claim
//	autoscaling:CompleteLifecycleAction, RecordLifecycleActionHeartbeat       with hooks of rondo's
//	ec2:DescribeInstances                                                     names, addresses, tags
//
// The changing ones can be limited to the group by its ARN. rondo group check
// makes the reading calls; for the changing ones Auto Scaling has no dry run.
package asg
