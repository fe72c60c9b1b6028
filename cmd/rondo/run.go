package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// commandLine is all that rondo can be asked to do.
type commandLine struct {
	Demo    demoCmd    `cmd:"" help:"Show the whole job with a simulated fleet and EC2: no account, no configuration."`
	Server  serverCmd  `cmd:"" help:"Run the server."`
	Config  configCmd  `cmd:"" help:"Check a configuration."`
	Agent   agentCmd   `cmd:"" help:"Run on each machine: send its metrics and logs to a server."`
	Token   tokenCmd   `cmd:"" help:"Let agents join: make, list and revoke tokens and keys."`
	Cert    certCmd    `cmd:"" help:"Make a certificate that signs itself, or show the fingerprint of one."`
	Query   queryCmd   `cmd:"" help:"Ask a running server for metrics, in PromQL."`
	Logs    logsCmd    `cmd:"" help:"Search or follow a running server's logs."`
	Alert   alertCmd   `cmd:"" help:"Show a running server's alerts, acknowledge and silence them."`
	Group   groupCmd   `cmd:"" help:"Show and command a running server's autoscaling groups."`
	Event   eventCmd   `cmd:"" help:"Mark a running server's graphs: deploys, changes, incidents."`
	Role    roleCmd    `cmd:"" help:"Show what is attached to the groups of a running server, and who is a member."`
	Roster  rosterCmd  `cmd:"" help:"Show who is in a running server's groups, with ranks and aliases."`
	Enc     encCmd     `cmd:"" help:"Say what a host is, as Puppet's external node classifier."`
	Series  seriesCmd  `cmd:"" help:"Show a running server's series and change how they are kept."`
	Set     setCmd     `cmd:"" help:"Change how a running server keeps sets, which are RRDtool's files."`
	Import  importCmd  `cmd:"" help:"Take over what other programs keep."`
	Export  exportCmd  `cmd:"" help:"Write files that other programs read."`
	Backup  backupCmd  `cmd:"" help:"Back a data directory up, list or verify backups."`
	Restore restoreCmd `cmd:"" help:"Make a data directory out of a backup."`
	Ec2sim  ec2simCmd  `cmd:"" name:"ec2sim" help:"Run the EC2 emulator alone."`
	Version versionCmd `cmd:"" help:"Show the version."`
}

// An exitError ends the program with a code of its own.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// usageCode is the exit code of a command line that is not understood.
const usageCode = 2

// exitCode is what the process ends with.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.code
	}
	return 1
}

// run is the whole program: it parses the command line and runs the command
// until that is done or ctx ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var cl commandLine
	helped := false
	parser, err := kong.New(&cl,
		kong.Name("rondo"),
		kong.Description("Metrics, logs, alerts and EC2 autoscaling in one program. `rondo demo` shows it."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { helped = true }),
		kong.UsageOnError(),
		kong.Vars(outputs()),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.BindTo(&plainWriter{w: stdout}, (*io.Writer)(nil)),
		kong.Bind(errorWriter{stderr}),
	)
	if err != nil {
		return err
	}
	if len(args) > 0 && args[0] == "help" { // rondo help series
		args = append(args[1:len(args):len(args)], "--help")
	}
	chosen, err := parser.Parse(args)
	switch {
	case helped:
		return nil
	case err != nil:
		return &exitError{usageCode, hintNumber(err, args)}
	}
	return chosen.Run()
}

// hintNumber adds to the error of a flag that is not known how to write a time
// such as -2h, or a number below zero, if that is what was taken for a flag.
func hintNumber(err error, args []string) error {
	for _, a := range args {
		if len(a) > 1 && a[0] == '-' && a[1] >= '0' && a[1] <= '9' && strings.HasPrefix(err.Error(), "unknown flag "+a[:2]) {
			return fmt.Errorf("%w; to give %s as an argument, write -- before it, and flags before that", err, a)
		}
	}
	return err
}

// errorWriter is standard error, told apart from standard output by its type.
type errorWriter struct{ io.Writer }
