package web_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"testing"

	"rondo/web"
)

var devDeps = flag.String("dev.deps", "rich", "what the fleet is like: rich, calm, empty, none or failing")

var devListen = flag.String("dev.listen", "", "serve all pages over a made-up fleet at this address until interrupted")

// TestMain serves the pages for looking at them, instead of testing them, where
// it is told an address:
//
//	go test ./web -timeout 0 -dev.listen 127.0.0.1:8090 -dev.deps calm
func TestMain(m *testing.M) {
	flag.Parse()
	if *devListen == "" {
		os.Exit(m.Run())
	}
	if err := devServe(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func devServe() error {
	cfg := web.Default()
	cfg.Listen = *devListen
	s, err := web.New(cfg, devFleet(*devDeps), quiet())
	if err != nil {
		return err
	}
	ls, err := web.Listen(cfg, "")
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return s.Run(ctx, ls...)
}

func devFleet(kind string) web.Deps {
	switch kind {
	case "empty":
		return empty()
	case "none":
		return web.Deps{}
	case "failing":
		return failing()
	case "calm":
		return calm()
	}
	return rich(14)
}
