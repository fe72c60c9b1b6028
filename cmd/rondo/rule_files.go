package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"rondo/alerts/promrule"
	"rondo/syslogd/valid"
)

// maxRuleFile bounds a rule file, in bytes.
const maxRuleFile = 4 << 20

// readRuleFiles reads the Prometheus rule files that the configuration names,
// from a folder on, each once, in the order of their names.
func readRuleFiles(dir string, patterns []string) ([]promrule.Source, error) {
	var out []promrule.Source
	files, err := ruleFiles(dir, patterns)
	errs := []error{err}
	for _, name := range files {
		f, err := readRuleFile(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out = append(out, promrule.Source{Path: name, File: f})
	}
	return out, errors.Join(errs...)
}

// ruleFiles are the files that patterns match. A pattern may match nothing, a
// plain name may not.
func ruleFiles(dir string, patterns []string) ([]string, error) {
	var all []string
	var errs []error
	for _, p := range patterns {
		full := p
		if !filepath.IsAbs(p) {
			full = filepath.Join(dir, p)
		}
		found, err := filepath.Glob(full)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("rule_files: %q: %w", p, err))
		case len(found) == 0 && !strings.ContainsAny(p, `*?[\`):
			errs = append(errs, fmt.Errorf("rule_files: %q: no such file", full))
		}
		all = append(all, found...)
	}
	slices.Sort(all)
	return slices.Compact(all), errors.Join(errs...)
}

func readRuleFile(name string) (promrule.File, error) {
	f, err := os.Open(name)
	if err != nil {
		return promrule.File{}, fmt.Errorf("rule_files: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxRuleFile+1))
	if err == nil && len(text) > maxRuleFile {
		err = fmt.Errorf("more than %d bytes", maxRuleFile)
	}
	if err != nil {
		return promrule.File{}, fmt.Errorf("rule_files: %s: %w", name, err)
	}
	return parseRuleFile(name, text)
}

// parseRuleFile reads a rule file and says all that is wrong with it, each with
// its place. What looks like a variable of the environment is text: templates
// have such.
func parseRuleFile(name string, text []byte) (promrule.File, error) {
	var f promrule.File
	root, err := parseTree(name, text)
	if err != nil {
		return f, err
	}
	root.asWritten()
	if err := decode(root, &f); err != nil {
		return f, err
	}
	var errs []error
	for _, e := range valid.Errors(f.Validate()) {
		at, ok := root.followed(e.Error())
		if !ok {
			at = root.at
		}
		errs = append(errs, fmt.Errorf("%s: %w", at, e))
	}
	return f, errors.Join(errs...)
}

// asWritten takes back what variables of the environment were replaced with.
func (n *node) asWritten() {
	n.text, n.unset = n.written, nil
	for _, e := range n.entries {
		e.value.asWritten()
	}
	for _, it := range n.items {
		it.asWritten()
	}
}
