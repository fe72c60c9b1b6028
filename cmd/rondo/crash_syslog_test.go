package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"rondo/syslogd/relp"
)

// line is a message that its id can be found by again. Its time has no more
// than six digits of a fraction: rsyslog garbles nine.
func (a *acked) line(round int) (id, line string) {
	id = fmt.Sprintf("id%d", a.number())
	return id, fmt.Sprintf("<13>1 %s round%d crash - - - message %s", time.Now().UTC().Format("2006-01-02T15:04:05.000000Z07:00"), round, id)
}

func (a *acked) noteMessages(way string, round int, ids []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.messages == nil {
		a.messages = map[string]string{}
	}
	for _, id := range ids {
		a.messages[id] = fmt.Sprintf("%s in round %d", way, round)
	}
}

// relp sends messages over RELP, a window of 20 at a time, until stop. Each
// that is answered by 200 is noted, even of a window that the kill cuts off.
func (a *acked) relp(p *proc, round int, stop chan struct{}) {
	conn, err := net.Dial("tcp", p.addr("relp"))
	if err != nil {
		return
	}
	defer conn.Close()
	reader, ids := relp.NewReader(conn, 1000), map[int]string{}
	wire := relp.AppendFrame(nil, 1, relp.Open, relp.Offers{Version: relp.Version, Commands: []string{relp.Syslog}}.String())
	for txnr := 2; !stopped(stop); txnr += 20 {
		for i := range 20 {
			id, line := a.line(round)
			ids[txnr+i] = id
			wire = relp.AppendFrame(wire, txnr+i, relp.Syslog, line)
		}
		if _, err := conn.Write(wire); err != nil {
			return
		}
		wire = wire[:0]
		for answered := 0; answered < 20; {
			frames, err := reader.Append(nil)
			var told []string
			for _, f := range frames {
				if id := ids[f.Txnr]; id != "" && f.Data == "200 OK" {
					told = append(told, id)
					answered++
				}
			}
			a.noteMessages("relp", round, told)
			if err != nil {
				return
			}
		}
	}
}

// tls sends messages over TLS, each batch on a connection of its own. The
// server's close_notify says that all is on disk. Go's client takes the end of
// the connection between two records for one, and that the kernel sends too.
func (a *acked) tls(p *proc, round int, stop chan struct{}) {
	for !stopped(stop) {
		conn, err := tls.Dial("tcp", p.addr("tls"), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			return
		}
		var ids []string
		var text strings.Builder
		for range 20 {
			id, line := a.line(round)
			ids = append(ids, id)
			fmt.Fprintf(&text, "%d %s", len(line), line)
		}
		if _, err = io.WriteString(conn, text.String()); err == nil {
			err = conn.CloseWrite()
		}
		if err == nil {
			_, err = io.Copy(io.Discard, conn)
		}
		conn.Close()
		if err == nil && !stopped(stop) {
			a.noteMessages("tls", round, ids)
		}
	}
}

// writeCertificate writes a certificate and its key to server.pem.
func writeCertificate(t testing.TB, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...)
	if err := os.WriteFile(filepath.Join(dir, "server.pem"), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestRsyslogSurvivesCrashes kills the server again and again while rsyslog
// sends over RELP. rsyslog forgets a message once it is acknowledged and sends
// all others again: so each must be there, at least once. Then rsyslog is
// killed in the middle, which must do no harm to what came before.
func TestRsyslogSurvivesCrashes(t *testing.T) {
	if !havePeer("rsyslogd") {
		t.Skip("SKIPPED: rsyslogd is missing: run .ci/deps")
	}
	const kills, each = 5, 2000
	p := newProc(t, crashConfig)
	p.start()
	rsyslog := startRsyslog(t, p)
	feed, err := net.Dial("tcp", rsyslog.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	told, counts := acked{}, map[string]int{}
	for range kills {
		var ids []string
		var text strings.Builder
		for range each {
			id, line := told.line(0)
			ids = append(ids, id)
			text.WriteString(line + "\n")
		}
		if _, err := io.WriteString(feed, text.String()); err != nil {
			t.Fatal(err)
		}
		told.noteMessages("rsyslog", 0, ids)
		time.Sleep(mathrand.N(200 * time.Millisecond)) // in the middle of it
		p.kill()
		p.start()
	}
	for end := time.Now().Add(patience); len(counts) < kills*each && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		clear(counts)
		countMessages(t, p, "host:round0", counts)
	}
	lost := 0
	for id := range told.messages {
		if counts[id] == 0 {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("of %d messages %d are lost", len(told.messages), lost)
	}
	_, line := told.line(1)
	if _, err := io.WriteString(feed, strings.Repeat(line+"\n", each)); err != nil {
		t.Fatal(err)
	}
	if err := rsyslog.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := sendAndWait(p.addr("syslog"), "<13>1 - after crash - - - message after\n"); err != nil {
		t.Fatal(err)
	}
	clear(counts)
	countMessages(t, p, "host:after", counts)
	if counts["after"] != 1 {
		t.Errorf("nothing is taken after rsyslog has died: %v", counts)
	}
	p.stop()
}

type rsyslogProc struct {
	cmd  *exec.Cmd
	addr string // where it takes lines
}

// startRsyslog runs an rsyslog that passes on what it gets over RELP.
func startRsyslog(t *testing.T, p *proc) rsyslogProc {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	_, relpPort, _ := net.SplitHostPort(p.addr("relp"))
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	cmd := startSyslogPeer(t, "rsyslogd", fmt.Sprintf(`
		global(workDirectory="%s")
		module(load="imtcp")
		module(load="omrelp")
		input(type="imtcp" address="127.0.0.1" port="%d")
		action(type="omrelp" target="127.0.0.1" port="%s" template="RSYSLOG_SyslogProtocol23Format"
			action.resumeInterval="1" action.resumeRetryCount="-1" queue.type="LinkedList" queue.size="50000")
	`, p.dir, port, relpPort), addr)
	return rsyslogProc{cmd, addr}
}

// loki pushes lines as Loki's clients do, 20 at a time, until stop. Those of a
// push that is answered by 204 are noted, whenever the answer comes.
func (a *acked) loki(p *proc, round int, stop chan struct{}) {
	for !stopped(stop) {
		var ids []string
		values := [][2]string{}
		for range 20 {
			ids = append(ids, fmt.Sprintf("id%d", a.number()))
			values = append(values, [2]string{strconv.FormatInt(time.Now().UnixNano(), 10), "message " + ids[len(ids)-1]})
		}
		if pushLoki(p.url("/loki/api/v1/push"), fmt.Sprintf("round%d", round), values) == nil {
			a.noteMessages("loki", round, ids)
		}
	}
}

// pushLoki pushes lines of a host, and returns nil if they are acknowledged.
func pushLoki(url, host string, values [][2]string) error {
	type stream struct {
		Stream map[string]string `json:"stream"`
		Values [][2]string       `json:"values"`
	}
	body, err := json.Marshal(map[string][]stream{"streams": {{map[string]string{"host": host, "job": "crash"}, values}}})
	if err != nil {
		return err
	}
	resp, err := http.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		return errors.New(resp.Status)
	}
	return nil
}
