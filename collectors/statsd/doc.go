// Package statsd takes statsd packets over UDP and sends, once per flush
// interval, what they sum up to:
//
//	name:value|type[|@rate][|#tag:value,...]     several lines in a packet
//
//	c        counter: sum in the interval, corrected by the rate
//	g        gauge: last value; +4 and -4 change it
//	ms h d   timer, histogram, distribution: see below
//	s        set: how many different values in the interval
//
// Values may be several, parted by colons (api.ms:3:5:8|ms). DogStatsD's tags
// become labels; a tag without a value becomes label="true". Fields that are
// not known (|c:container, |T time) are skipped; events and service checks are
// counted as "unsupported".
//
// # What is stored
//
// A counter keeps its name. It is stored as an absolute: a sample is the count
// of one interval, so rate(name[5m]) and increase(name[1h]) are what they say.
// A timer becomes
//
//	name_count name_sum                     absolutes, corrected by the rate
//	name_min name_max name_mean             gauges
//	name_p50 name_p90 name_p99              gauges, by nearest rank
//
// Count, sum, min, max and mean are exact. The percentiles are exact up to
// 1,024 values an interval; beyond that they are those of a random sample of
// 1,024 values (Vitter's reservoir), which is right to about 1.5 % of rank at
// p50 and 0.3 % at p99.
//
// Flushes lie on multiples of the interval since the epoch, and samples are
// stamped with them, whatever the delay. What is silent is repeated (counters,
// timers' count and sum, sets as 0, gauges as they were) until it has been
// silent for the expiry time, and is then forgotten.
//
// # Bounds
//
// Names are limited: at the limit new ones are refused and counted ("series"),
// and so is a name that comes with another type than before. A set counts up
// to 10,000 values, and then stays there ("set_full"). All values of timers
// and sets together take 64 MiB an interval; where that is used up, timers go
// on with the random sample that they have. Nothing acknowledges a UDP packet: kill -9 loses at most one
// flush interval. An orderly stop loses nothing.
package statsd
