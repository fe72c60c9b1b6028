package roster

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rondo/alerts/state"
	"rondo/autoscale"
)

func TestEditHosts(t *testing.T) {
	f := func(file, want string) {
		t.Helper()
		got, err := EditHosts([]byte(file), "10.0.0.1\tweb-1\n")
		text := string(got)
		if err != nil {
			text = "error"
		}
		if d := cmp.Diff(want, text); d != "" {
			t.Errorf("%q: %s", file, d)
		}
	}
	block := "# rondo begin\n10.0.0.1\tweb-1\n# rondo end\n"
	f("", block)
	f("127.0.0.1 localhost\n", "127.0.0.1 localhost\n"+block)
	f("127.0.0.1 localhost", "127.0.0.1 localhost\n"+block)
	f("a\r\n# rondo begin\r\nold\r\n# rondo end \r\nb", "a\r\n"+block+"b")
	f("# rondo begin\n# rondo end", block)
	f("## rondo begin\n", "## rondo begin\n"+block)
	for _, bad := range []string{"# rondo begin\n", "# rondo end\n", "# rondo end\n# rondo begin\n", "# rondo begin\n# rondo begin\n# rondo end\n", block + block, block + "# rondo end\n"} {
		f(bad, "error")
	}
}

// Nothing but the block is changed, and what was written is found again.
func FuzzEditHosts(f *testing.F) {
	f.Add([]byte("127.0.0.1 localhost\n# rondo begin\nx\n# rondo end\nend"))
	f.Add([]byte("a\r\n# rondo end\n# rondo begin"))
	f.Fuzz(func(t *testing.T, file []byte) {
		before := bytes.Clone(file)
		once, err := EditHosts(file, "one\n")
		if err != nil {
			return
		}
		twice, err := EditHosts(once, "two\n")
		if err != nil || !bytes.Equal(file, before) {
			t.Fatalf("%q: %v", once, err)
		}
		mine := []byte(blockBegin + "\ntwo\n" + blockEnd + "\n")
		head, tail, found := bytes.Cut(twice, mine)
		if !found || !bytes.HasPrefix(append(bytes.Clone(file), '\n'), head) || !bytes.HasSuffix(file, tail) {
			t.Fatalf("%q became %q", file, twice)
		}
		if again, err := EditHosts(twice, "two\n"); err != nil || !bytes.Equal(again, twice) {
			t.Fatalf("%q became %q, %v", twice, again, err)
		}
	})
}

func TestHostsLines(t *testing.T) {
	ms := Of(nil, []string{"web", "db"}, []autoscale.Membership{groupOf("web", "a:i b:s c:p"), groupOf("db", "d:i")})
	ms = append(ms, Member{Group: "odd", Rank: 1, Alias: "odd-1", ID: "a b # c", PrivateIP: "::1", Phase: autoscale.InService}, Member{Group: "odd", Rank: 2, PrivateIP: "nowhere"})
	ms = append(ms, Member{Group: "odd", Rank: 3, Alias: "odd-3\n10.0.0.1 bank", PrivateIP: "::3"}) // a server could say that
	want := "10.0.0.100\tdb-1 db d\n10.0.0.97\tweb-1 web a\n::1\todd-1 odd\n"
	if d := cmp.Diff(want, HostsLines(ms)); d != "" {
		t.Error(d)
	}
}

