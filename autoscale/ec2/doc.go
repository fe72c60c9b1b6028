// Package ec2 is the autoscale.Cloud of Amazon EC2, and of anything that
// speaks its API.
//
// # Calls and permissions
//
//	ec2:DescribeInstances                     each tick, by tag, page by page
//	ec2:RunInstances, ec2:CreateTags          launch; tags are put on in the same call
//	ec2:CreateFleet                           launch, where the group says fleet: true
//	ec2:DescribeImages                        each 10 minutes, where the group chooses its image by a filter
//	ec2:DescribeInstanceStatus                each minute, unless the group says replace: never
//	ec2:DescribeInstanceAttribute             before a drain, of each instance that is to go
//	ec2:TerminateInstances                    after the tags were read again
//	ec2:CreateTags                            after a group was taken over, on its instances
//	iam:PassRole                              where the group names an instance profile
//
// CreateTags can be limited to ec2:CreateAction = RunInstances (then a controller
// that was taken over from learns of it only by new instances), and
// TerminateInstances to instances whose tag rondo:group is one of rondo's.
//
// Preflight asks for each of them with DryRun, and looks whether the launch
// template, image and subnets exist; for that it likes to have
// sts:GetCallerIdentity, which nobody can be denied, and
// ec2:DescribeLaunchTemplates, ec2:DescribeImages and ec2:DescribeSubnets.
//
// # Who retries
//
// Reads are retried by the SDK, a second apart at least. Launches and terminations are not: the
// controller has the token, the journal and the budget, and the SDK would ask
// three times for capacity that is not there (EC2 answers that with HTTP 500)
// before anyone could decide otherwise. Every error is classified by what it
// leaves behind ([autoscale.CallError]); where that is not certain it is
// Unclear, and the controller asks again with the same ClientToken.
//
// Only this package imports the AWS SDK, whose ec2 package takes minutes to
// compile.
package ec2
