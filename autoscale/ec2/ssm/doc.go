// Package ssm runs commands on instances by AWS Systems Manager's Run Command,
// where their agent (SSM Agent) asks for them: no port is open for it, and no
// key lies anywhere. It is a [fanout.Runner].
//
//	autoscale:
//	  commands:
//	    - {name: reload, over: ssm, run: [systemctl, reload, app], timeout: 1m}
//
// # How it is sent
//
// What is to run on several instances at the same time goes out together, up to
// 50 in one SendCommand:
//
//	Run(a) ─┐ within 100 ms                  ┌─> result of a
//	Run(b) ─┼─> SendCommand ──> ListCommand- ├─> result of b
//	Run(c) ─┘   (by their IDs)  Invocations  └─> result of c
//
// Each is told something of its own (its alias, and what it is about), so the
// script chooses by AWS_SSM_INSTANCE_ID, which the agent sets. The document is
// AWS-RunShellScript, which runs as root. Systems Manager fills in {{ }} wherever
// it finds them in a script; one that has them is sent in base64.
//
// How many run at a time, and after how many failures no more are begun, is
// [fanout.Limits]' to say: Systems Manager's own MaxConcurrency and MaxErrors
// are set so that they keep nobody waiting.
//
// # How it ends
//
// Success is exit code 0; Failed has the code that the agent tells. All else
// (not delivered, over its time, cancelled, terminated) has no exit code and
// Systems Manager's own words. Of the output there are 2,500 characters, as the
// list of invocations has them. Who waits no more has the command cancelled on
// his instance.
//
// SendCommand knows no token: where its outcome is unclear it is not repeated, and
// the result says so. Where it was refused as one too many it is repeated, with
// pauses, as long as somebody waits. An instance that Systems Manager does not
// manage keeps no other waiting.
//
// # Calls and permissions
//
//	ssm:SendCommand               for the document AWS-RunShellScript, and the instances: limit it by
//	                              ssm:resourceTag/rondo:group
//	ssm:ListCommandInvocations    each second at first, each 5 seconds after a while
//	ssm:CancelCommand             where somebody waits no more
//
// All commands together make five calls a second at most.
package ssm
