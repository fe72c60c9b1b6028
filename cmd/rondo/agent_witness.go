package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"rondo/alerts/deadman"
	"rondo/alerts/state"
)

// A witnessConfig is the agent's section "witness": a server that it watches,
// and who is told when that stops answering.
type witnessConfig struct {
	Watch     deadman.WitnessConfig `yaml:",inline"`
	Receivers []receiverConfig      `yaml:"receivers"`
}

func (c *witnessConfig) validate() error {
	if c.Watch.URL == "" {
		if len(c.Receivers) > 0 {
			return errors.New("url: which server is watched? --witness=URL, or url: here")
		}
		return nil
	}
	errs := []error{c.Watch.Validate()}
	if len(c.Receivers) == 0 {
		errs = append(errs, errors.New("receivers: nobody would be told: want at least one, in the configuration file"))
	}
	seen := make(map[string]bool)
	for i := range c.Receivers {
		r := &c.Receivers[i]
		key := fmt.Sprintf("receivers: %d", i+1)
		k, err := r.kind()
		switch {
		case err == nil && (k.build == nil || r.Exec != nil):
			err = errors.New("want webhook, pagerduty, slack, email or sns")
		case seen[r.Name]:
			err = fmt.Errorf("name: %q is there twice", r.Name)
		}
		seen[r.Name] = true
		errs = append(errs, prefixed(key, r.validate()), prefixed(key, err))
	}
	return errors.Join(errs...)
}

// build makes the witness, which keeps what it has told in the agent's data
// directory.
func (c *witnessConfig) build(data string, log *slog.Logger) (*deadman.Witness, error) {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, fmt.Errorf("agent: data directory: %w", err)
	}
	var to []deadman.Receiver
	for i := range c.Receivers {
		r := &c.Receivers[i]
		k, err := r.kind()
		if err != nil {
			return nil, err
		}
		s, err := k.build(senderEnv{name: r.Name, store: state.NewMemory(), log: log})
		if err != nil {
			return nil, fmt.Errorf("agent: witness: receiver %s: %w", r.Name, err)
		}
		to = append(to, deadman.Receiver{Name: r.Name, Sender: s})
	}
	return deadman.NewWitness(c.Watch, to, filepath.Join(data, "witness.json"), log)
}

// runWitness is the whole of an agent that has no server, but watches one.
func runWitness(ctx context.Context, conf *agentConfig, log *slog.Logger) error {
	w, err := conf.Witness.build(conf.Data, log)
	if err != nil {
		return err
	}
	log.Info("witness runs", "version", release, "server", conf.Witness.Watch.URL, "data", conf.Data)
	return w.Run(ctx)
}
