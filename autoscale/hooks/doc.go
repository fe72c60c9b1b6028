// Package hooks has something done when an instance joins its group, is about
// to leave it, has left, or is another than before.
//
//	autoscale:
//	  commands:
//	    - {name: warm-cache, over: ssh, user: deploy, key: /etc/rondo/id, known_hosts: /etc/rondo/known, run: [/opt/app/warm]}
//	  hooks:
//	    - {name: warm, group: web, on: joined, do: warm-cache}
//	    - {name: sessions, group: web, on: leaving, do: save-sessions, timeout: 2m}
//	    - {name: peers, group: web, on: [joined, left, changed], do: reload, over: others, at_once: 5}
//	    - {name: cmdb, group: web, on: [joined, left], webhook: "https://cmdb.example/hosts"}
//
// # When
//
//	joined    it is in service: the first time, or again after it was taken back
//	leaving   it was chosen to go (draining, replaced): the time before it is
//	          terminated. The drain waits for the hook, as long as the group's
//	          drain lasts
//	left      it is gone
//	changed   it is in service, with another address, name or alias than before
//
// One that never was in service does not leave either. One that died has no
// leaving: it has left.
//
// # For whom
//
// over: it (the default) is the instance itself, others are those that serve
// beside it, all are both. Where that is done is the command's matter: over ssh
// on each of them, over here on the server, once for each. A hook for left
// cannot be on the instance itself.
//
// # At least once
//
// Hooks go by levels. For each instance the state store holds what was done
// (stage), and what is owed follows from that and from who is a member now:
//
//	stage       the member is      owed      then the stage is
//	""          in service         joined    joining, joined when it is done
//	joining     in service         joined    (again: it failed, or we were killed)
//	joined      in service, other  changed   joined
//	joining,
//	joined      leaving            leaving   left it
//	left it     in service         joined    joining
//	any but ""  gone               left      (forgotten)
//
// So nothing is lost when rondo is killed, and the hooks of one instance run in
// their order, one at a time; what was under way runs again with the same key
// ([fanout.Command].Key, RONDO_KEY, Idempotency-Key). What has failed is tried
// again for those for whom it failed, after 1 s, 2 s, 4 s, ... up to 5 minutes
// in between; after tries (10) it is given up, which is logged and counted, and
// taken for done. Hooks run only for groups that act (mode: act); once a group
// does, joined is owed for all who serve.
//
// # What a hook is told
//
//	RONDO_EVENT     joined, leaving, left or changed
//	RONDO_HOOK      the hook's name
//	RONDO_KEY       the same whenever this is tried again
//	RONDO_VERSION   of the roster
//	RONDO_GROUP RONDO_ID RONDO_ALIAS RONDO_RANK RONDO_HOST RONDO_ADDRESS RONDO_PHASE   the instance that it is about
//	RONDO_TARGET    the alias of the one for whom it is run
//
// and on standard input, or as a webhook's body:
//
//	{"event":"joined","hook":"warm","key":"…","version":42,"target":"web-2",
//	 "member":{"group":"web","rank":2,"alias":"web-2","id":"i-…",…},"members":[…all of the group…]}
package hooks
