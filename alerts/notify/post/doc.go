// Package post sends a body to an HTTP address and judges the answer, for all
// senders that speak HTTP.
//
//	2xx                        taken
//	408, 425, 429, 5xx         tried again; not before what Retry-After says
//	no answer at all           tried again
//	everything else, 3xx too   final: trying again cannot mend it
//
// Redirects are not followed: a notice, and the secrets that go with it, are
// for the address in the configuration and no other. The addresses themselves
// may be secrets, so that errors name only the host.
package post
