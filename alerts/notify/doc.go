// Package notify is what senders are given, and how they answer.
//
// A [Notice] is one message to one receiver: what a group of alerts has to say
// at one moment. A [Sender] sends notices; each kind has a package of its own
// below, with a Config, its Validate, and New:
//
//	webhook    Alertmanager's webhook, signed
//	pagerduty  Events API v2
//	slack      incoming webhook or chat.postMessage
//	mail       SMTP, with the graph of what is wrong
//	sns        Amazon SNS
//	hook       a command, at most once
//
// post is what those over HTTP share, text writes for people by templates,
// direct tells single transitions without routes.
//
// # At least once, with a key
//
// A notice has a Key, which was stored before the first try and is the same in
// every one. Each sender hands it on in the way that its receiver can use to see
// a repetition: the header Idempotency-Key, the dedup_key, the Message-ID, the
// message's attribute.
//
// An error means: try again. One marked by [alerts.Permanent] means that trying
// again cannot mend it; a [LaterError] says how long the receiver wants peace.
package notify
