// Package ec2sim is an emulator of the part of EC2 that an autoscaler talks
// to, for demonstrations and tests: real clients (the AWS SDKs, the aws command
// line) speak its query protocol over HTTP, and nothing costs anything.
//
//	POST / Action=RunInstances&...     XML as EC2 answers, API version 2016-11-15
//	GET, POST, DELETE /_sim/faults     faults on demand, as JSON
//	GET /_sim/instances                all instances, as JSON
//
// # What is true to EC2
//
// The same ClientToken with the same parameters is the same reservation, also
// when the first answer never arrived; with other parameters it is
// IdempotentParameterMismatch. An instance is pending, then running, then
// shutting-down, then terminated, and stays listed for an hour after its end.
// Lists come in pages. Errors have EC2's codes, HTTP statuses and shape.
//
// # What is not
//
// Signatures are not verified, so that any credentials will do. There is one
// region, one account and no network: subnets, security groups, images and
// keys are taken as given. When an instance runs, the Boot function that the
// owner gave is called in its place; the context it gets ends with the
// instance.
//
// # Faults
//
// A [Fault] strikes the next requests of an action: an error code, a connection
// reset before or after the work was done, a delay, half an answer, an HTML
// page, or instances that Describe does not show for a while.
//
//	curl -d '{"action":"RunInstances","effect":"error","code":"InsufficientInstanceCapacity","count":3}' \
//	  -H 'Content-Type: application/json' http://127.0.0.1:4599/_sim/faults
package ec2sim
