// Package ec2sim is an emulator of the part of AWS that an autoscaler talks
// to, for demonstrations and tests: real clients (the AWS SDKs, the aws command
// line) speak its protocols over HTTP, and nothing costs anything.
//
//	POST /                           AWS's protocols: EC2, Auto Scaling, ELB v2, SSM, STS
//	/2013-04-01/...                  AWS's protocol of Route 53
//	GET, POST, DELETE /_sim/faults   faults on demand, as JSON: one, or a list
//	GET /_sim/instances              all instances; POST /_sim/images, /_sim/groups: one more
//	GET /_sim/commands               what SSM was asked to run
//	GET /_sim/imds/ID/latest/...     the metadata that instance ID would read of itself
//
// All services share one address: X-Amz-Target, a request's API version, or the
// service in the scope of its signature tells whose it is.
//
// # What is true to EC2
//
// The same ClientToken with the same parameters is the same reservation, also
// when the first answer never arrived; with other parameters it is
// IdempotentParameterMismatch. An instance is pending, then running, then
// shutting-down, then terminated, and stays listed for an hour after its end.
// Lists come in pages. Errors have EC2's codes, HTTP statuses and shape.
//
// # Auto Scaling groups
//
// A group really keeps its desired capacity: it launches, in the zone where it
// has the fewest; it ends what is too much, protected instances never; it
// replaces what died or was called unhealthy; its hooks hold instances up until
// they are completed or time out; and it writes activities, the failed ones
// with EC2's words. It acts at once, or Options.GroupDelay after a change. A
// launch that failed is tried again after 30 s. Instances are registered with
// the group's target groups while they are in service, and drain before they
// end. Zones that got out of balance by an end of the owner's choice are evened
// out with Options.Rebalance only. Scaling policies are kept but not acted on.
//
// # Hosted zones
//
// Route 53's batches are made as a whole or not at all, with its words for what
// is wrong: a DELETE must describe what is there to the last value. A change is
// PENDING for Options.ZoneSync. Nothing answers the zones' names.
//
// # What is not
//
// Signatures are not verified, so that any credentials will do, but those that
// AssumeRole gave and that are expired. There is one region, one account and no
// network: subnets, security groups, images, instance types and keys that it
// does not list are taken as given. A dry run meets denials and faults without
// a count, but not what is wrong with its parameters. A fleet is of the type instant. No load
// balancer sends anything to a target: it is healthy after one interval, where
// its instance runs and is neither silent nor impaired.
//
// An Elastic IP is an address in name alone, too: it is the public one of the
// instance that it is associated with, until that is terminated.
//
// When an instance runs, the Boot function that the owner gave is called in its
// place; the context it gets ends with the instance. Command is called where
// SSM would run something on it.
//
// # Faults
//
// A [Fault] strikes what is asked (an error code, a denial, a connection reset
// before or after the work was done, a delay, an answer that trickles, half an
// answer, an HTML page, a clock that is ahead, a page token that comes again),
// where instances are launched (no room in a type, zone or market until it is
// given back; stuck, silent, impaired, ending by themselves, interrupted with
// two minutes' notice)
// or one instance that is there. It strikes Count times, from After and for
// For, all or a Share of the times: a brown-out is
//
//	{"effect":"error","code":"Unavailable","share":0.5,"for":"5m","count":-1}
//
// and no room is
//
//	curl -d '{"effect":"no-room","type":"c5.large","zone":"us-east-1a","market":"spot","room":2,"count":-1}' \
//	  -H 'Content-Type: application/json' http://127.0.0.1:4599/_sim/faults
//
// What a share strikes is drawn from Options.Seed, as are the times of boots.
// A group's launches are struck by the errors of RunInstances: it calls that on
// its owner's behalf.
package ec2sim
