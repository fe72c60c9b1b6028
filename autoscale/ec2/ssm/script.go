package ssm

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"strings"

	"rondo/autoscale/fanout"
)

// maxScript bounds the script of one SendCommand, in bytes: Systems Manager
// takes 64 KB of parameters, and base64 makes more of it.
const maxScript = 40 << 10

// worthwhile is from how many bytes on an input is sent compressed: it lists the
// group's members, who are much alike.
const worthwhile = 512

// line is the command for one host, as a shell has it, with its input.
func line(c fanout.Command) string {
	if len(c.Input) == 0 {
		return c.Shell() + " </dev/null"
	}
	input, unpack := c.Input, "base64 -d"
	if len(input) > worthwhile {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		// A buffer takes all that is written.
		_, _ = w.Write(input)
		_ = w.Close()
		input, unpack = b.Bytes(), "base64 -d | gzip -d"
	}
	return "printf %s '" + base64.StdEncoding.EncodeToString(input) + "' | " + unpack + " | " + c.Shell()
}

// script is what is sent for several hosts: each finds its own line.
func script(items []*item) string {
	var b strings.Builder
	b.WriteString("case \"$AWS_SSM_INSTANCE_ID\" in\n")
	for _, it := range items {
		b.WriteString(it.host.ID + ") " + it.line + " ;;\n")
	}
	b.WriteString("*) echo 'rondo: this command is for other instances' >&2; exit 126 ;;\nesac")
	if s := b.String(); !strings.Contains(s, "{{") {
		return s
	}
	return "sh -c \"$(printf %s '" + base64.StdEncoding.EncodeToString([]byte(b.String())) + "' | base64 -d)\""
}

// managed says whether an ID is one of an instance that Systems Manager may know:
// in a script it stands without quotes.
func managed(id string) bool {
	hex, ok := strings.CutPrefix(strings.TrimPrefix(id, "m"), "i-")
	return ok && len(hex) > 0 && len(hex) <= 32 && strings.Trim(hex, "0123456789abcdef") == ""
}
