package rrdcached

import (
	"fmt"
	"strings"
)

// list answers LIST [RECURSIVE] /path: the sets below a path as if they were
// files in directories, sorted.
func (c *session) list(args string) error {
	dir, rest := field(args)
	recursive := strings.EqualFold(dir, "RECURSIVE")
	if recursive {
		dir, _ = field(rest)
	}
	if !strings.HasPrefix(dir, "/") {
		return c.usage("LIST")
	}
	p, err := c.bases.locate(strings.TrimLeft(dir, "/"))
	if err != nil {
		return c.refuse(err)
	}
	prefix := p.rel + "/"
	if p.rel == "." {
		prefix = ""
	}
	names := c.env.Sets.ListSets(prefix)
	if len(names) == 0 && prefix != "" {
		return c.fail("List %s: No such file or directory", p)
	}
	entries := entries(names, prefix, recursive)
	if err := c.reply(len(entries), "RRDs"); err != nil {
		return err
	}
	for _, e := range entries {
		c.out = append(append(c.out, e...), '\n')
		if err := c.sendFull(); err != nil {
			return err
		}
	}
	return nil
}

// entries turns names of sets into files, or into what a directory has.
func entries(names []string, prefix string, recursive bool) []string {
	out := names[:0:0]
	last := ""
	for _, name := range names {
		entry := strings.TrimPrefix(name, prefix)
		dir, _, deeper := strings.Cut(entry, "/")
		switch {
		case recursive || !deeper:
			out = append(out, entry+".rrd")
		case dir != last:
			out, last = append(out, dir), dir
		}
	}
	return out
}

// help answers HELP [command]. The lines are rrdcached's, the descriptions our
// own.
func (c *session) help(args string) error {
	word, _ := field(args)
	word = strings.ToUpper(word)
	for _, h := range helps() {
		if h.command == word {
			return c.reply(strings.Count(h.text, "\n")+2, fmt.Sprintf("Help for %s\nUsage: %s\n\n%s", word, h.usage, strings.TrimSuffix(h.text, "\n")))
		}
	}
	all := helps()
	lines := make([]string, len(all))
	for i, h := range all {
		lines[i] = h.usage
	}
	return c.reply(len(lines), "Command overview\n"+strings.Join(lines, "\n"))
}

// usage answers with how a command is meant.
func (c *session) usage(command string) error {
	for _, h := range helps() {
		if h.command == command {
			return c.fail("Usage: %s", h.usage)
		}
	}
	return c.fail("Unknown command: %s", command)
}

// A helpText says how a command is used.
type helpText struct{ command, usage, text string }

func helps() []helpText {
	const columns = "<file> <CF> [<start> [<end>] [<column>...]]"
	const resolution = "Rows of <CF>. CF:SECONDS asks for rows of about that length, as rrdtool fetch -r does.\n"
	return []helpText{
		{"UPDATE", "UPDATE <filename> <values> [<values> ...]", "Takes values, each <time>:<value>[:<value>...]. The reply comes when all of\nthem are on disk; what cannot be stored is refused in it.\n"},
		{"FLUSH", "FLUSH <filename>", "Nothing is ever pending. Over the unix socket it writes the .rrd, where\nwrite_files is on.\n"},
		{"FLUSHALL", "FLUSHALL", "Nothing is ever pending.\n"},
		{"PENDING", "PENDING <filename>", "Nothing is ever pending.\n"},
		{"FORGET", "FORGET <filename>", "Says whether the file is known. Nothing is lost by it.\n"},
		{"QUEUE", "QUEUE", "Nothing is ever queued.\n"},
		{"STATS", "STATS", "Shows counters; see rrdcached(1).\n"},
		{"HELP", "HELP [<command>]", "Shows all commands, or one.\n"},
		{"PING", "PING", "Answers PONG.\n"},
		{"BATCH", "BATCH", "Takes commands until a line with a dot, and then answers with the errors,\neach with the number of its command.\n"},
		{"FETCH", "FETCH " + columns, resolution},
		{"FETCHBIN", "FETCHBIN " + columns, resolution},
		{"INFO", "INFO <filename>", "Shows what rrdtool info shows.\n"},
		{"FIRST", "FIRST <filename> <rra index>", "Shows the time of an archive's oldest row.\n"},
		{"LAST", "LAST <filename>", "Shows the time of the last update.\n"},
		{"CREATE", "CREATE <filename> [-b start] [-s step] [-O] <DS definitions> <RRA definitions>", "Creates a set; -O keeps what is there.\n"},
		{"LIST", "LIST [RECURSIVE] /[<path>]", "Shows what is below a path.\n"},
		{"SUSPEND", "SUSPEND <filename>", "Is remembered; what is updated goes to disk all the same.\n"},
		{"RESUME", "RESUME <filename>", "Takes SUSPEND back.\n"},
		{"SUSPENDALL", "SUSPENDALL", "Is SUSPEND of all files.\n"},
		{"RESUMEALL", "RESUMEALL", "Is RESUME of all files.\n"},
		{"QUIT", "QUIT", "Closes the connection.\n"},
	}
}
