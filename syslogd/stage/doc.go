// Package stage is the pipeline that messages go through before anything is
// written: a Pipe has stages, in the order of the configuration, each with a
// filter of its own (package filter). A message that the filter does not match
// passes the stage by.
//
//	stages:
//	  - {filter: 'app:health', drop: true}
//	  - redact: {patterns: [credit-card, aws-key, password]}
//	  - {filter: 'app:checkout', parse: {format: json}}
//	  - {filter: 'sd.level:*', rewrite: {copy: {severity: sd.level}}}
//	  - {filter: 'severity:debug', sample: {one_in: 10}}
//	  - dedup: {window: 30s}
//	  - rate_limit: {rate: 1000, by: host}
//
// # Using a Pipe
//
//	p, err := stage.New(config)           // says all that is wrong
//	out := p.Apply(time.Now(), batch)     // the batch itself if nothing changed; never modified
//	out = p.Due(time.Now())               // each second: what stages have to say by now
//	out = p.Close(time.Now())             // before a stop: all that they have to say
//	p.Report(stats.Add)                   // what was counted since the last Report
//
// A Pipe knows no clock and no goroutine; several may use it at a time, and
// where no stage matches it allocates nothing. Messages of one goroutine stay
// in order. What a stage says (a summary of dedup or rate_limit) goes through
// the stages behind it, like any message.
//
// # The kinds
//
//	parse       takes a text apart; its values become structured data
//	rewrite     sets, copies, maps, renames, deletes, replaces
//	redact      replaces secrets, in everything that is kept
//	dedup       lets the first of equal messages pass, and counts the others
//	rate_limit  lets so many a second pass of each host, or other key
//	sample      lets one in so many pass
//	drop        lets none pass
//
// # Parsed fields
//
// A message has room for values of one's own in its structured data (RFC 5424,
// 6.3). There parse puts what it finds, in one element named after the format:
//
//	{"user":"ann","req":{"ms":7}}  ->  [json@32473 user="ann" req.ms="7"]
//
// So everything that knows filters knows the values: search (sd.user:ann),
// routes, rules, agents, metrics; and they are sent on to other servers. 32473
// is the enterprise number that IANA keeps for examples: it is nobody else's.
// Elements that were there stay as they were. The text stays, too, and Raw stays
// the line as received: whoever doubts what parse made of it can look.
//
// # Redact
//
//	credit-card  13 to 19 digits that begin as such numbers do, with the right check digit (Luhn), in
//	             one piece or in groups; of 50,000 ordinary lines, one has such a number by chance
//	aws-key      access keys AKIA..., ASIA...; secret keys and session tokens by their names; runs of
//	             40 characters that look drawn at random
//	password     the values of names that end with password, passwd, pwd, pass, passphrase, secret, token,
//	             api_key, access_key, private_key, credentials: in key=value, "key": "value", structured
//	             data, queries of URLs and --options; what follows Authorization: and Bearer; passwords and
//	             long user names in URLs
//	email        NAME@DOMAIN
//	ipv4         four numbers up to 255
//
// A secret must reach the disk in no field. So redact looks at the line as
// received, the header, the structured data and the text, each by itself; and
// then looks in all of them for what it has found in one: in "password:
// hunter2" the name is APP-NAME and the secret the text.
//
// The escapes of JSON, structured data (\" \\ \] \u0041) and URLs (%41) are
// undone, up to three layers of them in any order, so a secret is also found in
// a URL in a JSON text in the JSON of a container's log. Other codings (base64,
// gzip, "+" for a blank but in numbers of cards, HTML's &amp;) are not undone. A
// secret of less than four characters is replaced elsewhere where it is a whole
// word. Where in doubt, too much is replaced; true, false and null are no
// secrets, and PWD=/home/ann is a directory. A message with more than 256 secrets loses all of its text, so that
// the work on one message is bounded. The address of the sender is what the
// network says, and stays: rewrite can delete it.
//
// Put redact in front. What stands before it sees secrets, and what parse has
// cut into pieces is no longer seen as a whole.
//
// With hash_key a secret becomes REDACTED-8c7dd922ad47494f, 64 bits of an HMAC:
// the same one gives the same hash, however it is escaped and on every server
// with this key, so that messages can be correlated without it.
//
// # Counts stay true
//
// Nothing is dropped in silence. Each stage counts, by reason (Pipe.Counts), and
//
//	messages in + made = messages out + dropped
//
// holds at any quiet moment. What is dropped can also be seen where one searches:
//
//	dedup       [repeated@32473 count="17" first="..." last="..."]  first messages + counts = all
//	rate_limit  [dropped@32473 count="512" host="web1" ...]         in a message of its own
//	sample      [sampled@32473 one_in="10"]                         each that passes stands for so many
//
// A summary of dedup has the header and the text of what was repeated. It is
// written when the window ends, when there is no more room to remember, and at
// a stop or reload. kill -9 loses the summaries of the windows that are open,
// and nothing else: first messages are stored as they come. If the store refuses
// a batch and the sender sends it again, the second time counts as a repetition;
// its text is in the summary.
//
// # Bounds
//
//	parse       max_fields (64), max_bytes (8 KiB): values that do not fit are left out, and counted as cut
//	dedup       max_keys (10000), max_bytes (16 MiB): the oldest window ends before its time
//	rate_limit  max_keys (10000): what is new shares one bucket, until there is room
//
// A reload makes a new Pipe: the old one says what it has to say, buckets are
// full again, and windows begin anew.
package stage
