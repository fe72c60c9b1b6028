// Package outtest is the test that every destination passes (Run), and a
// destination in memory (Memory) for those who test what drives destinations.
//
// # What is tested
//
//	Delivers     everything arrives once, in order, and is settled
//	Cuts         a session is cut again and again, in the middle of a message
//	             too: the next one goes on, nothing is lost
//	Down         Open fails for a while
//	LearnsOfCut  Broken is closed though nothing is being sent
//	Close        what is held back goes out when the session ends
//	Stalled      the other side takes nothing: a call ends when its context does
//
// In all of them the driver, which stands for the queue, sees to it that
//
//	settled and refused only grow, and are never more than what was sent
//	what is settled has arrived: looked at when the session has ended and
//	  before anything is sent again, so that no second delivery hides a loss
//	the messages of one source arrive in order; a session begins where the
//	  one before it had settled, and within it nothing is repeated or left out
//	a key, where one arrives, is that of the message
//	nothing of a batch is looked at after Send: its bytes are overwritten
//
// # How hard a cut may be
//
// A subject is cut as hard as its promise bears. Where the other side answers
// each message, anything goes. Plain TCP promises what the peer's kernel has:
// there the other side reads what its kernel has acknowledged, as one that
// does not die would.
package outtest