func TestReplace(t *testing.T) {
	dir := t.TempDir()
	target := Target{Path: filepath.Join(dir, "hosts")}
	put := func(text, want string) {
		t.Helper()
		changed, err := target.Replace([]byte(text), nil)
		got := map[bool]string{true: "changed", false: "same"}[changed]
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	mode := func(path string, want os.FileMode) {
		t.Helper()
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%v %v", info.Mode(), err)
		}
	}
	if err := os.Symlink("/nonexistent", filepath.Join(dir, ".hosts.rondo")); err != nil { // somebody's trap, or left over
		t.Fatal(err)
	}
	put("one", "changed")
	put("one", "same")
	mode(target.Path, 0o644)
	if err := os.Chmod(target.Path, 0o640); err != nil {
		t.Fatal(err)
	}
	put("two", "changed")
	mode(target.Path, 0o640)
	target.Mode = 0o600
	put("three", "changed")
	mode(target.Path, 0o600)
	real := target.Path
	target.Path = filepath.Join(dir, "link")
	if err := os.Symlink(real, target.Path); err != nil {
		t.Fatal(err)
	}
	put("four", "is a symbolic link")
	target.Path = dir
	put("four", "is no plain file")
	if text, err := os.ReadFile(real); err != nil || string(text) != "three" {
		t.Errorf("%s %v", text, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("left over: %v %v", left, err)
	}
}

// TestKeeper: a file is written when its members change, is looked at before it
// is in place, and the program after it runs until it succeeds, once for each
// content, over restarts too.
func TestKeeper(t *testing.T) {
	dir := t.TempDir()
	path, log := filepath.Join(dir, "servers"), filepath.Join(dir, "log")
	store := state.NewMemory()
	r := open(t, store)
	conf := FileConfig{
		Path: path, Template: "haproxy", Groups: []string{"web"}, Port: 8080, Mode: "0640",
		Before: []string{"/bin/sh", "-c", `grep -q server "$1"`, "sh", "{file}"},
		After:  []string{"/bin/sh", "-c", `test ! -e ` + dir + `/down && wc -l < "$RONDO_FILE" >> ` + log},
	}
	refresh := func(want string) {
		t.Helper()
		if err := ValidateFiles([]FileConfig{conf}); err != nil {
			t.Fatal(err)
		}
		k, err := NewKeeper([]FileConfig{conf}, nil, r, store, slog.New(slog.DiscardHandler)) // as after a restart
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := k.refresh(t.Context(), k.files[0]); err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	read := func(file, want string) {
		t.Helper()
		text, _ := os.ReadFile(file)
		if d := cmp.Diff(want, string(text)); d != "" {
			t.Error(d)
		}
	}
	update := func(text string) {
		r.update(t.Context(), Source{Groups: []string{"web"}}, []autoscale.Membership{groupOf("web", text)})
	}
	refresh("")
	read(path, "") // nothing is known yet
	update("a:i")
	refresh("")
	read(path, "server web-1 10.0.0.97:8080 check\n")
	refresh("")
	read(log, "1\n")
	update("a:i b:i")
	if err := os.WriteFile(filepath.Join(dir, "down"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refresh("after: /bin/sh: exit status 1")
	if err := os.Remove(filepath.Join(dir, "down")); err != nil {
		t.Fatal(err)
	}
	refresh("")
	refresh("")
	read(log, "1\n2\n")
	update("a:i b:i c:i")
	if err := os.WriteFile(filepath.Join(dir, "down"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refresh("after: /bin/sh: exit status 1") // which may have taken effect all the same
	if err := os.Remove(filepath.Join(dir, "down")); err != nil {
		t.Fatal(err)
	}
	update("a:i b:i c:d")
	refresh("") // the content that was there before
	read(log, "1\n2\n2\n")
	update("a:d b:d")
	refresh("before: /bin/sh: exit status 1")
	read(path, "server web-1 10.0.0.97:8080 check\nserver web-2 10.0.0.98:8080 check\n")
}

func TestTemplates(t *testing.T) {
	ms := Of(nil, []string{"web", "db"}, []autoscale.Membership{groupOf("web", "a:i b:i"), groupOf("db", "c:i")})
	file := filepath.Join(t.TempDir(), "template")
	f := func(text, want string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		tm, err := parse(file)
		var out []byte
		if err == nil {
			out, err = render(tm, Data{Version: 7, Members: ms, Port: 80, Groups: []string{"web"}})
		}
		got := string(out)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	f(`{{range serving "web"}}{{.Alias}}={{address .}}:{{port}} {{end}}v{{version}}`, "web-1=10.0.0.97:80 web-2=10.0.0.98:80 v7")
	f(`{{with first "db"}}{{.ID}}{{end}}{{with first "none"}}x{{end}}`, "c")
	f(`{{json (first "db").Alias}} {{len (members "")}} {{join "," .Groups}}`, `"db-1" 3 web`)
	f("{{.Nothing}}", "can't evaluate field Nothing")
	f("{{", "unclosed action")
	f(`{{range 5000}}{{range 1000}}x{{end}}{{end}}`, "longer than 4 MiB")
	for _, name := range []string{"hosts", "inventory", "inventory-json", "haproxy", "nginx"} {
		if err := CheckFiles([]FileConfig{{Template: name, Groups: []string{"web"}}}); err != nil {
			t.Error(err)
		}
	}
	if err := CheckFiles([]FileConfig{{Template: "servers"}}); err == nil || !strings.Contains(err.Error(), `files: 1: template: "servers": want hosts,`) {
		t.Error(err)
	}
}

func TestInventory(t *testing.T) {
	ms := Of(nil, []string{"web", "all"}, []autoscale.Membership{groupOf("web", "a:i b:p"), groupOf("all", "c:i")})
	ms[0].Zone, ms[0].Host = "rack 7", "c\n[web]"
	text, err := json.MarshalIndent(InventoryOf(ms), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Meta struct{ Hostvars map[string]map[string]any } `json:"_meta"`
		All  struct{ Children []string }
		Web  struct{ Hosts []string }
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"ungrouped", "all_group", "web"}, got.All.Children); d != "" || got.Web.Hosts[0] != "web-1" || len(got.Web.Hosts) != 1 ||
		got.Meta.Hostvars["web-1"]["ansible_host"] != "10.0.0.97" {
		t.Errorf("%s %s", text, d)
	}
	want := "[all_group]\nall-1 ansible_host=10.0.0.99 rondo_address=10.0.0.99 rondo_alias=all-1 rondo_group=all rondo_host=c_[web] rondo_id=c rondo_phase=in-service rondo_rank=1 rondo_zone='rack 7'\n" +
		"[web]\nweb-1 ansible_host=10.0.0.97 rondo_address=10.0.0.97 rondo_alias=web-1 rondo_group=web rondo_id=a rondo_phase=in-service rondo_rank=1\n"
	if d := cmp.Diff(want, InventoryOf(ms).INI()); d != "" {
		t.Error(d)
	}
}

func TestClassify(t *testing.T) {
	ms := Of(nil, []string{"web-a", "db"}, []autoscale.Membership{groupOf("web-a", "a:i b:p"), groupOf("db", "c:i")})
	classes := []ClassConfig{{Group: "db", Classes: []string{"postgres"}, Parameters: map[string]string{"port": "5432", "name": "it is", "rondo_id": "forged"}, Environment: "production"}}
	n, ok := Classify(ms, classes, "c")
	if !ok || n.Environment != "production" || n.Classes[0] != "postgres" || n.Parameters["port"] != int64(5432) || n.Parameters["name"] != "it is" || n.Parameters["rondo_id"] != "c" {
		t.Errorf("%v", n)
	}
	n, ok = Classify(ms, classes, "10.0.0.98") // launched, and not heard of yet
	if !ok || n.Classes[0] != "role::web_a" || n.Parameters["rondo_first"] != "web-a-1" || n.Parameters["rondo_rank"] != nil {
		t.Errorf("%v", n)
	}
	if _, ok := Classify(ms, classes, "nobody"); ok {
		t.Error("nobody is classified")
	}
}
