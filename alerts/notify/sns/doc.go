// Package sns publishes notices to a topic of Amazon SNS.
//
//	receivers:
//	  - name: topic
//	    sns:
//	      topic: arn:aws:sns:eu-central-1:123456789012:ops
//
// The subject (at most 100 printable ASCII characters, as SNS wants it) and the
// message (at most 256 KiB) are templates. Which keys are used is what AWS's SDK
// finds: the environment, shared files, the instance's role; or access_key and
// secret_key. The role needs sns:Publish on the topic and nothing else.
//
// The attributes key, status and severity go along, for filter policies and for
// subscribers that look at keys. To a FIFO topic the key is the deduplication
// id and the group its message group: SNS itself then drops repetitions within
// five minutes, and keeps the order of a group.
package sns
