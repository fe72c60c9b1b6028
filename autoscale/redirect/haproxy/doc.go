// Package haproxy keeps the servers of a running HAProxy equal to the members of
// an autoscaling group, over HAProxy's stats socket: addresses, weights, and who
// drains. Nothing of HAProxy's configuration is written, and nothing reloaded.
//
// # Slots
//
// The backend has as many servers as the group may ever have, which wait in
// maintenance:
//
//	global
//	    stats socket /run/haproxy/admin.sock mode 660 level admin
//
//	backend web
//	    balance roundrobin
//	    server-template web 1-32 127.0.0.1:8080 weight 100 check disabled
//
// Each is a slot. A member that has none yet is given one that is free, and a
// slot whose server is gone waits in maintenance again:
//
//	member in service                       addr, weight by free capacity, ready
//	member that drains (or is silent)       drain: clients that stick to it stay
//	no member has this address              maint
//
// Each second HAProxy is asked what it has (show servers state) and told what
// differs. The slots are the only memory: a server is recognised by its address.
// So HAProxy may restart, rondo may, or both; what is missing is done again. A
// group whose cloud has not answered, which does not act, or of which nobody is
// left is not touched (the last ones have drained before, if they were to); and
// when nobody in a group is heard any more, all who were keep their slots (see
// redirect.Deaf).
//
// Clients that stick to a server do so by its slot's name, unless
// dynamic-cookie-key makes cookies of addresses: take that where sessions are to
// outlive a restart of HAProxy.
//
// # When a server has drained
//
// HAProxy knows exactly what is under way: an instance waits until its slot has
// no request (scur, qcur of show stat), and none has come for quiet. The number
// of requests under way is kept as rondo.haproxy.sessions{group,host}.
//
// What the commands do and answer is in HAProxy's management guide, section 9.3.
package haproxy
