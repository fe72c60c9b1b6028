// Package route53 keeps names in hosted zones of Amazon Route 53. It is the
// [dns.Provider] of
//
//	route53: {zone_id: Z2ABCDEF123456}
//
// in the account of autoscale.ec2. It wants, of that zone and of changes:
//
//	route53:ListResourceRecordSets   arn:aws:route53:::hostedzone/Z2ABCDEF123456
//	route53:ChangeResourceRecordSets arn:aws:route53:::hostedzone/Z2ABCDEF123456
//	route53:GetChange                arn:aws:route53:::change/*
//
// # An update
//
// A batch of ChangeResourceRecordSets is made as a whole or not at all. What
// there was is deleted and what there is to be created, in one batch, rather
// than upserted: a DELETE must name the TTL and all values that are there (API
// reference, "Change"), and a CREATE fails where something is. So nobody's
// change is overwritten: where the zone is another one than was read, the answer
// is InvalidChangeBatch, and it is read again.
//
//	DELETE web.example.com         A    30 10.0.1.4, 10.0.1.5
//	DELETE _rondo.web.example.com  TXT  30 "rondo group=web 10.0.1.4 10.0.1.5"
//	CREATE web.example.com         A    30 10.0.1.5
//	CREATE _rondo.web.example.com  TXT  30 "rondo group=web 10.0.1.5"
//
// The answer says PENDING. All name servers have the change when GetChange says
// INSYNC, usually within a minute; from then on clients' TTLs are counted.
//
// # Its pace
//
// Route 53 takes five requests a second of an account, whoever makes them, and
// one change of a zone after the other. We make no more than three, over all
// zones; a request that is one too many (Throttling, PriorRequestNotComplete) is
// repeated later, by the keeper.
//
// Names with a routing policy (weighted, latency, failover, ...) and aliases are
// not ours to change, and are left alone.
package route53
