// Package event keeps what happened to a fleet and is no sample and no log
// line: a deploy from five past to ten past, a change of configuration, an
// incident, a scale-out. Graphs are marked with them.
//
//	rondo event add ─┐                       ┌─> data/state: event/at/<id>
//	POST /api/events ┤                       │     (drawn on graphs, listed)
//	webhooks in ─────┼─> Store.Add ── one ───┤
//	Grafana, Graphite┤               write   └─> data/state: event/line/<id>
//	the autoscaler ──┘                             └─ Run ──> a line in the log store
//
// # The promise
//
// Add returns when the event is on disk, and the word that its log line is
// still to be written with it, in one batch. So of the two stores the state
// store decides:
//
//   - it fails: nothing has happened, and the caller is told so;
//   - the log store fails: the event stands and is drawn; its line is written as
//     soon as the log store takes lines again, after a restart too. A crash right
//     between the two writes the line twice.
//
// The line's app is rondo-event, its structured data the event's fields:
// app:rondo-event sd.group:web finds them.
//
// # Keys
//
// An event may carry a key of its caller's. The same key of the same source
// again is news of the same event: what the news says replaces what was known,
// the rest stays. So a script that is retried adds nothing, and the end of a
// deploy is told by adding it again with the same key and --until now. News
// that is older than what is known (Revised) changes nothing: webhooks come in
// any order. The ID is made of source and key, or drawn where there is no key;
// it is 13 hex digits, which as a number is what Grafana's API calls the id.
//
// # Bounds
//
// The store keeps at most [Config].Keep events of at most [Config].Age. When it
// is full, the source that has most gives its oldest (policy
// "oldest-of-the-largest"): so a noisy autoscaler or hook cannot drive out a
// year of deploys. Removed events are remembered without their text for as long
// as they would have been kept, so that a repeated delivery does not bring them
// back.
//
// # Webhooks in
//
// POST /api/events/hook/<name>, for hooks that the configuration names:
//
//	kind      who sends, and how it proves itself                     becomes an event
//	github    X-Hub-Signature-256: HMAC-SHA256 of the body            deployment, deployment_status, release, push
//	          (docs.github.com, "Validating webhook deliveries")
//	gitlab    X-Gitlab-Token: the secret itself                       Deployment, Release, Push and Tag Push Hook
//	          (docs.gitlab.com, "Webhook events")
//	generic   Authorization: Bearer, or X-Hub-Signature-256           any JSON, by a mapping
//
// Secrets and signatures are compared in constant time before the body is
// decoded. A delivery has an ID (X-GitHub-Delivery, Idempotency-Key,
// X-Gitlab-Event-UUID), which is stored with its event: delivered again it
// changes nothing. GitHub signs the body only, so somebody who has got hold of
// a delivery can send it with another ID: the body's own key and times then make
// it the same event.
//
// Bodies are limited in size, in time and in how many are read at once, for
// which a delivery waits a while, and deliveries by hook and second; what is
// refused is counted by reason. Where a token is the proof, a stranger's body is
// not even read.
package event
