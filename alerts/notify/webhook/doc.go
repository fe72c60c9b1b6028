// Package webhook sends notices as Alertmanager's webhook_config does: what
// takes messages from Alertmanager takes them from rondo.
//
//	receivers:
//	  - name: pager
//	    webhook:
//	      url: https://pager.example.com/hook
//	      secret: ${PAGER_SECRET}
//	      tls: {ca: /etc/rondo/pager-ca.pem}
//
// # Body
//
// Version "4" of Alertmanager's message, byte for byte what its release 0.25
// sends for the same alerts: the order of the fields, 0001-01-01T00:00:00Z as
// the end of what fires, a line feed at the end. Newer releases have a field
// notification_reason, which `reason: true` adds. `max_alerts` limits the
// alerts of one message; truncatedAlerts counts the rest.
//
// # Once, by its key
//
// A message is sent at least once. Idempotency-Key (draft-ietf-httpapi-
// idempotency-key-header) is the same in every try, also across restarts, so a
// receiver that remembers keys for a day acts once on each.
//
// # Signature
//
// With a secret each request bears the time of the try and a signature:
//
//	X-Rondo-Timestamp: 1767323045
//	X-Rondo-Signature: sha256=<hexadecimal HMAC-SHA256 of "1767323045.<body>", with the secret as key>
//
// A receiver computes the same over the raw body, compares in constant time,
// and refuses timestamps that are older than some minutes, so that what was
// overheard cannot be played back. [Verify] does it in Go; in a shell:
//
//	printf '%s.%s' "$timestamp" "$body" | openssl dgst -sha256 -hmac "$secret"
package webhook
