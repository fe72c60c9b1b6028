// Package push delivers messages over HTTP: to Loki and what takes its pushes,
// to Elasticsearch and what takes its bulk requests (OpenSearch, VictoriaLogs),
// and as JSON to any other address.
//
//	Send -> encode -> portion ---(full, or its first message has waited)---> POST
//	                  the next one is filled meanwhile                         |
//	Settled <--- every message of the portion is delivered or refused <--------'
//
// The requests of one portion are over before the next one begins, so that
// messages arrive in order. For Loki a portion is a request for each stream,
// a few at a time; for all others it is one.
//
// # What an answer means
//
//	2xx                        delivered; a bulk request answers for each message
//	400, 413, 422              refused: sent again in halves, until it is known which
//	                           message is at fault. That one is refused for good,
//	                           counted, and the beginning of the answer logged
//	408, 425, 429, 5xx,        later: at another address if there is one, else the
//	no answer                  session fails, and the queue tries again, ever more slowly;
//	                           not before the answer says (Retry-After)
//	all else (401, 403, 404,   wrong configuration: told, and tried again likewise.
//	redirections)              Nothing is dropped for it
//
// In the answer to a bulk request the same holds for each message, and 409 says
// that it was there already. Those that are to come later are sent again alone.
//
// # Once, or at least once
//
// When an answer is lost, the portion is sent again. What that makes of it:
//
//	elasticsearch     each message has its key as _id and is only ever created: once
//	loki              Loki keeps one of lines that are alike, if they have the same
//	                  time and labels: once. Others may keep two
//	json, json-array  each object has the key, and the request an Idempotency-Key
//	                  (of its first and last message): up to the receiver
//
// The index of a message must not change from one try to the next, and nobody
// who sends should be able to make any number of them: the default is the day
// of reception, which is kept with the message.
//
// # Loki's rules
//
// Streams: labels come from templates, by default host, app and level. Loki
// suffers from many streams, so that there are at most so many (Config.Streams)
// within two hours. A message that would make another one goes to the stream
// {overflow="true"} and has its labels as structured metadata; nothing is lost.
//
// A request has one stream. Loki's answer to several is that of the last one:
// whatever it refuses of the others, for being too old or too much for one
// stream at a time, it has lost without a word (grafana/loki 3.7,
// pkg/ingester/instance.go, Push). Others that take pushes answer for all;
// "mixed" puts all streams of a portion into one request for them.
//
// Everything else that a message tells is structured metadata: facility, pid,
// msgid, sender and the structured data (by the name of the parameter; where
// that is taken by ID_name, and what is there more than once, separated by
// commas). It needs Loki 3, or no_metadata.
//
// Order: within a stream Loki takes lines up to an hour older than the newest
// (half of max_chunk_age), and none older than a week (reject_old_samples_max_age).
// It refuses others for good. Where hosts have clocks that are behind, or old
// files are read, "time: received" makes the time that of reception, which
// grows. A message that says that it was made more than five minutes after its
// reception gets that time in any case: Loki takes none from the future. What
// it says is metadata then (time).
package push
