package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// imports measures `rondo import rrd` of the classic file, 200 KB with one
// data source, three functions and four spans, beside one rrdtool process
// that dumps the same files, which is where a conversion begins.
func (t *table) imports(b *testing.B) {
	const files = 1000
	path, err := exec.LookPath("rrdtool")
	if err != nil {
		b.Skip("NOT COMPARED WITH RRDTOOL: it is not installed")
	}
	dir := b.TempDir()
	tool := startDumper(b, path)
	classic := filepath.Join(dir, "s0.rrd")
	create := "create " + classic + " --start 1700000000 --step 60 DS:value:GAUGE:120:U:U"
	for _, cf := range []string{"AVERAGE", "MIN", "MAX"} {
		for _, a := range []string{"1:1440", "5:2016", "30:1488", "120:4380"} {
			create += fmt.Sprintf(" RRA:%s:0.5:%s", cf, a)
		}
	}
	tool.do(create)
	var updates strings.Builder
	for i := range 1500 {
		fmt.Fprintf(&updates, " %d:%.2f", 1_700_000_060+60*i, 100+float64(i*i%997)/7)
	}
	tool.do("update " + classic + updates.String())
	raw, err := os.ReadFile(classic)
	if err != nil {
		b.Fatal(err)
	}
	for i := 1; i < files; i++ {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("s%d.rrd", i)), raw, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	began := time.Now()
	for i := range files / 5 {
		tool.do("dump " + filepath.Join(dir, fmt.Sprintf("s%d.rrd", i)))
	}
	peer := files / 5 / time.Since(began).Seconds()
	p := newProc(b, crashConfig)
	p.start()
	before := p.cpu()
	began = time.Now()
	if out, err := exec.Command("rondo", "import", "rrd", dir, "--data", filepath.Join(p.dir, "data")).CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	took := time.Since(began)
	t.add("import of .rrd files, 200 KB each", fmt.Sprintf("rrdtool dump %.0f/s", peer), files/took.Seconds(), "/s", goal{})
	t.note("server's CPU %.2f ms per file", float64(p.cpu()-before)/1e6/files)
	p.stop()
}

// A dumper is an rrdtool process that takes commands from a pipe.
type dumper struct {
	b   *testing.B
	in  io.Writer
	out *bufio.Reader
}

func startDumper(b *testing.B, path string) *dumper {
	cmd := exec.Command(path, "-")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	return &dumper{b, in, bufio.NewReaderSize(out, 1<<16)}
}

// do runs a command and reads its output.
func (d *dumper) do(command string) {
	d.b.Helper()
	if _, err := io.WriteString(d.in, command+"\n"); err != nil {
		d.b.Fatal(err)
	}
	for {
		line, err := d.out.ReadString('\n')
		switch {
		case err != nil || strings.HasPrefix(line, "ERROR"):
			d.b.Fatalf("rrdtool: %v: %s", err, line)
		case strings.HasPrefix(line, "OK "):
			return
		}
	}
}
