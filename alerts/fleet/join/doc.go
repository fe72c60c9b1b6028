// Package join lets agents in. Whoever may bring agents in makes a join token; an
// instance trades it, with a proof of who it is, for a key of its own, and
// sends with that key from then on.
//
//	rondo token create --group web --count 12 --for 1h
//	        |
//	        v  in user data, the same for all instances of one launch
//	    join token ---- POST /agent/v1/join ----> Redeem ----> key
//	                    token, and a proof:          |          |
//	                    - signed document (iid), or  |          v
//	                    - ID, tag and address as     |      Authorize, for as long
//	                      the cloud has them, or     |      as the key lives
//	                    - static token: none         |
//	                                                 v
//	                              alerts/state: tokens, uses, keys, retired
//
// # Token
//
// A token is bound to a group, to a count of instances and to a deadline. User
// data can be read by every process of the instance, and by who may describe
// it in EC2: so a token alone opens nothing to an instance that is not ours.
// A static token does, for as many hosts as it counts; it is for hosts outside
// EC2, which can prove nothing, and its name says so.
//
// # Proof
//
//   - The identity document that EC2 signed, of an account and a region that
//     the configuration names. It must come from the private address in it
//     (unless any_address), must not be from the future, and not older than one
//     that the same instance has shown: an instance that was stopped and started
//     has a newer one.
//   - Where there is none: the instance's ID, if EC2 says that it runs, carries
//     our tag of the token's group, and has the address that asks.
//   - With a static token: nothing. The host's name is its ID, or that of the
//     instance that it says it is; an ID that has a key gets no second one, or
//     who holds the token could speak for others.
//
// # Key
//
// A key belongs to one ID, an instance's or a host's. The same instance may
// trade again (it lost its disk): the new key replaces the old one, and counts
// once against the token. A key is shown from the address that it was given to,
// unless any_address is set. A retired instance's key ends, after a grace for its
// last lines, and neither its document nor its ID is taken again: EC2 never gives
// an ID twice.
//
// A key that is revoked stays so: its host needs another token.
//
// A launch of the autoscaler's carries the token of its group and week in its
// user data. Such a token is derived ([Authority.Derive]) from a secret in the
// store, so that a launch that is repeated after a restart carries the same.
//
// Of tokens and keys only the SHA-256 is stored. They are 130 random bits, so
// that nothing slower is needed, and they are compared in constant time.
//
// # Bounds
//
// Each address may ask 30 times at once and then once a second, all together
// 100 times a second. There are at most 1,000 tokens and 20,000 keys; what is
// over is listed for 30 days. Of retired instances the newest 50,000 are
// remembered. Every refusal is counted by its reason, and logged, no more than
// one a second.
package join
