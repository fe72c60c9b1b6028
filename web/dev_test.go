package web_test

import (
	"context"
	"flag"
	"net"
	"os"
	"os/signal"
	"testing"

	"rondo/web"
)

var devDeps = flag.String("dev.deps", "rich", "what the fleet is like: rich, calm, empty, none or failing")

var devListen = flag.String("dev.listen", "", "serve all pages over a made-up fleet at this address until interrupted")

// TestDevServer is for looking at the pages:
//
//	go test ./web -run TestDevServer -timeout 0 -dev.listen 127.0.0.1:8090
func TestDevServer(t *testing.T) {
	if *devListen == "" {
		t.Log("set -dev.listen to look at the pages; nothing to check here")
		return
	}
	cfg := web.Default()
	cfg.Listen = *devListen
	s, err := web.New(cfg, devFleet(*devDeps), quiet())
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := s.Run(ctx, l); err != nil {
		t.Fatal(err)
	}
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
