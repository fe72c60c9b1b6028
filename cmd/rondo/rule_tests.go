package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"rondo/alerts/ruletest"
)

// alertTestCmd runs unit tests of rules.
type alertTestCmd struct {
	Files []string `arg:"" type:"existingfile" help:"Test files, as promtool test rules takes them."`
}

func (alertTestCmd) Help() string {
	return `Examples:
  rondo alert test disk.test.yml

The rule files that a test names are looked for from its folder on.`
}

// errTestsFailed is what a run ends with in which a test failed; which has been
// printed.
var errTestsFailed = errors.New("alert test: not all tests passed")

// Run runs all files and prints what failed.
func (c alertTestCmd) Run(ctx context.Context, out io.Writer) error {
	failed := false
	for _, file := range c.Files {
		fmt.Fprintln(out, "Unit Testing: ", file)
		failures, err := runTestFile(ctx, file)
		switch {
		case err != nil:
			fmt.Fprintf(out, "  FAILED:\n    %v\n", err)
		case len(failures) > 0:
			fmt.Fprintln(out, "  FAILED:")
			for _, f := range failures {
				fmt.Fprintf(out, "    test %s:\n    %s\n", f.Test, f.What)
			}
		default:
			fmt.Fprintln(out, "  SUCCESS")
		}
		failed = failed || err != nil || len(failures) > 0
	}
	if failed {
		return errTestsFailed
	}
	return nil
}

func runTestFile(ctx context.Context, file string) ([]ruletest.Failure, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("alert test: %w", err)
	}
	tree, err := parseTree(file, text)
	if err != nil {
		return nil, err
	}
	tree.asWritten()
	var tests ruletest.File
	if err := decode(tree, &tests); err != nil {
		return nil, err
	}
	if err := tests.Validate(); err != nil {
		return nil, err
	}
	rules, err := readRuleFiles(filepath.Dir(file), tests.RuleFiles)
	if err != nil {
		return nil, err
	}
	return ruletest.Run(ctx, tests, rules), nil
}
