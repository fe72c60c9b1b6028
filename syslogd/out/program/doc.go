// Package program delivers messages as lines to the standard input of a
// command.
//
// The command is started for a session and runs for as long as it lasts. When
// it exits, the session is broken, and the next one starts it again, ever more
// slowly if it takes nothing.
//
//	rondo                        the command
//	lines           -> stdin     reads them
//	                <- stdout    with confirm: "ok N", else nothing that is looked at
//	log (bounded)   <- stderr
//
// # When a message is settled
//
//	confirm: false   when the command has read its line from the pipe; see package
//	                 pipe. What it does with it nobody knows: if it dies, what it had
//	                 read is not sent again.
//	confirm: true    when the command has written a line "ok N", N being the
//	                 number of lines, since it was started, that it is done with. It may
//	                 answer each line, or many at once. After its death it gets
//	                 again all that it has not confirmed.
//
// # Its surroundings
//
// There is no shell: the command is a file and its arguments. Of our
// environment, which may hold secrets, it gets PATH, HOME, LANG and TZ, and
// what env adds. It is a process group of its own. At the session's end its
// input is closed; what of the group still runs after a while is terminated,
// and then killed. What a command leaves behind when it exits by itself is
// killed as well.
//
// When we are killed its input ends. One that does not confirm may then finish
// what it has read, and reads what is left in the pipe, which the next one gets
// too. One that confirms is terminated at once (Linux): what it has not
// confirmed the next one gets, and the two do not work side by side.
package program
